"""Tables of tiles: Parquet and CSV with a row for each tile, and the CSV of WSInfer.

Parquet and CSV have the columns of the predictions' table in the store (``docs/store.md``), with the ids of animal and
section before them, and behind them what an export adds: why a tile does not count, and where it lies in the mosaic.
What counts is by the present notes; a store whose run never ended has a table as well. A number that does not exist is
an empty cell.

A CSV cell is never a formula (`hcc_scope.printable.spreadsheet_text`): ids and notes are what a person typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.section_tiles import read_section_tiles
from hcc_scope.exports.target import exported
from hcc_scope.formatting import counted
from hcc_scope.printable import printable, spreadsheet_text
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.predictions import TABLE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.exports.section_tiles import SectionTiles
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore

__all__ = ["EXPORT_SCHEMA", "WSINFER_SCHEMA", "export_csv", "export_parquet", "export_wsinfer"]

_FRAMES_AT_ONCE = 1024
_FARTHEST_PX = 1 << 53
"""A stage that reports a senseless place has its tables nevertheless."""
_ROW_BYTES = 400
"""Of a tile in a CSV, but for what a person typed."""

EXPORT_SCHEMA = pa.schema(
    [
        pa.field("animal_id", pa.string(), nullable=False),
        pa.field("section_id", pa.string(), nullable=False),
        *(pa.field(one.name, one.type) for one in TABLE_SCHEMA),
        pa.field("excluded_because", pa.string()),
        pa.field("mosaic_x_px", pa.int64()),
        pa.field("mosaic_y_px", pa.int64()),
    ]
)
"""Columns of Parquet and CSV."""
WSINFER_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.int64()) for name in ("minx", "miny", "width", "height")),
        *(pa.field(name, pa.float32()) for name in ("prob_low", "prob_high")),
    ]
)
"""Columns of WSInfer's CSV: a tile's upper left pixel and its size in the image, and the probability of each class."""


def export_parquet(
    store: SectionStore, target: Path, *, predictions: str = "", on_progress: OnProgress = ignore_progress
) -> ExportOutcome:
    """Write the table of a section's tiles as Parquet.

    Parameters
    ----------
    store : SectionStore
        With predictions.
    target : Path
        File to make.
    predictions : str
        As for `hcc_scope.exports.section_tiles.read_section_tiles`.
    on_progress : callable

    Raises
    ------
    StoreError
        If the store has no such predictions, or something that they rest on cannot be read.
    StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
        As `hcc_scope.exports.target.exported`.
    """
    tiles = read_section_tiles(store, on_progress, predictions)
    with (
        exported(target, tiles.n_tiles * _ROW_BYTES // 4 + (1 << 20)) as part,
        pq.ParquetWriter(part, EXPORT_SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        for batch in _batches(tiles, on_progress):
            writer.write_batch(batch)
    return _outcome(tiles, target)


def export_csv(
    store: SectionStore, target: Path, *, predictions: str = "", on_progress: OnProgress = ignore_progress
) -> ExportOutcome:
    """Write the table of a section's tiles as CSV: UTF-8, commas, a header with the unit in each name.

    Parameters and errors are those of `export_parquet`.
    """
    tiles = read_section_tiles(store, on_progress, predictions)
    with (
        exported(target, tiles.n_tiles * _ROW_BYTES + (1 << 20)) as part,
        part.open("wb") as file,
        _csv_writer(file, EXPORT_SCHEMA, quoting="needed") as writer,
    ):
        for batch in _batches(tiles, on_progress):
            writer.write_batch(_without_formulas(batch))
    return _outcome(tiles, target)


def export_wsinfer(
    store: SectionStore, target: Path, *, predictions: str = "", on_progress: OnProgress = ignore_progress
) -> ExportOutcome:
    """Write the tiles that enter the score as the CSV of WSInfer, in pixels of the mosaic.

    Such a table knows no tile without a probability, and none that does not count: these are left out.

    Parameters and errors are those of `export_parquet`.
    """
    tiles = read_section_tiles(store, on_progress, predictions)
    geometry = tiles.layout()
    geometry.refuse_without_positions(store.place, "Export a table of its tiles (--as csv).")
    known, corners = _known_origins(geometry), geometry.tile_corners_px(tiles.grid)
    included = tiles.included()
    n = 0
    with (
        exported(target, tiles.n_tiles * _ROW_BYTES // 4 + (1 << 20)) as part,
        part.open("wb") as file,
        _csv_writer(file, WSINFER_SCHEMA, quoting="none") as writer,
    ):
        for rows in _chunks(tiles, on_progress):
            origins, drawn = _origins(known, tiles.columns.seqs[rows])
            enters = included[rows] & drawn[:, None]
            left_top = (origins[:, None] + corners)[enters]
            sides = np.full(len(left_top), tiles.grid.tile_px)
            high = tiles.columns.probabilities[rows][enters]
            numbers = (*left_top.T, sides, sides, np.float32(1) - high, high)
            writer.write_batch(_batch(WSINFER_SCHEMA, numbers))
            n += len(left_top)
    n_out = tiles.n_tiles - int(np.count_nonzero(included))
    not_scored = (f"{counted(n_out, 'tile')} without a part in the score left out",) if n_out else ()
    return ExportOutcome(target, f"{counted(n, 'tile')}, in pixels of the mosaic", (*not_scored, *geometry.left_out))


def _outcome(tiles: SectionTiles, target: Path) -> ExportOutcome:
    n_in = int(np.count_nonzero(tiles.included()))
    return ExportOutcome(target, f"{counted(tiles.n_tiles, 'tile')}, of which {n_in:,} enter the score")


def _chunks(tiles: SectionTiles, on_progress: OnProgress) -> Iterator[slice]:
    """Yield rows of the results, some at once, and report how far they are."""
    n = len(tiles.columns.seqs)
    for begin in range(0, n, _FRAMES_AT_ONCE):
        end = min(begin + _FRAMES_AT_ONCE, n)
        yield slice(begin, end)
        on_progress(Progress("tiles", end, n))


def _known_origins(geometry: SectionGeometry) -> dict[int, tuple[int, int]]:
    """Return x, y of the upper left pixel of each field in the mosaic, by `seq`; no place that is beyond any mosaic."""
    if geometry.positions == "none":
        return {}
    places = ((field.seq, field.origin_px) for field in geometry.fields)
    return {seq: origin for seq, origin in places if max(origin) < _FARTHEST_PX}


def _origins(
    known: Mapping[int, tuple[int, int]], seqs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return x, y (n, 2) of some fields in the mosaic, and which (n,) are in it; (0, 0) for the others."""
    found = [known.get(seq) for seq in seqs.tolist()]
    origins = np.array([(0, 0) if one is None else one for one in found], np.int64).reshape(-1, 2)
    return origins, np.array([one is not None for one in found], bool)


def _batches(tiles: SectionTiles, on_progress: OnProgress) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the table in the order of `seq`; a frame that was never cut has none."""
    geometry = tiles.layout()
    known, corners = _known_origins(geometry), geometry.tile_corners_px(tiles.grid)
    included = tiles.included()
    for rows in _chunks(tiles, on_progress):
        cut = np.flatnonzero(tiles.columns.cut[rows]) + rows.start
        if len(cut):
            origins, drawn = _origins(known, tiles.columns.seqs[cut])
            in_mosaic = np.ma.masked_array(origins[:, None] + corners, mask=False)
            in_mosaic[~drawn] = np.ma.masked
            yield _rows(tiles, in_mosaic.reshape(-1, 2), included[cut], cut)


def _rows(
    tiles: SectionTiles, in_mosaic: NDArray[np.int64], included: NDArray[np.bool_], rows: NDArray[np.intp]
) -> pa.RecordBatch:
    """Return the tiles of some frames; `in_mosaic` is x, y (n * t, 2), masked outside, and `included` is (n, t)."""
    columns, grid, spec = tiles.columns, tiles.grid, tiles.store.spec
    n_frames, n = included.shape
    seqs = columns.seqs[rows]
    places_um, islands = tiles.centres_um(seqs)
    nowhere = np.repeat(islands < 0, n)
    values: dict[str, Any] = {
        "animal_id": [printable(spec.animal_id)] * (n_frames * n),
        "section_id": [printable(spec.section_id)] * (n_frames * n),
        "run": [columns.header["run"]] * (n_frames * n),
        "model_sha256": [columns.header["model_sha256"]] * (n_frames * n),
        "engine": [columns.engines[row] for row in rows for _ in range(n)],
        "seq": np.repeat(seqs, n),
        "outcome": [columns.outcomes[row] for row in rows for _ in range(n)],
        "tile_row": np.tile(grid.rows_cols[:, 0], n_frames),
        "tile_col": np.tile(grid.rows_cols[:, 1], n_frames),
        "x_px": np.tile(grid.origins_yx[:, 1], n_frames),
        "y_px": np.tile(grid.origins_yx[:, 0], n_frames),
        "x_um": places_um[..., 0].ravel(),
        "y_um": places_um[..., 1].ravel(),
        "island": np.ma.masked_array(np.repeat(islands, n), nowhere),
        "logit": columns.logits[rows].ravel(),
        "probability": columns.probabilities[rows].ravel(),
        "distance": columns.distances[rows].ravel(),
        "flags": columns.flags[rows].ravel(),
        "included": included.ravel(),
        "latency_ms": np.repeat(columns.latency_ms[rows], n),
        "excluded_because": [
            printable(why) or None
            for row, enters in zip(rows.tolist(), included, strict=True)
            for why in tiles.reasons_of_tiles(row, enters)
        ],
        "mosaic_x_px": in_mosaic[:, 0],
        "mosaic_y_px": in_mosaic[:, 1],
    }
    return _batch(EXPORT_SCHEMA, [values[field.name] for field in EXPORT_SCHEMA])


def _batch(schema: pa.Schema, columns: Iterable[Any]) -> pa.RecordBatch:
    """Return rows; what is NaN or masked has no value."""
    arrays = [pa.array(column, field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _csv_writer(file: BinaryIO, schema: pa.Schema, *, quoting: str) -> pyarrow.csv.CSVWriter:
    """Return a writer of rows, behind a header whose names have no quotes: programs look for them as they are."""
    file.write((",".join(schema.names) + "\n").encode("ascii"))
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style=quoting)
    return pyarrow.csv.CSVWriter(file, schema, write_options=options)


def _without_formulas(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows in which no text is a formula to a spreadsheet."""
    arrays = [
        _harmless(column) if pa.types.is_string(field.type) else column
        for column, field in zip(batch.columns, batch.schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _harmless(texts: pa.Array) -> pa.Array:
    coded = texts.dictionary_encode()  # the same few words stand in every row
    words = [None if word is None else spreadsheet_text(word) for word in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(words, texts.type)).cast(texts.type)
