"""Islands: the coordinate frames of a section by hand, and how pictures lay them out.

Where two islands lie to each other is not known. A picture of several shows them side by side, never one over the
other; this is the one rule of it, for map, replay and reports alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Box", "IslandLayout", "boxes_of_fields", "lay_out_islands"]

Box = tuple[float, float, float, float]
"""Left, top, width and height in um."""


@dataclass(frozen=True, slots=True)
class IslandLayout:
    """Where islands are drawn."""

    offsets_um: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """(x, y) to add to coordinates of an island."""
    boxes_um: Mapping[int, Box] = field(default_factory=dict)
    """What each island takes, as it is drawn; no two overlap."""

    @property
    def apart(self) -> bool:
        """Whether there are several, so that a picture must label them and distances between them mean nothing."""
        return len(self.boxes_um) > 1

    def drawn_um(self, island: int, x_um: float, y_um: float) -> tuple[float, float]:
        """Return where a place of an island is drawn; of an island that is not laid out, the place itself."""
        dx, dy = self.offsets_um.get(island, (0.0, 0.0))
        return x_um + dx, y_um + dy

    def place_um(self, island: int, x_um: float, y_um: float) -> tuple[float, float]:
        """Return the island's coordinates of a drawn place: the inverse of `drawn_um`."""
        dx, dy = self.offsets_um.get(island, (0.0, 0.0))
        return x_um - dx, y_um - dy

    def island_at(self, x_um: float, y_um: float) -> int | None:
        """Return the island whose box holds a drawn place; None between them."""
        for island, (left, top, width, height) in self.boxes_um.items():
            if left <= x_um < left + width and top <= y_um < top + height:
                return island
        return None


def lay_out_islands(boxes_um: Mapping[int, Box], gap_um: float) -> IslandLayout:
    """Lay islands out from left to right, in the order of their numbers, their upper edges level to within a gap.

    The first stays where it is, so that a section of one island is drawn at its own coordinates. The offsets are whole
    multiples of `gap_um`: an island that grows by a little moves no other one.

    Parameters
    ----------
    boxes_um : mapping
        What each island takes, in its own coordinates.
    gap_um : float
        At least so much is between two.

    Examples
    --------
    >>> layout = lay_out_islands({0: (0.0, 0.0, 900.0, 500.0), 1: (-300.0, 20.0, 400.0, 400.0)}, 100.0)
    >>> layout.offsets_um
    {0: (0.0, 0.0), 1: (1300.0, 0.0)}
    """
    if not gap_um > 0:
        raise ValueError(f"islands are laid out with a gap between them, not {gap_um} um")
    offsets: dict[int, tuple[float, float]] = {}
    drawn: dict[int, Box] = {}
    right = first_top = 0.0
    for number, island in enumerate(sorted(boxes_um)):
        left, top, width, height = boxes_um[island]
        if number == 0:
            dx = dy = 0.0
            first_top = top
        else:
            dx = _up(right + gap_um - left, gap_um)
            dy = _up(first_top - top, gap_um)
        offsets[island] = (dx, dy)
        drawn[island] = (left + dx, top + dy, width, height)
        right = left + dx + width
    return IslandLayout(offsets, drawn)


def _up(value: float, step: float) -> float:
    return -(-value // step) * step + 0.0


def boxes_of_fields(fields: Iterable[tuple[int, tuple[float, float]]], size_um: tuple[float, float]) -> dict[int, Box]:
    """Return the box around the fields of each island.

    Parameters
    ----------
    fields : iterable of (island, (x, y))
        Centres, in the coordinates of their islands.
    size_um : (width, height)
        Of a field.
    """
    edges: dict[int, list[float]] = {}
    for island, (x, y) in fields:
        known = edges.setdefault(island, [x, y, x, y])
        known[:] = min(known[0], x), min(known[1], y), max(known[2], x), max(known[3], y)
    width, height = size_um
    return {
        island: (left - width / 2, top - height / 2, right - left + width, bottom - top + height)
        for island, (left, top, right, bottom) in edges.items()
    }
