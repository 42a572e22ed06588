"""The logo: a round field of view in tiles, some of them high, as a small vector graphic."""

from __future__ import annotations

from hcc_scope.report.svg import element
from hcc_scope.theme_colours import colours

__all__ = ["logo_svg"]

_SIDE = 64
_TILE, _STEP, _FIRST = 14, 17, 8
_TILES = (
    ("low", 0.4), ("low", 0.7), ("high", 1.0),
    ("low", 0.6), ("low", 1.0), ("high", 0.7),
    ("low", 0.35), ("low", 0.6), ("low", 0.85),
)  # fmt: skip
"""Side and strength, from the upper left."""
_CORNERS = {(0, 0): (1, 1), (2, 0): (0, 1), (0, 2): (1, 0), (2, 2): (0, 0)}
"""Column and row of a tile at a corner of the view: which of its own corners faces the middle."""


def logo_svg(*, in_page: bool = False) -> str:
    """Return the logo, of 64 x 64 units, with its own ground: readable on light and dark.

    Parameters
    ----------
    in_page : bool
        Whether it is part of an HTML page: a file of its own has to name what it is.
    """
    c = colours("dark")
    tiles = []
    for n, (side, strength) in enumerate(_TILES):
        column, row = n % 3, n // 3
        left, top = _FIRST + _STEP * column, _FIRST + _STEP * row
        colour: dict[str, str | float] = {"fill": c.high if side == "high" else c.low, "fill_opacity": strength}
        if (column, row) not in _CORNERS:
            tiles.append(element("rect", x=left, y=top, width=_TILE, height=_TILE, rx=2, **colour))
            continue
        right, lower = _CORNERS[column, row]  # a quarter of a disc: the view is round
        x, y = left + right * _TILE, top + lower * _TILE
        dx, dy = (1 - 2 * right) * _TILE, (1 - 2 * lower) * _TILE
        sweep = int(right == lower)
        shape = f"M{x} {y}h{dx}A{_TILE} {_TILE} 0 0 {sweep} {x} {y + dy}z"
        tiles.append(element("path", d=shape, **colour))
    return element(
        "svg",
        element("title", "HCC-Scope"),
        element("rect", width=_SIDE, height=_SIDE, rx=13, fill=c.window),
        *tiles,
        **({} if in_page else {"xmlns": "http://www.w3.org/2000/svg"}),
        viewBox=f"0 0 {_SIDE} {_SIDE}",
    )
