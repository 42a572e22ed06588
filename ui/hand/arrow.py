"""The arrow to the next field, as the picture shows it, or as the hand has to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui.kit.labels import colours_of, with_micro_sign

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from hcc_scope.by_hand import Guidance

__all__ = ["ArrowSign"]

_SIDE_PX = 64
_SHAFT = ((-0.46, -0.1), (0.04, -0.1), (0.04, -0.34), (0.46, 0.0), (0.04, 0.34), (0.04, 0.1), (-0.46, 0.1))
"""An arrow to the right, in shares of the side around the centre."""


class ArrowSign(QWidget):
    """An arrow while there is a way to go, a ring with a disc at the target, a ring with a dash without a position."""

    def __init__(self) -> None:
        super().__init__()
        self._guidance: Guidance | None = None
        self._side_px = _SIDE_PX
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Arrow to the next field")

    def set_side_px(self, side_px: int) -> None:
        """Take another size."""
        if side_px != self._side_px:
            self._side_px = side_px
            self.updateGeometry()

    def show_guidance(self, guidance: Guidance | None) -> None:
        """Show the way to the target; None for no target."""
        if guidance == self._guidance:
            return
        self._guidance = guidance
        self.setAccessibleDescription("" if guidance is None else with_micro_sign(guidance.text))
        self.update()

    @property
    def sign(self) -> str:
        """What is painted: nothing, ``arrow``, ``target`` or ``unknown``."""
        guidance = self._guidance
        if guidance is None:
            return ""
        if guidance.within:
            return "target"
        return "unknown" if guidance.arrow_fields is None or guidance.arrow_fields == (0.0, 0.0) else "arrow"

    @property
    def degrees(self) -> float:
        """The direction of the arrow: 0 to the right, 90 down."""
        return 0.0 if self._guidance is None else self._guidance.arrow_deg

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a square."""
        return QSize(self._side_px, self._side_px)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the same: the arrow is never squeezed."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the sign."""
        del event
        sign = self.sign
        if not sign:
            return
        c = colours_of(self)
        side = min(self.width(), self.height())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(self.width() / 2, self.height() / 2)
        if sign == "arrow":
            painter.rotate(self.degrees)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.accent))
            painter.drawPolygon(QPolygonF([QPointF(x * side, y * side) for x, y in _SHAFT]))
        else:
            colour = QColor(c.good if sign == "target" else c.text_muted)
            radius = 0.4 * side
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, 0.09 * side))
            painter.drawEllipse(QRectF(-radius, -radius, 2 * radius, 2 * radius))
            if sign == "target":
                painter.setBrush(colour)
                painter.drawEllipse(QRectF(-radius / 4, -radius / 4, radius / 2, radius / 2))
            else:
                painter.drawLine(QPointF(-radius / 2.5, 0), QPointF(radius / 2.5, 0))
        painter.end()
