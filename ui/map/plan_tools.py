"""What the map offers for the plan of the next section: its outline and fields by hand, and the search for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from ui.kit.controls import action_button
from ui.map.edit_tool import EditParts
from ui.map.fields_tool import FieldsTool
from ui.map.outline_tool import OutlineTool

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.kit.controls import ViewButton
    from ui.map.edit_tool import EditTool

__all__ = ["PlanTools"]

_NO_PLAN = "no plan is shown"


class PlanTools(QObject):
    """The buttons *Find tissue*, *Edit outline* and *Edit fields*: one excludes the others, and a section all of them.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    view : Canvas
        Where outline and fields are drawn.
    """

    changed = Signal()
    """What is drawn, or what there is to report (`describe`)."""
    editing = Signal(bool)
    """The outline begins to be edited, or is edited no more."""
    fields_editing = Signal(bool)
    """The fields begin to be edited, or are edited no more."""
    search_requested = Signal(bool)
    """Begin to look for tissue, or stop."""

    def __init__(self, owner: QWidget, view: Canvas) -> None:
        super().__init__(owner)
        parts = EditParts(owner, OutlineTool.texts)
        self.outline = OutlineTool(owner, view, parts)
        self.fields = FieldsTool(owner, view, parts)
        self.parts = parts
        """The buttons of what is being edited."""
        self._words = ""
        self._allowed = True
        self._no_list = _NO_PLAN
        self._edits = self._edits_fields = False
        self.search = action_button(
            owner,
            "Find tissue",
            "Scan the plan's area with a few fields and outline the tissue; again to stop",
            "Shift+T",  # T is a key of the picture beside it, and must not move the stage here
            self._search,
            checked=False,
        )
        self.outline.changed.connect(self._tool_changed)
        self.fields.changed.connect(self._tool_changed)
        self._enable()

    @property
    def buttons(self) -> tuple[ViewButton, ...]:
        """The buttons, in order; those of what is being edited follow (`parts`)."""
        return self.search, self.outline.button, self.fields.button

    @property
    def active(self) -> EditTool | None:
        """The tool that is in use; None for none."""
        return next((tool for tool in (self.outline, self.fields) if tool.active), None)

    def cancel(self) -> None:
        """Edit no more, and take back what was changed."""
        for tool in (self.outline, self.fields):
            tool.cancel()

    def set_no_list(self, why: str) -> None:
        """Take why there are no fields that can be edited one by one; empty if there are, or a list can begin."""
        if why != self._no_list:
            self._no_list = why
            self._enable()

    @property
    def allowed(self) -> bool:
        """Whether the operator may draw the outline and look for tissue."""
        return self._allowed

    def describe(self) -> str:
        """Return how far the search is, or what is drawn and what is wrong with it, as text; empty for neither."""
        return self._words or self.outline.describe() or self.fields.describe()

    def set_allowed(self, allowed: bool) -> None:
        """Let the operator draw the outline and look for tissue, or not: during a section the plan is fixed."""
        if not allowed:
            self.cancel()
        self._allowed = allowed
        self._enable()

    def set_words(self, words: str) -> None:
        """Take how far the search for tissue is; empty when it has ended."""
        self._words = words
        self.search.setChecked(bool(words))
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        """Enable each while no other is in use: an outline that is found must not meet one that is drawn."""
        active = self.active
        for tool in (self.outline, self.fields):
            free = self._allowed and not self._words and active in (None, tool)
            tool.button.defaultAction().setEnabled(free and not (tool is self.fields and self._no_list))
        self.search.defaultAction().setEnabled(self._allowed and active is None)
        action = self.fields.button.defaultAction()
        first = action.toolTip().split("\n")[0]
        action.setToolTip(f"{first}\nNot now: {self._no_list}" if self._no_list else first)

    @Slot()
    def _tool_changed(self) -> None:
        outline, fields = self.outline.active, self.fields.active
        if (outline, fields) != (self._edits, self._edits_fields):
            before, self._edits = self._edits, outline
            fields_before, self._edits_fields = self._edits_fields, fields
            self._enable()
            if before != outline:
                self.editing.emit(outline)
            if fields_before != fields:
                self.fields_editing.emit(fields)
        self.changed.emit()

    @Slot(bool)
    def _search(self, on: bool) -> None:
        self.search_requested.emit(on)
