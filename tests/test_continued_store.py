"""A section goes on in its own store: what was there stays, what is added is as safe, and a crash costs nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from storage_cases import (
    assert_same_frame,
    change_facts,
    change_spec,
    fingerprint,
    make_frame,
    make_result,
    make_spec,
    shard,
)

from hcc_scope import atomic_file
from hcc_scope.errors import DiskFullError, StoreDamagedError, StoreError
from hcc_scope.plans.drawn_sample import draw_sample
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.report.control_charts import read
from hcc_scope.run_events import RunEvent
from hcc_scope.storage import journal_writer, reopened, section_writer
from hcc_scope.storage.drawn_sample import SampleWriter, stored_sample
from hcc_scope.storage.lasting_reasons import lasting_reasons
from hcc_scope.storage.notes import NotesWriter, excluded_fields, read_notes
from hcc_scope.storage.predictions import PredictionWriter, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.reopened import ReopenedSection, reopen_section
from hcc_scope.storage.run_log import RunLogWriter, read_run_log
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from hcc_scope.storage.section_writer import SectionWriter

SCORED = {"engine": "torchscript", "temperature": 1.5, "decision_threshold": 0.5}
SPEC = make_spec(tile_px=35, sampling="chosen", model_sha256="ab" * 32, provenance={"specimen": "phantom", **SCORED})
N_TILES = 6


def store_frames(sink: SectionWriter, first: int, end: int, *, analysed: int | None = None) -> None:
    """Add frames with their results, as a run does, and end it."""
    continues = first > 0
    results = PredictionWriter(sink.path, SPEC, run="r", continues=continues)
    log = RunLogWriter(sink.path, pytest.fail, continues=continues)
    log.add(RunEvent(make_frame(first).t_utc, "action", {"action": "pause"}))
    for seq in range(first, end):
        sink.append(make_frame(seq))
        if analysed is None or seq < analysed:
            results.append(make_result(seq, N_TILES))
    sink.close()
    results.close()
    log.close()


def ended(folder: Path, n: int = 3) -> Path:
    """Return a store of `n` frames whose run has ended."""
    sink = create_store(folder, SPEC)
    store_frames(sink, 0, n)
    sink.finalise({"state": "completed", "counts": {"lost": 1}, "readings": {"focus": 0.5}})
    return sink.path


def interrupted(folder: Path, n: int = 3) -> Path:
    """Return a store of `n` frames whose run was killed."""
    sink = create_store(folder, SPEC)
    store_frames(sink, 0, n)
    return sink.path


def give_up(section: ReopenedSection) -> None:
    section.sink.close()
    assert section.sink.discard()


def test_a_store_goes_on_and_holds_what_one_run_would_have_stored(tmp_path: Path):
    path = ended(tmp_path / "twice")
    before = fingerprint(path)
    journal = (path / "frames.jsonl").read_bytes()
    section = reopen_section(path, replace(SPEC, software={"camera driver": "76"}))
    assert (section.part, section.recovered, section.excluded) == (2, None, ())
    assert section.sink.committed == section.earlier.n_frames == 3
    assert not open_store(path).complete  # as one whose run is under way
    assert open_store(path).problems == ()
    assert_same_frame(section.sink.read(1), make_frame(1))
    with pytest.raises(StoreError, match="frame 3 was due"):
        section.sink.append(make_frame(2))
    store_frames(section.sink, 3, 5)
    assert_same_frame(section.sink.read(4), make_frame(4))
    section.sink.finalise({"state": "cancelled"})

    once = ended(tmp_path / "once", 5)
    after = fingerprint(path)
    shards = [str(shard(path, seq).relative_to(path)) for seq in range(5)]
    for name in ("frames.jsonl", "frames/0/zarr.json", "predictions.parquet", *shards):
        assert after[name] == fingerprint(once)[name]
    assert (path / "frames.jsonl").read_bytes().startswith(journal)
    assert all(after[name] == before[name] for name in before if name.startswith("frames/0/c/") or "hcc_scope" in name)
    store = open_store(path)
    assert (store.complete, store.n_frames, store.problems) == (True, 5, ())
    assert [frame.seq for frame in store.read_ahead(range(5), 2)] == list(range(5))
    first, second = store.recorded.parts
    assert (first.first_frame, first.n_frames, second.first_frame, second.n_frames) == (0, 3, 3, 2)
    assert (first.outcome.state, first.outcome.lost_frames, second.outcome.state) == ("completed", 1, "cancelled")
    assert first.began_utc == store.recorded.created_utc < first.ended_utc <= second.began_utc <= second.ended_utc
    assert store.attributes["parts"][1]["software"]["camera driver"] == "76"
    assert store.attributes["software"]["camera driver"] == "75"
    assert len(read_run_log(path).events) == 2
    assert recover(path).changes == ()


def test_an_earlier_program_refuses_a_section_by_hand_as_newer_than_itself(tmp_path: Path):
    for sampling in ("guided", "chosen"):
        with create_store(tmp_path, replace(SPEC, section_id=sampling, sampling=sampling)) as sink:
            assert sink.attributes["schema_version"] == 4
        assert open_store(sink.path).problems == ()


def test_a_third_part_follows_the_second(tmp_path: Path):
    path = ended(tmp_path, 1)
    for seq in (1, 2):
        section = reopen_section(path, SPEC)
        store_frames(section.sink, seq, seq + 1)
        spoilt = "a device failed" if seq == 1 else None
        section.sink.finalise({"state": "completed", "spoilt": spoilt, "readings": {"focus": seq}})
    recorded = open_store(path).recorded
    charted = [(one.t_utc, one.values["focus"]) for one in read(path)]
    assert charted == [(part.began_utc, value) for part, value in zip(recorded.parts, (0.5, 1, 2), strict=True)]
    assert [(part.first_frame, part.n_frames) for part in recorded.parts] == [(0, 1), (1, 1), (2, 1)]
    assert lasting_reasons(recorded, 3) == ["a device failed"]


def test_without_a_new_frame_every_byte_is_as_before(tmp_path: Path):
    path = ended(tmp_path)
    before = fingerprint(path)
    section = reopen_section(path, SPEC)
    store_frames(section.sink, 3, 3)
    assert section.sink.discard()
    assert fingerprint(path) == before


def test_a_new_result_of_an_earlier_frame_counts_as_something_new(tmp_path: Path):
    sink = create_store(tmp_path, SPEC)
    store_frames(sink, 0, 3, analysed=2)
    section = reopen_section(sink.path, SPEC)
    assert list(section.results) == [0, 1]
    assert section.recovered.n_frames == 3
    results = PredictionWriter(sink.path, SPEC, run="x", continues=True)
    results.append(make_result(2, N_TILES))
    section.sink.close()
    results.close()
    assert not section.sink.discard()
    section.sink.finalise({"state": "completed"})
    assert open_store(sink.path).problems == ()
    assert sorted(set(read_predictions_table(sink.path)["seq"].to_pylist())) == [0, 1, 2]


def test_a_note_without_a_new_frame_is_part_of_the_end(tmp_path: Path):
    path = ended(tmp_path)
    section = reopen_section(path, SPEC)
    store_frames(section.sink, 3, 3)
    NotesWriter(path).add("spoilt", "a device failed")
    assert not section.sink.discard()
    section.sink.finalise({"state": "failed"})
    store = open_store(path)
    assert (store.n_frames, store.problems, [part.n_frames for part in store.recorded.parts]) == (3, (), [3, 0])


def test_results_of_frames_that_were_never_stored_are_not_those_of_the_frames_that_get_their_numbers(tmp_path: Path):
    path = interrupted(tmp_path, 4)
    journal = path / "frames.jsonl"  # a disk that kept the frames up to 1
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    section = reopen_section(path, SPEC)
    assert sorted(section.results) == [0, 1]
    store_frames(section.sink, 2, 4, analysed=3)
    section.sink.finalise({"state": "completed"})
    results = read_predictions(path)
    assert sorted(results) == [0, 1, 2]
    np.testing.assert_array_equal(results[1].logits, make_result(1, N_TILES).logits)
    assert open_store(path).problems == ()


def test_the_table_of_a_section_whose_second_part_was_killed_has_the_frames_of_both(tmp_path: Path):
    path = ended(tmp_path)
    section = reopen_section(path, SPEC)
    results = PredictionWriter(path, SPEC, run="r", continues=True)
    for seq in (3, 4):
        section.sink.append(make_frame(seq))
        results.append(make_result(seq, N_TILES))
    section.sink.close()
    copy = Path(shutil.copytree(path, tmp_path / "killed" / path.name))
    results.close()
    assert "predictions.parquet made from 5 frames" in recover(copy).changes
    assert sorted(set(read_predictions_table(copy)["seq"].to_pylist())) == [0, 1, 2, 3, 4]
    assert recover(copy).changes == ()


def test_a_run_that_was_killed_at_its_first_result_can_go_on(tmp_path: Path):
    sink = create_store(tmp_path, SPEC)
    sink.append(make_frame(0))
    sink.close()
    (sink.path / "predictions.jsonl").write_bytes(b'{"version":2')
    section = reopen_section(sink.path, SPEC)
    assert section.recovered.problems == ()
    assert section.results == {}
    store_frames(section.sink, 1, 2)
    section.sink.finalise({"state": "completed"})
    assert sorted(read_predictions(sink.path)) == [1]
    assert open_store(sink.path).problems == ()


def test_marks_on_a_frame_that_was_never_stored_are_not_those_of_the_frame_that_gets_its_number(tmp_path: Path):
    spec = replace(SPEC, sampling="guided")
    with create_store(tmp_path, spec) as sink:
        sink.append(make_frame(0))
    NotesWriter(sink.path).add("exclude", "undone", 1)  # a capture that was on its way to the disk
    sample = SampleWriter(sink.path)
    sample.drawn(draw_sample(2, (10, 10), [(0, 0), (900, 0), (900, 900)], 7))
    sample.skipped(1, "fold")
    sample.undone(0)
    sample.undone(1)
    later = PredictionWriter(sink.path, spec, run="later", name="predictions-later")
    for seq in (0, 1):
        later.append(make_result(seq, N_TILES))
    later.close()
    give_up(reopen_section(sink.path, spec))
    notes = read_notes(sink.path)
    section = reopen_section(sink.path, spec)
    assert read_notes(sink.path) == notes  # once is enough
    section.sink.append(make_frame(1, tags={DRAWN_TAG: 0}))
    section.sink.close()
    section.sink.finalise({"state": "completed"})
    store = open_store(sink.path)
    assert section.excluded == ()
    assert excluded_fields(read_notes(sink.path)) == {}
    found = stored_sample(sink.path, store.journal)
    assert (found.undone, found.reached, found.skipped) == ({0}, {0: 1}, {1: "fold"})
    assert list(read_predictions(sink.path, "predictions-later")) == [0]


def test_a_crash_at_any_point_leaves_what_recover_makes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = ended(tmp_path / "store")
    moments: list[tuple[Path, int]] = []
    sinks: list[SectionWriter] = []

    def crash() -> None:
        copy = tmp_path / f"copy{len(moments)}" / path.name
        shutil.copytree(path, copy)
        moments.append((copy, sinks[0].committed if sinks else 3))

    def before_and_after(module: object, name: str) -> None:
        inner = getattr(module, name)

        def wrapped(*given: object, **named: object) -> object:
            crash()
            done = inner(*given, **named)
            crash()
            return done

        monkeypatch.setattr(module, name, wrapped)

    before_and_after(reopened, "replace_file")
    before_and_after(section_writer, "replace_file")
    before_and_after(journal_writer, "write_all")
    section = reopen_section(path, SPEC)
    sinks.append(section.sink)
    store_frames(section.sink, 3, 5)
    section.sink.finalise({"state": "completed"})

    monkeypatch.undo()

    assert len(moments) >= 8
    for copy, committed in moments:
        report = recover(copy)
        assert committed <= report.n_frames <= 5
        assert (report.damaged, report.problems) == ((), ())
        store = open_store(copy)
        assert (store.complete, store.problems, store.recorded_frames) == (True, (), report.n_frames)
        for seq in range(report.n_frames):
            assert_same_frame(store.read(seq), make_frame(seq))
        assert zarr.open_array(copy / "frames" / "0", mode="r").shape[0] == report.n_frames
        assert recover(copy).changes == ()
        if store.recorded.parts:
            assert sum(part.n_frames for part in store.recorded.parts) == report.n_frames
        give_up(reopen_section(copy, SPEC))  # and it can go on


def test_an_interrupted_store_is_recovered_first_with_a_torn_line(tmp_path: Path):
    path = interrupted(tmp_path)
    with (path / "frames.jsonl").open("ab") as journal:
        journal.write(b'{"seq":3,"crc')
    section = reopen_section(path, SPEC)
    assert section.recovered.n_frames == 3
    store_frames(section.sink, 3, 4)
    section.sink.finalise({"state": "completed"})
    store = open_store(path)
    assert (store.n_frames, store.problems) == (4, ())
    assert [part.outcome.state for part in store.recorded.parts] == ["recovered", "completed"]


def test_a_lost_line_of_the_run_log_keeps_no_section_from_going_on(tmp_path: Path):
    path = interrupted(tmp_path)
    log = path / "run_log.jsonl"
    log.write_bytes(log.read_bytes() + b"{}\n")
    section = reopen_section(path, SPEC)
    assert len(section.recovered.problems) == 1
    give_up(section)


def test_lines_that_were_withdrawn_stay_and_the_journal_goes_on(tmp_path: Path):
    path = ended(tmp_path)
    journal = path / "frames.jsonl"
    *kept, last = journal.read_bytes().splitlines(keepends=True)
    withdrawal = journal_writer.sealed_line({"withdrawn_from": 2})
    journal.write_bytes(b"".join(kept) + last[:40] + b"\n" + withdrawal + last)
    section = reopen_section(path, SPEC)
    for seq in range(3):
        assert_same_frame(section.sink.read(seq), make_frame(seq))
    store_frames(section.sink, 3, 4)
    section.sink.finalise({"state": "completed"})
    assert (open_store(path).n_frames, open_store(path).problems) == (4, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"animal_id": "M2"}, "it is of animal M1, not M2. Give the animal of the store, or start a new section."),
        ({"section_id": "S9"}, "it is of section S2, not S9"),
        ({"frame_shape_yx": (70, 80)}, "its frames have 90 x 70 px, and the camera's now have 80 x 70 px"),
        ({"bit_depth": 12}, "its frames have 14 bit, and the camera's now have 12 bit"),
        ({"pixel_size_um": 0.65}, "its pixel size is 0.325 um, and now it is 0.65 um"),
        ({"camera_axes": (0.0, 1.0, -1.0, 0.0)}, "its camera axes are"),
        ({"sampling": "guided"}, "the sampling of its fields is 'chosen', and now it is 'guided'"),
        ({"tile_px": 30}, "its tiles have 35 px, and now they have 30 px"),
        ({"model_sha256": "cd" * 32}, "it was classified with the model without a name (sha256 abababababab)"),
        ({"engine": "openvino"}, "it was classified on torchscript, and now on openvino. Choose the engine torch"),
        ({"temperature": 1.25}, "the temperature of its model is 1.5, and now it is 1.25"),
        ({"unlike_threshold": 3.0}, "the limit of 'unlike training' of its model is not recorded, and now it is 3.0"),
        ({"score_unlike": True}, "tiles unlike the training tiles were left out in it, and now they would be scored"),
        (
            {"score_weight": "tissue"},
            "its score is a mean over fields, and now it would be one over usable tiles. Choose",
        ),
        ({"quality_focus_min": 0.1}, "the quality limit focus_min is not recorded in it, and now 0.1"),
        ({"specimen": None}, "its specimen is 'phantom' and now not a phantom"),
        ({"shading": "corrected"}, "its frames are classified raw, and now they would be corrected"),
    ],
)
def test_another_section_camera_or_model_is_refused_in_a_sentence(tmp_path: Path, changes: dict, words: str):
    path = interrupted(tmp_path, 1)
    before = fingerprint(path)
    facts = {key: value for key, value in changes.items() if not hasattr(SPEC, key)}
    others = {key: value for key, value in changes.items() if hasattr(SPEC, key)}
    now = replace(SPEC, provenance={**SPEC.provenance, **facts}, **others)
    with pytest.raises(StoreError) as refused:
        reopened.refuse_another_section(path, SPEC, now)
    assert f"{path} cannot be continued: {words}" in str(refused.value)
    if "shading" not in changes:  # which a run states by its references alone
        with pytest.raises(StoreError, match="cannot be continued"):
            reopen_section(path, now)
    assert fingerprint(path) == before


def of_a_time_series(path: Path) -> None:
    change_spec(path, sampling="time_series")


def of_version_1(path: Path) -> None:
    root = json.loads((path / "zarr.json").read_text())
    facts = root["attributes"]["hcc_scope"] | {"schema_version": 1}
    del facts["facts_sha256"]
    root["attributes"]["hcc_scope"] = facts
    (path / "zarr.json").write_text(json.dumps(root))
    (path / "hcc_scope.json").unlink()


def with_a_damaged_frame(path: Path) -> None:
    shutil.copy(shard(path, 0), shard(path, 1))


def with_a_damaged_prediction(path: Path) -> None:
    log = path / "predictions.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"flags":[0', b'"flags":[1', 1))


def with_a_lost_line(path: Path) -> None:
    journal = path / "frames.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])


def with_an_endless_line(path: Path) -> None:
    journal = path / "frames.jsonl"
    journal.write_bytes(journal.read_bytes()[:-1])


def with_a_damaged_note(path: Path) -> None:
    (path / "notes.jsonl").write_bytes(b"{}\n")


def with_half_a_note(path: Path) -> None:
    (path / "notes.jsonl").write_bytes(b'{"t_utc":"2026-1')


def with_half_a_skip(path: Path) -> None:
    (path / "sample.jsonl").write_bytes(b'{"t_utc":"2026-1')


def with_notes_of_another_name(path: Path) -> None:
    NotesWriter(path).add("note", "a fold")
    (path.parent / "the same").hardlink_to(path / "notes.jsonl")


def with_a_link(path: Path) -> None:
    (path / "frames" / "0" / "c" / "3").symlink_to(path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (of_a_time_series, "its frames are one time series"),
        (of_version_1, "it has store version 1"),
        (with_a_damaged_frame, "Frame 1 in .* is damaged"),
        (with_a_damaged_prediction, "predictions.jsonl is unreadable.*hcc-scope recover"),
        (with_a_lost_line, "frame 2 was recorded but its journal line is missing.*hcc-scope recover"),
        (with_an_endless_line, "its run was not ended in order.*hcc-scope recover"),
        (with_a_damaged_note, "line 1 of .*notes.jsonl is unreadable"),
        (with_half_a_note, "notes.jsonl ends in the middle of a line.*hcc-scope recover"),
        (with_half_a_skip, "sample.jsonl ends in the middle of a line.*hcc-scope recover"),
        (with_notes_of_another_name, "notes.jsonl has a second name elsewhere"),
        (with_a_link, "is a symbolic link"),
    ],
)
def test_a_store_that_cannot_go_on_is_refused_and_left_alone(tmp_path: Path, damage, words: str):  # noqa: ANN001 - one of the above
    path = ended(tmp_path)
    damage(path)
    before = fingerprint(path)
    sampling = open_store(path).spec.sampling
    with pytest.raises(StoreError, match=f"(?s){words}"):
        reopen_section(path, replace(SPEC, sampling=sampling))
    assert fingerprint(path) == before


def test_a_store_that_is_being_written_is_refused(tmp_path: Path):
    path = ended(tmp_path)
    section = reopen_section(path, SPEC)
    with pytest.raises(StoreError, match="is being written by another process"):
        reopen_section(path, SPEC)
    give_up(section)
    give_up(reopen_section(path, SPEC))


def test_a_full_or_read_only_disk_is_refused_before_anything_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = ended(tmp_path)
    before = fingerprint(path)
    with pytest.raises(DiskFullError, match="are needed"):
        reopen_section(path, replace(SPEC, expected_frames=10**9))

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(reopened, "check_out_dir", refuse)
    with pytest.raises(StoreError, match="cannot be continued: Read-only file system"):
        reopen_section(path, SPEC)
    assert fingerprint(path) == before
    with (path / "frames.jsonl").open("rb+") as journal:
        assert journal_writer.lock(journal.fileno())  # nothing holds it any more


def test_a_disk_that_fails_at_the_first_step_leaves_the_store_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = ended(tmp_path)
    before = fingerprint(path)
    sync_folder = atomic_file.sync_folder

    def fail_once(folder: Path) -> None:
        monkeypatch.setattr(atomic_file, "sync_folder", sync_folder)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic_file, "sync_folder", fail_once)
    with pytest.raises(StoreError, match="cannot be continued: Input/output error"):
        reopen_section(path, SPEC)
    assert fingerprint(path) == before


def test_what_another_program_added_and_the_marks_of_a_person_stay(tmp_path: Path):
    path = ended(tmp_path)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["napari"] = {"colour": "green"}
    (path / "zarr.json").write_text(json.dumps(root))
    NotesWriter(path).add("exclude", "a fold", 1)
    section = reopen_section(path, SPEC)
    assert section.excluded == (1,)
    store_frames(section.sink, 3, 4)
    section.sink.finalise({"state": "completed", "excluded_by_operator": [1]})
    assert json.loads((path / "zarr.json").read_text())["attributes"]["napari"] == {"colour": "green"}
    assert open_store(path).problems == ()


def test_facts_of_parts_are_checked(tmp_path: Path):
    path = ended(tmp_path)
    change_facts(path, parts=[{"first_frame": -1, "began_utc": "2026-11-29T12:00:00+00:00"}])
    with pytest.raises(StoreDamagedError, match=r"parts\[0\]\.first_frame"):
        open_store(path)
