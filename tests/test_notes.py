"""Notes beside the frames: what is written is read back, beside other writers and after a crash."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.errors import DiskFullError, StoreDamagedError, StoreError, StoreUnwritableError, UsageError
from hcc_scope.storage import appended, notes
from hcc_scope.storage.notes import Note, NotesWriter, excluded_fields, read_notes, read_notes_log
from hcc_scope.storage.section_labels import label_section, section_label

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import NoteKind


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "frames.jsonl").touch()
    return tmp_path


def test_notes_come_back_in_order(store: Path):
    writer = NotesWriter(store)
    assert read_notes(store) == ()
    assert not writer.path.exists()
    before = datetime.now(UTC)
    written = [
        writer.add("note", "two slides were swapped\u2028really: “S3”"),
        writer.add("note", "  a bubble ", seq=4),
        writer.add("exclude", "bubble", seq=4),
        writer.add("include", "", seq=4),
    ]
    found = read_notes(store)
    assert found == tuple(written)
    assert found[1] == Note(found[1].t_utc, 4, "note", "a bubble")
    assert before <= found[0].t_utc <= found[-1].t_utc <= before + timedelta(minutes=1)
    lines = writer.path.read_bytes().split(b"\n")
    assert len(lines) == 5
    assert set(json.loads(lines[0])) == {"t_utc", "seq", "kind", "text", "line_crc32"}


@pytest.mark.parametrize(
    ("kind", "text", "seq", "message"),
    [
        ("exclude", "why", None, "a mark needs a field"),
        ("note", "  ", 3, "the note is empty"),
        ("note", "x" * 10_001, None, "a note of 10001 characters is too long"),
    ],
)
def test_an_empty_description_is_refused(store: Path, kind: NoteKind, text: str, seq: int | None, message: str):
    with pytest.raises(UsageError, match=message):
        NotesWriter(store).add(kind, text, seq)
    assert not (store / notes.NOTES).exists()


def test_a_note_needs_a_store(tmp_path: Path):
    with pytest.raises(StoreError, match="There is no store at"):
        NotesWriter(tmp_path / "nowhere").add("note", "hello")


def test_a_torn_line_is_ended_and_reported_and_the_others_stay(store: Path):
    writer = NotesWriter(store)
    first = writer.add("note", "first")
    with writer.path.open("ab") as file:
        file.write(b'{"t_utc":"2026-01-01T00:00:00+00:00","seq":1,"ki')
    assert read_notes(store) == (first,)
    log = read_notes_log(store)
    assert (log.problems, log.torn[:8]) == ((), b'{"t_utc"')
    last = writer.add("note", "last")  # it does not run into the torn one
    assert read_notes(store) == (first, last)
    assert read_notes_log(store).problems == (f"line 2 of {writer.path} is unreadable",)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b'{"t_utc":"2026-01-01","seq":null,"kind":"exclude","text":""}',
        b'{"t_utc":"2026-01-01","seq":-1,"kind":"note","text":"x"}',
        b'{"t_utc":"2026-01-01","seq":true,"kind":"note","text":"x"}',
        b'{"t_utc":"never","seq":1,"kind":"note","text":"x"}',
        b'{"t_utc":"2026-01-01","seq":1,"kind":"erase","text":"x"}',
        b'{"t_utc":"2026-01-01","seq":1,"kind":"note","text":7}',
        b"\xff\xfe",
    ],
)
def test_damaged_lines_are_reported(store: Path, line: bytes):
    (store / notes.NOTES).write_bytes(line + b"\n")
    log = read_notes_log(store)
    assert log.notes == ()
    assert log.problems == (f"line 1 of {store / notes.NOTES} is unreadable",)


def test_several_writers_lose_nothing(store: Path):
    def write(name: int) -> None:
        writer = NotesWriter(store)
        for i in range(20):
            writer.add("note", f"{name}-{i}")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_notes_log(store)
    assert found.problems == ()
    assert sorted(note.text for note in found.notes) == sorted(f"{n}-{i}" for n in range(4) for i in range(20))


@pytest.mark.parametrize(("code", "kind"), [(28, DiskFullError), (13, StoreUnwritableError)])
def test_a_note_that_cannot_be_written_is_an_error_and_leaves_no_half_line(
    store: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StoreError]
):
    writer = NotesWriter(store)
    first = writer.add("note", "first")
    real = appended.write_all

    def failing(handle: int, data: bytes) -> None:
        real(handle, data[:10])
        raise OSError(code, "no")

    monkeypatch.setattr(appended, "write_all", failing)
    with pytest.raises(kind, match=r"The note could not be added to .*notes\.jsonl"):
        writer.add("note", "second")
    monkeypatch.undo()
    assert read_notes_log(store) == notes.NotesLog((first,), (), b"")


@given(st.lists(st.tuples(st.sampled_from(["exclude", "include", "note"]), st.integers(0, 4), st.text(max_size=3))))
def test_the_last_mark_of_a_field_counts(marks: list[tuple[NoteKind, int, str]]):
    now = datetime.now(UTC)
    found = excluded_fields([Note(now, seq, kind, text) for kind, seq, text in marks])
    for seq in range(5):
        own = [(kind, text) for kind, where, text in marks if where == seq and kind != "note"]
        expected = own[-1][1] if own and own[-1][0] == "exclude" else None
        assert found.get(seq) == expected
    assert list(found) == sorted(found)


def test_the_last_label_of_a_section_counts(store: Path):
    assert section_label(store) is None
    for label in ("high", "leave out", "low"):
        label_section(store, label)
        assert section_label(store) == label
    NotesWriter(store).add("note", "high")  # a remark is no label
    assert section_label(store) == "low"
    label_section(store, None)
    assert section_label(store) is None
    assert [note.text for note in read_notes(store)] == ["high", "leave out", "low", "high", "no label"]


def test_a_label_after_which_a_line_is_unreadable_is_not_taken_for_the_last(store: Path):
    label_section(store, "low")
    with (store / notes.NOTES).open("ab") as file:
        file.write(b'{"kind": "label", "text": "hi\n')
    with pytest.raises(StoreDamagedError, match=r"The label of .* is not certain: line 2 of .* is unreadable"):
        section_label(store)
    label_section(store, "high")
    assert section_label(store) == "high"


@pytest.mark.parametrize(("text", "seq"), [("medium", None), ("high", 3)])
def test_what_is_no_label_is_refused(store: Path, text: str, seq: int | None):
    with pytest.raises(UsageError, match="is no label of a section"):
        NotesWriter(store).add("label", text, seq)
