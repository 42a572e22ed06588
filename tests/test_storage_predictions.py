"""Predictions come back bit for bit, and the table states where each tile lies."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from storage_cases import fingerprint, make_frame, make_result, make_spec

from hcc_scope.errors import FrameSizeError, StoreError, StoreExistsError, StoreUnwritableError
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.protocols import ResultSink
from hcc_scope.storage.journal import line_of
from hcc_scope.storage.predictions import PredictionWriter, read_log, read_predictions, read_predictions_table
from hcc_scope.storage.writer import create_store
from hcc_scope.types import FrameResult

SPEC = make_spec((70, 90), tile_px=40, model_sha256="ab" * 32)
N = 6  # 2 rows, 3 columns


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32)


def assert_same_result(read: FrameResult, written: FrameResult) -> None:
    for name in FrameResult.__slots__:
        got, expected = getattr(read, name), getattr(written, name)
        if isinstance(expected, np.ndarray):
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
        else:
            assert got == expected, name


def store_with_frames(folder: Path, n: int = 3, **changes: object) -> Path:
    with create_store(folder, SPEC) as writer:
        for seq in range(n):
            writer.append(make_frame(seq, (70, 90), **changes))
    return writer.path


def test_results_and_table(tmp_path: Path):
    path = store_with_frames(tmp_path)
    results = [
        make_result(2, N),  # deferred frames come later: lines are in the order of analysis
        make_result(0, N),
        make_result(1, 0, outcome="failed", error="the model said\nno", latency_ms={}, flags=np.zeros(0, np.uint8)),
    ]
    writer = PredictionWriter(path, SPEC, run="live-1")
    assert isinstance(writer, ResultSink)
    for result in results:
        writer.append(result)
    assert_same_result(read_predictions(path)[2], results[0])  # while it is written
    with pytest.raises(StoreError, match="no table"):
        read_predictions_table(path)
    writer.close()
    writer.close()

    read = read_predictions(path)
    assert list(read) == [0, 1, 2]
    for result in results:
        assert_same_result(read[result.seq], result)

    table = read_predictions_table(path)
    assert table.num_rows == 2 * N
    assert table["seq"].to_pylist() == [0] * N + [2] * N
    assert set(table["run"].to_pylist()) == {"live-1"}
    assert set(table["model_sha256"].to_pylist()) == {"ab" * 32}
    assert set(table["engine"].to_pylist()) == {"torchscript"}
    assert table["tile_row"].to_pylist() == [0, 0, 0, 1, 1, 1] * 2
    assert table["tile_col"].to_pylist() == [0, 1, 2, 0, 1, 2] * 2
    # the last row and column are anchored to the far edge
    assert table["x_px"].to_pylist() == [0, 40, 50] * 4
    assert table["y_px"].to_pylist() == [0, 0, 0, 30, 30, 30] * 2
    assert table["included"].to_pylist() == [True, True, False] * 4
    assert table["flags"].to_pylist() == [0, 0, 5] * 4
    np.testing.assert_array_equal(
        bits(table["logit"].to_numpy()), bits(np.concatenate([results[1].logits, results[0].logits]))
    )
    np.testing.assert_array_equal(
        bits(table["probability"].to_numpy()),
        bits(np.concatenate([results[1].probabilities, results[0].probabilities])),
    )
    assert table["latency_ms"].to_pylist() == [31.25 + 1 / 3] * 12


def test_the_tile_s_place_on_the_stage(tmp_path: Path):
    path = store_with_frames(tmp_path, 1, stage_um=(1000.0, -500.0, 3.0), pixel_size_um=0.5)
    writer = PredictionWriter(path, SPEC, run="r")
    writer.append(make_result(0, N))
    writer.append(make_result(1, N))  # never journalled: the store has no such frame
    writer.close()
    table = read_predictions_table(path)
    # centre of the frame is (45, 35) px; centres of the tiles are x = 20, 60, 70 and y = 20, 50 px
    assert table["x_um"].to_pylist() == [987.5, 1007.5, 1012.5] * 2
    assert table["y_um"].to_pylist() == [-507.5] * 3 + [-492.5] * 3
    assert list(read_predictions(path)) == [0]


def test_the_table_states_which_coordinate_frame_a_place_is_in(tmp_path: Path):
    with create_store(tmp_path, SPEC) as writer:
        for seq, (place, origin) in enumerate(
            [
                ((10.0, 20.0, None), PositionOrigin("tracked", 0, 0.0)),
                ((10.0, 20.0, None), PositionOrigin("tracked", 2, 0.4)),
                (None, PositionOrigin("unknown")),
                ((10.0, 20.0, 3.0), PositionOrigin("stage")),
                ((10.0, 20.0, None), PositionOrigin("tracked", 1 << 40)),  # no program writes that
            ]
        ):
            writer.append(make_frame(seq, (70, 90), stage_um=place, tags=position_tags(origin)))
    log = PredictionWriter(writer.path, SPEC, run="r")
    for seq in range(5):
        log.append(make_result(seq, N))
    log.close()
    table = read_predictions_table(writer.path)
    assert table["island"].to_pylist() == [0] * N + [2] * N + [None] * N + [0] * 2 * N
    assert table["x_um"].null_count == N


def test_without_a_stage_there_is_no_place(tmp_path: Path):
    path = store_with_frames(tmp_path, 1, stage_um=None)
    writer = PredictionWriter(path, SPEC, run="r")
    writer.append(make_result(0, N))
    writer.close()
    assert read_predictions_table(path)["x_um"].null_count == N


def test_excluded_frames_are_never_included(tmp_path: Path):
    path = store_with_frames(tmp_path)
    writer = PredictionWriter(path, SPEC, run="r")
    nothing = np.full(N, np.nan, np.float32)
    writer.append(make_result(0, N, outcome="excluded", logits=nothing, probabilities=nothing))
    writer.close()
    assert not any(read_predictions_table(path)["included"].to_pylist())


def test_schema(tmp_path: Path):
    path = store_with_frames(tmp_path)
    PredictionWriter(path, SPEC, run="r").close()
    schema = read_predictions_table(path).schema
    assert {field.name: field.type for field in schema} == {
        "run": pa.string(),
        "model_sha256": pa.string(),
        "engine": pa.string(),
        "seq": pa.int64(),
        "outcome": pa.string(),
        "tile_row": pa.int32(),
        "tile_col": pa.int32(),
        "x_px": pa.int32(),
        "y_px": pa.int32(),
        "x_um": pa.float64(),
        "y_um": pa.float64(),
        "island": pa.int32(),
        "logit": pa.float32(),
        "probability": pa.float32(),
        "distance": pa.float32(),
        "flags": pa.uint8(),
        "included": pa.bool_(),
        "latency_ms": pa.float64(),
    }
    assert read_predictions(path) == {}


def test_distances_are_kept_bit_for_bit_and_are_null_where_there_is_none(tmp_path: Path):
    path = store_with_frames(tmp_path)
    writer = PredictionWriter(path, SPEC, run="r")
    distances = np.float32([0.1, 7.0, 1e9, np.nan, 3.0, 2.5])[:N]
    distances[-1] = np.nan
    writer.append(make_result(0, N, distances=distances))
    writer.append(make_result(1, N))
    with pytest.raises(ValueError, match="tiles"):
        writer.append(make_result(2, N, distances=distances[:-1]))
    writer.close()
    first, second = read_predictions(path).values()
    assert first.distances is not None
    np.testing.assert_array_equal(first.distances, distances)
    assert first.distances.dtype == np.float32
    assert second.distances is None
    column = read_predictions_table(path)["distance"].to_pylist()
    assert column == [None if np.isnan(d) else d for d in distances.tolist()] + [None] * N


def test_predictions_of_earlier_versions_are_read(tmp_path: Path):
    path = store_with_frames(tmp_path)
    writer = PredictionWriter(path, SPEC, run="r")
    writer.append(make_result(0, N))
    writer.close()
    lines = (path / "predictions.jsonl").read_text().splitlines()
    assert "distances" not in json.loads(lines[1])  # what version 1 wrote, and this one writes if there are none

    def of_version_1(line: str) -> str:
        fields = {key: value for key, value in json.loads(line).items() if key != "line_crc32"}
        return json.dumps({**fields, "version": 1} if "version" in fields else fields)

    old = read_predictions_table(path).drop_columns(["distance"])
    pq.write_table(old, path / "predictions.parquet")
    (path / "predictions.jsonl").write_text("\n".join(map(of_version_1, lines[:2])) + "\n")
    assert read_predictions(path)[0].distances is None
    assert read_predictions_table(path).num_rows == N


@settings(deadline=None, max_examples=50)  # a disk has no deadline
@given(logits=hnp.arrays(np.float32, N, elements=st.floats(width=32)))
def test_every_float_comes_back_with_every_bit(logits: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "frames.jsonl").write_bytes(line_of(make_frame(0), 0))
        writer = PredictionWriter(path, SPEC, run="r")
        writer.append(make_result(0, N, logits=logits, distances=logits))
        writer.close()
        read = read_predictions(path)[0]
        table = read_predictions_table(path)["logit"].to_numpy()
    for got in (read.logits, read.distances, table):
        np.testing.assert_array_equal(np.isnan(got), np.isnan(logits))
        numbers = ~np.isnan(logits)
        np.testing.assert_array_equal(bits(got[numbers]), bits(logits[numbers]))


def test_predictions_are_never_overwritten(tmp_path: Path):
    path = store_with_frames(tmp_path)
    PredictionWriter(path, SPEC, run="r").close()
    before = fingerprint(path)
    with pytest.raises(StoreExistsError, match="never overwritten"):
        PredictionWriter(path, SPEC, run="r")
    assert fingerprint(path) == before

    second = PredictionWriter(path, SPEC, run="r2", model_sha256="cd", name="predictions-r2")
    second.append(make_result(0, N))
    second.close()
    assert read_predictions(path) == {}
    assert list(read_predictions(path, "predictions-r2")) == [0]
    assert set(read_predictions_table(path, "predictions-r2")["model_sha256"].to_pylist()) == {"cd"}


def test_a_later_analysis_without_a_result_leaves_its_name_free(tmp_path: Path):
    path = store_with_frames(tmp_path)
    PredictionWriter(path, SPEC, run="r").close()
    before = fingerprint(path)
    for _ in range(2):
        PredictionWriter(path, SPEC, run="r2", name="predictions-r2").close()
        assert fingerprint(path) == before
    moved = PredictionWriter(path, SPEC, run="r2", name="predictions-r2")
    (path / "predictions-r2.jsonl").rename(path / "elsewhere.jsonl")
    (path / "predictions-r2.jsonl").write_text("another program's")
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        moved.close()
    assert (path / "predictions-r2.jsonl").read_text() == "another program's"


def test_what_does_not_fit_is_refused(tmp_path: Path):
    path = store_with_frames(tmp_path)
    with pytest.raises(FrameSizeError):
        PredictionWriter(path, make_spec((70, 90)), run="r")
    with pytest.raises(StoreUnwritableError):
        PredictionWriter(path / "zarr.json", SPEC, run="r")
    writer = PredictionWriter(path, SPEC, run="r")
    with pytest.raises(ValueError, match="5"):
        writer.append(make_result(0, 5))
    writer.close()
    with pytest.raises(StoreError, match=r"after .+ was closed"):
        writer.append(make_result(0, N))


def test_a_store_without_predictions_reports_it(tmp_path: Path):
    path = store_with_frames(tmp_path)
    with pytest.raises(StoreError, match="holds no predictions"):
        read_predictions(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"logits": [0.5] * (N + 2)},
        {"logits": [0.5] * (N + 2), "probabilities": [0.5] * (N + 2), "flags": [0] * (N + 2)},
        {"logits": [], "probabilities": [], "flags": []},
        {"logits": [[0.5]] * N},
        {"flags": [300] * N},
        {"seq": 1e999},
        {"seq": -1},
        {"outcome": ["x"]},
        {"outcome": "perhaps"},
        {"latency_ms": []},
        {"latency_ms": {"total": "soon"}},
    ],
)
def test_a_line_that_does_not_fit_the_tiles_is_unreadable(tmp_path: Path, changes: dict[str, object]):
    path = store_with_frames(tmp_path)
    writer = PredictionWriter(path, SPEC, run="r")
    for seq in range(3):
        writer.append(make_result(seq, N))
    writer.close()
    log = path / "predictions.jsonl"
    lines = log.read_bytes().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | changes).encode()
    log.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(StoreError, match="line 3 of"):
        read_predictions(path)
    assert sorted(read_log(log).results) == [0, 2]


@pytest.mark.parametrize(
    "header",
    [b"\xff\x00garbage" * 9, b"[" * 100_000, b'{"version":1}', b'{"version":1,"frame_shape_yx":[1,1],"tile_px":40}'],
)
def test_an_unreadable_header_is_reported_in_a_short_sentence(tmp_path: Path, header: bytes):
    path = store_with_frames(tmp_path)
    log = path / "predictions.jsonl"
    log.write_bytes(header + b"\n")
    with pytest.raises(StoreError) as caught:
        read_predictions(path)
    assert caught.value.message == f"The first line of {log} is unreadable"


def test_an_unreadable_line_is_reported(tmp_path: Path):
    path = store_with_frames(tmp_path)
    writer = PredictionWriter(path, SPEC, run="r")
    for seq in range(3):
        writer.append(make_result(seq, N))
    writer.close()
    log = path / "predictions.jsonl"
    lines = log.read_bytes().splitlines()
    lines[2] = b"\x00" * 9
    log.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(StoreError, match="line 3"):
        read_predictions(path)
    lines[0] = b"{}"
    log.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(StoreError, match="first line"):
        read_predictions(path)
