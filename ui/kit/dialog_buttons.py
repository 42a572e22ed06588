"""The buttons of dialogs, without the icons that some desktops add to them: coloured, or black on a dark ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QPushButton

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

__all__ = ["without_icons"]


def without_icons(dialog: QWidget) -> None:
    """Take the icons from the buttons in a dialog or a box of buttons; call it when they are all there."""
    for button in dialog.findChildren(QPushButton):
        button.setIcon(QIcon())
