"""The course of a section's score: what it was after each field, once for the running section and for its report.

The fields come in the order in which they were taken, whatever the order of their results; a field that was taken
again is at the place of its first frame. The last row is the score as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hcc_scope.scoring import FieldEntry, SectionScorer
    from hcc_scope.types import SectionScore

__all__ = ["course_rows", "scores_in_order"]


def scores_in_order(scorer: SectionScorer, fields: Iterable[tuple[int, FieldEntry | None]]) -> Iterator[SectionScore]:
    """Yield the score after each field.

    Parameters
    ----------
    scorer : SectionScorer
        Fresh; it takes the fields.
    fields : iterable of (int, FieldEntry or None)
        From `hcc_scope.scoring.prepare`.
    """
    for seq, entry in sorted(fields, key=lambda field: field[0]):
        if entry is None:
            scorer.skip(seq)
        else:
            scorer.add_entry(entry)
        yield scorer.score()


def course_rows(scores: Iterable[SectionScore]) -> NDArray[np.float64]:
    """Return (n, 4): classified fields, score, lower and upper end of the interval.

    A field without a score adds no row; it changes the interval of the row before.
    """
    rows: list[tuple[float, float, float, float]] = []
    for score in scores:
        if score.score is None:
            continue
        if rows and rows[-1][0] == score.frames:
            rows.pop()
        rows.append((float(score.frames), score.score, *score.interval))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)
