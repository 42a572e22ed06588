"""Kill it, fill its disk, damage its files: what was acknowledged stays, and what is lost is reported."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr
from storage_cases import (
    assert_same_frame,
    change_facts,
    fingerprint,
    make_frame,
    make_pixels,
    make_result,
    make_spec,
    shard,
)

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.protocols import FrameSource
from hcc_scope.storage.journal import line_of, read_journal
from hcc_scope.storage.predictions import PredictionWriter, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from hcc_scope.workers import StopToken

HERE = Path(__file__).parent

ENDLESS = """
import sys
from pathlib import Path
from storage_cases import make_frame, make_result, make_spec
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store
spec = make_spec(tile_px=35)
writer = create_store(Path(sys.argv[1]), spec)
results = PredictionWriter(writer.path, spec, run="r")
seq = 0
while True:
    print(writer.committed, flush=True)
    writer.append(make_frame(seq))
    results.append(make_result(seq, 6))
    seq += 1
"""


def finished_store(folder: Path, n: int = 5) -> Path:
    with create_store(folder, make_spec()) as writer:
        for seq in range(n):
            writer.append(make_frame(seq))
    writer.finalise({"state": "completed"})
    return writer.path


def unfinished_store(folder: Path, n: int = 5) -> Path:
    with create_store(folder, make_spec()) as writer:
        for seq in range(n):
            writer.append(make_frame(seq))
    return writer.path


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("committed", "seed"), [(0, 1), (7, 3), (70, 4)])
def test_kill_9_loses_nothing_that_was_journalled(tmp_path: Path, committed: int, seed: int):
    child = run_python(ENDLESS, tmp_path)
    with child:
        for line in child.stdout:
            if int(line) >= committed:
                break
        for _ in range(random.Random(seed).randrange(6)):
            line = child.stdout.readline()
        child.kill()
        child.communicate()
    at_least = int(line)

    [path] = tmp_path.iterdir()
    store = open_store(path)
    assert not store.complete
    assert store.n_frames >= at_least
    assert store.problems == ()
    # an independent reader, which trusts the journal alone
    array = zarr.open_array(path / "frames" / "0", mode="r")
    journal = (path / "frames.jsonl").read_bytes().split(b"\n")[: store.n_frames]
    for seq, text in enumerate(journal):
        assert zlib.crc32(array[seq].tobytes()) == json.loads(text)["crc32"]
    for seq in range(store.n_frames):
        assert_same_frame(store.read(seq), make_frame(seq))

    report = recover(path)
    assert report.n_frames == store.n_frames
    assert report.damaged == ()
    assert report.problems == ()
    assert "marked complete, outcome recovered" in report.changes
    yaozarrs.validate_zarr_store(str(path))
    assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == store.n_frames
    outcome = open_store(path).attributes["outcome"]
    assert outcome == {
        "state": "recovered",
        "cause": "the run was interrupted",
        "counts": {"stored": store.n_frames},
    }
    assert [frame.seq for frame in StoreSource(open_store(path)).frames(StopToken())] == list(range(store.n_frames))
    results = read_predictions(path)
    assert all(seq < store.n_frames for seq in results)  # analysis may have been ahead of the disk
    for seq, result in results.items():
        np.testing.assert_array_equal(result.logits, make_result(seq, 6).logits)
    assert read_predictions_table(path).num_rows == 6 * len(results)

    before = fingerprint(path)
    assert recover(path).changes == ()
    assert fingerprint(path) == before


def test_recover_of_a_sound_store_changes_nothing(tmp_path: Path):
    path = finished_store(tmp_path)
    before = fingerprint(path)
    report = recover(path)
    assert (report.n_frames, report.changes, report.damaged) == (5, (), ())
    assert fingerprint(path) == before


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_torn_last_line_is_no_frame(tmp_path: Path, left: int):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    torn = lines[4].rstrip(b"\n")[:left]
    journal.write_bytes(b"".join(lines[:4]) + torn)

    assert open_store(path).n_frames == 4
    report = recover(path)
    assert report.n_frames == 4
    assert report.unacknowledged == 1
    assert journal.read_bytes() == b"".join(lines[:4])
    assert (path / "frames.jsonl.torn").read_bytes() == torn + b"\n"
    assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == 4
    before = fingerprint(path)
    assert recover(path).changes == ()
    assert fingerprint(path) == before


def test_a_journal_cut_anywhere_holds_the_lines_that_were_whole(tmp_path: Path):
    journal = tmp_path / "frames.jsonl"
    lines = [line_of(make_frame(seq), 7 * seq) for seq in range(3)]
    whole = b"".join(lines)
    for cut in range(len(whole) + 1):
        journal.write_bytes(whole[:cut])
        read = read_journal(journal)
        # a line that lacks nothing but its end is whole
        assert read.n_frames == sum(cut + 1 >= sum(map(len, lines[: k + 1])) for k in range(3))
        assert [entry.crc32 for entry in read.entries] == [0, 7, 14][: read.n_frames]
        assert read.problems == ()


def test_a_whole_last_line_without_its_end_is_a_frame(tmp_path: Path):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-1])
    assert open_store(path).n_frames == 5
    assert recover(path).n_frames == 5
    assert journal.read_bytes() == whole


def lose_end_of_line(data: bytes) -> bytes:
    return data[:-30]


def lose_two_lines(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:3])


def lose_all(_: bytes) -> bytes:
    return b""


def lose_all_to_garbage(_: bytes) -> bytes:
    return b"\xff\x00" * 400


@pytest.mark.parametrize(
    ("lose", "n_left", "missing"),
    [
        (lose_end_of_line, 4, "frame 4"),
        (lose_two_lines, 3, "frames 3 to 4"),
        (lose_all, 0, "frames 0 to 4"),
        (lose_all_to_garbage, 0, "frames 0 to 4"),
    ],
)
def test_journal_lines_that_a_finished_store_has_lost_are_missed(tmp_path: Path, lose, n_left: int, missing: str):  # noqa: ANN001 - one of the above
    with create_store(tmp_path, make_spec(tile_px=35)) as writer:
        for seq in range(5):
            writer.append(make_frame(seq))
    results = PredictionWriter(writer.path, make_spec(tile_px=35), run="r")
    for seq in range(5):
        results.append(make_result(seq, 6))
    results.close()
    counts = {"stored": 5, "classified": 5}
    writer.finalise({"state": "completed", "cause": None, "counts": counts, "score": 0.5, "interval": [0.4, 0.6]})
    path = writer.path
    journal = path / "frames.jsonl"
    journal.write_bytes(lose(journal.read_bytes()))

    store = open_store(path)
    assert (store.n_frames, store.recorded_frames) == (n_left, 5)
    was, lines = ("were", "their journal lines are") if " to " in missing else ("was", "its journal line is")
    sentence = f"{missing} {was} recorded but {lines} missing from {journal}"
    assert store.problems == (sentence,)
    report = recover(path)
    assert report.problems == (sentence,)
    assert f"n_frames set from 5 to {n_left}, outcome recovered" in report.changes
    assert report.unacknowledged == 5 - n_left  # nothing is removed

    store = open_store(path)
    assert store.problems == ()
    assert (store.n_frames, store.recorded_frames, store.complete) == (n_left, n_left, True)
    assert store.attributes["recovered"] is True
    assert store.attributes["outcome"] == {
        "state": "recovered",
        "cause": "the journal did not list the 5 frames that were recorded",
        "counts": {"stored": n_left},
    }
    assert store.attributes["outcome_before_recovery"] == {"state": "completed", "cause": None, "counts": counts}
    assert sorted(set(read_predictions_table(path)["seq"].to_pylist())) == list(range(n_left))
    assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == n_left
    before = fingerprint(path)
    report = recover(path)
    assert (report.changes, report.problems) == ((), ())
    assert fingerprint(path) == before


def test_garbage_of_many_lines_in_a_finished_store_makes_no_frames(tmp_path: Path):
    path = finished_store(tmp_path)
    (path / "frames.jsonl").write_bytes(b"\xff\n" * 20)
    store = open_store(path)
    assert store.n_frames == 5
    assert len(store.problems) == 20
    report = recover(path)
    assert len(report.damaged) == 5
    assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == 5
    assert recover(path).changes == ()


def test_bytes_behind_the_last_line_of_a_finished_store_are_reported_and_cut(tmp_path: Path):
    path = finished_store(tmp_path)
    journal = path / "frames.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"\x00" * 7)
    assert open_store(path).problems == (f"{journal} has 7 bytes behind its last line",)
    recover(path)
    assert journal.read_bytes() == whole
    assert open_store(path).problems == ()
    assert open_store(path).attributes["outcome"] == {"state": "completed"}


@pytest.mark.parametrize(
    ("count", "words"), [("3", "lists 5 frames, but 3 were recorded"), ("null", "does not state how")]
)
def test_a_count_that_is_too_small_or_gone_is_reported_and_set_right(tmp_path: Path, count: str, words: str):
    path = finished_store(tmp_path)
    change_facts(path, n_frames=json.loads(count))
    store = open_store(path)
    assert len(store.problems) == 1
    assert words in store.problems[0]
    assert recover(path).n_frames == 5
    store = open_store(path)
    assert (store.recorded_frames, store.problems) == (5, ())
    assert recover(path).changes == ()


def test_an_unfinished_store_promises_no_number_of_frames(tmp_path: Path):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    store = open_store(path)
    assert (store.n_frames, store.recorded_frames, store.problems) == (4, None, ())


@pytest.mark.parametrize("line", [b"", b"{", b"\x00" * 80, b"[1]", b'{"seq":3}', b'{"seq":4000000000000,"crc32":1}'])
def test_an_unreadable_line_in_the_middle_costs_that_frame_alone(tmp_path: Path, line: bytes):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    lines = journal.read_bytes().splitlines()
    lines[2] = line
    journal.write_bytes(b"\n".join(lines) + b"\n")
    damaged_journal = journal.read_bytes()

    for _ in range(2):
        store = open_store(path)
        assert store.n_frames == 5
        assert len(store.problems) == 1
        assert "line 3" in store.problems[0]
        with pytest.raises(StoreDamagedError, match="Frame 2 cannot be checked"):
            store.read(2)
        assert_same_frame(store.read(3), make_frame(3))
        report = recover(path)
        assert len(report.damaged) == 1
        assert report.problems == store.problems
        assert journal.read_bytes() == damaged_journal  # nothing is thrown away
        assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == 5


@pytest.mark.parametrize("line", [b"", b"{", b"\x00" * 80, b"[1]", b'{"seq":4}', b'{"seq":4000000000000,"crc32":1}'])
@pytest.mark.parametrize("torn", [b"", b'{"seq":5,"crc'])
def test_an_unreadable_last_line_with_its_end_was_acknowledged_and_is_damaged(tmp_path: Path, line: bytes, torn: bytes):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    lines = journal.read_bytes().splitlines()
    lines[4] = line
    damaged_journal = b"\n".join(lines) + b"\n"
    journal.write_bytes(damaged_journal + torn)

    for _ in range(2):
        store = open_store(path)
        assert store.n_frames == 5
        assert store.journal[4] is None
        assert len(store.problems) == 1
        assert "line 5" in store.problems[0]
        source = StoreSource(store)
        assert [frame.seq for frame in source.frames(StopToken())] == [0, 1, 2, 3]
        assert len(source.damaged) == 1
        report = recover(path)
        assert [str(error) for error in report.damaged] == [str(source.damaged[0])]
        assert (report.n_frames, report.unacknowledged) == (5, 0)
        assert journal.read_bytes() == damaged_journal
        assert zarr.open_array(path / "frames" / "0", mode="r").shape[0] == 5
    before = fingerprint(path)
    assert recover(path).changes == ()
    assert fingerprint(path) == before


@pytest.mark.parametrize("damage", [b'"seq":1e999', b"[" * 100_000, b'"em_gain":"a"', b'"pixel_size_um":[]'])
def test_a_line_of_other_values_is_an_unreadable_line(tmp_path: Path, damage: bytes):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    lines = journal.read_bytes().splitlines()
    # of two fields with one name, the last one counts
    lines[2] = damage if damage.startswith(b"[") else lines[2][:-1] + b"," + damage + b"}"
    journal.write_bytes(b"\n".join(lines) + b"\n")
    assert len(open_store(path).problems) == 1
    assert [str(error) for error in recover(path).damaged] == [
        f"Frame 2 cannot be checked: its line in {journal} is unreadable"
    ]


def test_two_last_lines_that_ran_together_are_two_frames(tmp_path: Path):
    journal = tmp_path / "frames.jsonl"
    lines = [line_of(make_frame(seq), 7 * seq) for seq in range(4)]
    journal.write_bytes(b"".join(lines[:3]).rstrip(b"\n") + b"\x02" + lines[3])
    assert [entry is None for entry in read_journal(journal).entries] == [False, False, True, True]


def test_a_number_from_nowhere_does_not_make_the_journal_endless(tmp_path: Path):
    path = unfinished_store(tmp_path)
    journal = path / "frames.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"seq":4', b'"seq":4000000000000'))
    assert open_store(path).n_frames == 5


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def damage_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(data)


def damage_other_frame(path: Path) -> None:
    shutil.copy(path.parents[2] / "0" / "0" / "0", path)


@pytest.mark.parametrize("damage", [damage_missing, damage_empty, damage_cut, damage_one_bit, damage_other_frame])
def test_a_damaged_frame_is_named_and_the_rest_is_replayed(tmp_path: Path, damage):  # noqa: ANN001 - one of the above
    path = finished_store(tmp_path)
    damage(shard(path, 2))

    store = open_store(path)
    with pytest.raises(StoreDamagedError) as caught:
        store.read(2)
    assert "Frame 2" in str(caught.value)
    assert str(shard(path, 2)) in str(caught.value)

    reported: list[StoreDamagedError] = []
    source = StoreSource(store, on_damaged=reported.append)
    replayed = list(source.frames(StopToken()))
    assert [frame.seq for frame in replayed] == [0, 1, 3, 4]
    for frame in replayed:
        assert_same_frame(frame, make_frame(frame.seq))
    assert [str(error) for error in source.damaged] == [str(caught.value)]
    assert reported == source.damaged
    assert [str(error) for error in recover(path).damaged] == [str(caught.value)]


def test_temporary_files_and_lost_metadata_are_mended(tmp_path: Path):
    path = unfinished_store(tmp_path)
    (path / "frames" / "0" / "zarr.json").unlink()
    (path / "frames" / "zarr.json").write_text("{")
    shard(path, 4).with_name("0.__lock").write_bytes(b"half a frame")
    (path / "zarr.json.tmp").write_bytes(b"half")
    (path / "predictions.jsonl").write_bytes(b'{"version":1,"ru')

    assert_same_frame(open_store(path).read(4), make_frame(4))
    recover(path)
    yaozarrs.validate_zarr_store(str(path))
    assert not shard(path, 4).with_name("0.__lock").exists()
    assert not (path / "zarr.json.tmp").exists()
    assert not (path / "predictions.jsonl").exists()  # without its first line nothing could be added to it
    assert open_store(path).problems == ()
    before = fingerprint(path)
    assert recover(path).changes == ()
    assert fingerprint(path) == before


@pytest.mark.parametrize("damage", [None, b"", b"[1, 2", b"\xff" * 99, b"[" * 100_000, b"[]"])
@pytest.mark.parametrize("make", [finished_store, unfinished_store])
def test_a_lost_manifest_is_made_again(tmp_path: Path, make, damage: bytes | None):  # noqa: ANN001 - one of the above
    path = make(tmp_path)
    root = path / "zarr.json"
    if damage is None:
        root.unlink()
    else:
        root.write_bytes(damage)
    with pytest.raises(StoreError, match="Run hcc-scope recover"):
        open_store(path)

    report = recover(path)
    assert "zarr.json made again from hcc_scope.json" in report.changes
    assert (report.n_frames, report.damaged, report.problems) == (5, (), ())
    if damage is not None:
        assert (path / "zarr.json.torn").read_bytes() == damage
    store = open_store(path)
    assert (store.complete, store.n_frames, store.spec) == (True, 5, make_spec())
    assert store.attributes["outcome"]["cause"] == "zarr.json was lost"
    assert_same_frame(store.read(4), make_frame(4))
    yaozarrs.validate_zarr_store(str(path))
    before = fingerprint(path)
    assert recover(path).changes == ()
    assert fingerprint(path) == before


def test_neither_manifest_nor_journal_is_no_store(tmp_path: Path):
    path = finished_store(tmp_path)
    (path / "zarr.json").unlink()
    (path / "frames.jsonl").unlink()
    before = fingerprint(path)
    with pytest.raises(StoreError, match=r"has no zarr\.json$"):
        recover(path)
    assert fingerprint(path) == before


@pytest.mark.parametrize("copy", [None, b"{", b"{}", b'{"schema_version":99}', b'{"schema_version":1,"spec":{}}'])
def test_without_a_copy_a_lost_manifest_is_refused(tmp_path: Path, copy: bytes | None):
    path = finished_store(tmp_path)
    (path / "zarr.json").write_bytes(b"{")
    if copy is None:
        (path / "hcc_scope.json").unlink()
    else:
        (path / "hcc_scope.json").write_bytes(copy)
    before = fingerprint(path)
    with pytest.raises(StoreError, match="cannot be read"):
        recover(path)
    assert fingerprint(path) == before


def test_torn_predictions_are_cut_and_the_table_is_made(tmp_path: Path):
    path = unfinished_store(tmp_path)
    spec = make_spec(tile_px=35)
    results = PredictionWriter(path, spec, run="r")
    for seq in range(3):
        results.append(make_result(seq, 6))
    results.close()
    (path / "predictions.parquet").unlink()
    log = path / "predictions.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:4])[:-30])

    assert list(read_predictions(path)) == [0, 1]
    report = recover(path)
    assert "predictions.parquet made from 2 frames" in report.changes
    assert read_predictions_table(path)["seq"].to_pylist() == [0] * 6 + [1] * 6
    assert recover(path).changes == ()


def test_predictions_without_a_readable_header_do_not_keep_the_frames_from_being_recovered(tmp_path: Path):
    path = unfinished_store(tmp_path)
    (path / "predictions.jsonl").write_bytes(b"\x00\x00\n")
    report = recover(path)
    assert open_store(path).complete
    assert len(report.problems) == 1
    assert "predictions.jsonl" in report.problems[0]


def test_a_store_that_is_being_written_is_not_recovered(tmp_path: Path):
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
        with pytest.raises(StoreError, match="being written"):
            recover(writer.path)
        writer.append(make_frame(1))
    results = PredictionWriter(writer.path, make_spec(tile_px=35), run="r")
    with pytest.raises(StoreError, match="being written"):
        recover(writer.path)
    results.close()
    assert recover(writer.path).n_frames == 2


def make_nothing(_: Path) -> None:
    pass


def make_file(path: Path) -> None:
    path.write_text("x")


def make_empty(path: Path) -> None:
    path.mkdir()


def make_other(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("x")


def make_foreign(path: Path) -> None:
    zarr.create_group(path)


def make_garbage(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text("[1, 2")


def make_newer(path: Path) -> None:
    unfinished_store(path.parent).rename(path)
    root = path / "zarr.json"
    root.write_text(root.read_text().replace('"schema_version": 2', '"schema_version": 99'))


def make_without_journal(path: Path) -> None:
    unfinished_store(path.parent).rename(path)
    (path / "frames.jsonl").unlink()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_nothing, "There is no store"),
        (make_file, "is a file; a store is a folder"),
        (make_empty, "empty folder and holds no frames. Choose a folder that ends in .ome.zarr"),
        (make_other, "not an OME-Zarr"),
        (make_foreign, "not written by HCC-Scope"),
        (make_garbage, "cannot be read"),
        (make_newer, "version 99"),
        (make_without_journal, "journal"),
    ],
)
def test_a_path_that_is_no_store_is_named_as_none(tmp_path: Path, make, words: str):  # noqa: ANN001 - one of the above
    path = tmp_path / "x.ome.zarr"
    make(path)
    before = fingerprint(tmp_path)
    for use in (open_store, recover):
        with pytest.raises(StoreError) as caught:
            use(path)
        assert words in str(caught.value)
    assert fingerprint(tmp_path) == before


# ---- real disks that are full

UNTIL_FULL = """
import sys
from pathlib import Path
import numpy as np
from storage_cases import make_frame, make_spec
from hcc_scope.errors import DiskFullError
from hcc_scope.storage import space
from hcc_scope.storage.writer import create_store
shape = (512, 512)
rng = np.random.default_rng(0)
if sys.argv[2] == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
else:
    space.RESERVE_BYTES = -10**9  # the reserve would stop it before the disk does
writer = create_store(Path(sys.argv[1]), make_spec(shape))
try:
    for seq in range(200):
        # frames compress well until the tenth, which is noise: it is the one that does not fit
        pixels = rng.integers(0, 65536, shape, np.uint16) if seq >= 10 else np.full(shape, seq, np.uint16)
        writer.append(make_frame(seq, shape, pixels=pixels))
except DiskFullError as error:
    print("append:", error)
try:
    writer.close()
except DiskFullError as error:
    print("close:", error)
    print(writer.committed)
"""


def assert_ended_cleanly(folder: Path, child: subprocess.Popen[str]) -> int:
    out, err = child.communicate(timeout=120)
    assert err == ""
    assert "close: Frame" in out
    assert "no space is left" in out
    n = int(out.split()[-1])
    assert n >= 10
    [path] = folder.iterdir()
    store = open_store(path)
    assert store.n_frames == n
    for seq in range(10):
        np.testing.assert_array_equal(store.read(seq).pixels, seq)
    assert store.read(n - 1).seq == n - 1
    return n


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_limit_on_files_ends_the_run_like_a_full_disk(tmp_path: Path):
    assert assert_ended_cleanly(tmp_path, run_python(UNTIL_FULL, tmp_path, "limit")) == 10
    [path] = tmp_path.iterdir()
    assert recover(path).n_frames == 10
    yaozarrs.validate_zarr_store(str(path))


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs a small disk")
def test_a_small_disk_that_fills_up(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "small", disk], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        assert_ended_cleanly(disk, run_python(UNTIL_FULL, disk, "disk"))
        shutil.rmtree(next(disk.iterdir()))
    finally:
        subprocess.run(["umount", disk], check=True)


# ---- replay


def test_a_store_is_a_source_that_can_be_stopped_and_started_again(tmp_path: Path):
    source = StoreSource(open_store(finished_store(tmp_path)))
    assert isinstance(source, FrameSource)
    assert not source.live
    assert source.spec == make_spec(expected_frames=5)
    stop = StopToken()
    seen = []
    for frame in source.frames(stop):
        seen.append(frame.seq)
        if frame.seq == 2:
            stop.request()
    assert seen == [0, 1, 2]
    assert [frame.seq for frame in source.frames(StopToken())] == [0, 1, 2, 3, 4]


def test_make_pixels_differs_for_each_frame():
    assert not np.array_equal(make_pixels(0), make_pixels(1))
