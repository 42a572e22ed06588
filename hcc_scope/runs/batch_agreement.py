"""How the scores of a batch lie beside those that the stores record: agreement, flips and differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.exact_sum import ExactSum
from hcc_scope.formatting import sentence
from hcc_scope.score_text import decision

if TYPE_CHECKING:
    from hcc_scope.runs.batch_result import SectionResult
    from hcc_scope.types import SectionScore

__all__ = ["Agreement", "Flip", "side"]

_MOST_FLIPS = 1000
"""That are kept for the account; the table has them all."""
_MOST_POINTS = 5000
"""Pairs of scores that are kept for the plot."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A section whose score lies on another side of the threshold than the previous model's."""

    animal_id: str
    section_id: str
    store: str
    previous_score: float
    score: float
    side: str
    """Where it lies now: ``low`` or ``high``."""
    decided: bool
    """Whether both scores decide: the whole interval lies on one side."""


@dataclass(slots=True)
class Agreement:
    """How the scores of a batch lie beside those that the stores record, over the sections that count."""

    sections: int = 0
    """That count for their animals."""
    compared: int = 0
    """Of them: with both scores."""
    n_flips: int = 0
    n_flips_decided: int = 0
    decisions_compared: int = 0
    """Sections in which both scores decide."""
    largest_difference: float = 0.0
    flips: list[Flip] = field(default_factory=list)
    """The first ones."""
    points: list[tuple[float, float, bool]] = field(default_factory=list)
    """Previous and new score, and whether it is a flip; evenly from all sections compared."""
    n_empty: int = 0
    """Of all sections: without a tile that could be scored."""
    n_same: int = 0
    """Of all sections: whose results are those that the store records, by the rule of `hcc_scope.runs.comparison`."""
    differences: list[str] = field(default_factory=list)
    """Of the first sections that the same model scored otherwise: where, as a sentence."""
    n_different: int = 0
    previous_models: dict[str, int] = field(default_factory=dict)
    """Name of each previous model: sections compared with it."""
    previous_thresholds: set[float] = field(default_factory=set)
    _differences: ExactSum = field(default_factory=ExactSum)
    _step: int = 1

    @property
    def previous_threshold(self) -> float | None:
        """Of the previous model; None if there are several."""
        return next(iter(self.previous_thresholds)) if len(self.previous_thresholds) == 1 else None

    @property
    def mean_difference(self) -> float | None:
        """New less previous score; None without a pair."""
        return self._differences.value() / self.compared if self.compared else None

    @property
    def share(self) -> float | None:
        """Of the compared sections: those that lie on the same side."""
        return 1 - self.n_flips / self.compared if self.compared else None

    def add(self, result: SectionResult, store: str) -> None:
        """Take a section that counts."""
        self.sections += 1
        before, new = result.previous, result.score
        if before is None or before.score.score is None or new.score is None:
            return
        difference = new.score - before.score.score
        self._differences.add(difference)
        self.largest_difference = max(self.largest_difference, abs(difference))
        self.previous_models[before.model] = self.previous_models.get(before.model, 0) + 1
        self.previous_thresholds.add(before.score.threshold)
        self.compared += 1
        decided = None not in (decision(before.score), decision(new))
        self.decisions_compared += decided
        flip = side(before.score) != side(new)
        self._keep_point(before.score.score, new.score, flip=flip)
        if flip:
            self.n_flips += 1
            self.n_flips_decided += decided
            if len(self.flips) < _MOST_FLIPS:
                ids = result.animal_id, result.section_id
                self.flips.append(Flip(*ids, store, before.score.score, new.score, str(side(new)), decided))

    def check(self, result: SectionResult, store: str) -> None:
        """Take a section, whether it counts or not, and whether its results are those that its store records."""
        self.n_empty += result.score.score is None
        before = result.previous
        if before is None or before.model_sha256 != result.model_sha256:
            return
        if before.differs:
            self.n_different += 1
            if len(self.differences) < _MOST_FLIPS:
                self.differences.append(sentence(f"{store}: {before.answer}"))
        else:
            self.n_same += before.differs is not None

    def _keep_point(self, previous: float, new: float, *, flip: bool) -> None:
        if self.compared % self._step:
            return
        self.points.append((previous, new, flip))
        if len(self.points) > _MOST_POINTS:
            self.points = self.points[::2]
            self._step *= 2


def side(score: SectionScore) -> str | None:
    """Return the side of the threshold on which a score lies, whatever its interval; one on it is *high*."""
    if score.score is None:
        return None
    return "high" if score.score >= score.threshold else "low"
