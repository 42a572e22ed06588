"""The buttons of a section by hand: what can be asked for in its present phase."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from hcc_scope.by_hand import SkipReason
from ui.kit.controls import ViewButton, action_button, control_row
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction

    from hcc_scope.by_hand import HandPhase
    from ui.kit.mode import ModeName

__all__ = ["StepName", "Steps"]

StepName = Literal[
    "capture", "undo", "keep", "automatic", "island", "corner", "close_outline", "draw_fields", "drive_again"
]
"""What an operator asks for by one button; skipping has a reason with it."""

_TEXTS: dict[StepName, tuple[str, str, str]] = {
    "capture": (
        "Capture",
        "Capture the field as soon as it is fit: Space, Enter or the foot switch",
        "P",
    ),
    "undo": (
        "Undo last",
        "Exclude the field that was captured last, and free its place: Backspace",
        "U",
    ),
    "keep": (
        "Keep this one all the same",
        "Capture the next frame whatever rule speaks against it; it is counted",
        "K",
    ),
    "automatic": ("Automatic", "Capture a field by itself once it is fit; off: on request alone", "A"),
    "island": ("New island", "Begin a new coordinate frame here: the way from the captured fields is not known", "I"),
    "corner": ("Mark corner", "Take this place as a corner: three or more replace the drive round the section", "M"),
    "close_outline": ("Outline is closed", "End the drive round the section", "O"),
    "draw_fields": ("Draw fields", "Draw the random fields inside the outline; the arrow then leads to each", "D"),
    "drive_again": ("Drive round again", "Forget the outline, and drive round the section anew", "R"),
}
_WHEN: dict[StepName, tuple[HandPhase, ...]] = {
    "capture": ("free", "targets", "done"),
    "undo": ("free", "targets", "done"),
    "keep": ("free", "targets", "done"),
    "automatic": ("free", "targets", "done"),
    "island": ("free", "outline", "targets", "done"),
    "corner": ("outline",),
    "close_outline": ("outline",),
    "draw_fields": ("mend",),
    "drive_again": ("mend",),
}
_NEXT: tuple[StepName, ...] = ("close_outline", "draw_fields", "corner", "drive_again")
"""The steps to the drawn fields."""
_HEIGHT_PX = 5 * GRID_PX


class Steps(QWidget):
    """The window's own buttons of a section, those of the present phase, and those that skip a drawn field.

    Parameters
    ----------
    actions : sequence of QAction
        Start, pause and stop: those of the window.
    owner : QWidget
        The keys work while the focus is in here.
    """

    asked = Signal(str)
    """A `StepName`; of ``automatic``, `automatic` has the new state."""
    skipped = Signal(str)
    """A `SkipReason`."""

    def __init__(self, actions: Sequence[QAction], owner: QWidget) -> None:
        super().__init__()
        self._whole = whole = [_WindowButton(action) for action in actions]
        self._steps: dict[StepName, ViewButton] = {}
        for name, (text, tip, key) in _TEXTS.items():
            down = True if name == "automatic" else None
            self._steps[name] = _large(action_button(owner, text, tip, key, partial(self._ask, name), checked=down))
        self._skips: list[ViewButton] = []
        for i, reason in enumerate(get_args(SkipReason)):
            tip = f"Go on to the next drawn field, and record that this one is skipped: {reason}"
            button = action_button(owner, f"Skip: {reason}", tip, f"Alt+{i + 1}", partial(self._skip, reason))
            self._skips.append(_large(button))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GRID_PX)
        rows.addWidget(control_row(*whole, *(self._steps[name] for name in _NEXT), *self._skips))
        rows.addWidget(control_row(*(button for name, button in self._steps.items() if name not in _NEXT)))
        self.show_phase(None)

    def _ask(self, name: StepName, _down: bool = False) -> None:
        self.asked.emit(name)

    def _skip(self, reason: SkipReason, _down: bool = False) -> None:
        self.skipped.emit(reason)

    @property
    def automatic(self) -> bool:
        """Whether fields are to be captured by themselves."""
        return self._steps["automatic"].isChecked()

    def set_mode(self, mode: ModeName) -> None:
        """Show the window's own buttons, or in Operator mode none: the top bar has them."""
        for button in self._whole:
            button.setVisible(mode == "expert")

    def set_automatic(self, on: bool) -> None:
        """Show whether fields are captured by themselves."""
        self._steps["automatic"].defaultAction().setChecked(on)

    def show_phase(self, phase: HandPhase | None, *, paused: bool = False) -> None:
        """Offer what can be done in a phase; None while no section is acquired."""
        for name, button in self._steps.items():
            there = phase in _WHEN[name]
            button.setVisible(there)
            button.defaultAction().setEnabled(there and not paused)  # so that its key does nothing either
        for button in self._skips:
            button.setVisible(phase == "targets")
            button.defaultAction().setEnabled(phase == "targets" and not paused)


class _WindowButton(QToolButton):
    """A large button of one of the window's actions."""

    def __init__(self, action: QAction) -> None:
        super().__init__()
        self.setDefaultAction(action)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(_HEIGHT_PX)
        self.setIconSize(QSize(2 * GRID_PX, 2 * GRID_PX))


def _large(button: ViewButton) -> ViewButton:
    button.setMinimumHeight(_HEIGHT_PX)
    return button
