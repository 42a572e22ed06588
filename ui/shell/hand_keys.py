"""The keys of a section by hand: a foot switch, which is a key, captures whatever has the keyboard in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QDialog

from ui.kit.key_listener import KeyListener, writes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HAND_KEYS", "HandKeys", "HandStep"]

HandStep = Literal["capture", "undo"]

HAND_KEYS: tuple[tuple[str, str], ...] = (
    ("Space, Enter, Page Down", "Section by hand: capture the field; Page Down also from dialogs and texts"),
    ("Backspace, Ctrl+Z", "Section by hand: undo the last capture"),
)
"""For the list of keys."""
_FOOT = (Qt.Key.Key_PageDown,)
"""Writes nothing and presses no button, so it captures in dialogs and texts too: a foot switch is set to this key."""
_CAPTURE = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_UNDO = (Qt.Key.Key_Backspace,)


class HandKeys(KeyListener):
    """Takes the keys of a section by hand before any shortcut and any control does.

    In a dialog or an open menu, and while a person writes, only Page Down captures: the other keys write there, or
    press a button.

    Parameters
    ----------
    active : callable
        Returns whether a section by hand is acquired.
    do : callable
        Takes what is asked for.
    parent : QObject, optional
    """

    def __init__(
        self, active: Callable[[], bool], do: Callable[[HandStep], object], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._active, self._do = active, do

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take a key; Qt asks before it looks for a shortcut, and then brings the key itself."""
        del watched
        if event.type() not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) or not isinstance(event, QKeyEvent):
            return False
        step = self._step(event)
        if step is None or not self._active():
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # it comes as a key, and no shortcut gets it
        elif not event.isAutoRepeat():  # a pedal that is held is one request
            self._do(step)
        return True

    def _step(self, event: QKeyEvent) -> HandStep | None:
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        control = modifiers == Qt.KeyboardModifier.ControlModifier
        if modifiers and not control:
            return None
        if event.key() in _FOOT and not control:
            return "capture"
        if _elsewhere() or writes():
            return None
        if control:
            return "undo" if event.key() == Qt.Key.Key_Z else None
        return "capture" if event.key() in _CAPTURE else "undo" if event.key() in _UNDO else None


def _elsewhere() -> bool:
    """Return whether the keyboard is in a dialog or an open menu."""
    if QApplication.activeModalWidget() is not None or QApplication.activePopupWidget() is not None:
        return True
    return isinstance(QApplication.activeWindow(), QDialog)
