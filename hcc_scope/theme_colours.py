"""The colours of both themes, once: the window's palette, the report's style and the logo are made from these.

Chosen so that colour-blind people can distinguish them; a colour is never the only sign of what it means.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Colours", "ThemeName", "colours", "css_variables"]

ThemeName = Literal["dark", "light"]


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


def css_variables() -> str:
    """Return a style sheet that names the colours: light, dark on a dark screen, and light on white paper.

    Examples
    --------
    >>> "--text-muted: #5a626b" in css_variables()
    True
    """

    def rule(c: Colours) -> str:
        return (
            ":root { " + " ".join(f"--{name.replace('_', '-')}: {value};" for name, value in asdict(c).items()) + " }"
        )

    return (
        f"{rule(_LIGHT)}\n@media screen and (prefers-color-scheme: dark) {{ {rule(_DARK)} }}\n"
        "@media print { :root { --window: #ffffff; } }"
    )
