"""Listen to every key of the program, also where Qt's shortcuts do not reach: in dialogs and in open menus."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QPlainTextEdit, QTextEdit

__all__ = ["KeyListener", "writes"]

_KEYS = frozenset({QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride})


class KeyListener(QObject):
    """Takes the keys of the program between `begin` and `end`; a subclass decides in `eventFilter` which ones."""

    first: ClassVar[bool] = False
    """Whether it is asked before all others: nothing that goes wrong in those can keep a key from it."""

    def begin(self) -> None:
        """Listen to every key from now on, before those that listen already."""
        _AllKeys.listeners.insert(0, self)
        _AllKeys.listeners.sort(key=lambda one: not one.first)
        if _AllKeys.filter is None:
            _AllKeys.filter = _AllKeys(QApplication.instance())
            _AllKeys.filter.install()

    def end(self) -> None:
        """Listen no more."""
        if self in _AllKeys.listeners:
            _AllKeys.listeners.remove(self)
        if not _AllKeys.listeners and _AllKeys.filter is not None:
            _AllKeys.filter.uninstall()
            _AllKeys.filter = None


class _AllKeys(QObject):
    """The one filter of all events, of which a program at rest has hundreds a second: only keys go to the listeners."""

    listeners: ClassVar[list[KeyListener]] = []
    filter: ClassVar[_AllKeys | None] = None

    def install(self) -> None:
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)

    def uninstall(self) -> None:
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Offer a key to each listener until one takes it."""
        if event.type() not in _KEYS:
            return False
        return any(listener.eventFilter(watched, event) for listener in tuple(self.listeners))


def writes() -> bool:
    """Return whether the keyboard is in a text that can be edited."""
    widget = QApplication.focusWidget()
    if isinstance(widget, QLineEdit | QTextEdit | QPlainTextEdit | QAbstractSpinBox):
        return not widget.isReadOnly()
    return False
