"""The bar of the focus coach: how sharp the image is, relative to the best that was seen, and where to turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from hcc_scope.formatting import capital, percent
from ui.kit.labels import announce, describe
from ui.kit.symbols import SignedLine
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.focus.trend import TrendState, TrendView
    from ui.kit.symbols import Shape

__all__ = ["CoachBar"]

_SHAPES: dict[TrendState, Shape] = {
    "no_structure": "unknown",
    "steady": "busy",
    "rising": "high",
    "falling": "low",
    "past_best": "warning",
    "best": "good",
}
_TIP = (
    "Sharpness of the image relative to the best that was seen here, by the measure of the autofocus.\n"
    "Turn the focus slowly through the best and back to it. Start again at another place."
)
_WIDTH_CHARACTERS = 26


class CoachBar(QWidget):
    """Shows how the focus goes while it is turned by hand."""

    restarted = Signal()
    """The operator asks to forget the best that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Focus coach")
        self._state: TrendState | None = None
        self._bar = QProgressBar()
        self._bar.setRange(0, 100)
        self._bar.setFormat("%p %")
        describe(self._bar, "Sharpness relative to the best seen", _TIP)
        self._line = SignedLine("Where to turn the focus")
        self._line.setToolTip(_TIP)
        self._line.setMinimumWidth(_WIDTH_CHARACTERS * self.fontMetrics().averageCharWidth())
        again = QPushButton("Start again")
        describe(again, "Start the focus coach again", "Forgets the best that was seen: at another place, for example.")
        again.clicked.connect(self.restarted)
        again.clicked.connect(self.clear)
        title = QLabel("Focus")
        title.setToolTip(_TIP)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(title)
        layout.addWidget(self._bar, 1)
        layout.addWidget(self._line)
        layout.addWidget(again)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.clear()

    def clear(self) -> None:
        """Show that nothing was seen yet."""
        self._state = None
        self._bar.setValue(0)
        self._line.show_line("unknown", "Turn the focus slowly")

    def show_trend(self, view: TrendView) -> None:
        """Show how the focus is now; cheap enough for every frame. A screen reader reads a change of state only."""
        self._bar.setValue(round(100 * view.fraction))
        self._bar.setAccessibleDescription(f"{percent(view.fraction)}. {_TIP}")
        if view.state == self._state:
            return
        self._state = view.state
        self._line.show_line(_SHAPES[view.state], capital(view.text))
        if view.state in ("past_best", "best"):
            announce(self._line, capital(view.text), urgent=False)
