"""Predictions beside the frames: a line per frame while the run goes on, a Parquet table when it ends.

Design
------
- ``predictions.jsonl`` is the record: a header, then one line per analysed frame, in the order of analysis. Every
  number keeps all its bits, so that a replay can be compared bit for bit.
- A model that tells how unlike its training tiles a tile is has its distances in the lines, too; other lines, and those
  of older programs, have no such key.
- ``predictions.parquet`` is made from it, for analysis elsewhere: one row per tile, in the order of `seq`.
- Lines are not synced one by one: predictions can be computed again, frames cannot.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hcc_scope.errors import FrameSizeError, StoreError, StoreExistsError
from hcc_scope.orientation import NOT_TURNED, Orientation
from hcc_scope.storage.files import TEMPORARY_SUFFIX, explain, lock, patiently, sync_folder, write_all
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import excluded_fields, read_notes
from hcc_scope.tiling import TileGrid
from hcc_scope.types import FrameResult

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.types import RunSpec

__all__ = [
    "PREDICTIONS",
    "PredictionLog",
    "PredictionWriter",
    "read_log",
    "read_predictions",
    "read_predictions_table",
    "write_table",
]

PREDICTIONS = "predictions"
"""Name, without its ending, of the run's own predictions."""

_VERSION = 1
_OUTCOMES = frozenset({"classified", "excluded", "failed"})
_NAMES = {math.inf: "inf", -math.inf: "-inf"}

_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("model_sha256", pa.string()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("tile_row", pa.int32(), nullable=False),
        pa.field("tile_col", pa.int32(), nullable=False),
        pa.field("x_px", pa.int32(), nullable=False),
        pa.field("y_px", pa.int32(), nullable=False),
        pa.field("x_um", pa.float64()),
        pa.field("y_um", pa.float64()),
        pa.field("logit", pa.float32(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("distance", pa.float32()),
        pa.field("flags", pa.uint8(), nullable=False),
        pa.field("included", pa.bool_(), nullable=False),
        pa.field("latency_ms", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class PredictionLog:
    """What a ``predictions.jsonl`` says."""

    header: dict[str, Any]
    """run, model_sha256, frame_shape_yx, tile_px, pixel_size_um; empty if a crash came before it was whole."""
    results: dict[int, FrameResult]
    """By `seq`; a frame analysed twice counts with its last result."""
    problems: tuple[str, ...]
    """One sentence for each unreadable line in the middle."""
    torn: bytes
    """The unfinished last line of a crash, or empty."""


def _floats(values: NDArray[np.float32]) -> list[float | str | None]:
    """Return JSON values that give the same float32 again: NaN is null, an infinity its name."""
    return [None if math.isnan(v) else _NAMES.get(v, v) for v in values.tolist()]


def _float32(values: list[float | str | None]) -> NDArray[np.float32]:
    # a float32 went through float64 unchanged, so it comes back unchanged
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float32)


def _line(result: FrameResult) -> dict[str, Any]:
    line: dict[str, Any] = {
        "seq": int(result.seq),
        "outcome": result.outcome,
        "logits": _floats(result.logits),
        "probabilities": _floats(result.probabilities),
        "flags": [int(f) for f in result.flags],
        "engine": result.engine,
        "latency_ms": {stage: float(ms) for stage, ms in result.latency_ms.items() if math.isfinite(ms)},
        "error": result.error,
    }
    if result.distances is not None:
        line["distances"] = _floats(result.distances)
    return line


def _fits(result: FrameResult, n_tiles: int) -> bool:
    """Return whether there is one entry per tile; a frame that failed before it was cut may have none."""
    arrays = (result.logits, result.probabilities, result.flags, result.distances)
    shapes = {array.shape for array in arrays if array is not None}
    return shapes == {(n_tiles,)} or (shapes == {(0,)} and result.outcome == "failed")


def _result_of(line: bytes, n_tiles: int) -> FrameResult:
    """Parse one line; raises ValueError, KeyError, TypeError, OverflowError or RecursionError if it is not one."""
    value: dict[str, Any] = json.loads(line)
    result = FrameResult(
        seq=int(value["seq"]),
        outcome=value["outcome"],
        logits=_float32(value["logits"]),
        probabilities=_float32(value["probabilities"]),
        flags=np.array(value["flags"], dtype=np.uint8),
        engine=str(value["engine"]),
        latency_ms={stage: float(ms) for stage, ms in value["latency_ms"].items()},
        error=value["error"],
        distances=_float32(value["distances"]) if "distances" in value else None,
    )
    if result.seq < 0 or result.outcome not in _OUTCOMES or not _fits(result, n_tiles):
        raise ValueError("not a result of this run")
    return result


class PredictionWriter:
    """Keeps the predictions of one run beside a section's frames. A `hcc_scope.protocols.ResultSink`.

    Parameters
    ----------
    store : Path
        The store's folder.
    spec : RunSpec
        Frame shape, tile size and pixel size.
    run : str
        Identifies the run in the table.
    model_sha256 : str, optional
        Of the model that predicts; `spec`'s by default.
    name : str
        File name without its ending. A later analysis of the same frames takes another name.

    Raises
    ------
    StoreExistsError
        If there are predictions of that name: nothing is ever overwritten.
    StoreUnwritableError, DiskFullError, StoreError
        If the file cannot be written.
    FrameSizeError
        If a frame is smaller than one tile.
    """

    def __init__(
        self, store: Path, spec: RunSpec, *, run: str, model_sha256: str | None = None, name: str = PREDICTIONS
    ) -> None:
        self.path = store / f"{name}.jsonl"
        self.table_path = store / f"{name}.parquet"
        self._store = store
        self._n_tiles = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px).n
        self._closed = False
        header = {
            "version": _VERSION,
            "run": run,
            "model_sha256": spec.model_sha256 if model_sha256 is None else model_sha256,
            "frame_shape_yx": list(spec.frame_shape_yx),
            "tile_px": spec.tile_px,
            "pixel_size_um": spec.pixel_size_um,
            "camera_axes": list(spec.camera_axes),
        }
        if self.table_path.exists():
            raise self._exists(self.table_path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._handle = os.open(self.path, flags, 0o666)
        except FileExistsError as error:
            raise self._exists(self.path) from error
        except OSError as error:
            raise explain(error, f"The predictions {self.path} cannot be created") from error
        lock(self._handle)  # keeps `recover` away; nobody else can have opened the file that was just made
        self._write(header)

    @staticmethod
    def _exists(path: Path) -> StoreExistsError:
        return StoreExistsError(f"{path} is already there and is never overwritten", hint="Use another name.")

    def append(self, result: FrameResult) -> None:
        """Write one frame's results; a crash of the program does not take them back.

        Raises
        ------
        ValueError
            If its arrays have another length than the grid has tiles (a failed frame may have none).
        DiskFullError, StoreError
            If they cannot be written.
        """
        if not _fits(result, self._n_tiles):
            lengths = {len(result.logits), len(result.probabilities), len(result.flags)}
            raise ValueError(f"frame {result.seq} has results for {sorted(lengths)} tiles, not {self._n_tiles}")
        if self._closed:
            raise StoreError(f"Results of frame {result.seq} came after {self.path} was closed")
        self._write(_line(result))

    def _write(self, value: dict[str, Any]) -> None:
        end = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            write_all(self._handle, (json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n").encode())
        except OSError as error:
            os.ftruncate(self._handle, end)  # half a line would make the next one unreadable
            raise explain(error, f"The predictions {self.path} cannot be written") from error

    def close(self) -> None:
        """Sync the lines and write the table. Close the frames' writer first: the table takes positions from it.

        Idempotent.

        Raises
        ------
        DiskFullError, StoreError
            If anything is not on disk.
        """
        if self._closed:
            return
        self._closed = True
        try:
            try:
                os.fsync(self._handle)
                write_table(self._store, read_log(self.path), self.table_path)
            finally:
                os.close(self._handle)
        except OSError as error:
            raise explain(error, f"The predictions {self.path} cannot be written") from error


def read_log(path: Path) -> PredictionLog:
    """Read a ``predictions.jsonl``, also while it is being written.

    Raises
    ------
    OSError
        If the file cannot be read.
    StoreError
        If its header is unreadable.
    """
    first, *rest = path.read_bytes().split(b"\n")
    if not rest:  # killed while the header was written: there is no prediction
        return PredictionLog(header={}, results={}, problems=(), torn=first)
    *lines, torn = rest
    try:
        header = json.loads(first)
        if header["version"] != _VERSION:
            raise StoreError(f"{path} has version {header['version']}, this program reads {_VERSION}")
        n_tiles = TileGrid.for_frame(tuple(header["frame_shape_yx"]), header["tile_px"]).n
    except (ValueError, KeyError, TypeError, RecursionError, FrameSizeError) as error:
        raise StoreError(f"The first line of {path} is unreadable", hint="Replay the store.") from error
    results: dict[int, FrameResult] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=2):
        try:
            result = _result_of(line, n_tiles)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            problems.append(f"line {number} of {path} is unreadable")
        else:
            results[result.seq] = result
    return PredictionLog(header=header, results=results, problems=tuple(problems), torn=torn)


def read_predictions(store: Path, name: str = PREDICTIONS) -> dict[int, FrameResult]:
    """Return the results that a run recorded for the store's frames, by `seq`, every bit as it was.

    A crash can leave results of frames that never reached the journal: the store has no such frames, so they are left
    out.

    Raises
    ------
    StoreError
        If the store has no predictions of that name, or some of them are unreadable.
    """
    path = store / f"{name}.jsonl"
    try:
        log = read_log(path)
        n_frames = read_journal(store / JOURNAL).n_frames
    except FileNotFoundError as error:
        raise StoreError(f"{store} holds no predictions named {name!r}", hint="Replay it with a model.") from error
    except OSError as error:
        raise explain(error, f"The predictions {path} cannot be read") from error
    if log.problems:
        raise StoreError(f"Predictions are damaged: {'; '.join(log.problems)}", hint="Replay the store.")
    return {seq: log.results[seq] for seq in sorted(log.results) if seq < n_frames}


def read_predictions_table(store: Path, name: str = PREDICTIONS) -> pa.Table:
    """Return the Parquet table: one row per tile, columns as in ``docs/store.md``.

    Raises
    ------
    StoreError
        If there is none (the run was not closed: recover the store), or it is unreadable.
    """
    path = store / f"{name}.parquet"
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise StoreError(f"There is no table {path}", hint="Run hcc-scope recover on the store.") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"The table {path} cannot be read: {error}") from error


def write_table(store: Path, log: PredictionLog, path: Path) -> int:
    """Write the Parquet table of a `log` with a header, at once, for the frames that the journal lists.

    Fields that the store's notes take out of the score are in it, as not included.

    Returns
    -------
    int
        How many frames have results in it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    frames = read_journal(store / JOURNAL).entries
    header = log.header
    grid = TileGrid.for_frame(tuple(header["frame_shape_yx"]), header["tile_px"])
    out = excluded_fields(read_notes(store))
    batches = []
    seqs = [seq for seq in sorted(log.results) if seq < len(frames)]
    for seq in seqs:
        entry = frames[seq]
        stage = None if entry is None else entry.stage_um
        size_um = None if entry is None else entry.pixel_size_um
        size_um = header["pixel_size_um"] if size_um is None else size_um
        batches.append(_rows(header, grid, log.results[seq], stage, size_um, may_enter=seq not in out))
    table = pa.Table.from_batches([b for b in batches if b is not None], schema=_SCHEMA)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        patiently(lambda: temporary.replace(path))
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return len(seqs)


def _rows(
    header: dict[str, Any],
    grid: TileGrid,
    result: FrameResult,
    stage_um: tuple[float, float, float | None] | None,
    pixel_size_um: float,
    *,
    may_enter: bool,
) -> pa.RecordBatch | None:
    """Return one frame's tiles as rows; None for a frame that failed before it was cut."""
    n = len(result.logits)
    if n == 0:
        return None
    if stage_um is None:
        x_um: Iterable[float | None] = [None] * n
        y_um: Iterable[float | None] = [None] * n
    else:
        # the stage position is that of the frame's centre
        middle_yx = np.array(grid.frame_shape_yx) / 2
        centres_yx_px = grid.origins_yx + grid.tile_px / 2 - middle_yx
        orientation = Orientation(tuple(header.get("camera_axes", NOT_TURNED)))
        centres_um = orientation.to_stage_um(centres_yx_px[:, ::-1], pixel_size_um)
        x_um = stage_um[0] + centres_um[:, 0]
        y_um = stage_um[1] + centres_um[:, 1]
    included = may_enter & (result.flags == 0) & (result.outcome == "classified") & np.isfinite(result.probabilities)
    columns = [
        [header["run"]] * n,
        [header["model_sha256"]] * n,
        [result.engine] * n,
        [result.seq] * n,
        [result.outcome] * n,
        grid.rows_cols[:, 0],
        grid.rows_cols[:, 1],
        grid.origins_yx[:, 1],
        grid.origins_yx[:, 0],
        x_um,
        y_um,
        result.logits,
        result.probabilities,
        [None] * n if result.distances is None else [None if math.isnan(d) else d for d in result.distances.tolist()],
        result.flags,
        included,
        [result.latency_ms.get("total")] * n,
    ]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
