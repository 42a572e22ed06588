"""Why the fields of a store are no random choice although its plan was one, as its run recorded it for good.

A device that fails ends a run at a field that is not left to chance alone, and a field that the stage does not reach
leaves a hole. Both no longer hold once the plan goes on at that very field, in the order in which its fields were
drawn: the fields are then those of one run of the whole plan. Every other reason stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.scoring import DEVICE_FAILED, FIELDS_SKIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.recorded_run import RecordedRun

__all__ = ["lasting_reasons"]

_MENDED = (DEVICE_FAILED, FIELDS_SKIPPED)


def lasting_reasons(run: RecordedRun, n_frames: int, notes: Iterable[Note] = (), *, goes_on: bool = False) -> list[str]:
    """Return the reasons, as half sentences; none if the fields are a random choice.

    Parameters
    ----------
    run : RecordedRun
        What the store records about its run.
    n_frames : int
        Frames of the store.
    notes : iterable of Note, optional
        Of the store.
    goes_on : bool
        Whether the plan goes on now, without a hole.
    """
    since = [i for i, part in enumerate(run.parts) if part.takes_up_plan and part.first_frame < n_frames]
    taken_up = max(since, default=0)
    last = len(run.parts)
    ends = [(last, run.outcome), (last, run.outcome_before_recovery)]
    for i, part in enumerate(run.parts):
        ends += [(i, part.outcome), (i, part.outcome_before_recovery)]
    found = [
        (one.lasting_reason, i < taken_up) for i, one in ends if one is not None and one.lasting_reason is not None
    ]
    began = run.parts[taken_up].began_utc if taken_up else None
    found += [(note.text, began is not None and note.t_utc < began) for note in notes if note.kind == "spoilt"]
    return [why for why, mended in found if not (why in _MENDED and (mended or goes_on))]
