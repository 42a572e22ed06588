"""Ask for the menu of a field as an operator does, and read what it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from view_parts import on_screen

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint

    from ui.app import App
    from ui.canvas.canvas import Canvas


def menu_key(widget: QWidget) -> None:
    _ask(widget, QContextMenuEvent.Reason.Keyboard, widget.rect().center())


def right_click(view: Canvas, x: float, y: float) -> None:
    _ask(view, QContextMenuEvent.Reason.Mouse, on_screen(view, x, y))


def _ask(widget: QWidget, reason: QContextMenuEvent.Reason, at: QPoint) -> None:
    QApplication.sendEvent(widget, QContextMenuEvent(reason, at, widget.mapToGlobal(at)))


def in_menu(app: App) -> dict[str, tuple[str, str]]:
    """Return text of each entry of the open menu, and why it cannot act; closes the menu."""
    (menu,) = (one for one in app.window.findChildren(QMenu) if one.isVisible())
    found = {
        action.objectName().removeprefix("action_"): (action.text(), _why(action.toolTip(), action.isEnabled()))
        for action in menu.actions()
        if not action.isSeparator()
    }
    menu.close()
    QApplication.processEvents()
    return found


def _why(tip: str, enabled: bool) -> str:
    _, found, why = tip.partition("Not now: ")
    assert bool(found) != enabled, tip
    return why
