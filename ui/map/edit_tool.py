"""Edit something on the map with the mouse or by keys: what the tools for an outline and for fields share.

One row of buttons and keys (`EditParts`) serves all tools of a tab: only one of them is in use at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence

from ui.kit.controls import button_of, explain_action, view_action
from ui.kit.theme import colours

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.kit.controls import ViewButton
    from ui.kit.theme import ThemeName

__all__ = ["EditParts", "EditTool", "Editable", "PartText"]

NEAR_PX = 9.0
"""How near to a thing a click belongs to it."""
_STEP_PX = 10.0
"""Move by a key."""
_NUDGES = {"Alt+Left": (-1, 0), "Alt+Right": (1, 0), "Alt+Up": (0, -1), "Alt+Down": (0, 1)}

Part = Literal["before", "after", "add", "delete", "clear", "undo"]
_KEYS: dict[Part, str] = {"before": ",", "after": ".", "add": "Ins", "delete": "Del", "clear": "Shift+Del", "undo": "U"}


class Editable(Protocol):
    """What a tool edits: points in stage um, one of them chosen, and steps that can be undone."""

    chosen: int | None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""

    def step(self, by: int) -> None:
        """Choose a neighbour of the chosen point."""

    def move(self, dx_um: float, dy_um: float) -> None:
        """Move the chosen point by a step."""

    def delete(self) -> None:
        """Take the chosen point away."""

    def clear(self) -> None:
        """Take everything away."""

    def undo(self) -> None:
        """Take the last step back."""

    def click(self, x_um: float, y_um: float, near_um: float) -> None:
        """Choose or add a point."""

    def grab(self, x_um: float, y_um: float, near_um: float) -> bool:
        """Take hold of a point; return whether there is one."""

    def drag(self, x_um: float, y_um: float) -> None:
        """Move the point that was grabbed."""

    def drop(self) -> None:
        """Release it."""


class PartText(NamedTuple):
    """The text on a button, its name for screen readers, and what it does."""

    text: str
    name: str
    tip: str


class EditParts(QObject):
    """The keys and buttons of what is being edited; without effect, and hidden, while nothing is.

    The buttons are made when something is edited for the first time.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    texts : mapping
        Of each button before the first tool is used; a tool brings its own (`EditTool.texts`).
    undo_key : str
        Where the owner lies in another tab, U may be a key of that one.
    """

    def __init__(self, owner: QWidget, texts: dict[Part, PartText], *, undo_key: str = "U") -> None:
        super().__init__(owner)
        self._tool: EditTool | None = None
        keys = {**_KEYS, "undo": undo_key}
        does = {
            "before": self._choose_before,
            "after": self._choose_after,
            "add": self._add,
            "delete": self._delete,
            "clear": self._clear,
            "undo": self._undo,
        }
        self._texts = texts
        self._theme: ThemeName = "dark"
        self._row: QWidget | None = None
        self._actions: dict[Part, QAction] = {
            part: view_action(owner, texts[part].text, texts[part].tip, keys[part], does[part]) for part in _KEYS
        }
        self._buttons: dict[Part, ViewButton] = {}
        self._nudges = [self._nudge_key(owner, key, way) for key, way in _NUDGES.items()]
        self.serve(None)

    def _nudge_key(self, owner: QWidget, keys: str, way: tuple[int, int]) -> QAction:
        action = QAction(f"Move the corner or field {keys.removeprefix('Alt+').lower()}", owner)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setData(way)
        action.triggered.connect(self._nudge)
        owner.addAction(action)
        return action

    def stand_in(self, row: QWidget) -> None:
        """Take the row of controls at whose end the buttons are made."""
        self._row = row

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        for button in self._buttons.values():
            button.set_theme(theme)

    def _make_buttons(self) -> None:
        layout = None if self._row is None else self._row.layout()
        if layout is None or self._buttons:
            return
        for part, action in self._actions.items():
            button = self._buttons[part] = button_of(action, self._texts[part].name, self._texts[part].tip)
            button.set_theme(self._theme)
            layout.addWidget(button)

    def serve(self, tool: EditTool | None) -> None:
        """Act on what this tool edits from now on; None for nothing."""
        self._tool = tool
        if tool is not None:
            self._make_buttons()
            self._texts = tool.texts
        for part, action in self._actions.items():
            text = self._texts[part]
            explain_action(action, text.text, text.tip)
            action.setEnabled(tool is not None)
            if part in self._buttons:
                self._buttons[part].setAccessibleName(text.name)
                self._buttons[part].setAccessibleDescription(text.tip)
                self._buttons[part].setVisible(tool is not None)
        for action in self._nudges:
            action.setEnabled(tool is not None)
        self.update()

    def update(self) -> None:
        """Offer what can be done now."""
        if self._tool is None:
            return
        edit = self._tool.edit
        self._actions["undo"].setEnabled(edit.can_undo)
        self._actions["delete"].setEnabled(edit.chosen is not None)
        self._actions["clear"].setEnabled(not edit.empty)

    @Slot(bool)
    def _choose_before(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.edit.step(-1)
            self._tool.show_change()

    @Slot(bool)
    def _choose_after(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.edit.step(1)
            self._tool.show_change()

    @Slot(bool)
    def _add(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.add()
            self._tool.show_change()

    @Slot(bool)
    def _delete(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.edit.delete()
            self._tool.show_change()

    @Slot(bool)
    def _clear(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.edit.clear()
            self._tool.show_change()

    @Slot(bool)
    def _undo(self, _down: bool) -> None:
        if self._tool is not None:
            self._tool.edit.undo()
            self._tool.show_change()

    @Slot()
    def _nudge(self) -> None:
        action = self.sender()
        if self._tool is not None and isinstance(action, QAction):
            dx, dy = action.data()
            self._tool.nudge(dx * _STEP_PX, dy * _STEP_PX)


class EditTool(QObject):
    """A tool with a button that stays down while it is in use; a layer of the map, and its `DragTool`.

    Parameters
    ----------
    owner : QWidget
        The tab.
    view : Canvas
        Where it draws.
    edit : Editable
    parts : EditParts
    """

    begun = Signal()
    """Something is being edited."""
    changed = Signal()
    """What is edited, or what is wrong with it."""

    texts: dict[Part, PartText]
    """Of the buttons while this tool is in use."""

    def __init__(self, owner: QWidget, view: Canvas, edit: Editable, parts: EditParts, button: ViewButton) -> None:
        super().__init__(owner)
        self._view, self.edit, self.parts, self.button = view, edit, parts, button
        self._colours = colours("dark")

    @property
    def active(self) -> bool:
        """Whether something is being edited."""
        return self._view.drag_tool is self

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)
        self.parts.set_theme(theme)

    # -- what a tool does in its own way -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take what is to be edited."""
        raise NotImplementedError

    def finish(self) -> bool:
        """Give out what was edited; return False if it cannot be used as it is."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Take back what was changed."""
        raise NotImplementedError

    def add(self) -> None:
        """Add a point without the mouse."""
        raise NotImplementedError

    # -- begin and end -------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _switch(self, on: bool) -> None:
        if on:
            self.begin()
            self._view.drag_tool = self
            self._view.setFocus()
            self.parts.serve(self)
            self.begun.emit()
        elif self.active:
            if self.finish():
                self._leave()
            else:
                self.button.setChecked(True)  # it stays as it is, with the reason below the map
        self.show_change()

    def _leave(self) -> None:
        self._view.drag_tool = None
        self.parts.serve(None)

    @Slot()
    def cancel(self) -> None:
        """Edit no more, and take back what was changed."""
        if not self.active:
            return
        self.give_up()
        self._leave()
        self.button.setChecked(False)
        self.show_change()

    def show_change(self) -> None:
        """Show what was changed."""
        if self.active:
            self.parts.update()
        self._view.update()
        self.changed.emit()

    # -- the mouse and keys --------------------------------------------------------------------------------------------

    @property
    def _near_um(self) -> float:
        return NEAR_PX / self._view.viewport.scale

    def nudge(self, dx_px: float, dy_px: float) -> None:
        """Move the chosen point by so much on the screen."""
        self.edit.move(dx_px / self._view.viewport.scale, dy_px / self._view.viewport.scale)
        self.show_change()

    def click(self, x_um: float, y_um: float) -> None:
        """Choose or add a point."""
        self.edit.click(x_um, y_um, self._near_um)
        self.show_change()

    def grab(self, x_um: float, y_um: float) -> bool:
        """Take hold of a point; return whether there is one."""
        held = self.edit.grab(x_um, y_um, self._near_um)
        if held:
            self.show_change()
        return held

    def drag(self, x_um: float, y_um: float) -> None:
        """Move it."""
        self.edit.drag(x_um, y_um)
        self.show_change()

    def drop(self) -> None:
        """Release it."""
        self.edit.drop()
        self.show_change()
