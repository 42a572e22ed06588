"""The focus of the live picture: its number, its course since the stage rests, and whether the best is past."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from hcc_scope.formatting import capital, percent
from ui.kit.labels import announce, colours_of, describe
from ui.kit.symbols import SignedLine
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from hcc_scope.focus.trend import TrendState, TrendView
    from ui.kit.mode import ModeName
    from ui.kit.symbols import Shape

__all__ = ["CoachBar", "FocusCourse"]

_SHAPES: dict[TrendState, Shape] = {
    "no_structure": "unknown",
    "steady": "busy",
    "rising": "high",
    "falling": "low",
    "past_best": "warning",
    "best": "good",
}
_TIP = (
    "The number is the focus measure of the tiles with tissue; the line is the sharpness relative to the best\n"
    "that was seen here. Turn the focus slowly through the best and back to it. Start again at another place."
)
_WIDTH_CHARACTERS = 26
_NARROW_PX = 14 * GRID_PX
_ANY_PX = 16_777_215
"""Qt's greatest width: no limit."""
_AGAIN = "Start again"
_NAME = "Sharpness relative to the best seen"


class FocusCourse(QWidget):
    """The number, and a line of the sharpness over the last looks; its upper edge is the best that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self._number = ""
        self._course: tuple[float, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        describe(self, _NAME, _TIP)

    @property
    def course(self) -> tuple[float, ...]:
        """The sharpness of the looks that are drawn, 0 to 1."""
        return self._course

    def show_course(self, number: str, course: Sequence[float]) -> None:
        """Show another course; cheap enough for every picture."""
        self._number, self._course = number, tuple(course)
        now = f"{percent(course[-1])} of the best seen here" if course else "nothing was measured yet"
        measure = f"Focus measure {number}, " if number else ""
        self.setAccessibleDescription(f"{measure}{now}. {_TIP}")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for a line of text."""
        metrics = self.fontMetrics()
        return QSize(metrics.averageCharWidth() * 24, metrics.height() + GRID_PX)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Do with the numbers and a short line."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("0.000  100 %") + 4 * GRID_PX, metrics.height() + GRID_PX // 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint number, line and share."""
        c, metrics = colours_of(self), self.fontMetrics()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.palette().text().color())
        left = metrics.horizontalAdvance("0.000") + GRID_PX
        right = metrics.horizontalAdvance("100 %") + GRID_PX
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | middle, self._number or "–")
        if self._course:
            share = f"{math.floor(100 * self._course[-1])} %"  # 100 % is the best itself
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | middle, share)
            plot = QRectF(left, 3, max(1, self.width() - left - right), self.height() - 6)
            painter.setPen(QPen(QColor(c.border), 1))
            painter.drawLine(plot.topLeft(), plot.topRight())
            painter.drawLine(plot.bottomLeft(), plot.bottomRight())
            step = plot.width() / max(1, len(self._course) - 1)
            points = [
                QPointF(plot.left() + i * step, plot.bottom() - share * plot.height())
                for i, share in enumerate(self._course)
            ]
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.drawPolyline(QPolygonF(points))
            painter.setBrush(QColor(c.accent))
            painter.drawEllipse(points[-1], 2.5, 2.5)
        painter.end()


class CoachBar(QWidget):
    """Shows how the focus goes while it is turned."""

    restarted = Signal()
    """The operator asks to forget the best that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Focus coach")
        self._state: TrendState | None = None
        self._course = FocusCourse()
        self._line = SignedLine("Where to turn the focus")
        self._line.setToolTip(_TIP)
        self._line.setMinimumWidth(_WIDTH_CHARACTERS * self.fontMetrics().averageCharWidth())
        self._again = again = QPushButton(_AGAIN)
        describe(again, "Start the focus coach again", "Forgets the best that was seen: at another place, for example.")
        again.clicked.connect(self.restarted)
        again.clicked.connect(self.clear)
        title = QLabel("Focus")
        title.setToolTip(_TIP)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(title)
        layout.addWidget(self._course, 1)
        layout.addWidget(self._line, 1)
        layout.addWidget(again)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.clear()

    def set_mode(self, mode: ModeName) -> None:
        """Use words on the button, or in Operator mode, where two views stand side by side, a sign."""
        self._again.setText(_AGAIN if mode == "expert" else "↺")
        self._again.setMaximumWidth(_ANY_PX if mode == "expert" else 4 * GRID_PX)
        self._line.setMinimumWidth(
            _WIDTH_CHARACTERS * self.fontMetrics().averageCharWidth() if mode == "expert" else _NARROW_PX
        )

    def clear(self) -> None:
        """Show that nothing was seen yet."""
        self._state = None
        self._course.show_course("", ())
        self._line.show_line("unknown", "Turn the focus slowly")

    def show_trend(self, view: TrendView, number: str = "", course: Sequence[float] = ()) -> None:
        """Show how the focus is now; cheap enough for every frame. A screen reader reads a change of state only.

        Parameters
        ----------
        view : TrendView
        number : str
            The focus measure; empty where there is nothing to judge.
        course : sequence of float
            Sharpness of the looks so far, relative to the best; the newest last.
        """
        self._course.show_course(number, course)
        if view.state == self._state:
            return
        self._state = view.state
        self._line.show_line(_SHAPES[view.state], capital(view.text))
        if view.state in ("past_best", "best"):
            announce(self._line, capital(view.text), urgent=False)
