"""The sentences below the section map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from hcc_scope.position_tags import describe_island

if TYPE_CHECKING:
    from hcc_scope.islands import IslandLayout
    from ui.map.map_fields import FieldsLayer

__all__ = ["describe_place", "describe_progress"]


def describe_progress(fields: FieldsLayer, n_done: int = 0, n_planned: int = 0) -> str:
    """Return how far the section is, and what the map leaves out.

    Parameters
    ----------
    fields : FieldsLayer
        The fields on the map.
    n_done, n_planned : int
        Planned places that were acquired, and all of them.
    """
    n = len(fields.shown)
    if n_planned:
        parts = [f"{n_done:,} of {counted(n_planned, 'field')} acquired"]
    else:
        parts = [counted(n, "field") if n else "No field yet"]
    if len(fields.fields) > n:
        parts.append(f"{len(fields.fields) - n} taken again")
    excluded = sum(one.excluded for one in fields.shown)
    if excluded:
        parts.append(f"{excluded} excluded")
    if not fields.has_places:
        parts.append("no stage positions: in the order in which they were taken")
    elif fields.without_position:
        one = fields.without_position == 1
        parts.append(f"{fields.without_position} without a position {'is' if one else 'are'} not shown")
    if fields.n_not_drawn:
        where = "at the same places" if fields.has_places else "without a position"
        parts.append(f"{counted(fields.n_not_drawn, 'more field')} {where}, not drawn")
    return "; ".join(filter(None, parts))


def describe_place(fields: FieldsLayer, at_um: tuple[float, float] | None) -> str:
    """Return what is at a place of the map, or what the chosen field is; empty for nothing."""
    one = None if at_um is None else fields.at(*at_um)
    parts = [_place(fields.layout, at_um)] if at_um is not None and fields.has_places else []
    if one is not None:
        parts.append(f"field {one.seq}: {fields.verdict(one)}")
    elif fields.chosen is not None:
        chosen = fields.fields[fields.chosen]
        parts.append(f"chosen: field {chosen.seq}, {fields.verdict(chosen)}")
    return "; ".join(filter(None, parts))


def _place(layout: IslandLayout, at_um: tuple[float, float]) -> str:
    """Return a place of the map; of several islands, in the coordinates of that which is drawn there."""
    island = layout.island_at(*at_um) if layout.apart else None
    if layout.apart and island is None:
        return "between islands"
    x_um, y_um = at_um if island is None else layout.place_um(island, *at_um)
    of = "" if island is None else f" of {describe_island(island)}"
    return f"x {x_um:,.1f} µm, y {y_um:,.1f} µm{of}"
