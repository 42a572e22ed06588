"""Frames of a section that enter no score, whatever their tiles show, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.drawn_fields import DrawnFields
from hcc_scope.storage.drawn_sample import give_sample
from hcc_scope.storage.notes import excluded_fields, read_notes, stored_retakes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.place import StorePlace

__all__ = ["frames_out"]


def frames_out(
    store: StorePlace, entries: Sequence[JournalEntry | None], analysed: Callable[[int], bool], *, guided: bool
) -> dict[int, str]:
    """Return the frames that are out of the score by the present notes: `seq` to the reason, as half a sentence.

    Parameters
    ----------
    store : Path
        The store's folder.
    entries : sequence of JournalEntry or None
        Its journal.
    analysed : callable
        Whether a frame has a result that has not failed.
    guided : bool
        Whether only frames of the drawn sample count.

    Raises
    ------
    StoreError
        If the notes or the drawn sample are there and cannot be read.
    """
    notes = read_notes(store)
    n = len(entries)
    out: dict[int, str] = {}
    if guided:
        drawn = DrawnFields()
        give_sample(drawn, store, entries)
        for seq in set(range(n)).difference(drawn.frames):
            later = drawn.instead_of(seq)
            no_field = "it shows no field of the drawn sample"
            out[seq] = no_field if later is None else f"frame {later} of the same drawn field counts"
    for seq, why in excluded_fields(notes).items():
        if seq < n:
            out[seq] = f"excluded by the operator: {why}" if why else "excluded by the operator"
    if not guided:
        retakes = stored_retakes(notes, n)
        counting = retakes.counting(analysed)
        for seq in retakes.set_aside(analysed):
            out[seq] = f"frame {counting[retakes.field_of(seq)]} of the same field counts"
    return dict(sorted(out.items()))
