"""What a section by hand had captured before it is continued: another day, or after the program had ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.position_tags import position_origin
from hcc_scope.tracking import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import Frame

__all__ = ["HandBefore", "place_of"]


@dataclass(frozen=True, slots=True)
class HandBefore:
    """The fields of the parts before."""

    n_frames: int
    """How many frames the store has: the next one's number."""
    frames: Iterable[Frame]
    """Them, one after the other; only one is needed at a time."""
    undone: Collection[int] = ()
    """`seq` of those whose capture was undone."""
    sample: DrawnSample | None = None
    """The drawn fields of a guided section, and what became of them; None before the draw."""


def place_of(frame: Frame) -> Place | None:
    """Return where a stored frame was taken, in the coordinates of its island; None where that is not known."""
    origin = position_origin(frame.tags, has_position=frame.stage_um is not None)
    if frame.stage_um is None:
        return None
    x_um, y_um, _ = frame.stage_um
    return Place(origin.island, x_um, y_um, origin.se_um or 0.0)
