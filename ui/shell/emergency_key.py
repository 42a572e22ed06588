"""The key of the emergency stop works everywhere: no dialog keeps it from the stage."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence

from ui.kit.key_listener import KeyListener

__all__ = ["EmergencyKey"]


class EmergencyKey(KeyListener):
    """Triggers an action by its key where Qt's shortcut does not reach: in dialogs, modal or not, and in open menus.

    Parameters
    ----------
    action : QAction
        With a shortcut of one key.
    parent : QObject, optional
    """

    first = True

    def __init__(self, action: QAction, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._action = action

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take the key, which arrives here only if the shortcut did not take it before; with Shift and the like too."""
        del watched
        if event.type() != QEvent.Type.KeyPress:
            return False
        if not isinstance(event, QKeyEvent) or not self._action.isEnabled():
            return False
        if QKeySequence(event.key()) != self._action.shortcut():
            return False
        if not event.isAutoRepeat():
            self._action.trigger()
        return True
