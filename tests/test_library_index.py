"""The index behind the library: the same list with it, without it, and whatever has become of it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from library_parts import stored_section

from benchmarks.library import write_section
from hcc_scope.runs import section_reading, stamp_index
from hcc_scope.runs.library import SectionLister
from hcc_scope.runs.library_rows import FORMAT, row_from_text, row_to_text
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.runs.stamp_index import StampIndex
from hcc_scope.storage import files
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.types import Drift, ExcludedBounds, SampleCounts, SectionScore

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index files that were written just now."""
    monkeypatch.setattr(files, "_YOUNG_S", -1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(3):
        write_section(tmp_path / "library", n)
    return tmp_path / "library"


def listed(folder: Path, index: StampIndex | None = None) -> list[ListedSection]:
    return sorted(SectionLister(index).each([folder]), key=lambda one: one.path)


def index_of(tmp_path: Path) -> StampIndex:
    return StampIndex(tmp_path / "cache" / "library.sqlite", FORMAT)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that is filled with the names of the stores that are read from now on."""
    read: list[str] = []
    read_row = section_reading.read_row
    monkeypatch.setattr(
        section_reading, "read_row", lambda path, stamp: read.append(path.name) or read_row(path, stamp)
    )
    return read


def test_every_value_of_a_row_comes_back() -> None:
    parts = {
        "score": 0.1 + 0.2, "interval": (0.1, 0.9), "interval_frames": 1, "interval_valid": True, "confidence": 0.95,
        "threshold": 0.5, "stabilised": True, "stabilised_reason": "narrow", "frames": 2, "tiles": 3,
        "tiles_excluded": {"saturated": 1}, "fields_excluded_by_operator": 1, "spoilt": "a device failed",
        "sample": SampleCounts(4, 3, {"bare glass": 1}, 2), "threshold_interval": (0.4, 0.6), "weight": "tissue",
        "n_lattice": 60, "excluded_bounds": ExcludedBounds(1, 0.2, 0.3), "drift": Drift(9, 30.5, ("score", "focus")),
        "retaken": {3: 7}, "set_aside": (3, 4),
    }  # fmt: skip
    values = {
        "path": Path("M1_S1.ome.zarr"), "state": "complete", "problem": "Ünreadable.", "animal_id": "\ud800",
        "section_id": "S1", "created_utc": NOW, "ended": "complete", "n_frames": 4, "n_retakes": 1, "n_planned": 5,
        "n_parts": 2, "model": "m", "model_sha256": "ab" * 32, "alarm": "A phantom.", "score": SectionScore(**parts),
        "has_old_score": True, "n_notes": 2, "note": "fold\n", "label": "high", "is_by_hand": True, "noted_utc": NOW,
        "can_recover": True, "statement": "{}", "stamp": (1, 2),
    }  # fmt: skip
    for given, made in ((parts, SectionScore), (values, ListedSection)):
        assert set(given) == {one.name for one in dataclasses.fields(made)}, "every value has its example here"
    row = ListedSection(**values)
    assert row_from_text(row_to_text(row), row.path, row.stamp) == row
    empty = ListedSection(Path("a"), "unreadable")
    assert row_from_text(row_to_text(empty), empty.path, ()) == empty


def test_the_next_process_reads_nothing_that_is_as_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listed(folder, index_of(tmp_path))
    read = count_reads(monkeypatch)
    assert listed(folder, index_of(tmp_path)) == before == listed(folder)
    assert len(read) == 3, "those of the list without an index"
    (tmp_path / "link").symlink_to(folder)
    assert [one.path.parent.name for one in listed(tmp_path / "link", index_of(tmp_path))] == ["link"] * 3
    assert len(read) == 3, "whatever link leads there"
    file = before[0].path / "zarr.json"
    status, content = file.stat(), file.read_bytes()
    file.write_bytes(content.replace(b'"complete": true', b'"complete": nope'))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    if os.name != "nt":  # there, no time shows it
        assert listed(folder, index_of(tmp_path))[0].state == "unreadable", "in place, of the same size and time"
        assert read[3:] == [before[0].path.name]
    file.write_bytes(content)
    shutil.rmtree(before[1].path)
    assert [one.state for one in listed(folder, index_of(tmp_path))] == ["complete"] * 2
    assert set(index_of(tmp_path).rows(os.path.realpath(folder))) == {before[0].path.name, before[2].path.name}


def test_a_score_that_was_read_from_the_results_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored_section(tmp_path / "library")
    NotesWriter(path).add("exclude", "a fold", 1)
    lister = SectionLister(index_of(tmp_path))
    (present,) = lister.with_present_scores(list(lister.each([tmp_path / "library"])))
    monkeypatch.setattr(section_reading, "open_store", pytest.fail)
    (row,) = listed(tmp_path / "library", index_of(tmp_path))
    assert row == present
    assert not row.has_old_score
    NotesWriter(path).add("include", "", 1)
    (row,) = listed(tmp_path / "library", index_of(tmp_path))
    assert row.score != present.score


def test_what_was_written_just_now_is_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_YOUNG_S", 1000)
    lister = SectionLister(index_of(tmp_path))
    assert len(list(lister.each([folder]))) == 3
    read = count_reads(monkeypatch)
    listed(folder, index_of(tmp_path))
    assert len(read) == 3
    monkeypatch.setattr(files, "_YOUNG_S", -1000)
    list(lister.each([folder]))
    listed(folder, index_of(tmp_path))
    assert len(read) == 3, "it is indexed once its times are settled"


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def changed(*statements: str) -> Callable[[Path], None]:
    """Return what runs SQL on an index."""

    def change(file: Path) -> None:
        with sqlite3.connect(file) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return change


DAMAGE = {
    "deleted": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"nonsense" * 1000),
    "cut off": truncate,
    "a row changed": changed("UPDATE sections SET text = replace(text, '0.5', '0.9')"),
    "a text that is none": changed("UPDATE sections SET text = CAST(x'ff' AS TEXT)"),
    "a stamp that is none": changed("UPDATE sections SET stamp = NULL"),
    "table lost": changed("DROP TABLE sections"),
    "another version": changed(
        "DROP TABLE sections", "CREATE TABLE sections (other INTEGER)", "PRAGMA user_version = 1"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_made_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: object
) -> None:
    before = listed(folder, index_of(tmp_path))
    damage(tmp_path / "cache" / "library.sqlite")
    assert listed(folder, index_of(tmp_path)) == before
    listed(folder, index_of(tmp_path))
    read = count_reads(monkeypatch)
    assert listed(folder, index_of(tmp_path)) == before
    assert read == []


def test_an_index_that_cannot_be_written_is_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_bytes(b"a file in the place of the folder")
    assert len(listed(folder, index_of(tmp_path))) == 3
    (tmp_path / "cache").unlink()
    monkeypatch.setattr(stamp_index, "_LOCK_S", 0.01)
    before = listed(folder, index_of(tmp_path))
    file = tmp_path / "cache" / "library.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert listed(folder, index_of(tmp_path)) == before, "while another process writes, it is read without the index"
    other.execute("ROLLBACK")
    other.close()
    read = count_reads(monkeypatch)
    assert listed(folder, index_of(tmp_path)) == before
    assert read == [], "and the index is as it was"


def test_a_list_that_is_not_read_to_its_end_is_kept_as_far(folder: Path, tmp_path: Path) -> None:
    rows = SectionLister(index_of(tmp_path)).each([folder])
    next(rows)
    rows.close()
    assert len(index_of(tmp_path).rows(os.path.realpath(folder))) == 1
