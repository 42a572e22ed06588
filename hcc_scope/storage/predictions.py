"""Predictions beside the frames: a line per frame during the run, a Parquet table at its end.

Design
------
- ``predictions.jsonl`` is the record: a header, then one line per analysed frame, in the order of analysis. Every
  number keeps all its bits, so that a replay can be compared bit for bit.
- A model that measures how unlike its training tiles a tile is has its distances in the lines, too; other lines, and
  those of older programs, have no such key.
- A frame's mean grey level and focus are there where it has usable tiles: the score's test for drift rests on them.
- ``predictions.parquet`` is made from it, for analysis elsewhere: one row per tile, in the order of `seq`.
- Lines are not synced one by one: predictions can be computed again, frames cannot.
"""

from __future__ import annotations

import hashlib
import math
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hcc_scope.atomic_file import replace_file, write_all
from hcc_scope.errors import StoreError, StoreExistsError
from hcc_scope.field_scores import usable_tiles
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import island_and_place
from hcc_scope.scoring import is_analysed
from hcc_scope.storage.files import cannot_read, explain, lock, open_own, read_plain
from hcc_scope.storage.frames_out import frames_out
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.lines import sealed_line
from hcc_scope.storage.metadata import JOURNAL, axes_from_json
from hcc_scope.storage.prediction_log import (
    MAX_TABLE_BYTES,
    PREDICTIONS,
    VERSION,
    PredictionLog,
    fits,
    read_log,
    result_fields,
    table_fields,
)
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import FrameResult, RunSpec

__all__ = [
    "PREDICTIONS",
    "TABLE_SCHEMA",
    "PredictionLog",
    "PredictionWriter",
    "read_log",
    "read_predictions",
    "read_predictions_table",
    "remake_table",
    "state_table",
    "write_table",
]

_MOST_ROW_BYTES = 1024
"""Of one row in a table, before compression; names of engine and model are the longest."""


TABLE_SCHEMA = pa.schema(
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
        pa.field("island", pa.int32()),
        pa.field("logit", pa.float32(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("distance", pa.float32()),
        pa.field("flags", pa.uint8(), nullable=False),
        pa.field("included", pa.bool_(), nullable=False),
        pa.field("latency_ms", pa.float64()),
    ]
)


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
    raw : bool
        Whether frames are classified raw although the section's run corrected them.
    continues : bool
        Go on in the predictions of a store that is continued (`hcc_scope.storage.reopened`), if it has any: what is
        there stays as it is, so that one table covers the section. `run` is then that of the first part.

    Raises
    ------
    StoreExistsError
        If there are predictions of that name, and they are not continued: nothing is ever overwritten.
    StoreUnwritableError, DiskFullError, StoreError
        If the file cannot be written.
    FrameSizeError
        If a frame is smaller than one tile.
    """

    def __init__(
        self,
        store: Path,
        spec: RunSpec,
        *,
        run: str,
        model_sha256: str | None = None,
        name: str = PREDICTIONS,
        raw: bool = False,
        continues: bool = False,
    ) -> None:
        self.path = store / f"{name}.jsonl"
        self.table_path = store / f"{name}.parquet"
        self._store = store
        self._n_tiles = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px).n
        self._closed = self._any = False
        self._guided = spec.sampling == "guided"
        self._continued = continues and self.path.exists()
        self._keeps_empty = name == PREDICTIONS and not continues
        if self._continued:
            self._handle = self._opened(spec)
            return
        header = {
            "version": VERSION,
            "run": run,
            "model_sha256": spec.model_sha256 if model_sha256 is None else model_sha256,
            "frame_shape_yx": list(spec.frame_shape_yx),
            "tile_px": spec.tile_px,
            "pixel_size_um": spec.pixel_size_um,
            "camera_axes": list(spec.camera_axes),
        }
        if raw:
            header["shading"] = "none"
        if self.table_path.exists():
            raise self._exists(self.table_path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._handle = os.open(self.path, flags, 0o666)
        except FileExistsError as error:
            raise self._exists(self.path) from error
        except OSError as error:
            raise explain(error, f"The predictions {self.path} cannot be created") from error
        lock(self._handle)  # keeps `recover` away; no other program can have opened the file that was just made
        self._write(header)

    def _opened(self, spec: RunSpec) -> int:
        """Open the predictions of the parts before, locked."""
        try:
            header = read_log(self.path).header
            handle = open_own(self.path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise explain(error, f"The predictions {self.path} cannot be continued") from error
        alike = (header["model_sha256"], header["tile_px"]) == (spec.model_sha256, spec.tile_px)
        if not (alike and header["version"] == VERSION and lock(handle)):
            os.close(handle)
            why = "another process writes to them" if alike else "they are of another model"
            raise StoreError(f"The predictions {self.path} cannot be continued: {why}", hint="Start a new section.")
        return handle

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
        if not fits(result, self._n_tiles):
            lengths = {len(result.logits), len(result.probabilities), len(result.flags)}
            raise ValueError(f"frame {result.seq} has results for {sorted(lengths)} tiles, not {self._n_tiles}")
        if self._closed:
            raise StoreError(f"Results of frame {result.seq} came after {self.path} was closed")
        self._write(result_fields(result))
        self._any = True

    def _write(self, value: dict[str, Any]) -> None:
        end = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            write_all(self._handle, sealed_line(value))
        except OSError as error:
            os.ftruncate(self._handle, end)  # half a line would make the next one unreadable
            raise explain(error, f"The predictions {self.path} cannot be written") from error

    def _check_in_place(self) -> None:
        """Raise if the store was moved or replaced: its table would land in another one."""
        try:
            in_place = os.path.samestat(os.fstat(self._handle), self.path.lstat())
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise StoreError(
                f"The predictions {self.path} were moved, deleted or replaced during the run: no table is made"
            )

    def close(self) -> None:
        """Sync the lines and write the table. Close the frames' writer first: the table takes positions from it.

        A later analysis that has no result leaves no file, so that its name is free. Idempotent.

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
                self._check_in_place()
                keep = self._any or self._keeps_empty or self._continued
                if self._any or self._keeps_empty:
                    write_table(self._store, read_log(self.path), self.table_path, guided=self._guided)
                    state_table(self._handle, self.path)
            finally:
                os.close(self._handle)
            if not keep:
                self.path.unlink()
        except OSError as error:
            raise explain(error, f"The predictions {self.path} cannot be written") from error


def read_predictions(store: StorePlace, name: str = PREDICTIONS) -> dict[int, FrameResult]:
    """Return the results that a run recorded for the store's frames, by `seq`, bit for bit.

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
        raise cannot_read(error, f"The predictions {path}") from error
    if log.problems:
        raise StoreError(f"Predictions are damaged: {'; '.join(log.problems)}", hint="Replay the store.")
    return {seq: log.results[seq] for seq in sorted(log.results) if seq < n_frames}


def read_predictions_table(store: StorePlace, name: str = PREDICTIONS) -> pa.Table:
    """Return the Parquet table: one row per tile, columns as in ``docs/store.md``.

    Raises
    ------
    StoreError
        If there is none (the run was not closed: recover the store), it is unreadable, or not the one that its log
        states.
    """
    path = store / f"{name}.parquet"
    hint = "Run hcc-scope recover on the store."
    try:
        data = read_plain(path, MAX_TABLE_BYTES)
        log = read_log(store / f"{name}.jsonl")
    except FileNotFoundError as error:
        raise StoreError(f"There is no table {path}", hint=hint) from error
    except OSError as error:
        raise cannot_read(error, f"The table {path}") from error
    if log.table_sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise StoreError(f"The table {path} is damaged: its checksum is wrong", hint=hint)
    try:
        claimed = pq.ParquetFile(pa.BufferReader(data)).metadata
        n_rows = sum(len(result.logits) for result in log.results.values())
        n_bytes = sum(claimed.row_group(i).total_byte_size for i in range(claimed.num_row_groups))
        # judged before anything is read: a table can claim any number of rows
        if claimed.num_rows > n_rows or not 0 <= n_bytes <= _MOST_ROW_BYTES * (n_rows + 1000):
            raise StoreError(f"The table {path} claims more rows than there are tiles", hint=hint)
        return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"The table {path} cannot be read: {error}", hint=hint) from error


def write_table(store: Path, log: PredictionLog, path: Path, *, guided: bool = False) -> int:
    """Write the Parquet table of a `log` with a header, at once, for the frames that the journal lists.

    Fields that the store's notes exclude from the score are in it, as not included; so are frames that do not count as
    their field was taken again, and, of a `guided` section, frames that show no drawn field. `state_table` comes next.

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
    out = frames_out(store, frames, partial(is_analysed, log.results), guided=guided)
    batches = []
    seqs = [seq for seq in sorted(log.results) if seq < len(frames)]
    for seq in seqs:
        entry = frames[seq]
        place = None if entry is None else island_and_place(entry.stage_um, entry.tags)
        size_um = None if entry is None else entry.pixel_size_um
        size_um = header["pixel_size_um"] if size_um is None else size_um
        batches.append(_rows(header, grid, log.results[seq], place, size_um, may_enter=seq not in out))
    table = pa.Table.from_batches([b for b in batches if b is not None], schema=TABLE_SCHEMA)
    made = pa.BufferOutputStream()
    pq.write_table(table, made, compression="zstd", write_page_checksum=True)
    replace_file(path, made.getvalue().to_pybytes())
    return len(seqs)


def state_table(handle: int, log: Path) -> None:
    """Add the line to a log, open for appending, that states its table.

    Raises
    ------
    OSError
        If that fails.
    """
    table = read_plain(log.with_suffix(".parquet"), MAX_TABLE_BYTES)
    end = os.lseek(handle, 0, os.SEEK_END)
    try:
        write_all(handle, sealed_line(table_fields(log, table)))
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def remake_table(store: Path, path: Path, *, guided: bool = False) -> int:
    """Make the table of the log at `path` anew (`write_table`), and state it there; one of version 1 states none.

    Returns
    -------
    int
        How many frames have results in it.

    Raises
    ------
    OSError, StoreError
        If that fails.
    """
    log = read_log(path)
    n = write_table(store, log, path.with_suffix(".parquet"), guided=guided)
    if log.header["version"] > 1:
        handle = open_own(path, os.O_RDWR | os.O_APPEND)
        try:
            state_table(handle, path)
        finally:
            os.close(handle)
    return n


def _rows(
    header: dict[str, Any],
    grid: TileGrid,
    result: FrameResult,
    place: tuple[int, float, float] | None,
    pixel_size_um: float,
    *,
    may_enter: bool,
) -> pa.RecordBatch | None:
    """Return one frame's tiles as rows; None for a frame that failed before it was cut.

    `place` is the island and the position of the frame's centre, None if that is not known.
    """
    n = len(result.logits)
    if n == 0:
        return None
    if place is None:
        x_um: Iterable[float | None] = [None] * n
        y_um: Iterable[float | None] = [None] * n
    else:
        centres_um = grid.centres_um(Orientation(axes_from_json(header.get("camera_axes"))), pixel_size_um)
        x_um = place[1] + centres_um[:, 0]
        y_um = place[2] + centres_um[:, 1]
    usable = usable_tiles(result.flags, result.probabilities)
    included = usable & (may_enter and result.outcome == "classified")
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
        [None if place is None else place[0]] * n,
        result.logits,
        result.probabilities,
        [None] * n if result.distances is None else [None if math.isnan(d) else d for d in result.distances.tolist()],
        result.flags,
        included,
        [result.latency_ms.get("total")] * n,
    ]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, TABLE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=TABLE_SCHEMA)
