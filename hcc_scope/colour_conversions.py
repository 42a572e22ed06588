"""The conversions of colour images, by name and in words; `hcc_scope.colour` applies them. Standard library only."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["CONVERSIONS", "ColourConversion", "describe_conversion"]

ColourConversion = Literal["luminance", "red", "green", "blue", "od"]

CONVERSIONS: Final[dict[ColourConversion, str]] = {
    "luminance": "0.2126 red + 0.7152 green + 0.0722 blue",
    "red": "the red channel alone",
    "green": "the green channel alone",
    "blue": "the blue channel alone",
    "od": "the light that the mean optical density of the three channels lets through",
}
"""By their names in a manifest, in words."""


def describe_conversion(conversion: ColourConversion) -> str:
    """Return what was done, as a clause for cards and reports.

    Examples
    --------
    >>> describe_conversion("green")
    'colour images, converted by green (the green channel alone)'
    """
    return f"colour images, converted by {conversion} ({CONVERSIONS[conversion]})"
