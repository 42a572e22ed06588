"""The label of a stored section, for training: low, high, or leave it out.

A label is a note of the section (`hcc_scope.storage.notes`), so the frames are never touched and every earlier label
stays readable. The last one counts. Animal and day need no label: the store knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from hcc_scope.errors import StoreDamagedError
from hcc_scope.storage.notes import LABEL_TEXTS, NotesWriter, read_notes_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.storage.notes import Note, NotesLog
    from hcc_scope.storage.place import StorePlace

__all__ = ["LABELS", "SectionLabel", "certain_label", "describe_label", "label_of", "label_section", "section_label"]

SectionLabel = Literal["low", "high", "leave out"]
LABELS: tuple[SectionLabel, ...] = ("low", "high", "leave out")
_NO_LABEL = LABEL_TEXTS[-1]


def label_of(notes: Sequence[Note]) -> SectionLabel | None:
    """Return the label that notes give a section, oldest note first: the last one counts. None: it has none.

    Where a line of the notes may be unreadable, `certain_label` is the one to ask.
    """
    for note in reversed(notes):
        if note.kind == "label":
            return None if note.text == _NO_LABEL else cast("SectionLabel", note.text)
    return None


def section_label(store: StorePlace) -> SectionLabel | None:
    """Return the label of a stored section; None if it has none.

    Parameters
    ----------
    store : Path
        The store's folder, of a section that has ended or not.

    Raises
    ------
    StoreError
        If the notes cannot be read.
    StoreDamagedError
        If a line of the notes is unreadable that may have changed the label: a wrong one would train a model.
    """
    return certain_label(store, read_notes_log(store))


def certain_label(store: StorePlace, log: NotesLog) -> SectionLabel | None:
    """Return the label that notes give a section, as `section_label`, from notes that are read already.

    Raises
    ------
    StoreDamagedError
        If an unreadable line comes after the last label.
    """
    last = max((n for n, note in enumerate(log.notes) if note.kind == "label"), default=-1)
    if log.problems and last < log.n_doubtful:
        raise StoreDamagedError(
            f"The label of {store.name} is not certain: {log.problems[-1]}", hint="Label the section again."
        )
    return label_of(log.notes)


def label_section(store: Path, label: SectionLabel | None) -> Note:
    """Give a stored section a label, or take it away; return the note that was added.

    Parameters
    ----------
    store : Path
        The store's folder.
    label : {"low", "high", "leave out"} or None
        None: the section has no label any more.

    Raises
    ------
    StoreError, StoreUnwritableError, DiskFullError
        If there is no store, or the note cannot be written.
    """
    return NotesWriter(store).add("label", _NO_LABEL if label is None else label)


def describe_label(text: str) -> str:
    """Return what a note of the kind ``label`` with this text states.

    Examples
    --------
    >>> describe_label("high"), describe_label("leave out"), describe_label("no label")
    ('labelled high for training', 'left out of training', 'label taken back')
    """
    match text:
        case "leave out":
            return "left out of training"
        case "no label":
            return "label taken back"
        case _:
            return f"labelled {text} for training"
