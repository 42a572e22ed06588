"""The dialog with every key of the window, read from the actions, so that it cannot be out of date."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout

from ui.kit.dialog_buttons import without_icons
from ui.kit.theme import GRID_PX
from ui.shell.action_specs import MENUS
from ui.shell.hand_keys import HAND_KEYS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow

    from ui.shell.actions import Actions

__all__ = ["ShortcutsDialog", "keys_of"]

ELSEWHERE: tuple[tuple[str, str], ...] = (
    ("Tab, Shift+Tab", "Next control, previous control"),
    ("Alt and a letter", "Open a menu"),
    ("Arrow keys", "Pan the picture or the map; with Shift the stage steps by a field"),
    ("Double click", "In Live or on the map: send the stage there; the focus stays"),
    ("+  −  0", "Zoom in, zoom out, fit"),
    ("Ctrl and arrow keys", "Move the cursor over the picture by 1 px, with Shift by 10 px"),
    ("Enter", "Choose the item under the cursor"),
    ("Menu key", "What can be done with the chosen field or tile, as in the menu Field"),
    ("Escape", "Cancel the drawing, close a dialog"),
    *HAND_KEYS,
)
"""Keys of widgets that are no actions."""


def keys_of(window: QMainWindow, actions: Actions) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return headings with (keys, what they do): the menus first, then the other actions of the window."""
    listed: set[int] = set()
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for menu, title in MENUS.items():
        rows = []
        for _, action in actions.menu(menu):
            listed.add(id(action))
            if not action.shortcut().isEmpty():
                rows.append(_row(action))
        if rows:
            sections.append((title.replace("&", ""), rows))
    others = [
        _row(action)
        for action in window.findChildren(QAction)
        if id(action) not in listed and not action.shortcut().isEmpty() and action.text()
    ]
    if others:
        sections.append(("Panels and tabs", sorted(set(others), key=lambda row: row[1])))
    sections.append(("Everywhere", list(ELSEWHERE)))
    return sections


def _row(action: QAction) -> tuple[str, str]:
    keys = ", ".join(keys.toString() for keys in action.shortcuts())
    tip = action.statusTip() or action.toolTip()
    text = action.text().replace("&", "").rstrip(" …")
    return keys, text if not tip or tip == text else f"{text}: {tip[:1].lower()}{tip[1:]}"


def _html(sections: list[tuple[str, list[tuple[str, str]]]]) -> str:
    parts = []
    for heading, rows in sections:  # one table, so that all keys have one width
        lines = "".join(
            f"<tr><td style='white-space:nowrap; padding:2px 24px 2px 0'><b>{escape(keys)}</b></td>"
            f"<td style='padding:2px 0'>{escape(text)}</td></tr>"
            for keys, text in rows
        )
        parts.append(f"<tr><td colspan='2'><h3>{escape(heading)}</h3></td></tr>{lines}")
    return f"<table>{''.join(parts)}</table>"


class ShortcutsDialog(QDialog):
    """Shows all keys; does not hold up the window.

    Parameters
    ----------
    window : QMainWindow
    actions : Actions
    """

    def __init__(self, window: QMainWindow, actions: Actions) -> None:
        super().__init__(window)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = QTextBrowser()
        text.setAccessibleName("All keys")
        text.setHtml(_html(keys_of(window, actions)))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addWidget(text)
        layout.addWidget(buttons)
        self.resize(720, 600)
