"""The logo: a field of view of four tiles, one of them high, as a small vector graphic."""

from __future__ import annotations

from hcc_scope.report.svg import element
from hcc_scope.theme_colours import colours

__all__ = ["logo_svg"]

_SIDE = 64
_HIGH_TILE = (1, -1)
"""To the right, above."""
_RADIUS = 20.0
_REACH = 18.4
"""Of the side of a quarter: its corner lies 1.5 off the middle."""


def logo_svg(*, in_page: bool = False) -> str:
    """Return the logo, of 64 x 64 units, with its own ground: readable on light and dark.

    Parameters
    ----------
    in_page : bool
        Whether it is part of an HTML page: a file of its own has to name what it is.
    """
    c = colours("dark")
    quarters = [
        element(
            "path",
            d=f"M{32 + 1.5 * x} {32 + 1.5 * y}h{_REACH * x}A{_RADIUS} {_RADIUS} 0 0 {int(x == y)} {32 + 1.5 * x} "
            f"{32 + (1.5 + _REACH) * y}z",
            fill=c.high if (x, y) == _HIGH_TILE else c.low,
            fill_opacity=1.0 if (x, y) == _HIGH_TILE else 0.65 + 0.15 * (x + y),
        )
        for y in (-1, 1)
        for x in (-1, 1)
    ]
    return element(
        "svg",
        element("title", "HCC-Scope"),
        element("rect", width=_SIDE, height=_SIDE, rx=13, fill=c.window),
        *quarters,
        element("circle", cx=32, cy=32, r=24, fill="none", stroke=c.text, stroke_width=4),
        **({} if in_page else {"xmlns": "http://www.w3.org/2000/svg"}),
        viewBox=f"0 0 {_SIDE} {_SIDE}",
    )
