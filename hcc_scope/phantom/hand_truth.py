"""What was captured and located, held against what the hand did: precision and recall, and errors of positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.phantom.hand import is_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.phantom.hand import Stop
    from hcc_scope.phantom.hand_motion import Pose

__all__ = ["CaptureScore", "Located", "neighbour_errors_um", "precision_recall"]


@dataclass(frozen=True, slots=True)
class CaptureScore:
    """How well the captured fields are the intended ones."""

    n_captured: int
    n_expected: int
    n_right: int
    wrong: tuple[str, ...]
    """Of each capture that should not be, when it was and why."""
    missed: tuple[str, ...]
    """Of each field that was not captured, when it was."""

    @property
    def precision(self) -> float:
        """Share of the captures that are intended; 1 if there is none."""
        return self.n_right / self.n_captured if self.n_captured else 1.0

    @property
    def recall(self) -> float:
        """Share of the intended fields that were captured; 1 if there is none."""
        return self.n_right / self.n_expected if self.n_expected else 1.0


def precision_recall(captures: Sequence[Pose], stops: Sequence[Stop]) -> CaptureScore:
    """Compare captures with the stops of a hand.

    Parameters
    ----------
    captures : sequence of Pose
        The truth of each captured frame, in order.
    stops : sequence of Stop
        Each stop at which a field is expected is right once: a second capture there is wrong, as is one that is out of
        focus, moving or anywhere else.
    """
    free = {stop.begin_s: stop for stop in stops if stop.expected}
    n_expected = len(free)
    wrong: list[str] = []
    for pose in captures:
        stop = next((one for one in stops if one.begin_s <= pose.t_s <= one.end_s and one.expected), None)
        stop = stop or next((one for one in stops if one.begin_s <= pose.t_s <= one.end_s), None)
        if stop is not None and stop.expected and stop.begin_s in free and is_fit(pose):
            del free[stop.begin_s]
            continue
        at = "between stops" if stop is None else f"at a stop of the kind '{stop.kind}'"
        if stop is not None and stop.expected:
            at += " for the second time" if stop.begin_s not in free else ", not fit"
        wrong.append(f"{pose.t_s:.2f} s: {at}, {pose.speed_um_s:.0f} um/s, {pose.z_um:.1f} um from focus")
    missed = tuple(f"{stop.begin_s:.2f} to {stop.end_s:.2f} s" for stop in free.values())
    return CaptureScore(len(captures), n_expected, len(captures) - len(wrong), tuple(wrong), missed)


@dataclass(frozen=True, slots=True)
class Located:
    """A captured field: what was measured, and what is true."""

    island: int
    x_um: float
    y_um: float
    true_x_um: float
    true_y_um: float

    def error_um(self, other: Located) -> tuple[float, float]:
        """Return by how much the way from another field of the island to this one is wrong, in x and y."""
        return (
            (self.x_um - other.x_um) - (self.true_x_um - other.true_x_um),
            (self.y_um - other.y_um) - (self.true_y_um - other.true_y_um),
        )

    def nearest(self, others: Sequence[Located]) -> Located | None:
        """Return the field of the same island that is truly nearest; None if there is none."""
        here = self.true_x_um, self.true_y_um
        return min(
            (other for other in others if other.island == self.island),
            key=lambda other: math.dist(here, (other.true_x_um, other.true_y_um)),
            default=None,
        )


def neighbour_errors_um(fields: Sequence[Located]) -> list[float]:
    """Return the error of each captured field's position relative to its nearest captured neighbour.

    A field that is the only one of its island has none and is left out.
    """
    errors = []
    for i, field in enumerate(fields):
        near = field.nearest([*fields[:i], *fields[i + 1 :]])
        if near is not None:
            errors.append(math.hypot(*field.error_um(near)))
    return errors
