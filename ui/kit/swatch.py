"""A small square with a pattern, and words beside it: one entry of a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui.kit.labels import colours_of
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent

    from ui.kit.theme import Colours

__all__ = ["Swatch"]


class Swatch(QWidget):
    """Paints the square, and the words if there are any.

    Parameters
    ----------
    paint : callable
        Paints the pattern into a square, with its border.
    side_px : int, optional
        Of the square; as high as a capital letter if not given.
    widest : str
        Words that there is always room for, so that a row does not move when a number in them changes.
    """

    def __init__(
        self, paint: Callable[[QPainter, QRectF, Colours], None], *, side_px: int | None = None, widest: str = ""
    ) -> None:
        super().__init__()
        self._paint = paint
        self._side_px = side_px
        self._widest = widest
        self._text = ""
        self._muted = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_text(self, text: str, *, muted: bool = False) -> None:
        """Show other words beside the square, in the quiet colour if they matter less."""
        if (text, muted) != (self._text, self._muted):
            self._text, self._muted = text, muted
            self.update()

    def _side(self) -> int:
        return self.fontMetrics().ascent() if self._side_px is None else self._side_px

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for the square and the widest words."""
        side = self._side()
        if not self._widest:
            return QSize(side, side)
        width = self.fontMetrics().horizontalAdvance(self._widest)
        return QSize(side + GRID_PX + width, max(self.fontMetrics().height(), side) + 4)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the square, then the words."""
        painter = QPainter(self)
        c, side = colours_of(self), self._side()
        self._paint(painter, QRectF(0, (self.height() - side) // 2, side, side), c)
        if self._text:
            painter.setPen(QColor(c.text_muted if self._muted else c.text))
            painter.drawText(
                QRectF(side + GRID_PX, 0, self.width(), self.height()),
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
                self._text,
            )
        painter.end()
