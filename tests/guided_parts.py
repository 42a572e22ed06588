"""A guided section through the real session and store: a source that draws fields and visits them as a script says."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.plans.drawn_sample import draw_sample
from hcc_scope.position_tags import DRAWN_TAG, PositionOrigin, position_tags
from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.score_rule import current_rule_facts
from hcc_scope.scoring import SectionScorer
from hcc_scope.session import Session
from hcc_scope.storage.drawn_sample import SampleWriter
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter, read_log
from hcc_scope.storage.writer import create_store
from tests.session_parts import EVERYTHING, PATIENCE_S, Classifier, make_frame, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.by_hand import SampleKeeper
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.protocols import StopSignal
    from hcc_scope.types import Frame, RunOutcome, SkipReason

N_DRAWN = 12
OUTLINE_UM = ((0.0, 0.0), (200.0, 0.0), (200.0, 150.0), (0.0, 150.0))
FIELD_UM = (64 * 0.325, 64 * 0.325)
SAMPLE = draw_sample(N_DRAWN, FIELD_UM, OUTLINE_UM, seed=3)

Step = int | tuple[int, "SkipReason"] | str | None
"""Of a script: capture a drawn field, skip it, capture something else, or (any text) wait for `go_on`."""


class GuidedSource:
    """A `hcc_scope.by_hand.GuidedSource`; `black` frames hold nothing to classify."""

    def __init__(self, steps: Sequence[Step], *, black: Sequence[int] = ()) -> None:
        self.spec = replace(
            make_spec(None, "guided"),
            provenance={
                **current_rule_facts("guided"),
                **{f"quality_{name}": limit for name, limit in EVERYTHING.as_dict().items()},
            },
        )
        self.live = True
        self.at_end = threading.Event()
        """The steps are done, or the next one is to wait."""
        self.go_on = threading.Event()
        self._steps, self._black = steps, black
        self.keeper: SampleKeeper | None = None

    def keep_sample_with(self, keeper: SampleKeeper) -> None:
        self.keeper = keeper

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        assert self.keeper is not None
        self.keeper.drawn(SAMPLE)
        seq = 0
        for step in self._steps:
            if isinstance(step, tuple):
                self.keeper.skipped(*step)
                continue
            if isinstance(step, str):
                self._wait()
                continue
            tags = position_tags(PositionOrigin("tracked", 0, 0.5))
            where = (-500.0, -500.0, None)
            if step is not None:
                tags[DRAWN_TAG] = step
                x_um, y_um = SAMPLE.fields_um[step]
                where = (x_um + 1.25, y_um - 0.5, None)
            yield replace(make_frame(seq, black=seq in self._black), tags=tags, stage_um=where)
            seq += 1
        self.at_end.set()
        del stop

    def _wait(self) -> None:
        self.at_end.set()
        assert self.go_on.wait(PATIENCE_S)
        self.at_end.clear()


class LiveSection:
    """A guided section under way, into a new store."""

    def __init__(self, folder: Path, source: GuidedSource) -> None:
        self.source = source
        self.sink = create_store(folder, source.spec)
        self.path = self.sink.path
        self.session = Session(
            source,
            self.sink,
            Classifier(),
            scorer=SectionScorer.for_section(source.spec, 0.5, 1.5),
            limits=EVERYTHING,
            results=PredictionWriter(self.path, source.spec, run="live"),
            notes=NotesWriter(self.path),
            sample=SampleWriter(self.path),
            finalise=self._finalise,
        )
        self.session.start()

    def _finalise(self, outcome: RunOutcome) -> None:
        self.sink.finalise(section_account(SectionReport("a1", "s1", self.path.name, outcome)))

    def undo(self, seq: int) -> None:
        """Undo a capture as the source of a section by hand does."""
        assert self.source.keeper is not None
        self.source.keeper.undone(seq)
        self.session.exclude(seq, "undone")

    def finish(self) -> RunOutcome:
        self.source.go_on.set()
        assert self.session.wait(PATIENCE_S), "the session did not end"
        outcome = self.session.join()
        assert outcome.cause is None, outcome.cause
        return outcome


def drawn_sample_after(steps: Sequence[Step]) -> DrawnSample:
    """Return what becomes of the sample, by its own methods."""
    sample, seq = SAMPLE, 0
    for step in steps:
        assert not isinstance(step, str)
        if isinstance(step, tuple):
            sample = sample.with_skipped(*step)
            continue
        if step is not None:
            sample = sample.with_reached(step, seq)
        seq += 1
    return sample


def main() -> None:
    """Stay in the middle of a section, to be killed: five fields captured, one beside them, one skipped."""
    source = GuidedSource([5, 2, None, (7, "fold"), 0, 11, 3, "to be killed"])
    section = LiveSection(Path(sys.argv[1]), source)
    assert source.at_end.wait(PATIENCE_S)
    while section.sink.committed < 6 or len(read_log(section.path / "predictions.jsonl").results) < 6:
        threading.Event().wait(0.01)
    sys.stdout.write(f"{section.path}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
