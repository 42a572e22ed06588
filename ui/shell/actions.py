"""All actions of the window, once: menus, buttons and the list of keys are made from these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence

from ui.kit.icons import icon
from ui.shell.action_specs import SPECS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.kit.icons import IconName
    from ui.kit.theme import ThemeName
    from ui.shell.action_specs import ActionName, ActionSpec, Menu

__all__ = ["Actions"]


class Actions:
    """The window's actions, by name.

    Parameters
    ----------
    owner : QWidget
        The window.
    theme : {"dark", "light"}
    """

    def __init__(self, owner: QWidget, theme: ThemeName) -> None:
        self._specs = {spec.name: spec for spec in SPECS}
        self._actions: dict[ActionName, QAction] = {}
        self._paused = False
        self._why_not: dict[ActionName, str] = {}
        for spec in SPECS:
            action = QAction(spec.text, owner)
            action.setObjectName(f"action_{spec.name}")
            action.setCheckable(spec.checkable)
            if spec.keys:
                action.setShortcut(QKeySequence(spec.keys))
            if spec.on_pictures:
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                action.setAutoRepeat(False)  # steps would queue up while the key is held
            self._actions[spec.name] = action
            self.explain(spec.name, "")
        self._actions["panels"].setChecked(True)
        self.set_theme(theme)
        owner.addActions([self._actions[spec.name] for spec in SPECS if not spec.on_pictures])

    def __getitem__(self, name: ActionName) -> QAction:
        return self._actions[name]

    def of_pictures(self) -> list[QAction]:
        """Return the actions whose keys work in the tabs with pictures alone."""
        return [self._actions[spec.name] for spec in SPECS if spec.on_pictures]

    def menu(self, menu: Menu) -> list[tuple[ActionSpec, QAction]]:
        """Return what a menu holds, in order."""
        return [(spec, self._actions[spec.name]) for spec in SPECS if spec.menu == menu]

    def explain(self, name: ActionName, why_not: str) -> None:
        """Set an action's tooltip; `why_not` is the reason why it cannot be done now, empty if it can."""
        spec = self._specs[name]
        keys = self._keys(name)
        reason = f"\nNot now: {why_not}" if why_not else ""
        self._actions[name].setToolTip(f"{spec.tip}{keys}{reason}")
        self._actions[name].setStatusTip(spec.tip)

    def enable(self, name: ActionName, why_not: str) -> None:
        """Enable an action, or disable it and give the reason."""
        self._actions[name].setEnabled(not why_not)
        self._why_not[name] = why_not
        self.explain(name, why_not)

    def why_not(self, name: ActionName) -> str:
        """Return why an action cannot be done now, as text; empty if it can."""
        return self._why_not.get(name, "")

    def name_fields(self, last: int | None, excluded: int | None) -> None:
        """Name the fields that would be excluded and included again; None where there is none."""
        fields: tuple[tuple[ActionName, str, str, int | None], ...] = (
            ("exclude", "Exclude field {}", "Exclude field {} from the score; it stays stored", last),
            ("include", "Include field {} again", "Include field {}, which was excluded last", excluded),
        )
        for name, text, tip, seq in fields:
            spec = self._specs[name]
            words = spec.text if seq is None else text.format(seq)
            if self._actions[name].text() != words:
                self._actions[name].setText(words)
            if seq is not None:
                self._actions[name].setToolTip(f"{tip.format(seq)}{self._keys(name)}")

    def lend_key(self, name: ActionName, lent: bool) -> None:
        """Take the key of an action away while it means something else, or give it back."""
        before = self._keys(name)
        self._actions[name].setShortcut(QKeySequence("" if lent else self._specs[name].keys))
        if before != self._keys(name):
            first, *rest = self._actions[name].toolTip().split("\n")
            self._actions[name].setToolTip("\n".join([first.removesuffix(before) + self._keys(name), *rest]))

    def _keys(self, name: ActionName) -> str:
        """Return an action's key as a tooltip ends with it; empty without one."""
        keys = self._actions[name].shortcut().toString()
        return f" ({keys})" if keys else ""

    def set_paused(self, paused: bool) -> None:
        """Show on the button whether it pauses or resumes."""
        pause = self._actions["pause"]
        pause.setChecked(paused)
        pause.setText("Resume" if paused else self._specs["pause"].text)
        self._paused = paused
        self.set_theme(self._theme)

    def set_theme(self, theme: ThemeName) -> None:
        """Draw the icons in a theme's colours."""
        self._theme: ThemeName = theme
        for spec in SPECS:
            if spec.icon is not None:
                shown: IconName = "start" if spec.name == "pause" and self._paused else spec.icon
                self._actions[spec.name].setIcon(icon(shown, theme))
