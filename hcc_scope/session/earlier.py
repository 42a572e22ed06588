"""The frames that a section had before its run: those of the parts before, in the same store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.types import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import FrameResult, TagValue

__all__ = ["EarlierResults"]


@dataclass(frozen=True, slots=True)
class EarlierResults:
    """What a run that continues a section begins with.

    Frames without a result are read back from the store and classified, as deferred ones are.
    """

    n_frames: int = 0
    """Frames 0 .. n_frames-1 are stored; the source begins with the next number."""
    results: Mapping[int, FrameResult] = field(default_factory=dict)
    """Of these frames, by `seq`."""
    lost: int = 0
    """Frames that never reached the program."""
    skipped: int = 0
    """Fields that the stage did not reach."""
    readings: Mapping[str, TagValue] = field(default_factory=dict)
    """What they show of the microscope; kept if no further frame does."""
    no_random_choice: str = ""
    """Why they are no random choice of the section unless a further frame is stored, with which the plan goes on."""
    plan_open: bool = False
    """Whether fields of the plan are left that the run does not take either."""

    @property
    def counts(self) -> Counts:
        """Where these frames are."""
        n = Counter(result.outcome for result in self.results.values())
        return Counts(
            acquired=self.n_frames,
            stored=self.n_frames,
            classified=n["classified"],
            excluded=n["excluded"],
            failed=n["failed"],
            deferred=self.n_frames - len(self.results),
            lost=self.lost,
            skipped=self.skipped,
        )

    @property
    def n_planned(self) -> int:
        """How many frames a plan has promised of which these are all that came."""
        return self.n_frames + self.lost + self.skipped

    @property
    def not_analysed(self) -> list[int]:
        """`seq` of the frames without a result, ascending."""
        return [seq for seq in range(self.n_frames) if seq not in self.results]
