"""A classifier of your own, on a stored section and on frames of your own.

A classifier is a class with an `engine`, its name, and a method `classify`, which answers for n raw tiles. This one
calls bright tiles *high*; yours may call any library.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.api import Classification, QualityLimits, SectionScorer, Session, start_replay_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.api import FrameSource, RunOutcome

THRESHOLD = 0.5


class Brightness:
    """Calls bright tiles *high*."""

    engine = "brightness 1.0"
    """Recorded with every result."""

    def classify(self, tiles: NDArray[np.uint16] | Sequence[NDArray[np.uint16]]) -> Classification:
        """Return the logits (n, 2) of *low* and *high*. The answer for a tile must depend on that tile alone."""
        level = np.array([tile.mean() / 65535 - 0.5 for tile in tiles], np.float32)
        return Classification(np.stack([-level, level], axis=1))  # distances from its training tiles: it has none


def score_frames(source: FrameSource) -> RunOutcome:
    """Score the frames of any source, such as that of ``own_source.py``, without a store."""
    scorer = SectionScorer.for_section(source.spec, THRESHOLD, temperature=1.0)
    session = Session(source, None, Brightness(), scorer=scorer, limits=QualityLimits())
    session.start()
    return session.join()


def main(path: Path) -> None:
    """Score a stored section; the fields that the operator took out stay out."""
    run = start_replay_with(path, Brightness(), threshold=THRESHOLD)
    outcome = run.finish().outcome
    print(f"score {outcome.score.score} of {outcome.counts.classified} frames by {Brightness.engine}")
    for seq, result in run.results.items():
        print(f"{seq}: {result.outcome}, probabilities of high {result.probabilities}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
