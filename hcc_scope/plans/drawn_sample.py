"""The sample of a guided section: random fields that are drawn first, and then visited by hand in any order. Pure.

Where the fields lie is decided by the outline, the size of a field and the seed alone, exactly as for a motorised
stage (`hcc_scope.plans.geometry.lattice_draw`), and before the first of them is seen. The order of the visits can
therefore be the operator's: the score's interval takes the fields in the order of the draw.

What makes the interval valid:

- Every drawn field is *visited*: reached, or skipped for a recorded reason. While one is open, it may be open
  because of what it shows.
- At most `SKIPPED_SHARE` of the drawn fields are skipped. That a field is bare glass or a fold, which hold nothing to
  classify, only the operator has seen; the share limits how much of the result depends on it. A field that may be empty
  can also be captured: the quality check then decides, and no share limits that.
- A field that is *not reachable* may hold anything. The lower end of the interval counts it as 0 and the upper end as
  1, so the interval holds whatever it shows.

A field counts as reached if its centre is within `TOLERANCE` of the drawn one along each axis. The position that is
stored is the true one. So each captured field is a uniform draw up to that tolerance: what the operator's choice of the
place inside it can do to the score is the difference that a fraction of a field's width makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from hcc_scope.errors import PlanError
from hcc_scope.plans.geometry import MAX_PLACES, lattice_draw
from hcc_scope.plans.outline import check_outline
from hcc_scope.types import SkipReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hcc_scope.plans.geometry import LatticeDraw

__all__ = [
    "MAX_DRAWN",
    "SKIPPED_SHARE",
    "SKIP_REASONS",
    "TOLERANCE",
    "DrawnSample",
    "check_n_drawn",
    "draw_sample",
    "fitting_draw",
]

TOLERANCE = 0.2
"""How far a captured field may lie from the drawn one along each axis, as a share of the field's side."""
SKIPPED_SHARE = 0.25
"""Most drawn fields that may be skipped, for whatever reason, as a share."""
MAX_DRAWN = 10_000
"""More fields than anyone visits by hand."""
SKIP_REASONS: tuple[SkipReason, ...] = get_args(SkipReason)


@dataclass(frozen=True, slots=True)
class DrawnSample:
    """Drawn fields, and what became of them. Fields are numbered from 0 in the order in which they were drawn."""

    fields_um: tuple[tuple[float, float], ...]
    """(x, y) of their centres, in the coordinates of `island`."""
    field_um: tuple[float, float]
    """Width and height of a field along the stage's axes."""
    outline_um: tuple[tuple[float, float], ...]
    seed: int
    n_lattice: int | None = None
    """Fields of the lattice that they were drawn from; None where that is not recorded."""
    island: int = 0
    """Number of the coordinate frame (`hcc_scope.tracking.Place`)."""
    tolerance: float = TOLERANCE
    skipped_share: float = SKIPPED_SHARE
    reached: Mapping[int, int] = field(default_factory=dict)
    """Field to `seq` of the frame that shows it; of several the latest."""
    skips: Mapping[int, SkipReason] = field(default_factory=dict)
    """Field to the reason for which it was skipped last; see `skipped`."""
    undone: frozenset[int] = frozenset()
    """`seq` of frames whose capture was undone: they show no drawn field, whatever their tags state."""

    @property
    def n_drawn(self) -> int:
        """How many fields there are."""
        return len(self.fields_um)

    @property
    def skipped(self) -> Mapping[int, SkipReason]:
        """The skips that hold: a frame that shows a field overrules its skip, until that frame is undone."""
        return {k: why for k, why in self.skips.items() if k not in self.reached}

    @property
    def open_fields(self) -> tuple[int, ...]:
        """The fields that were neither reached nor skipped, ascending."""
        return tuple(k for k in range(self.n_drawn) if k not in self.reached and k not in self.skips)

    def with_reached(self, k: int, seq: int) -> DrawnSample:
        """Return the sample after frame `seq` captured field `k`.

        Raises
        ------
        ValueError
            If there is no such field.
        """
        self._check(k)
        return replace(self, reached={**self.reached, k: seq})

    def with_skipped(self, k: int, reason: SkipReason) -> DrawnSample:
        """Return the sample after field `k` was skipped.

        Raises
        ------
        ValueError
            If there is no such field, it was reached, or the reason is none.
        """
        self._check(k)
        if reason not in SKIP_REASONS:
            raise ValueError(f"{reason!r} is no reason to skip a field")
        if k in self.reached:
            raise ValueError(f"drawn field {k} was reached by frame {self.reached[k]}")
        return replace(self, skips={**self.skips, k: reason})

    def with_undone(self, seq: int) -> DrawnSample:
        """Return the sample after the capture of frame `seq` was undone: its field is as it was before."""
        reached = {k: one for k, one in self.reached.items() if one != seq}
        return replace(self, reached=reached, undone=self.undone | {seq})

    def _check(self, k: int) -> None:
        if not 0 <= k < self.n_drawn:
            raise ValueError(f"there is no drawn field {k}: there are {self.n_drawn}")


def fitting_draw(
    n: int, field_um: tuple[float, float], outline_um: Sequence[tuple[float, float]], seed: int
) -> LatticeDraw:
    """Draw `n` random fields inside an outline (`hcc_scope.plans.geometry.lattice_draw`).

    Raises
    ------
    PlanError
        If they do not all fit, or the area is larger than any specimen.
    """
    polygon = np.asarray(outline_um, dtype=np.float64)
    width, height = np.ptp(polygon, axis=0).tolist()
    if width * height > MAX_PLACES * field_um[0] * field_um[1]:  # a slip in the units must not fill the memory
        raise PlanError(
            f"the area is {width:,.0f} x {height:,.0f} um: too large for a specimen",
            hint="Make it smaller: it is in um.",
        )
    found = lattice_draw(n, field_um, polygon, seed)
    if len(found.fields_um) < n:
        w, h = field_um
        raise PlanError(
            f"only {len(found.fields_um)} of {n} fields of {w:.0f} x {h:.0f} um fit into the section without overlap",
            hint="Ask for fewer fields, or draw a larger outline.",
        )
    return found


def check_n_drawn(n: int) -> None:
    """Raise `PlanError` if no hand visits so many drawn fields."""
    if not 0 < n <= MAX_DRAWN:
        raise PlanError(f"{n} fields cannot be visited by hand", hint=f"Choose 1 to {MAX_DRAWN:,}.")


def draw_sample(
    n: int,
    field_um: tuple[float, float],
    outline_um: Sequence[tuple[float, float]],
    seed: int,
    *,
    island: int = 0,
) -> DrawnSample:
    """Draw the sample of a guided section.

    Parameters
    ----------
    n : int
        How many fields.
    field_um : (w, h)
        What a frame covers along the stage's axes.
    outline_um : sequence of (x, y)
    seed : int
        Decides all of them.
    island : int
        Whose coordinates these are.

    Raises
    ------
    PlanError
        If the outline cannot be used, or the fields do not all fit.
    """
    check_n_drawn(n)
    if seed < 0:
        raise PlanError(f"a seed cannot be negative ({seed})", hint="Choose 0 or more.")
    if not np.isfinite(np.asarray(outline_um, dtype=np.float64)).all():
        raise PlanError("a corner of the outline has no position", hint="Draw the outline again.")
    check_outline(outline_um)
    corners = tuple((float(x), float(y)) for x, y in outline_um)
    draw = fitting_draw(n, field_um, corners, seed)
    return DrawnSample(tuple(draw.fields_um), field_um, corners, seed, draw.n_lattice, island)
