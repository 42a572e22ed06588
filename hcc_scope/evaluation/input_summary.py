"""What tiles look like in a few numbers, for a model's card, and how far those of new images lie from them.

The classes count alike, however many tiles and animals each has: a set with more of one class is no other input. A
difference is one of means, in standard deviations of a tile within its class. Its interval supposes that animals are
the independent units: Welch's, over means of animals, for all numbers at once (Bonferroni), so that among as many
numbers none differs by chance alone in 95 % of the sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.parallel import n_workers, over
from hcc_scope.evaluation.intervals import CONFIDENCE, Estimate, Interval
from hcc_scope.evaluation.robustness import sampled_rows
from hcc_scope.evaluation.tile_features import FEATURES, PAIR_LAGS_PX, STRUCTURE_LAGS_PX, tile_features
from hcc_scope.inference.card_inputs import DIGEST_LENGTH, InputFeature, InputSummary
from hcc_scope.progress import Progress
from hcc_scope.quality import QualityLimits, assess_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.progress import OnProgress

__all__ = ["FEATURE_NAMES", "MOST_TILES", "WELCH", "InputDifference", "input_differences", "input_summary"]

FEATURE_NAMES = (
    "grey level",
    "grey SD",
    "grey skewness",
    "focus",
    "noise",
    "structure at 2 px",
    "structure at 8 px",
    "structure at 32 px",
    "entropy at 4 px",
)
"""Grey level and SD as a share of full scale; focus as `hcc_scope.quality` measures it; noise as a share of the grey
level; the rest as in `hcc_scope.evaluation.tile_features`."""
MOST_TILES = 2000
"""That are measured, evenly from all sections."""
WELCH = "Welch, by animal"
STAGE = "measure tiles"
_AT_ONCE = 16
_FEWEST_ANIMALS = 2
"""Of a class, for an interval."""


def input_summary(
    tiles: TileTable,
    rows: NDArray[np.int64],
    bit_depth: int,
    *,
    images: Sequence[int] = (),
    on_progress: OnProgress | None = None,
) -> InputSummary:
    """Measure tiles and return them as a card has them.

    Parameters
    ----------
    tiles : TileTable
    rows : (k,) int
        Of the table, of both classes; at most `MOST_TILES` of them are measured.
    bit_depth : int
        Of the camera.
    images : sequence of int
        Indices of the images whose content the card keeps; none are kept if the table knows no digests.
    on_progress : callable, optional
        Takes a `Progress`.
    """
    chosen = sampled_rows(tiles, rows, MOST_TILES)
    values = _measured(tiles, chosen, bit_depth, on_progress)
    digests = {tiles.digests[i][:DIGEST_LENGTH] for i in images} if tiles.digests else set()
    animals = np.array([tiles.images[i].animal_id for i in tiles.image_index[chosen].tolist()])
    labels = tiles.labels[chosen]
    by_class = [_of_class(values[labels == label], animals[labels == label]) for label in range(len(CLASSES))]
    return InputSummary(
        tiles=len(chosen),
        animals_low=by_class[0].n,
        animals_high=by_class[1].n,
        features={name: _feature(by_class, i) for i, name in enumerate(FEATURE_NAMES)},
        images=" ".join(sorted(digests)) if digests else None,
    )


def _measured(
    tiles: TileTable, rows: NDArray[np.int64], bit_depth: int, on_progress: OnProgress | None
) -> NDArray[np.float64]:
    """Return (k, features)."""
    full_scale = float(2**bit_depth - 1)
    structure = FEATURES["texture"].columns.start + 4 * len(PAIR_LAGS_PX)
    columns = [structure + STRUCTURE_LAGS_PX.index(lag) for lag in (2, 8, 32)]
    entropy = FEATURES["texture"].columns.start + 4 * PAIR_LAGS_PX.index(4) + 3

    def measured(part: NDArray[np.int64]) -> NDArray[np.float64]:
        pixels = tiles.reader.read(part)
        quality = assess_tiles(list(pixels), QualityLimits(), bit_depth)
        numbers = np.stack([tile_features(tile) for tile in pixels])
        grey = numbers[:, 0]
        noise = np.sqrt(quality.noise_variance) / np.maximum(grey, 1.0)
        scale = np.column_stack([grey / full_scale, numbers[:, 1] / full_scale, numbers[:, 2], quality.focus, noise])
        return np.hstack([scale, numbers[:, [*columns, entropy]]]).astype(np.float64)

    found: list[NDArray[np.float64]] = []
    batches = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    for part in over(batches, measured, n_workers()):
        found.append(part)
        if on_progress is not None:
            on_progress(Progress(STAGE, sum(map(len, found)), len(rows), ""))
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class _OfClass:
    """The tiles of one class."""

    n: int
    """Animals."""
    means: NDArray[np.float64]
    """(animals, features)."""
    variance: NDArray[np.float64]
    """(features,) of its tiles."""


def _of_class(values: NDArray[np.float64], animals: NDArray[np.str_]) -> _OfClass:
    ids = np.unique(animals)
    return _OfClass(len(ids), np.stack([values[animals == one].mean(0) for one in ids]), values.var(0))


def _feature(by_class: Sequence[_OfClass], i: int) -> InputFeature:
    between = None
    if min(one.n for one in by_class) >= _FEWEST_ANIMALS:
        squares = sum(float(((one.means[:, i] - one.means[:, i].mean()) ** 2).sum()) for one in by_class)
        between = math.sqrt(squares / sum(one.n - 1 for one in by_class))
    return InputFeature(
        mean=_short(float(np.mean([one.means[:, i].mean() for one in by_class]))),
        sd=_short(math.sqrt(float(np.mean([one.variance[i] for one in by_class])))),
        sd_of_animals=None if between is None else _short(between),
    )


def _short(value: float) -> float:
    """Return a number as a card has it: six digits."""
    return float(f"{value:.6g}")


@dataclass(frozen=True, slots=True)
class InputDifference:
    """How far one number of new tiles lies from that of the training tiles."""

    name: str
    training: InputFeature
    new: InputFeature
    difference: Estimate
    """Of the means, in standard deviations of a training tile."""

    @property
    def shifted(self) -> bool:
        """Whether animals like those of the training would not show such a difference by chance."""
        interval = self.difference.interval
        return interval is not None and not interval.low <= 0.0 <= interval.high


def input_differences(training: InputSummary, new: InputSummary) -> tuple[InputDifference, ...]:
    """Return how far each number of new tiles lies from that of the training tiles, largest difference first.

    A number that the card does not have is left out.
    """
    both = [name for name in FEATURE_NAMES if name in training.features and name in new.features]
    found = [_difference(name, training, new, len(both)) for name in both]
    return tuple(sorted(found, key=lambda one: -abs(one.difference.value)))


def _difference(name: str, training: InputSummary, new: InputSummary, n_names: int) -> InputDifference:
    before, after = training.features[name], new.features[name]
    unit = before.sd if before.sd > 0 else 1.0
    value = (after.mean - before.mean) / unit
    interval = None
    parts = [_error(before, training), _error(after, new)]
    known = [part for part in parts if part is not None]
    if len(known) == len(parts) and (variance := sum(part for part, _ in known)) > 0:
        freedom = variance**2 / sum(part**2 / n for part, n in known)
        tail = (1.0 - CONFIDENCE) / (2.0 * n_names)
        reach = float(student.ppf(1.0 - tail, freedom)) * math.sqrt(variance) / unit
        interval = Interval(value - reach, value + reach, WELCH)
    return InputDifference(name, before, after, Estimate(value, interval))


def _error(feature: InputFeature, summary: InputSummary) -> tuple[float, int] | None:
    """Return the variance of a mean, and its degrees of freedom; None if a class has one animal."""
    counts = (summary.animals_low, summary.animals_high)
    if feature.sd_of_animals is None or min(counts) < _FEWEST_ANIMALS:
        return None
    return feature.sd_of_animals**2 * sum(0.25 / n for n in counts), sum(counts) - 2
