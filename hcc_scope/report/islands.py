"""Where the fields of a section are drawn whose positions have no common origin, or are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Layout", "lay_out"]

_APART = 1.5
"""Distance of two islands, and of the fields without a position from all others, in fields."""
_STEP = 1.1
"""Between two fields without a position, in fields."""

Place = tuple[int, float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where fields are drawn."""

    centres_um: tuple[tuple[float, float] | None, ...]
    """Of each field; None where none has a position."""
    shift_um: dict[int, float]
    """How far to the right each island is drawn of where its coordinates begin."""
    note: str
    """What a reader of the picture must know; empty if each field is where its position is."""


def lay_out(places: Sequence[Place | None], size_um: tuple[float, float]) -> Layout:
    """Return where fields are drawn: islands side by side, and below them what has no position.

    Parameters
    ----------
    places : sequence of (island, x, y) or None
        In um; None where the position is not known.
    size_um : (width, height)
        Of a field.

    Examples
    --------
    >>> lay_out([(0, 5.0, 5.0), None, (1, 0.0, 0.0)], (10.0, 10.0)).centres_um
    ((5.0, 5.0), (5.0, 30.0), (30.0, 0.0))
    """
    known = [place for place in places if place is not None]
    if not known:
        return Layout((None,) * len(places), {}, "")
    width, height = size_um
    shift_um: dict[int, float] = {}
    right: float | None = None
    for island in sorted({place[0] for place in known}):
        xs = [x for one, x, _ in known if one == island]
        shift_um[island] = 0.0 if right is None else right + (1 + _APART) * width - min(xs)
        right = max(xs) + shift_um[island]
    left = min(x + shift_um[island] for island, x, _ in known)
    below = max(y for _, _, y in known) + (1 + _APART) * height
    centres: list[tuple[float, float] | None] = []
    n_unknown = 0
    for place in places:
        if place is None:
            centres.append((left + n_unknown * _STEP * width, below))
            n_unknown += 1
        else:
            centres.append((place[1] + shift_um[place[0]], place[2]))
    notes = []
    if len(shift_um) > 1:
        notes.append(f"{len(shift_um)} islands side by side: their distance is not known")
    if n_unknown:
        notes.append(f"lowest row: {counted(n_unknown, 'field')} without a known position")
    return Layout(tuple(centres), shift_um, "; ".join(notes))
