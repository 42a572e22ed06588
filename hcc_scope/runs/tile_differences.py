"""The differences between two analyses of the same frames, tile by tile; `hcc_scope.runs.comparison` judges it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted
from hcc_scope.inference.agreement import DISTANCE_TOLERANCE, distances_apart
from hcc_scope.scoring import calibrate
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from hcc_scope.types import FrameOutcome, FrameResult

__all__ = [
    "as_flagged_in",
    "compared_fields",
    "first_difference",
    "largest_distance",
    "largest_probability",
    "n_answered",
    "on_other_sides",
    "scores_unlike_tiles",
    "usable_in_both",
]


def compared_fields(first: Mapping[int, FrameResult], second: Mapping[int, FrameResult]) -> list[int]:
    """Return the fields that both analyses hold and that failed in neither, ascending."""
    return [
        seq for seq in sorted(first.keys() & second.keys()) if "failed" not in (first[seq].outcome, second[seq].outcome)
    ]


def as_flagged_in(
    recorded: Mapping[int, FrameResult],
    replayed: Mapping[int, FrameResult],
    temperature: float | None,
    unlike_limit: float | None,
) -> tuple[Mapping[int, FrameResult], int]:
    """Return replayed results with the recorded flags `UNLIKE_TRAINING` where both distances are near the threshold.

    Engines differ in the last digits of a distance, so a tile near the threshold may be scored on one and not on the
    other. That is no disagreement, but it would look like one in every mean that the tile enters.

    Parameters
    ----------
    recorded, replayed : mapping
        `seq` to result, of two engines.
    temperature : float or None
        Gives a tile that enters again its probability; None: not known, and nothing is changed.
    unlike_limit : float or None
        The threshold; None: nothing is flagged for its distance.

    Returns
    -------
    mapping
        `seq` to result; what is far from the threshold, and all else, as replayed.
    int
        Tiles whose flag was changed.
    """
    if unlike_limit is None or temperature is None:
        return replayed, 0
    aligned, n_changed = dict(replayed), 0
    bit = np.uint8(QualityFlag.UNLIKE_TRAINING.value)
    for seq in compared_fields(recorded, replayed):
        old, new = recorded[seq], replayed[seq]
        if old.distances is None or new.distances is None or old.flags.shape != new.flags.shape:
            continue
        near = np.maximum(np.abs(old.distances - unlike_limit), np.abs(new.distances - unlike_limit))
        change = ((old.flags ^ new.flags) == bit) & (near <= DISTANCE_TOLERANCE * unlike_limit)
        if not change.any():
            continue
        n_changed += int(np.count_nonzero(change))
        flags = np.where(change, old.flags, new.flags)
        probabilities = np.where(flags == 0, calibrate(new.logits, temperature), np.float32(np.nan))
        outcome: FrameOutcome = "classified" if (flags == 0).any() else "excluded"
        aligned[seq] = replace(new, flags=flags, probabilities=probabilities, outcome=outcome)
    return aligned, n_changed


def first_difference(one: FrameResult, other: FrameResult, titles: tuple[str, str]) -> str:
    """Return where two results of a field differ first, as text; empty if every bit is the same."""
    if one.flags.shape != other.flags.shape:
        return f": {counted(len(one.flags), 'tile')} ({titles[0]}), {len(other.flags)} ({titles[1]})"
    if not np.array_equal(one.flags, other.flags):
        tile = int(np.flatnonzero(one.flags != other.flags)[0])
        return f", tile {tile}: quality flags {one.flags[tile]} ({titles[0]}), {other.flags[tile]} ({titles[1]})"
    if (one.distances is None) != (other.distances is None):
        has = titles[0] if other.distances is None else titles[1]
        return f": only {has} has distances from the training tiles"
    pairs = [("logit", one.logits, other.logits), ("probability", one.probabilities, other.probabilities)]
    if one.distances is not None and other.distances is not None:
        pairs.append(("distance", one.distances, other.distances))
    for what, of_one, of_other in pairs:
        unequal = ~((of_one == of_other) | (np.isnan(of_one) & np.isnan(of_other)))
        if unequal.any():
            tile = int(np.flatnonzero(unequal)[0])
            return (
                f", tile {tile}: {what} {of_one[tile]!s} ({titles[0]}), {of_other[tile]!s} ({titles[1]}), and "
                f"{int(unequal.sum())} of {len(unequal)} tiles of this field differ"
            )
    return ""


def largest_probability(
    first: Mapping[int, FrameResult], second: Mapping[int, FrameResult], seqs: Iterable[int]
) -> float:
    """Return the largest difference of a tile's probability in fields; infinite if tiles or flags are not the same."""
    largest = 0.0
    for seq in seqs:
        old, new = first[seq], second[seq]
        included = np.isfinite(old.probabilities)
        if not np.array_equal(old.flags, new.flags) or not np.array_equal(included, np.isfinite(new.probabilities)):
            return math.inf
        if included.any():
            largest = max(largest, float(np.abs(old.probabilities - new.probabilities)[included].max()))
    return largest


def largest_distance(
    first: Mapping[int, FrameResult], second: Mapping[int, FrameResult], seqs: Iterable[int], scale: float
) -> float:
    """Return the largest difference of a tile's distance, as `hcc_scope.inference.agreement.distances_apart`."""
    largest = 0.0
    for seq in seqs:
        old, new = first[seq].distances, second[seq].distances
        if (old is None) != (new is None):
            return math.inf
        if old is not None and new is not None:
            measured = np.isfinite(old)
            if not np.array_equal(measured, np.isfinite(new)):
                return math.inf
            largest = max(largest, distances_apart(old[measured], new[measured], scale))
    return largest


def scores_unlike_tiles(
    results: Mapping[int, FrameResult], seqs: Iterable[int], unlike_limit: float | None
) -> bool | None:
    """Return whether an analysis scores tiles unlike the training tiles all the same.

    Its own flags show it: predictions do not record the choice.

    Parameters
    ----------
    results : mapping
        `seq` to result.
    seqs : iterable of int
        The fields to look at.
    unlike_limit : float or None
        The distance beyond which a tile counts as unlike; None: not known.

    Returns
    -------
    bool or None
        None if no tile is beyond the limit, so that the choice changes nothing.
    """
    if unlike_limit is None:
        return None
    found = None
    for seq in seqs:
        flags, distances = results[seq].flags, results[seq].distances
        if distances is None:
            continue
        beyond = flags[distances > unlike_limit]
        if (beyond & QualityFlag.UNLIKE_TRAINING.value == 0).any():
            return True
        if len(beyond):
            found = False
    return found


def n_answered(first: Mapping[int, FrameResult], second: Mapping[int, FrameResult], seqs: Iterable[int]) -> int:
    """Return how many tiles the model was asked about in both analyses."""
    return sum(int(np.count_nonzero(np.isfinite(first[seq].logits) & np.isfinite(second[seq].logits))) for seq in seqs)


def on_other_sides(pairs: NDArray[np.float32], thresholds: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which tiles are on another side of the threshold in the second analysis.

    Parameters
    ----------
    pairs : (n, 2) float32
        Probability in the first and in the second analysis.
    thresholds : (float, float)
        Of the two models; a probability on the threshold counts as *high*.

    Returns
    -------
    (n,) bool
    """
    return np.asarray((pairs[:, 0] >= thresholds[0]) != (pairs[:, 1] >= thresholds[1]), dtype=np.bool_)


def usable_in_both(one: FrameResult, other: FrameResult) -> NDArray[np.bool_]:
    """Return which tiles (n,) of a field both analyses classified; none if they have another number of tiles."""
    if one.flags.shape != other.flags.shape:
        return np.zeros(len(one.flags), np.bool_)
    usable = (one.flags == 0) & (other.flags == 0)
    return np.asarray(usable & np.isfinite(one.probabilities) & np.isfinite(other.probabilities), dtype=np.bool_)
