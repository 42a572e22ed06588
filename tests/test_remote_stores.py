"""Stores on object storage, read from a real server on loopback; and stores on disks and shares that go away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import StoreDamagedError, StoreError, StoreUnwritableError, UsageError
from hcc_scope.storage import remote_files
from hcc_scope.storage.find_stores import stores_at
from hcc_scope.storage.notes import NotesWriter, read_notes
from hcc_scope.storage.packing import pack_store
from hcc_scope.storage.place import RemotePath, place_of
from hcc_scope.storage.prediction_log import log_files
from hcc_scope.storage.predictions import read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from hcc_scope.workers import StopToken
from tests.commands import cli
from tests.object_storage import BUCKET, ObjectStorage, object_storage
from tests.storage_cases import assert_same_frame, make_frame, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

SCORED = Path(__file__).parent / "data" / "version2_scored.ome.zarr"
KEY = "group 7/M1_S1.ome.zarr"
URL = f"s3://{BUCKET}/{KEY}"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """A bucket with one scored section; the environment names its server, and no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setattr(remote_files, "_RETRIES", {"max_retries": 1, "initial_delay": "10ms", "max_delay": "10ms"})
    with object_storage(tmp_path / "served") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        shutil.copytree(SCORED, server.folder / KEY)
        yield server


def written_store(folder: Path, n: int, shape_yx: tuple[int, int]) -> Path:
    writer = create_store(folder, make_spec(shape_yx))
    for seq in range(n):
        writer.append(make_frame(seq, shape_yx))
    writer.close()
    writer.finalise({"state": "completed"})
    return writer.path


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("s3://lab/a b//M1_S1.ome.zarr/", "s3://lab/a b/M1_S1.ome.zarr"),
        (Path("s3://lab/M1_S1.ome.zarr"), "s3://lab/M1_S1.ome.zarr"),
        ("s3:\\lab\\M1_S1.ome.zarr", "s3://lab/M1_S1.ome.zarr"),  # what a Path of Windows makes of it
        ("HTTPS://host:9000/x", "https://host:9000/x"),
        ("gs://lab", "gs://lab"),
    ],
)
def test_an_address_is_one_however_it_came(given: str | Path, place: str) -> None:
    found = place_of(given)
    assert isinstance(found, RemotePath)
    assert str(found) == place
    assert place_of(found) is found


def test_a_path_is_no_address() -> None:
    assert place_of("runs/M1_S1.ome.zarr") == Path("runs/M1_S1.ome.zarr")
    assert place_of("C:/runs") == Path("C:/runs")
    assert place_of(Path("day:/runs")) == Path("day:/runs")
    assert place_of("file:///srv/a%20b") == Path("/srv/a b")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ftp://host/x", r"ftp://host/x is no address that stores are read from\. There are s3://, gs://"),
        ("s3://", r"s3:// is followed by no plain bucket or host"),
        ("https://me:secret@host/x", r"https:// is followed by no plain bucket or host"),
    ],
)
def test_what_is_no_address_of_a_store_is_refused_without_its_secrets(given: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        place_of(given)
    assert "secret" not in str(caught.value)


def test_names_below_an_address_are_those_of_a_path() -> None:
    remote, local = RemotePath("s3://lab", "a/M1_S1.ome.zarr"), Path("a/M1_S1.ome.zarr")
    assert (remote.name, remote.stem) == (local.name, local.stem)
    for one, other in (
        (remote / "frames/0", local / "frames/0"),
        (remote.parent, local.parent),
        ((remote / "predictions-b.c.jsonl").with_suffix(".parquet"), local / "predictions-b.c.parquet"),
    ):
        assert str(one) == f"s3://lab/{other.as_posix()}"
    assert [str(one) for one in remote.parents] == ["s3://lab/a", "s3://lab"]


@pytest.mark.parametrize(
    ("environment", "spec", "credentials"),
    [
        ({}, {}, "anonymous"),
        ({"AWS_REGION": "eu-west-1"}, {"aws_region": "eu-west-1"}, "anonymous"),
        (
            {"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "http://nas:9000/", "AWS_ACCESS_KEY_ID": "x"},
            {"endpoint": "http://nas:9000", "aws_region": "us-east-1"},
            "environment",
        ),
        ({"AWS_PROFILE": "lab"}, {}, "profile"),
        ({"AWS_EC2_METADATA_DISABLED": "false"}, {}, "default"),
    ],
)
def test_endpoint_and_credentials_come_from_the_environment(
    tmp_path: Path, environment: dict[str, str], spec: dict[str, str], credentials: str
) -> None:
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), **environment}
    found, context = remote_files._described("s3://lab", environment)
    assert found == {"driver": "s3", "bucket": "lab", **spec}
    assert context["aws_credentials"] == {"type": credentials}


def test_a_store_reads_as_its_folder_does_with_one_request_for_each_frame(storage: ObjectStorage) -> None:
    local, remote = open_store(storage.folder / KEY), open_store(place_of(URL))
    assert (remote.spec, remote.journal, remote.attributes) == (local.spec, local.journal, local.attributes)
    assert remote.problems == ()
    assert read_notes(remote.place) == read_notes(local.place)
    assert read_predictions_table(remote.place).equals(read_predictions_table(local.place))
    storage.requests.clear()
    frames = list(StoreSource(remote).frames(StopToken()))
    assert len(storage.requests) == len(frames) == local.n_frames
    for frame in frames:
        assert_same_frame(frame, local.read(frame.seq))
    assert remote.own_file(0) is None


def test_a_packed_store_takes_one_request_more_for_each_file(storage: ObjectStorage) -> None:
    shape_yx = (1100, 600)  # 3 x 2 chunks, two smaller pictures
    path = written_store(storage.folder, 5, shape_yx)
    pack_store(path, shard_frames=3)
    local, remote = open_store(path), open_store(place_of(f"s3://{BUCKET}/{path.name}"))
    n_files = len({local.layout.shard_path(seq) for seq in range(5)})
    storage.requests.clear()
    for frame in remote.read_ahead(range(5), 2):
        assert not isinstance(frame, StoreDamagedError)
        assert_same_frame(frame, local.read(frame.seq))
    assert len(storage.requests) == n_files + 5
    assert local.layout.n_levels > 1
    for level in range(1, local.layout.n_levels):
        assert np.array_equal(remote.read_picture(3, level), local.read_picture(3, level))


def test_a_web_server_that_lists_nothing_serves_a_store_too(storage: ObjectStorage) -> None:
    address = place_of(f"{storage.endpoint}/{BUCKET}/{KEY.replace(' ', '%20')}")
    remote = open_store(address)
    assert remote.problems == ()
    assert [log.name for log in log_files(remote.place)] == ["predictions.jsonl"]
    assert_same_frame(remote.read(1), open_store(storage.folder / KEY).read(1))
    with pytest.raises(StoreError, match=r'x/a cannot be read: Invalid S3 bucket name: "x"'):
        remote_files.read_file(RemotePath("s3://x", "a"), 1)
    with pytest.raises(StoreError, match=r"cannot be looked through: it lists no files\. Name each store\."):
        stores_at(RemotePath(storage.endpoint, BUCKET))


def test_stores_below_an_address_are_found_by_their_journals(storage: ObjectStorage) -> None:
    for name in ("M2_S1.ome.zarr/frames.jsonl", "a/b/c/d/M3_S1.ome.zarr/frames.jsonl", "x.ome.zarr/zarr.json"):
        (storage.folder / name).parent.mkdir(parents=True)
        (storage.folder / name).touch()
    assert [str(one) for one in stores_at(RemotePath("s3://lab"))] == [f"s3://lab/{KEY}"[:9] + "M2_S1.ome.zarr", URL]
    assert stores_at(RemotePath("s3://lab", KEY)) == [RemotePath("s3://lab", KEY)]


def test_a_frame_that_is_missing_or_damaged_there_is_damage(storage: ObjectStorage) -> None:
    shards = [storage.folder / KEY / "frames/0/c" / str(seq) / "0/0" for seq in (0, 1)]
    whole = shards[1].read_bytes()
    shards[0].unlink()
    shards[1].write_bytes(whole[:19])
    remote = open_store(place_of(URL))
    missing, short = remote.read_ahead(range(2), 1)
    assert str(missing) == f"Frame 0 in {URL}/frames/0/c/0/0/0 is missing"
    assert "it has 19 bytes, less than its index" in str(short)
    index = np.frombuffer(whole[-20:-4], "<u8").copy()
    index[1] = 1 << 40
    shards[1].write_bytes(whole[:-20] + index.tobytes() + whole[-4:])
    with pytest.raises(StoreDamagedError, match="claims more bytes than a frame can have"):
        remote.read(1)
    shards[1].write_bytes(bytes(200) + whole[200:])
    with pytest.raises(StoreDamagedError, match=r"Frame 1 in .* cannot be read: "):
        remote.read(1)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://lab/M9_S9.ome.zarr", r"There is no store at s3://lab/M9_S9\.ome\.zarr\. Give an address"),
        ("s3://elsewhere/M1_S1.ome.zarr", r"There is no store at s3://elsewhere/M1_S1"),
        (
            f"{URL}/frames/0",
            r"s3://lab/group 7/M1_S1\.ome\.zarr/frames/0 is a part of the store s3://lab/group 7/M1_S1",
        ),
        ("s3://x/y", r"s3://x/y/hcc_scope\.json cannot be read: Invalid S3 bucket name"),
    ],
)
def test_no_store_at_an_address_is_one_sentence(storage: ObjectStorage, address: str, words: str) -> None:
    del storage
    with pytest.raises(StoreError, match=words):
        open_store(place_of(address))


def test_notes_that_may_not_be_read_are_not_taken_for_none(storage: ObjectStorage) -> None:
    """Without the right to list a bucket, S3 refuses what is not there; fields might be out that would then count."""
    remote = open_store(place_of(URL))
    storage.refused = "notes.jsonl"
    with pytest.raises(StoreError, match=r"notes\.jsonl cannot be read: access is denied\. Check the credentials"):
        read_notes(remote.place)


def test_storage_that_goes_away_ends_a_replay_and_damages_no_frame(storage: ObjectStorage) -> None:
    source = StoreSource(open_store(place_of(URL)), ahead=0)
    frames = source.frames(StopToken())
    next(frames)
    storage.stop()
    with pytest.raises(StoreError, match=r"cannot be read: Failed to connect to 127\.0\.0\.1") as caught:
        next(frames)
    assert not isinstance(caught.value, StoreDamagedError)
    assert source.damaged == []


def test_a_share_that_goes_away_ends_a_replay_and_damages_no_frame(tmp_path: Path) -> None:
    store = tmp_path / "share" / "M1_S1.ome.zarr"
    shutil.copytree(SCORED, store)
    source = StoreSource(open_store(store), ahead=0)
    frames = source.frames(StopToken())
    next(frames)
    store.parent.rename(tmp_path / "unplugged")  # nothing is left below the mount point
    with pytest.raises(StoreError, match=r"M1_S1\.ome\.zarr went away while it was read: No such file") as caught:
        next(frames)
    assert not isinstance(caught.value, StoreDamagedError)
    assert source.damaged == []


def test_a_store_on_object_storage_is_replayed_as_its_folder_is(storage: ObjectStorage, tmp_path: Path) -> None:
    before = sorted(storage.folder.rglob("*"))
    out = tmp_path / "out"
    done = cli("replay", URL, storage.folder / KEY, "--model", "phantom-meng2019", "--json", "--out", out)
    assert done.code == 0, done.err
    remote, local = done.json["sections"]
    assert json.loads((out / "summary.json").read_text())["sections"] == [remote, local]
    assert remote["store"] == URL
    assert (remote["score"], remote["counts"]) == (local["score"], local["counts"])
    refused = cli("replay", URL, "--save", "again")
    assert refused.code == StoreUnwritableError.exit_code
    assert f"{URL} is on object storage, which is only read: results cannot be saved in it" in refused.err
    assert sorted(storage.folder.rglob("*")) == before


def test_exports_read_object_storage_and_write_to_a_folder(storage: ObjectStorage, tmp_path: Path) -> None:
    kinds = [word for kind in ("csv", "frames", "fields", "qupath") for word in ("--as", kind)]
    for name, store in (("remote", URL), ("local", storage.folder / KEY)):
        done = cli("export", store, *kinds, "--out", tmp_path / name, "--json")
        assert done.code == 0, done.err
    names = ["M1_S1-frames.ome.tif", "M1_S1-tiles.csv", "M1_S1-fields.zarr/0/0/c.0.0.0"]
    for name in names:
        assert (tmp_path / "remote" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    beside = cli("export", URL, "--as", "csv")
    assert beside.code == UsageError.exit_code
    assert f"{URL} is on object storage, which is only read. Name a folder with --out." in beside.err
    hashed = cli("export", URL, "--as", "provenance", "--out", tmp_path / "remote")
    assert hashed.code == StoreUnwritableError.exit_code
    assert "every file of the store's folder is hashed" in hashed.err


def test_sections_below_an_address_are_queried(storage: ObjectStorage) -> None:
    broken = storage.folder / "group 7" / "M2_S1.ome.zarr"
    shutil.copytree(storage.folder / KEY, broken)
    (broken / "zarr.json").write_text("{}")
    found = [cli("query", where, "--json").json["sections"] for where in ("s3://lab", storage.folder)]
    remote, local = ({Path(row.pop("store")).name: row for row in rows} for rows in found)
    assert remote["M1_S1.ome.zarr"] == local["M1_S1.ome.zarr"]
    assert remote["M1_S1.ome.zarr"]["score"] is not None
    assert remote["M2_S1.ome.zarr"]["state"] == "unreadable"
    listed = cli("query", "s3://lab", "--csv")
    assert URL in listed.out


def test_a_section_below_two_addresses_counts_once_and_its_copy_not(storage: ObjectStorage) -> None:
    copy = f"s3://{BUCKET}/group 7/copies/M1_S1.ome.zarr"
    shutil.copytree(storage.folder / KEY, storage.folder / "group 7" / "copies" / "M1_S1.ome.zarr")
    found = cli("sections", "s3://lab", "s3://lab/group 7", "--json").json
    assert sorted(one["store"] for one in found["sections"]) == sorted([URL, copy])
    (animal,) = found["animals"]
    assert animal["stores"] == [URL]
    assert animal["left_out"] == [{"store": copy, "why": f"a copy of {URL}"}]


def test_storage_that_refuses_a_section_keeps_no_other_from_the_list(storage: ObjectStorage, tmp_path: Path) -> None:
    writer = create_store(tmp_path, make_spec((32, 32)))  # its run never ended
    writer.append(make_frame(0, (32, 32)))
    writer.close()
    shutil.copytree(writer.path, storage.folder / "group 7" / "open.ome.zarr")
    storage.refused = "open.ome.zarr/predictions"
    rows = cli("query", "s3://lab", "--sort", "state", "--json").json["sections"]
    assert [(row["state"], row["score"] is None) for row in rows] == [("complete", False), ("unfinished", True)]
    assert "access is denied" in rows[1]["problem"]


def test_what_changes_a_store_refuses_an_address(storage: ObjectStorage) -> None:
    with pytest.raises(StoreUnwritableError, match="is on object storage, which is only read"):
        NotesWriter(open_store(place_of(URL)).path)
    for command in ("recover", "finish", "report"):
        done = cli(command, URL)
        assert done.code == StoreUnwritableError.exit_code
        assert f"{URL} is on object storage, which is only read" in done.err
    assert f"{URL} has no run_log.jsonl" in cli("log", URL).err
    assert storage.requests
