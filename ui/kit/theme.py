"""The look of the app: one grid, one accent colour, and colours that colour-blind people can distinguish.

Fusion with our own palette, dark or light. A colour is never the only sign: its meaning is also written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtGui import QColor, QPalette

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

__all__ = ["GRID_PX", "Colours", "ThemeName", "apply_theme", "colours"]

ThemeName = Literal["dark", "light"]

GRID_PX = 8
"""Distances are multiples of this, or its half."""


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of one theme, as ``#rrggbb``."""

    window: str
    surface: str
    """Behind images, lists and plots."""
    text: str
    text_muted: str
    border: str
    accent: str
    """What a person can press, and what is chosen."""
    low: str
    """Low metastatic (blue of Okabe and Ito)."""
    high: str
    """High metastatic (vermilion of Okabe and Ito)."""
    good: str
    warning: str
    error: str


_DARK = Colours(
    window="#1f2226",
    surface="#15171a",
    text="#e6e8eb",
    text_muted="#9aa1a9",
    border="#3a3f46",
    accent="#4aa3df",
    low="#56b4e9",
    high="#e8743b",
    good="#2bb596",
    warning="#e6b422",
    error="#ef6a6a",
)
_LIGHT = Colours(
    window="#f4f5f7",
    surface="#ffffff",
    text="#1c1f23",
    text_muted="#5a626b",
    border="#c9ced4",
    accent="#0b6aa8",
    low="#0072b2",
    high="#c44e00",
    good="#00765a",
    warning="#8a6500",
    error="#b3261e",
)


def colours(theme: ThemeName) -> Colours:
    """Return the colours of a theme."""
    return _DARK if theme == "dark" else _LIGHT


def apply_theme(app: QApplication, theme: ThemeName) -> None:
    """Give the whole app a theme; may be called again while it runs."""
    app.setStyle("Fusion")
    app.setPalette(_palette(colours(theme)))


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
