"""A flipped bit, a forged value, a link, a bomb: each is reported in one sentence, and what is sound stays readable."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import zlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaozarrs
import zarr
from storage_cases import SMALL, assert_same_frame, change_facts, fingerprint, make_frame, make_result, make_spec, shard

from benchmarks.fuzz_store import run as fuzz
from hcc_scope.errors import HccScopeError, StoreDamagedError, StoreError
from hcc_scope.storage import notes, prediction_log, predictions
from hcc_scope.storage.facts import recorded_facts
from hcc_scope.storage.journal import line_of, read_journal
from hcc_scope.storage.lines import sealed_line
from hcc_scope.storage.metadata import SCHEMA_VERSION
from hcc_scope.storage.notes import NotesWriter, read_notes, read_notes_log
from hcc_scope.storage.prediction_log import log_problems
from hcc_scope.storage.predictions import PredictionWriter, read_log, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store, read_facts
from hcc_scope.storage.recover import recover
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from collections.abc import Callable

OLD = Path(__file__).parent / "data"
N = 5
FACTS = ("zarr.json", "hcc_scope.json")
FILES = (
    "zarr.json",
    "hcc_scope.json",
    "frames.jsonl",
    "frames/zarr.json",
    "frames/0/zarr.json",
    "notes.jsonl",
    "predictions.jsonl",
    "predictions.parquet",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store with everything that a store can have."""
    spec = make_spec(tile_px=35)
    writer = create_store(tmp_path_factory.mktemp("whole"), spec)
    results = PredictionWriter(writer.path, spec, run="r")
    for seq in range(N):
        writer.append(make_frame(seq))
        results.append(make_result(seq, 6))
    writer.close()
    results.close()
    NotesWriter(writer.path).add("exclude", "out of focus", 1)
    writer.finalise({"state": "completed", "score": 0.5, "interval": [0.25, 0.75]})
    return writer.path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / whole.name))


def as_version_1(store: Path) -> None:
    """Write a store as the version before the checksums did."""
    for name in ("frames.jsonl", "notes.jsonl"):
        lines = [json.loads(line) for line in (store / name).read_text().splitlines()]
        for line in lines:
            del line["line_crc32"]
        (store / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for log in store.glob("predictions*"):
        log.unlink()
    copy = json.loads((store / "hcc_scope.json").read_text())
    copy["schema_version"] = 1
    del copy["facts_sha256"]
    (store / "hcc_scope.json").write_text(json.dumps(copy))
    change_facts(store, schema_version=1)


def flip(file: Path, at: int, bit: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


# ---- stores of the version before


@pytest.mark.parametrize(("name", "n"), [("version1_finished", 2), ("version1_killed", 3)])
def test_stores_of_version_1_stay_readable_and_are_recovered_as_such(tmp_path: Path, name: str, n: int):
    path = Path(shutil.copytree(OLD / f"{name}.ome.zarr", tmp_path / f"{name}.ome.zarr"))
    store = open_store(path)
    assert (store.n_frames, store.problems, store.complete) == (n, (), name == "version1_finished")
    pixels = [store.read(seq).pixels for seq in range(n)]
    assert len(read_predictions(path)) == n
    before = fingerprint(path)

    report = recover(path)
    assert (report.damaged, report.problems) == ((), ())
    if store.complete:
        assert fingerprint(path) == before
    assert recover(path).changes == ()
    store = open_store(path)
    assert (store.n_frames, store.problems, store.attributes["schema_version"]) == (n, (), 1)
    for seq in range(n):
        np.testing.assert_array_equal(store.read(seq).pixels, pixels[seq])
    yaozarrs.validate_zarr_store(str(path))
    assert read_predictions_table(path).num_rows > 0


def test_notes_of_both_versions_stand_in_one_file(tmp_path: Path):
    path = Path(shutil.copytree(OLD / "version1_killed.ome.zarr", tmp_path / "old.ome.zarr"))
    assert [(note.kind, note.seq) for note in read_notes(path)] == [("note", None), ("exclude", 1)]
    NotesWriter(path).add("include", "", 1)
    assert [note.kind for note in read_notes(path)] == ["note", "exclude", "include"]
    assert read_notes_log(path).problems == ()


# ---- flipped bits


def test_every_flipped_bit_of_a_journal_line_costs_that_frame_alone(tmp_path: Path):
    lines = [line_of(make_frame(seq), 7 * seq) for seq in range(3)]
    file = tmp_path / "frames.jsonl"
    file.write_bytes(b"".join(lines))
    sound = read_journal(file).entries
    assert len(sound) == 3
    start = len(lines[0])
    for at in range(start, start + len(lines[1]) - 1):  # its end is another matter: two lines run together
        for bit in range(8):
            flip(file, at, bit)
            journal = read_journal(file)
            if len(journal.entries) == 3:
                assert journal.entries == (sound[0], None, sound[2]), (at - start, bit)
                assert len(journal.problems) == 1
            else:  # the bit made a line end: there seem to be two lines
                assert (file.read_bytes()[at : at + 1], journal.entries[0]) == (b"\n", sound[0])
                assert len(journal.problems) == 2
            flip(file, at, bit)


@pytest.mark.parametrize("name", ["notes.jsonl", "predictions.jsonl"])
def test_every_flipped_bit_of_a_line_of_notes_or_predictions_is_reported(path: Path, name: str):
    file = path / name
    length = file.read_bytes().splitlines(keepends=True)[0:2]
    first, last = (0, len(length[0])) if name == "notes.jsonl" else (len(length[0]), len(length[0]) + len(length[1]))
    rng = random.Random(3)
    for at in range(first, last - 1):
        bit = rng.randrange(8)
        flip(file, at, bit)
        if name == "notes.jsonl":
            assert read_notes_log(path).problems, at
        else:
            assert log_problems(file, ended=True), at
            assert read_log(file).problems, at
        flip(file, at, bit)


@pytest.mark.parametrize("name", ["zarr.json", "hcc_scope.json", "frames/0/zarr.json", "frames/zarr.json"])
def test_flipped_bits_of_the_facts_are_reported_or_change_nothing(path: Path, name: str):
    good = open_store(path)
    file = path / name
    rng = random.Random(5)
    for _ in range(150):
        at, bit = rng.randrange(file.stat().st_size), rng.randrange(8)
        flip(file, at, bit)
        try:
            store = open_store(path)
        except StoreError:
            pass
        else:
            if not store.problems:  # a blank that became another
                assert (store.attributes, store.spec) == (good.attributes, good.spec)
                assert json.loads(file.read_bytes()) == json.loads(bytes(flipped(file, at, bit)))
        flip(file, at, bit)


def flipped(file: Path, at: int, bit: int) -> bytearray:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    return data


def test_a_damaged_or_missing_table_is_reported_and_made_anew(path: Path):
    table = path / "predictions.parquet"
    good = read_predictions_table(path)
    flip(table, table.stat().st_size // 3, 2)
    damaged = table.read_bytes()
    assert [problem for problem in open_store(path).problems if "predictions.parquet is damaged" in problem]
    with pytest.raises(StoreError, match="checksum is wrong"):
        read_predictions_table(path)
    assert "predictions.parquet made from 5 frames" in recover(path).changes
    assert (path / "predictions.parquet.torn").read_bytes() == damaged
    # the note came after the first table
    made = read_predictions_table(path).drop_columns(["included"])
    assert repr(made.to_pydict()) == repr(good.drop_columns(["included"]).to_pydict())
    with table.open("ab") as file:
        file.truncate(5 << 30)  # sparse: recognised by its size, before it is read
    assert [problem for problem in open_store(path).problems if "predictions.parquet is damaged" in problem]
    assert "predictions.parquet made from 5 frames" in recover(path).changes
    assert (path / "predictions.parquet.torn2").stat().st_size == 5 << 30
    (path / "predictions.parquet.torn2").unlink()
    table.unlink()
    assert [problem for problem in open_store(path).problems if "predictions.parquet is missing" in problem]
    recover(path)
    assert open_store(path).problems == ()
    assert recover(path).changes == ()


def test_fuzzed_stores_report_their_damage_or_are_unchanged():
    found = [*fuzz(40, 11), *fuzz(20, 12, version_1=OLD / "version1_killed.ome.zarr")]
    assert len(found) == 60
    assert not [str(one) for one in found if one.bad]


# ---- recover does not make it worse


@pytest.mark.parametrize("version", [1, 2])
def test_one_wrong_digit_in_the_shape_does_not_spoil_the_array(path: Path, version: int):
    if version == 1:
        as_version_1(path)
        assert open_store(path).problems == ()
    root, array = path / "zarr.json", path / "frames" / "0" / "zarr.json"
    sound = array.read_bytes()
    facts = json.loads(root.read_text())
    facts["attributes"]["hcc_scope"]["spec"]["frame_shape_yx"] = [70, 91]
    root.write_text(json.dumps(facts))
    wrong = root.read_bytes()
    with pytest.raises(StoreDamagedError, match=r"Run hcc-scope recover") as caught:
        open_store(path)
    assert "zarr.json" in str(caught.value)

    report = recover(path)
    assert (report.n_frames, report.damaged) == (N, ())
    assert array.read_bytes() == sound
    assert (path / "zarr.json.torn").read_bytes() == wrong
    frames = zarr.open_array(path / "frames" / "0", mode="r")
    for seq in range(N):
        np.testing.assert_array_equal(frames[seq], make_frame(seq).pixels)
    assert open_store(path).problems == ()
    assert recover(path).changes == ()


def test_a_wrong_shape_in_the_copy_of_version_1_is_set_right(path: Path):
    as_version_1(path)
    copy = path / "hcc_scope.json"
    facts = json.loads(copy.read_text())
    facts["spec"]["frame_shape_yx"] = [71, 90]
    copy.write_text(json.dumps(facts))
    assert "hcc_scope.json made again from zarr.json" in recover(path).changes
    assert open_store(path).attributes["outcome"]["score"] == 0.5
    assert recover(path).changes == ()


def test_two_sound_accounts_that_differ_are_not_decided(path: Path):
    as_version_1(path)
    change_facts(path, interval_s=2.0)
    before = fingerprint(path)
    for read in (open_store, read_facts, recover):
        with pytest.raises(StoreDamagedError, match=r"interval_s is 2\.0 in zarr\.json and None in hcc_scope\.json"):
            read(path)
    assert fingerprint(path) == before


def test_a_shape_that_no_frame_has_is_not_written_to_the_array(path: Path):
    as_version_1(path)
    (path / "hcc_scope.json").unlink()
    spec = json.loads((path / "zarr.json").read_text())["attributes"]["hcc_scope"]["spec"]
    change_facts(path, spec={**spec, "frame_shape_yx": [70, 91]})
    before = fingerprint(path)
    with pytest.raises(StoreDamagedError, match="none reads as the former; nothing was changed"):
        recover(path)
    assert fingerprint(path) == before


def test_facts_that_are_damaged_twice_are_left_alone(path: Path):
    for name in FACTS:
        (path / name).write_text((path / name).read_text().replace('"bit_depth": 14', '"bit_depth": 12'))
    before = fingerprint(path)
    for read in (open_store, recover):
        with pytest.raises(StoreDamagedError, match="do not have the checksum"):
            read(path)
    assert fingerprint(path) == before


def test_a_damaged_copy_of_the_facts_is_reported_and_made_again(path: Path):
    copy = path / "hcc_scope.json"
    good = json.loads(copy.read_text())
    copy.write_text(copy.read_text().replace('"bit_depth": 14', '"bit_depth": 12'))
    assert len(open_store(path).problems) == 1
    assert recover(path).changes == ("hcc_scope.json made again from zarr.json",)
    assert json.loads(copy.read_text()) == good
    copy.unlink()
    assert len(open_store(path).problems) == 1
    recover(path)
    assert json.loads(copy.read_text()) == good


def test_a_broken_array_is_reported_by_every_reader_and_mended(path: Path):
    array = path / "frames" / "0" / "zarr.json"
    sound = array.read_bytes()
    for broken in (b"{", b"", sound.replace(b'"uint16"', b'"uint32"'), sound.replace(b"70", b"71")):
        array.write_bytes(broken)
        store = open_store(path)
        assert len(store.problems) == 1
        assert str(array) in store.problems[0]
        assert_same_frame(store.read(2), make_frame(2))
        recover(path)
        assert array.read_bytes() == sound
        kept = max(array.parent.glob("zarr.json.torn*"), key=lambda file: file.stat().st_mtime_ns)
        assert kept.read_bytes() == broken
        assert open_store(path).problems == ()


def test_content_of_other_programs_is_reported_or_left(path: Path):
    zarr.open_array(path / "frames" / "0", mode="r+").resize((7, *SMALL))
    zarr.open_group(path, mode="r+").attrs["ours"] = {"label": "kept"}
    store = open_store(path)
    assert [problem for problem in store.problems if "was changed (shape), by another program" in problem]
    assert_same_frame(store.read(4), make_frame(4))
    recover(path)
    assert open_store(path).problems == ()
    assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == N
    assert json.loads((path / "zarr.json").read_text())["attributes"]["ours"] == {"label": "kept"}


def test_a_description_of_the_image_that_does_not_fit_the_facts_is_reported(path: Path):
    root = path / "zarr.json"
    root.write_text(root.read_text().replace("            0.325,", "            0.335,"))
    (problem,) = open_store(path).problems
    assert "describes the image" in problem
    assert recover(path).changes == ("zarr.json: its description of the image made again from the facts",)
    assert open_store(path).problems == ()


# ---- links and what else is no file


@pytest.mark.parametrize(
    "changes", [{"node_type": "array"}, {"zarr_format": 2}, {"node_type": None}, {"extra": {"must_understand": True}}]
)
def test_a_root_that_is_no_group_any_more_is_reported_and_mended(path: Path, changes: dict):
    root = json.loads((path / "zarr.json").read_text())
    root = {key: value for key, value in {**root, **changes}.items() if value is not None}
    (path / "zarr.json").write_text(json.dumps(root))
    assert any("no group of zarr format 3" in problem for problem in open_store(path).problems)
    assert recover(path).changes == ("zarr.json made a group of zarr format 3 again",)
    assert zarr.open_group(str(path), mode="r")["frames/0"].shape[0] == N
    assert open_store(path).problems == recover(path).changes == ()


def test_a_copy_of_the_arrays_metadata_that_hides_frames_is_reported_and_removed(path: Path):
    root = json.loads((path / "zarr.json").read_text())
    below = {name: json.loads((path / name / "zarr.json").read_text()) for name in ("frames", "frames/0")}
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": below}
    (path / "zarr.json").write_text(json.dumps(root))
    assert open_store(path).problems == recover(path).changes == ()
    root["consolidated_metadata"]["metadata"]["frames/0"]["shape"][0] = 2  # as made while the run went on
    (path / "zarr.json").write_text(json.dumps(root))
    assert any("consolidated_metadata" in problem for problem in open_store(path).problems)
    assert recover(path).changes == ("zarr.json: a wrong copy of the array's metadata removed",)
    assert zarr.open_group(str(path), mode="r")["frames/0"].shape[0] == N
    assert open_store(path).problems == recover(path).changes == ()


def test_a_key_that_other_programs_do_not_know_is_reported_and_removed(path: Path):
    file = path / "frames" / "0" / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "storage_transformers": [], "extra": 1}))
    assert any("was changed (extra)" in problem for problem in open_store(path).problems)
    recover(path)
    assert zarr.open_group(str(path), mode="r")["frames/0"].shape[0] == N


@pytest.mark.parametrize("name", [*FILES, "frames", "frames/0", "frames/0/c"])
def test_a_link_in_the_place_of_a_file_is_refused_and_not_followed(path: Path, tmp_path: Path, name: str):
    outside = tmp_path / "outside"
    (path / name).rename(outside)
    (path / name).symlink_to(outside)
    before = fingerprint(tmp_path)
    for read in (open_store, recover):
        with pytest.raises(StoreError, match="link"):
            read(path)
    if name == "notes.jsonl":
        with pytest.raises(StoreError, match="link"):
            NotesWriter(path).add("note", "x")
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_frame_behind_a_link_is_damaged_and_not_recovered_into(path: Path, tmp_path: Path, level: int):
    file = [shard(path, 2), shard(path, 2).parent, shard(path, 2).parents[1]][level]
    outside = tmp_path / "outside"
    file.rename(outside)
    file.symlink_to(outside)
    store = open_store(path)
    with pytest.raises(StoreDamagedError, match=r"Frame 2 .* symbolic link"):
        store.read(2)
    assert_same_frame(store.read(3), make_frame(3))
    before = fingerprint(tmp_path)
    with pytest.raises(StoreError, match="link"):
        recover(path)
    assert fingerprint(tmp_path) == before


def test_the_store_itself_may_be_reached_by_a_link(path: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(path)
    assert open_store(tmp_path / "link").problems == ()
    assert recover(tmp_path / "link").changes == ()


@pytest.mark.parametrize("name", ["frames.jsonl", "notes.jsonl", "predictions.jsonl"])
def test_a_file_with_a_second_name_is_read_but_not_changed(path: Path, tmp_path: Path, name: str):
    with (path / name).open("ab") as file:
        file.write(b"torn")
    (tmp_path / "second").hardlink_to(path / name)
    before = (tmp_path / "second").read_bytes()
    assert open_store(path).n_frames == N
    with pytest.raises(StoreError, match="hard link"):
        recover(path)
    if name == "notes.jsonl":
        with pytest.raises(StoreError, match="hard link"):
            NotesWriter(path).add("note", "x")
    assert (tmp_path / "second").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_or_folder_in_the_place_of_a_file_is_refused_immediately(path: Path, name: str, make: Callable):
    (path / name).unlink()
    make(path / name)
    for read in (open_store, recover):
        with pytest.raises(StoreError, match=r"is a (pipe|folder); in a store|is no plain file"):
            read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_in_the_place_of_a_frame_is_that_frame_damaged(path: Path, make: Callable):
    shard(path, 2).unlink()
    make(shard(path, 2))
    items = list(open_store(path).read_ahead(range(N), 2))
    assert [isinstance(item, StoreDamagedError) for item in items] == [False, False, True, False, False]


# ---- values that cannot be


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sampling", "randon", "spec.sampling is 'randon', not one of"),
        ("sampling", "<script>", "spec.sampling"),
        ("frame_shape_yx", [10**6, 10**6], "spec.frame_shape_yx"),
        ("frame_shape_yx", [65536, 65536], "larger than any"),
        ("frame_shape_yx", [70, -90], "spec.frame_shape_yx"),
        ("frame_shape_yx", [70], "spec.frame_shape_yx"),
        ("frame_shape_yx", "70x90", "spec.frame_shape_yx"),
        ("frame_shape_yx", [70.5, 90], "spec.frame_shape_yx"),
        ("pixel_size_um", -0.3, "spec.pixel_size_um"),
        ("pixel_size_um", True, "spec.pixel_size_um"),
        ("pixel_size_um", 1e300, "spec.pixel_size_um"),
        ("bit_depth", 10**30, "spec.bit_depth"),
        ("bit_depth", "14", "spec.bit_depth"),
        ("tile_px", 0, "spec.tile_px"),
        ("animal_id", "../../x", "animal_id"),
        ("animal_id", {"a": 1}, "spec.animal_id is an object, not a text"),
        ("expected_frames", -1, "spec.expected_frames"),
        ("provenance", {"plan": [1]}, "spec.provenance.plan"),
        ("software", [], "spec.software"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_key(path: Path, key: str, value: object, words: str):
    spec = json.loads((path / "zarr.json").read_text())["attributes"]["hcc_scope"]["spec"]
    change_facts(path, spec={**spec, key: value})
    with pytest.raises(StoreDamagedError) as caught:
        open_store(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert recover(path).n_frames == N  # from the copy
    assert open_store(path).spec == make_spec(tile_px=35)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_frames": -1}, "n_frames"),
        ({"n_frames": "5"}, "n_frames"),
        ({"complete": "yes"}, "complete"),
        ({"outcome": []}, "outcome is a list, not an object"),
        ({"outcome": {"score": 1.5}}, "outcome.score is 1.5, not a number of 0 to 1"),
        ({"outcome": {"interval": [0.9, 0.1]}}, "outcome.interval"),
        ({"outcome": {"counts": {"lost": "<b>"}}}, "outcome.counts.lost"),
        ({"outcome": {"excluded_by_operator": [-1]}}, "outcome.excluded_by_operator"),
        ({"created_utc": "yesterday"}, "created_utc"),
        ({"interval_s": "1"}, "interval_s"),
        ({"outcome": {"interval_s": "abc"}}, "outcome.interval_s is 'abc', not a number"),
        ({"outcome": {"interval_s": -1}}, "outcome.interval_s"),
        ({"software": {"a": 10**400}}, "software.a"),
        ({"created_utc": "0001-01-01T00:00:00+14:00"}, "created_utc"),
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": "2"}, "schema_version"),
    ],
)
def test_a_fact_that_cannot_be_is_named_with_its_key(path: Path, changes: dict, words: str):
    change_facts(path, **changes)
    with pytest.raises(StoreDamagedError) as caught:
        open_store(path)
    assert words in str(caught.value)


@pytest.mark.parametrize("key", ["attributes", "spec", "created_utc", "animal_id", "schema_version"])
def test_a_key_that_is_missing_is_named(path: Path, key: str):
    root = json.loads((path / "zarr.json").read_text())
    if key == "attributes":
        del root[key]
    else:
        del root["attributes"]["hcc_scope"][key]
    (path / "zarr.json").write_text(json.dumps(root))
    change_facts(path) if key != "attributes" else None
    with pytest.raises(StoreDamagedError, match=rf"{key} is missing"):
        open_store(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "key 'a' twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "Infinity is no number"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "cannot be read"),
        ("\udcff", "is no text"),
        ("[]", "no JSON object"),
    ],
)
def test_json_that_is_none_is_reported(path: Path, text: str, words: str):
    (path / "zarr.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreDamagedError, match=words):
        open_store(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": True},
        {"crc32": -1},
        {"t_utc": 5},
        {"stage_um": [1, 2]},
        {"stage_um": "xyz"},
        {"section_id": "S3"},
        {"tags": {"a": [1]}},
        {"pixel_size_um": -1},
        {"pixel_size_um": 0},
        {"bit_depth": "16"},
        {"objective": 20},
        {"camera_frame": 1.5},
        {"exposure_ms": 10**400},
        {"stage_um": [10**400, 1, 1]},
        {"tags": {"a": 10**400}},
        {"t_utc": "9999-12-31T23:59:59-14:00"},
        {"unknown": 1},
    ],
)
def test_a_journal_line_that_cannot_be_is_an_unreadable_line(path: Path, changes: dict):
    lines = (path / "frames.jsonl").read_bytes().splitlines(keepends=True)
    fields = json.loads(lines[2])
    del fields["line_crc32"]
    lines[2] = sealed_line({**fields, **changes})
    (path / "frames.jsonl").write_bytes(b"".join(lines))
    store = open_store(path)
    assert [entry is None for entry in store.journal] == [False, False, True, False, False]
    assert len(store.problems) == 1


def test_a_time_without_an_offset_is_utc(path: Path):
    lines = (path / "frames.jsonl").read_bytes().splitlines(keepends=True)
    fields = json.loads(lines[2])
    del fields["line_crc32"]
    lines[2] = sealed_line({**fields, "t_utc": "2026-11-23T12:00:00"})
    (path / "frames.jsonl").write_bytes(b"".join(lines))
    times = [entry.t_utc for entry in open_store(path).journal if entry is not None]
    assert times[2] < times[3]  # one that is not could not be compared
    assert times[2].utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (0, {"run": "\ud800"}),
        (0, {"model_sha256": "\ud800"}),
        (1, {"engine": "\ud800"}),
        (1, {"latency_ms": {"total": 10**400}}),
    ],
)
def test_a_prediction_line_that_no_table_can_hold_is_an_unreadable_line(path: Path, number: int, changes: dict):
    log = path / "predictions.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    fields = json.loads(lines[number])
    del fields["line_crc32"]
    lines[number] = sealed_line({**fields, **changes})
    log.write_bytes(b"".join(lines))
    (path / "predictions.parquet").unlink()
    with pytest.raises(StoreError, match="unreadable"):
        read_predictions(path)
    assert any(f"line {number + 1} of" in problem for problem in recover(path).problems) or number == 0
    assert recover(path).changes == ()


def test_a_sealed_line_that_is_no_json_is_reported(path: Path):
    body = b'{"table":xx'
    log = path / "predictions.jsonl"
    log.write_bytes(log.read_bytes() + body + b',"line_crc32":%d}\n' % zlib.crc32(body))
    assert any("line that can be read" in problem for problem in open_store(path).problems)
    assert recover(path).n_frames == N


def test_facts_with_half_a_character_are_kept_when_they_are_written_anew(path: Path):
    file = path / "zarr.json"
    root = json.loads(file.read_text())
    outcome = {**root["attributes"]["hcc_scope"]["outcome"], "cause": "\udcff"}  # of a file name that is no text
    change_facts(path, outcome=outcome)
    root = json.loads(file.read_text())
    root["attributes"]["ome"]["multiscales"] = []
    file.write_text(json.dumps(root))
    assert "description of the image made again" in recover(path).changes[0]
    assert open_store(path).problems == ()
    assert open_store(path).attributes["outcome"] == outcome


def test_a_line_without_its_checksum_is_none_of_a_journal_that_has_them(path: Path):
    lines = (path / "frames.jsonl").read_bytes().splitlines(keepends=True)
    fields = json.loads(lines[2])
    del fields["line_crc32"]
    lines[2] = json.dumps({**fields, "exposure_ms": 99.0}).encode() + b"\n"
    (path / "frames.jsonl").write_bytes(b"".join(lines))
    assert open_store(path).journal[2] is None


def test_every_value_of_a_frame_can_be_read_back(tmp_path: Path):
    odd = make_frame(
        0,
        em_gain=10**400,
        camera_frame=7.0,
        pixel_size_um=-1.0,
        exposure_ms=float("inf"),
        objective=20,
        tags={"long": "x" * 3_000_000, "large": 10**6000, "list": [1]},
    )
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(odd)
    store = open_store(writer.path)
    assert store.problems == ()
    read = store.read(0)
    assert (read.em_gain, read.camera_frame, read.pixel_size_um, read.objective) == (None, 7, None, "20")
    assert len(read.tags["long"]) == 3_000_000


# ---- claims


def test_a_journal_of_gigabytes_is_refused_before_it_is_read(path: Path):
    for name in ("frames.jsonl", "zarr.json"):
        size = (path / name).stat().st_size
        os.truncate(path / name, 5 << 30)  # sparse: takes no room
        with pytest.raises(StoreError, match="5369 MB, more than"):
            open_store(path)
        os.truncate(path / name, size)
    assert open_store(path).problems == ()


def test_a_frame_file_smaller_than_its_index_is_damaged_before_memory_is_taken(path: Path):
    spec = {
        **json.loads((path / "hcc_scope.json").read_text())["spec"],
        "frame_shape_yx": [32768, 32768],
        "tile_px": 512,
    }
    (path / "hcc_scope.json").unlink()
    change_facts(path, spec=spec)
    with pytest.raises(StoreDamagedError, match="less than its index"):
        open_store(path).read(0)


def test_a_frame_file_that_claims_more_than_a_frame_has_is_damaged_before_memory_is_taken(path: Path):
    n = 16 + 4  # of the index of one chunk: tensorstore would end the process for want of memory
    whole_file = shard(path, 0).read_bytes()
    forged = struct.pack("<QQI", 0, 1 << 40, 0)
    for seq, lead in ((0, whole_file[:-n]), (1, b"")):
        shard(path, seq).write_bytes(lead + forged)
    with shard(path, 1).open("r+b") as file:  # sparse: takes no room
        file.seek(1 << 41)
        file.write(forged)
    with shard(path, 2).open("r+b") as file:
        file.seek(1 << 41)
        file.write(whole_file[-n:])
    store = open_store(path)
    for seq in range(3):
        with pytest.raises(StoreDamagedError, match="claims more bytes than a frame can have"):
            store.read(seq)
    assert store.read(3).seq == 3
    assert [str(error) for error in recover(path).damaged if "claims more" not in str(error)] == []


def test_a_table_that_claims_more_rows_than_there_are_tiles_is_refused(path: Path):
    rows = pa.table({"seq": pa.array(np.zeros(3_000_000, np.int64))})
    pq.write_table(rows, path / "predictions.parquet", compression="zstd")
    log = path / "predictions.jsonl"
    log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(keepends=True) if b'"table"' not in line))
    with pytest.raises(StoreError, match="claims more rows"):
        read_predictions_table(path)


@pytest.mark.parametrize(("shape", "tile_px"), [([65536, 65536], 1), ([10**9, 10**9], 512), ([70, 90], 0)])
def test_predictions_that_claim_endless_tiles_are_refused(path: Path, shape: list[int], tile_px: int):
    log = path / "predictions.jsonl"
    first, *rest = log.read_bytes().splitlines(keepends=True)
    header = {**json.loads(first), "frame_shape_yx": shape, "tile_px": tile_px}
    del header["line_crc32"]
    log.write_bytes(b"".join([sealed_line(header), *rest]))
    with pytest.raises(StoreError, match=r"first line .* is unreadable"):
        read_predictions(path)


# ---- what is chosen


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("..", "is a folder of 1 section, not a store. Give one of them, for example"),
        ("frames", "is a part of the store"),
        ("frames/0", "is a part of the store"),
        ("zarr.json", "is a file; a store is a folder. Give "),
        ("frames/0/c/0/0/0", "is a file; a store is a folder. Give "),
        ("nothing", "There is no store at"),
        ("x" * 300, "cannot be looked into"),
    ],
)
def test_a_wrong_choice_instead_of_a_store_is_named(path: Path, chosen: str, words: str):
    for read in (open_store, recover, read_facts):
        with pytest.raises(StoreError) as caught:
            read(path / chosen)
        assert words in str(caught.value)
        assert isinstance(caught.value, HccScopeError)


@pytest.mark.parametrize("left", [None, b"", b'{"t_utc"'])
def test_notes_that_lost_a_mark_of_the_run_are_reported(path: Path, left: bytes | None):
    outcome = {**read_facts(path)[0].attributes["outcome"], "excluded_by_operator": [1]}
    change_facts(path, outcome=outcome)
    root = json.loads((path / "zarr.json").read_text())
    NotesWriter(path).add("include", "in focus after all", 1)  # changed since: no mark is lost
    assert open_store(path).problems == recover(path).problems == ()
    (path / "notes.jsonl").unlink()
    if left is not None:
        (path / "notes.jsonl").write_bytes(left)
    reported = [problem for problem in open_store(path).problems if "lost the mark that took field 1 out" in problem]
    assert len(reported) == 1
    assert recover(path).problems == tuple(reported)
    assert json.loads((path / "zarr.json").read_text()) == root  # what the run recorded stays


def test_what_may_not_be_read_gets_no_hint_about_writing(path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(file: Path, limit_bytes: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    for module, read in (
        (notes, read_notes),
        (prediction_log, read_predictions),
        (predictions, read_predictions_table),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, "read_plain", refuse)
            with pytest.raises(StoreError, match="cannot be read: Permission denied") as caught:
                read(path)
        assert (caught.value.exit_code, caught.value.hint) == (30, None)


def test_the_facts_are_those_of_this_version(path: Path):
    facts = recorded_facts(path)
    assert facts.attributes["schema_version"] == SCHEMA_VERSION == 2
    assert facts.spec == make_spec(tile_px=35)
