"""When a section pauses by itself: after so many fields in a row that cannot be used.

A field out of focus is rarely alone. The number is the operator's; which field counts is
`hcc_scope.field_quality.field_fault`. What is stored and scored does not depend on it.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from hcc_scope.field_quality import FAULT_WORDS, field_fault

if TYPE_CHECKING:
    from hcc_scope.field_quality import FieldFault
    from hcc_scope.plans import Plan
    from hcc_scope.types import FrameResult

__all__ = ["PAUSE_AFTER", "PAUSE_AFTER_MOST", "BadFieldWatch"]

PAUSE_AFTER = 5
"""After how many fields the window pauses a section, unless the operator chooses another number."""
PAUSE_AFTER_MOST = 1000
_EMPTY_FACTOR = 4
"""So many times as many fields without tissue pause a section whose fields may well miss the tissue."""

_ADVICE: dict[FieldFault, str] = {
    "blurred": "focus again",
    "empty": "move the tissue under the lens, and focus",
    "saturated": "lower the exposure, the gain or the lamp",
    "dark": "check lamp, shutter and exposure",
}


class BadFieldWatch:
    """Counts the fields in a row that cannot be used. Safe from any thread.

    Fields count in the order of their numbers; one that is analysed later than a newer one is left out.

    Parameters
    ----------
    n : int
        After how many of them a section pauses, from 1.
    counts_empty : bool
        Whether a field without tissue is one of them: not where fields lie anywhere in an area, tissue or not. There it
        takes four times as many in a row, which neither chance nor a section's edge explains.

    Raises
    ------
    ValueError
        If `n` is not 1 to `PAUSE_AFTER_MOST`.
    """

    def __init__(self, n: int, *, counts_empty: bool = True) -> None:
        if not 1 <= n <= PAUSE_AFTER_MOST:
            raise ValueError(f"a section pauses after 1 to {PAUSE_AFTER_MOST} bad fields in a row, not {n}")
        self._n = n
        self._counts_empty = counts_empty
        self._lock = threading.Lock()
        self._next_seq = 0
        self._row: list[tuple[int, FieldFault]] = []
        self._empty_row: list[tuple[int, FieldFault]] = []
        """Fields without tissue, where they do not count."""

    @classmethod
    def of_plan(cls, plan: Plan, n: int | None) -> BadFieldWatch | None:
        """Return what watches a section of a plan; None where it does not pause by itself.

        Fields somewhere in a rectangle may well miss the tissue. A series of one place keeps its pace without a pause.
        """
        if n is None or plan.sampling in ("sequence", "time_series"):
            return None
        return cls(n, counts_empty=getattr(plan, "rectangle_um", None) is None)

    def add(self, result: FrameResult) -> str | None:
        """Take a field's result; return why the section must pause, as text, or None.

        A field that could not be classified, for whatever reason, says nothing about its quality, and is left out.
        """
        with self._lock:
            if result.seq < self._next_seq or result.outcome == "failed":
                return None
            self._next_seq = result.seq + 1
            fault = field_fault(result.flags)
            if fault == "empty" and not self._counts_empty:
                row, n = self._empty_row, _EMPTY_FACTOR * self._n
            else:
                self._empty_row.clear()
                row, n = self._row, self._n
            if fault is None:
                row.clear()
                return None
            row.append((result.seq, fault))
            if len(row) < n:
                return None
            reason = _reason(row)
            row.clear()
        return reason

    def restart(self, first_seq: int) -> None:
        """Count anew, from field `first_seq` on: the operator has seen to what was wrong with those before."""
        with self._lock:
            self._row.clear()
            self._empty_row.clear()
            self._next_seq = max(self._next_seq, first_seq)


def _reason(row: list[tuple[int, FieldFault]]) -> str:
    """Return why a section pauses, and what to do."""
    counts = Counter(fault for _, fault in row)
    first, last = row[0][0], row[-1][0]
    if len(row) == 1:
        what = f"field {first} is {FAULT_WORDS[row[0][1]]}"
    elif len(counts) == 1:
        what = f"the last {len(row)} fields ({first} to {last}) are {FAULT_WORDS[row[0][1]]}"
    else:
        each = ", ".join(f"{n} {FAULT_WORDS[fault]}" for fault, n in counts.most_common())
        what = f"the last {len(row)} fields ({first} to {last}) cannot be used: {each}"
    advice = "; ".join(dict.fromkeys(_ADVICE[fault] for fault, _ in counts.most_common()))
    return f"paused: {what}. {advice[0].upper()}{advice[1:]}, then continue"
