"""The look of the app: one grid, and Fusion with our own palette, dark or light (`hcc_scope.theme_colours`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QPalette

from hcc_scope.theme_colours import Colours, ThemeName, colours

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

__all__ = ["GRID_PX", "Colours", "ThemeName", "apply_theme", "colours"]

GRID_PX = 8
"""Distances are multiples of this, or its half."""
_FUSION_DARKENS = 140
"""In percent: how much darker than the window Fusion draws an outline."""


def apply_theme(app: QApplication, theme: ThemeName) -> None:
    """Give the whole app a theme; may be called again while it runs."""
    c = colours(theme)
    app.setStyle("Fusion")
    app.setPalette(_palette(c))  # takes back those of single classes
    for kind in ("QCheckBox", "QRadioButton"):
        app.setPalette(_with_outline(c), kind)  # type: ignore[arg-type]  # it takes text, and no bytes


def _with_outline(c: Colours) -> QPalette:
    """Return the palette of check boxes and radio buttons.

    Fusion draws their outline in a darker shade of the window's colour, which a dark window swallows. Nothing else of
    them is drawn in that role: they have no ground of their own.
    """
    palette = _palette(c)
    outline = QColor(c.text_muted).lighter(_FUSION_DARKENS)
    palette.setColor(QPalette.ColorRole.Window, outline)
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Window, QColor(c.border).lighter(_FUSION_DARKENS))
    return palette


def _palette(c: Colours) -> QPalette:
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Window, c.window),
        (roles.WindowText, c.text),
        (roles.Base, c.surface),
        (roles.AlternateBase, c.window),
        (roles.Text, c.text),
        (roles.Button, c.window),
        (roles.ButtonText, c.text),
        (roles.BrightText, c.error),
        (roles.ToolTipBase, c.surface),
        (roles.ToolTipText, c.text),
        (roles.PlaceholderText, c.text_muted),
        (roles.Highlight, c.accent),
        (roles.HighlightedText, "#ffffff"),
        (roles.Link, c.accent),
        (roles.Mid, c.border),
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(c.text_muted))
    return palette
