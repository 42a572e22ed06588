"""How the position of a frame was obtained: tags of the frame, and so part of its line in a store's journal.

`hcc_scope.types.Frame.stage_um` is the position itself; None where it is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import TagValue

__all__ = [
    "DRAWN_TAG",
    "FORCED_TAG",
    "ISLAND_TAG",
    "POSITION_TAG",
    "SE_TAG",
    "PositionOrigin",
    "describe_island",
    "describe_origin",
    "describe_position",
    "drawn_field",
    "island_and_place",
    "position_origin",
    "position_tags",
]

POSITION_TAG = "position_from"
"""``stage``: read back from it. ``tracked``: measured from the pictures. ``unknown``: there is no position.
Imported frames also have ``file``, ``request`` and ``translation`` (``docs/store.md``)."""
ISLAND_TAG = "position_island"
"""Number of the coordinate frame of a tracked position; positions of different islands cannot be compared."""
SE_TAG = "position_se_um"
"""Standard error of a tracked position's coordinates, against the nearest field captured before."""
FORCED_TAG = "kept_anyway"
"""Of a field that the operator kept although a rule of capture spoke against it: the rule's word."""
DRAWN_TAG = "drawn_field"
"""Number of the field in the random sample that was drawn for a guided section."""

_LAST_ISLAND = (1 << 31) - 1
"""Of the predictions' column ``island``."""


@dataclass(frozen=True, slots=True)
class PositionOrigin:
    """How a position was obtained."""

    source: Literal["stage", "tracked", "unknown"]
    island: int = 0
    se_um: float | None = None


def position_tags(origin: PositionOrigin) -> dict[str, TagValue]:
    """Return the tags that record it."""
    tags: dict[str, TagValue] = {POSITION_TAG: origin.source}
    if origin.source == "tracked":
        tags |= {ISLAND_TAG: origin.island, SE_TAG: origin.se_um}
    return tags


def position_origin(tags: Mapping[str, TagValue], *, has_position: bool) -> PositionOrigin:
    """Return how a frame's position was obtained, from its tags; ``stage`` where an older store does not state it.

    Examples
    --------
    >>> position_origin(position_tags(PositionOrigin("tracked", 1, 0.3)), has_position=True)
    PositionOrigin(source='tracked', island=1, se_um=0.3)
    """
    if not has_position:
        return PositionOrigin("unknown")
    if tags.get(POSITION_TAG) != "tracked":
        return PositionOrigin("stage")
    island, se_um = tags.get(ISLAND_TAG), tags.get(SE_TAG)
    return PositionOrigin(
        "tracked",
        island if isinstance(island, int) and 0 <= island <= _LAST_ISLAND else 0,
        float(se_um) if isinstance(se_um, int | float) else None,
    )


def drawn_field(tags: Mapping[str, TagValue]) -> int | None:
    """Return which field of the drawn sample a frame shows, from its tags; None if it shows none.

    Examples
    --------
    >>> drawn_field({"drawn_field": 3}), drawn_field({}), drawn_field({"drawn_field": -1})
    (3, None, None)
    """
    k = tags.get(DRAWN_TAG)
    return k if isinstance(k, int) and not isinstance(k, bool) and k >= 0 else None


def island_and_place(
    stage_um: tuple[float, float, float | None] | None, tags: Mapping[str, TagValue]
) -> tuple[int, float, float] | None:
    """Return the coordinate frame of a frame's position, and x and y in it; None if the position is not known.

    Examples
    --------
    >>> island_and_place((1.0, 2.0, None), position_tags(PositionOrigin("tracked", 1, 0.3)))
    (1, 1.0, 2.0)
    """
    if stage_um is None:
        return None
    return position_origin(tags, has_position=True).island, stage_um[0], stage_um[1]


def describe_position(
    stage_um: tuple[float, float, float | None] | None, origin: PositionOrigin, *, decimals: int = 0
) -> str:
    """Return a position as the window shows it, and how it was obtained if the pictures gave it.

    Examples
    --------
    >>> describe_position((1203.4, -88.0, None), PositionOrigin("tracked", 1, 0.42))
    'x 1,203 µm, y -88 µm (tracked, ±0.4 µm, island 1)'
    >>> describe_position((1203.4, -88.0, 2.0), PositionOrigin("stage"))
    'x 1,203 µm, y -88 µm'
    >>> describe_position(None, PositionOrigin("unknown"))
    'position not known'
    """
    if stage_um is None:
        return "position not known"
    x, y = (f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in stage_um[:2])
    how = describe_origin(origin, unit="µm")
    return f"x {x} µm, y {y} µm{f' ({how})' if how else ''}"


def describe_origin(origin: PositionOrigin, *, unit: Literal["um", "µm"] = "um") -> str:
    """Return how a position was obtained, if the pictures gave it; empty for a stage's.

    Examples
    --------
    >>> describe_origin(PositionOrigin("tracked", 1, 0.42))
    'tracked, ±0.4 um, island 1'
    """
    if origin.source != "tracked":
        return ""
    error = "" if origin.se_um is None else f"±{origin.se_um:.1f} {unit}, "
    return f"tracked, {error}{describe_island(origin.island)}"


def describe_island(island: int) -> str:
    """Return the name of a coordinate frame: its number, as the journal has it.

    Examples
    --------
    >>> describe_island(1)
    'island 1'
    """
    return f"island {island}"
