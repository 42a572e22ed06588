"""Listen to every key of the program, also where Qt's shortcuts do not reach: in dialogs and in open menus."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QPlainTextEdit, QTextEdit

__all__ = ["KeyListener", "writes"]


class KeyListener(QObject):
    """Filters the program's events between `begin` and `end`; a subclass decides in `eventFilter` what it takes."""

    def begin(self) -> None:
        """Listen to every key from now on."""
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)

    def end(self) -> None:
        """Listen no more."""
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)


def writes() -> bool:
    """Return whether the keyboard is in a text that can be edited."""
    widget = QApplication.focusWidget()
    if isinstance(widget, QLineEdit | QTextEdit | QPlainTextEdit | QAbstractSpinBox):
        return not widget.isReadOnly()
    return False
