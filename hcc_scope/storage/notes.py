"""Notes beside the frames: what a person wrote about a section or a field, which fields are excluded, and the label.

A run adds two kinds itself, immediately, as it may crash before it records its end: ``spoilt``, when it finds that its
fields are no random sample, and ``retake``, when frame ``seq`` takes frame ``replaces`` again, before that frame is
stored. A retake whose frame was never stored replaces nothing.

``notes.jsonl``, one JSON object per line, append-only: ``{"t_utc", "seq", "kind", "text"}``, of a retake
``"replaces"`` as well, and a checksum, which lines of earlier versions lack. A mark is never taken back by deleting it,
only by a later one. Notes can be added to a finished store too; its frames are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast, get_args

from hcc_scope.errors import StoreError, UsageError
from hcc_scope.retakes import Retakes
from hcc_scope.storage import values
from hcc_scope.storage.appended import append_line
from hcc_scope.storage.files import cannot_read, explain, read_plain
from hcc_scope.storage.lines import fields_of, sealed_line
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.naming import NOTES
from hcc_scope.types import NoteKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.storage.place import StorePlace

__all__ = [
    "LABEL_TEXTS",
    "NOTES",
    "USUAL_REASONS",
    "Note",
    "NotesLog",
    "NotesWriter",
    "excluded_fields",
    "lost_notes",
    "read_notes",
    "read_notes_log",
    "release_lost_frames",
    "stored_retakes",
]

USUAL_REASONS = ("out of focus", "fold or tear", "air bubble or dirt", "no tissue", "wrong place")
"""Why a field is excluded from the score most often; any other text may stand in a mark."""
LONGEST_TEXT = 10_000
"""Characters of one note: more belongs into a document."""
_KINDS = frozenset(get_args(NoteKind))
_OF_SECTIONS = ("note", "spoilt", "label")
LABEL_TEXTS = ("low", "high", "leave out", "no label")
"""What a note of the kind ``label`` may hold; what it means is in `hcc_scope.storage.section_labels`."""
_GIVEN_AGAIN = "its frame was never stored: another one has this number"
_KEYS = frozenset({"t_utc", "seq", "kind", "text"})
_REPLACES = "replaces"
"""Key of a retake alone."""
_MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Note:
    """One line."""

    t_utc: datetime
    seq: int | None
    """The field; None if it is about the section."""
    kind: NoteKind
    text: str
    """Of a mark: why."""
    replaces: int | None = None
    """Of a retake: the frame that it replaces; None if it replaces none after all."""


@dataclass(frozen=True, slots=True)
class NotesLog:
    """What a ``notes.jsonl`` holds."""

    notes: tuple[Note, ...]
    problems: tuple[str, ...]
    """One sentence for each unreadable line that has its end."""
    torn: bytes
    """The unfinished last line of a crash, or empty."""
    n_doubtful: int = 0
    """How many notes, from the first, are followed by an unreadable line: a mark that takes one back may be lost."""


def _note_of(line: bytes) -> Note:
    """Parse one line; raises ValueError if it is not one."""
    value, _ = fields_of(line)
    retakes = value.get("kind") == "retake"
    if value.keys() != (_KEYS | {_REPLACES} if retakes else _KEYS):
        raise ValueError("it has other keys")
    seq = None if value["seq"] is None else values.integer(value["seq"], "seq", 0, 1 << 40)
    kind = cast("NoteKind", values.choice(value["kind"], "kind", _KINDS))
    if seq is None and kind not in _OF_SECTIONS:
        raise ValueError("a mark needs a field")
    if kind == "label" and (seq is not None or value["text"] not in LABEL_TEXTS):
        raise ValueError("it is no label of a section")
    replaces = None
    if value.get(_REPLACES) is not None:
        replaces = values.integer(value[_REPLACES], _REPLACES, 0, (seq or 0) - 1)
    return Note(values.time_of(value["t_utc"], "t_utc"), seq, kind, values.text(value["text"], "text"), replaces)


def read_notes_log(store: StorePlace) -> NotesLog:
    """Read a store's notes, also while they are being written; a store without any has none.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    path = store / NOTES
    try:
        *lines, torn = read_plain(path, _MAX_BYTES).split(b"\n")
    except FileNotFoundError:
        return NotesLog((), (), b"")
    except OSError as error:
        raise cannot_read(error, f"The notes {path}") from error
    notes: list[Note] = []
    problems: list[str] = []
    n_doubtful = 0
    for number, line in enumerate(lines, start=1):
        try:
            notes.append(_note_of(line))
        except ValueError:
            problems.append(f"line {number} of {path} is unreadable")
            n_doubtful = len(notes)
    return NotesLog(tuple(notes), tuple(problems), torn, n_doubtful)


def read_notes(store: StorePlace) -> tuple[Note, ...]:
    """Return a store's notes, oldest first; lines that cannot be read are left out (`read_notes_log` reports them).

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    return read_notes_log(store).notes


def lost_notes(store: StorePlace, excluded: Iterable[int], retaken: Iterable[int] = ()) -> list[str]:
    """Return what is missing from the notes of a run that has ended: the notes alone do not show it.

    Parameters
    ----------
    store : Path
        The store's folder.
    excluded : iterable of int
        `seq` of the fields that were out of the score when the run ended: each has a mark.
    retaken : iterable of int
        `seq` of the frames that take a field again by their tags: each has a note.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    notes = read_notes(store)
    marked = {note.seq for note in notes if note.kind in ("exclude", "include")}
    last = {note.seq: note.replaces for note in notes if note.kind == "retake"}
    again = {seq for seq, replaced in last.items() if replaced is not None}
    lost = [seq for seq in excluded if seq not in marked]
    problems = [f"{store / NOTES} has lost the mark that took {_fields(lost)} out of the score"] if lost else []
    if lost := [seq for seq in retaken if seq not in again]:
        problems.append(f"{store / NOTES} has lost the note that {_fields(lost, 'frame')} took a field again")
    return problems


def _fields(seqs: list[int], noun: str = "field") -> str:
    names = ", ".join(str(seq) for seq in seqs[:5])
    return f"{noun}{'s' if len(seqs) > 1 else ''} {names}{' ...' if len(seqs) > 5 else ''}"


def stored_retakes(notes: Iterable[Note], n_frames: int) -> Retakes:
    """Return the retakes that a store's notes state, of the frames that it holds. The last note on a frame counts."""
    found = {note.seq: note.replaces for note in notes if note.kind == "retake" and note.seq is not None}
    return Retakes({seq: k for seq, k in found.items() if k is not None and seq < n_frames})


def excluded_fields(notes: Iterable[Note]) -> dict[int, str]:
    """Return which fields a person excluded from the score, and why: `seq` to text. The last mark of a field counts."""
    excluded: dict[int, str] = {}
    for note in notes:
        if note.seq is not None and note.kind == "exclude":
            excluded[note.seq] = note.text
        elif note.seq is not None and note.kind == "include":
            excluded.pop(note.seq, None)
    return dict(sorted(excluded.items()))


def release_lost_frames(store: Path, n_frames: int) -> None:
    """Add what takes back remarks and marks on frames that the journal does not have: those numbers are given again.

    A field can be excluded before its frame is on disk, and a crash then keeps the frame from it.

    Raises
    ------
    StoreError
        If the notes cannot be read or written.
    """
    lost = [note for note in read_notes(store) if note.seq is not None and note.seq >= n_frames]
    again = {note.seq: note.replaces for note in lost if note.kind == "retake"}
    last = {note.seq: note.text for note in lost}
    for seq, text in sorted(last.items()):
        if again.get(seq) is not None:
            NotesWriter(store).add("retake", _GIVEN_AGAIN, seq)
        if text != _GIVEN_AGAIN:
            NotesWriter(store).add("include", _GIVEN_AGAIN, seq)


class NotesWriter:
    """Adds notes to a store, running or finished. Safe from any thread, and beside other writers of the same store.

    Nothing is written before the first note; every note is on disk when `add` returns.

    Parameters
    ----------
    store : Path
        The store's folder.
    """

    def __init__(self, store: Path) -> None:
        self.path = store / NOTES
        self._store = store

    def add(self, kind: NoteKind, text: str, seq: int | None = None, replaces: int | None = None) -> Note:
        """Write one note down.

        Parameters
        ----------
        kind : {"note", "exclude", "include", "spoilt", "retake", "label"}
            A remark, a mark on a field, what the run found out (its fields are no random choice), that a frame takes a
            field again, or the section's label for training.
        text : str
            The remark, or why.
        seq : int, optional
            The field; without one the note is about the section.
        replaces : int, optional
            Of a retake: the frame that it replaces; without one it replaces none after all.

        Raises
        ------
        UsageError
            If a mark names no field, a remark is empty, the text is too long, or a label is none.
        StoreError, StoreUnwritableError, DiskFullError
            If there is no store, or the note cannot be written.
        """
        text = text.strip()
        if kind not in _OF_SECTIONS and seq is None:
            raise UsageError("a mark needs a field")
        if kind in _OF_SECTIONS and not text:
            raise UsageError("the note is empty", hint="Write something.")
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"a note of {len(text)} characters is too long", hint=f"{LONGEST_TEXT} are possible.")
        if kind == "label" and (seq is not None or text not in LABEL_TEXTS):
            raise UsageError(f"{text!r} is no label of a section", hint=f"There are {', '.join(LABEL_TEXTS)}.")
        if replaces is not None and (kind != "retake" or seq is None or not 0 <= replaces < seq):
            raise UsageError(f"a note of the kind '{kind}' on frame {seq} cannot replace frame {replaces}")
        note = Note(datetime.now(UTC), None if seq is None else int(seq), kind, text, replaces)
        fields = {"t_utc": note.t_utc.isoformat(), "seq": note.seq, "kind": note.kind, "text": note.text}
        if kind == "retake":
            fields[_REPLACES] = note.replaces
        try:
            if not (self._store / JOURNAL).is_file():
                raise StoreError(f"There is no store at {self._store} to add a note to")
            append_line(self.path, sealed_line(fields))
        except OSError as error:
            raise explain(error, f"The note could not be added to {self.path}") from error
        return note
