"""The keys of the running section: they work in dialogs too, and a key that cannot act now says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QKeyEvent, QKeySequence

from hcc_scope.formatting import sentence
from ui.kit.key_listener import KeyListener, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.shell.action_specs import ActionName
    from ui.shell.actions import Actions

__all__ = ["SectionKeys"]

NAMES: tuple[ActionName, ...] = ("pause", "stop", "skip_analysis", "exclude", "include")
ALSO_EXPLAINED: tuple[ActionName, ...] = ("live", "snap", "start")
"""These do not work in dialogs, but in the window they show why they do not work now."""


class SectionKeys(KeyListener):
    """Takes a key that no shortcut took: it is pressed in a dialog or a menu, or its action is not allowed now.

    Parameters
    ----------
    actions : Actions
    say : callable
        Takes a level and a sentence for the operator.
    parent : QObject, optional
    """

    def __init__(self, actions: Actions, say: Callable[[str, str], object], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions, self._say = actions, say

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take a section's key."""
        del watched
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        pressed = QKeySequence(event.keyCombination())
        name = next((one for one in (*NAMES, *ALSO_EXPLAINED) if self._actions[one].shortcut() == pressed), None)
        if name is None or (name in ("exclude", "include") and writes()):
            return False  # in a text, Ctrl+Z takes back what was typed
        action = self._actions[name]
        if action.isEnabled() and name in ALSO_EXPLAINED:
            return False
        if not event.isAutoRepeat():
            if action.isEnabled():
                action.trigger()
            else:
                key = pressed.toString(QKeySequence.SequenceFormat.NativeText)
                why = sentence(self._actions.why_not(name) or "not now")
                self._say("info", f"{action.text()} ({key}) cannot be done now. {why}")
        return True
