"""The figures of baselines beside those of the network, and what the difference of the two protocols is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hcc_scope.evaluation.intervals import Estimate, Interval
from hcc_scope.evaluation.tile_features import FEATURES

if TYPE_CHECKING:
    from hcc_scope.evaluation.aggregation import Level
    from hcc_scope.evaluation.analysis import PairedProtocol, ProtocolFigures
    from hcc_scope.evaluation.permutations import PermutationFigures
    from hcc_scope.evaluation.tile_features import BaselineName

__all__ = ["BaselineFigures", "GapFigures", "gap_figures"]


@dataclass(frozen=True, slots=True)
class BaselineFigures:
    """What a baseline found, on the tiles and folds of the network."""

    name: BaselineName
    temperature: float
    """Chosen as the network's, on the baseline's own predictions by animal."""
    threshold: float
    protocols: dict[PairedProtocol, ProtocolFigures]
    differences: dict[PairedProtocol, dict[Level, Estimate | None]]
    """AUC of the network less that of the baseline, of the same animals."""

    @property
    def words(self) -> str:
        """What its numbers are."""
        return FEATURES[self.name].words

    @property
    def n_features(self) -> int:
        """How many numbers of a tile it uses."""
        return FEATURES[self.name].n


@dataclass(frozen=True, slots=True)
class GapFigures:
    """The difference of the two protocols' AUCs of images, and the same difference for classes that mean nothing."""

    of: Literal["network"] | BaselineName
    difference: Estimate | None
    """AUC of the protocol *paper* less that of *by_animal*."""
    null_of: BaselineName
    """The baseline that classes which mean nothing were tried with."""
    null_mean: float | None
    """Mean of the difference over labellings; None: no labelling differs from the true one."""
    gap: Estimate | None
    """`difference` less `null_mean`."""


def gap_figures(
    of: Literal["network"] | BaselineName, difference: Estimate | None, null: PermutationFigures
) -> GapFigures:
    """Return the gap with the null of a baseline.

    The null is a mean over many labellings of the same images; the interval is that of the difference, moved.
    """
    mean = null.null_gap if null.testable else None
    gap = None
    if difference is not None and mean is not None:
        interval = difference.interval
        moved = None
        if interval is not None:
            moved = Interval(interval.low - mean, interval.high - mean, interval.method, interval.coverage)
        gap = replace(difference, value=difference.value - mean, interval=moved)
    return GapFigures(of, difference, null.of, mean, gap)
