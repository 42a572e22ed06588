"""Listen to every key of the program, also where Qt's shortcuts do not reach: in dialogs and in open menus."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

__all__ = ["KeyListener"]


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
