"""Two analyses of the same frames, tile by tile: where they differ, and by how much. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted
from hcc_scope.scoring import frame_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.runs.section_analyses import SectionAnalysis
    from hcc_scope.types import FrameResult

__all__ = ["Comparison", "FieldDifference", "compare"]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field in both analyses."""

    seq: int
    first: float | None
    """Its score; None without one."""
    second: float | None
    largest: float
    """Difference of a tile's probability; NaN if no tile has one in both."""
    sides_changed: int
    """Tiles on the other side of the threshold, each analysis with its own."""
    flags_changed: int
    """Tiles with other quality flags."""
    equal: bool
    """All logits, flags and distances from training (if both models tell them), bit for bit."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a second analysis differs from a first."""

    first: SectionAnalysis
    second: SectionAnalysis
    fields: tuple[FieldDifference, ...]
    """In order of `seq`; fields that one side has not analysed are left out."""
    pairs: NDArray[np.float32]
    """(n, 2) probabilities of tiles classified in both."""
    pair_places: NDArray[np.int64]
    """(n, 2) field and tile of each pair."""
    left_out: int
    """Fields that only one side has analysed, or that failed in one."""

    @property
    def equal(self) -> bool:
        """Whether everything compared is the same bit for bit."""
        return bool(self.fields) and all(one.equal for one in self.fields)

    @property
    def largest(self) -> float:
        """Largest difference of a tile's probability; NaN if there is nothing to compare."""
        return float(np.abs(self.pairs[:, 1] - self.pairs[:, 0]).max()) if len(self.pairs) else float("nan")

    @property
    def mean(self) -> float:
        """Mean of the absolute differences of the tiles' probabilities; NaN if there is nothing to compare."""
        return float(np.abs(self.pairs[:, 1] - self.pairs[:, 0]).mean()) if len(self.pairs) else float("nan")

    @property
    def worst_place(self) -> tuple[int, int] | None:
        """Field and tile of the largest difference."""
        if not len(self.pairs):
            return None
        seq, tile = self.pair_places[int(np.abs(self.pairs[:, 1] - self.pairs[:, 0]).argmax())].tolist()
        return seq, tile

    @property
    def sides_changed(self) -> int:
        """Tiles on the other side of the threshold."""
        return sum(one.sides_changed for one in self.fields)

    def sentence(self) -> str:
        """Return how it came out, in words."""
        if not self.fields:
            return "Nothing to compare: no field was analysed in both."
        what = f"{counted(len(self.pairs), 'tile')} of {counted(len(self.fields), 'field')}"
        if self.equal:
            words = f"Equal bit for bit: {what}."
            if self.sides_changed:
                n = self.sides_changed
                words += f" With their own thresholds, {counted(n, 'tile')} lie{'s' if n == 1 else ''} on other sides."
        else:
            words = (
                f"{what} compared: probabilities differ by at most {self.largest:.2g}, {self.mean:.2g} on average; "
                f"{counted(self.sides_changed, 'tile')} changed side of the threshold."
            )
            flags = sum(one.flags_changed for one in self.fields)
            if flags:
                words += f" {counted(flags, 'tile')} got other quality flags."
            words += self._describe_tolerance()
        if self.left_out:
            words += f" {counted(self.left_out, 'field')} could not be compared."
        return words

    def _describe_tolerance(self) -> str:
        one_model = self.first.model_sha256 is not None and self.first.model_sha256 == self.second.model_sha256
        tolerance = max(self.first.tolerance, self.second.tolerance)
        if not one_model or not tolerance:
            return ""
        if self.first.engine == self.second.engine:
            return " One engine should give one result bit for bit: this is a fault."
        within = self.largest <= tolerance
        return f" That is {'within' if within else 'MORE than'} the model's tolerance between engines, {tolerance:g}."


def compare(first: SectionAnalysis, second: SectionAnalysis) -> Comparison:
    """Compare two analyses of the same frames."""
    fields, pairs, places = [], [], []
    everything = first.results.keys() | second.results.keys()
    for seq in sorted(first.results.keys() & second.results.keys()):
        one, other = first.results[seq], second.results[seq]
        if "failed" in (one.outcome, other.outcome) or one.flags.shape != other.flags.shape:
            continue
        both = _included(one) & _included(other)
        p, q = one.probabilities[both], other.probabilities[both]
        fields.append(
            FieldDifference(
                seq,
                frame_score(one),
                frame_score(other),
                float(np.abs(q - p).max()) if both.any() else float("nan"),
                int(np.count_nonzero((p >= first.threshold) != (q >= second.threshold))),
                int(np.count_nonzero(one.flags != other.flags)),
                bool(
                    np.array_equal(one.flags, other.flags)
                    and _same_bits(one.logits, other.logits)
                    and (one.distances is None or other.distances is None or _same_bits(one.distances, other.distances))
                ),
            )
        )
        pairs.append(np.stack([p, q], axis=1))
        tiles = np.flatnonzero(both)
        places.append(np.stack([np.full(len(tiles), seq), tiles], axis=1))
    return Comparison(
        first,
        second,
        tuple(fields),
        np.concatenate(pairs).astype(np.float32) if pairs else np.empty((0, 2), np.float32),
        np.concatenate(places).astype(np.int64) if places else np.empty((0, 2), np.int64),
        len(everything) - len(fields),
    )


def _included(result: FrameResult) -> NDArray[np.bool_]:
    return np.asarray((result.flags == 0) & np.isfinite(result.probabilities), dtype=np.bool_)


def _same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(((one == other) | (np.isnan(one) & np.isnan(other))).all())
