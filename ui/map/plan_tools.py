"""What the map offers for the plan of the next section: its outline by hand, and the search for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from ui.kit.controls import action_button
from ui.map.outline_tool import OutlineTool

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.kit.controls import ViewButton

__all__ = ["PlanTools"]


class PlanTools(QObject):
    """The buttons *Find tissue* and *Edit outline*: one excludes the other, and a section excludes both.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    view : Canvas
        Where the outline is drawn.
    """

    changed = Signal()
    """What is drawn, or what there is to report (`describe`)."""
    editing = Signal(bool)
    """The outline begins to be edited, or is edited no more."""
    search_requested = Signal(bool)
    """Begin to look for tissue, or stop."""

    def __init__(self, owner: QWidget, view: Canvas) -> None:
        super().__init__(owner)
        self.outline = OutlineTool(owner, view)
        self._words = ""
        self._allowed = True
        self._edits = False
        self.search = action_button(
            owner,
            "Find tissue",
            "Scan the plan's area with a few fields and outline the tissue; again to stop",
            "T",
            self._search,
            checked=False,
        )
        self.outline.changed.connect(self._outline_changed)

    @property
    def buttons(self) -> tuple[ViewButton, ...]:
        """All buttons, in order."""
        return (self.search, *self.outline.buttons)

    @property
    def allowed(self) -> bool:
        """Whether the operator may draw the outline and look for tissue."""
        return self._allowed

    def describe(self) -> str:
        """Return how far the search is, or what is drawn and what is wrong with it, as text; empty for neither."""
        return self._words or self.outline.describe()

    def set_allowed(self, allowed: bool) -> None:
        """Let the operator draw the outline and look for tissue, or not: during a section the plan is fixed."""
        if not allowed:
            self.outline.cancel()
        self._allowed = allowed
        self._enable()

    def set_words(self, words: str) -> None:
        """Take how far the search for tissue is; empty when it has ended."""
        self._words = words
        self.search.setChecked(bool(words))
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        """Enable one while the other is not in use: an outline that is found must not meet one that is drawn."""
        self.search.defaultAction().setEnabled(self._allowed and not self.outline.active)
        self.outline.button.defaultAction().setEnabled(self._allowed and not self._words)

    @Slot()
    def _outline_changed(self) -> None:
        if self.outline.active != self._edits:
            self._edits = self.outline.active
            self._enable()
            self.editing.emit(self._edits)
        self.changed.emit()

    @Slot(bool)
    def _search(self, on: bool) -> None:
        self.search_requested.emit(on)
