"""The look of the app: one grid, and Fusion with our own palette, dark or light (`hcc_scope.theme_colours`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QPalette

from hcc_scope.theme_colours import Colours, ThemeName, colours

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

__all__ = ["GRID_PX", "Colours", "ThemeName", "apply_theme", "colours", "theme_palette"]

GRID_PX = 8
"""Distances are multiples of this, or its half."""
_FUSION_DARKENS = 140
"""In percent: how much darker than the window Fusion draws an outline."""


def apply_theme(app: QApplication, theme: ThemeName) -> None:
    """Give the whole app a theme; may be called again while it runs."""
    app.setStyle("Fusion")
    app.setPalette(theme_palette(theme))  # takes back those of single classes
    for kind in ("QCheckBox", "QRadioButton"):
        app.setPalette(_with_outline(theme), kind)  # type: ignore[arg-type]  # it takes text, and no bytes


def _with_outline(theme: ThemeName) -> QPalette:
    """Return the palette of check boxes and radio buttons.

    Fusion draws their outline in a darker shade of the window's colour, which a dark window swallows. Nothing else of
    them is drawn in that role: they have no ground of their own.
    """
    c, palette = colours(theme), theme_palette(theme)
    outline = QColor(c.text_muted).lighter(_FUSION_DARKENS)
    palette.setColor(QPalette.ColorRole.Window, outline)
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Window, QColor(c.border).lighter(_FUSION_DARKENS))
    return palette


def theme_palette(theme: ThemeName) -> QPalette:
    """Return a theme's palette."""
    c = colours(theme)
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
        (roles.HighlightedText, c.surface),
        (roles.Link, c.accent),
        (roles.Mid, c.border),
        (roles.Light, c.border if theme == "dark" else c.surface),  # lines below tabs and bars
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(c.text_muted))
    return palette
