"""Measure the export of a section as one picture: ``python -m benchmarks export_mosaic [rows columns] [--out FOLDER]``.

A section of rows x columns fields of 2048 x 2048 px (default 8 x 10, 300 megapixels) of the phantom, which overlap by
10 %, is exported as a pyramidal OME-TIFF (not compressed and compressed, with the latest field on top and with blended
edges) and as OME-Zarr, and its heatmap from random probabilities. Printed are megapixels a second of the full
resolution (with reading, comparing checksums, smaller levels and writing), processor time, bytes, and the highest
memory of the process, which does not grow with the number of rows.

Then what deflate makes of a field: the coder that is used, and its alternatives.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from zlib_ng import zlib_ng

from hcc_scope.exports.mosaic import export_heatmap, export_mosaic
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.exports.outcome import ExportOutcome

SIDE_PX = 2048
PIXEL_UM = 0.325
OVERLAP = 0.1
DIFFERENT_FIELDS = 6
"""Fields that are drawn by the phantom; the others are these again, shifted."""


def phantom_fields() -> list[NDArray[np.uint16]]:
    camera, specimen = CameraPhysics(), Specimen(1, "bench", "high", "high")
    places = [(700.0 * i, 0.0) for i in range(DIFFERENT_FIELDS)]
    return [
        camera.expose(
            specimen.render(x, y, 0.0, (SIDE_PX, SIDE_PX), PIXEL_UM),
            exposure_ms=10.0,
            noise_seed=number,
            day=specimen.day_effect,
        )
        for number, (x, y) in enumerate(places)
    ]


def make_store(folder: Path, rows: int, columns: int) -> Path:
    spec = RunSpec(
        frame_shape_yx=(SIDE_PX, SIDE_PX),
        bit_depth=16,
        pixel_size_um=PIXEL_UM,
        animal_id="bench",
        section_id="1",
        sampling="raster",
    )
    grid, fields, step_um = TileGrid.for_frame((SIDE_PX, SIDE_PX)), phantom_fields(), (1 - OVERLAP) * SIDE_PX * PIXEL_UM
    random = np.random.default_rng(0)
    began = datetime(2026, 11, 1, tzinfo=UTC)
    with create_store(folder, spec) as writer:
        for seq in range(rows * columns):
            row, column = divmod(seq, columns)
            pixels = np.roll(fields[seq % len(fields)], 37 * seq, axis=1)
            pixels.flags.writeable = False
            writer.append(
                Frame(
                    seq=seq,
                    pixels=pixels,
                    t_mono_ns=seq,
                    t_utc=began + timedelta(seconds=seq),
                    exposure_ms=10.0,
                    section_id="1",
                    stage_um=(column * step_um, row * step_um, None),
                    bit_depth=16,
                )
            )
    results = PredictionWriter(writer.path, spec, run="bench")
    for seq in range(rows * columns):
        logits = random.normal(0, 2, grid.n).astype(np.float32)
        probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
        results.append(
            FrameResult(seq, "classified", logits, probabilities, np.zeros(grid.n, np.uint8), "bench", {"total": 1.0})
        )
    results.close()
    return writer.path


def measured(name: str, export: Callable[[], ExportOutcome], megapixels: float) -> None:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    outcome = export()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    files = [outcome.path] if outcome.path.is_file() else [file for file in outcome.path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:28s} {megapixels / wall_s:6.0f} megapixels/s, {1000 * cpu_s / megapixels:5.1f} ms of processor time a "
        f"megapixel, {size / 1e6:7.1f} MB, memory at most {peak_mib:,.0f} MiB"
    )


def deflated() -> None:
    """Print what deflate takes for a field after horizontal differencing, and what is left of it."""
    field = phantom_fields()[0]
    differences = np.diff(field, axis=1, prepend=np.uint16(0)).tobytes()
    for name, level, strategy in (
        ("Huffman alone", 1, zlib_ng.Z_HUFFMAN_ONLY),
        ("level 1", 1, zlib_ng.Z_DEFAULT_STRATEGY),
        ("level 2", 2, zlib_ng.Z_DEFAULT_STRATEGY),
        ("level 6", 6, zlib_ng.Z_DEFAULT_STRATEGY),
    ):
        cpu_s = time.process_time()
        coder = zlib_ng.compressobj(level, zlib_ng.DEFLATED, zlib_ng.MAX_WBITS, 9, strategy)
        size = len(coder.compress(differences)) + len(coder.flush())
        cpu_s = time.process_time() - cpu_s
        share = size / field.nbytes
        print(
            f"deflate, {name:14s} {1e3 * cpu_s / (field.size / 1e6):5.1f} ms a megapixel, {100 * share:4.0f} % of bytes"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks export_mosaic")
    parser.add_argument("rows", type=int, nargs="?", default=8)
    parser.add_argument("columns", type=int, nargs="?", default=10)
    parser.add_argument("--out", type=Path, help="a folder on the disk to measure; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        store = open_store(make_store(Path(folder), options.rows, options.columns))
        out = Path(folder)
        step_px = round((1 - OVERLAP) * SIDE_PX)
        sides = [(n - 1) * step_px + SIDE_PX for n in (options.rows, options.columns)]
        megapixels = sides[0] * sides[1] / 1e6
        print(f"{store.n_frames} fields, {megapixels:.0f} megapixels, {os.cpu_count()} processors")
        print(f"memory before: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB at most")
        measured("mosaic, OME-TIFF", lambda: export_mosaic(store, out / "a.ome.tif"), megapixels)
        deflate = partial(export_mosaic, store, out / "d.ome.tif", compressed=True)
        measured("mosaic, OME-TIFF, deflate", deflate, megapixels)
        measured("mosaic, OME-TIFF, feather", lambda: export_mosaic(store, out / "b.ome.tif", feather=True), megapixels)
        measured("mosaic, OME-Zarr", lambda: export_mosaic(store, out / "a.zarr", form="ome-zarr"), megapixels)
        measured("heatmap, OME-TIFF", lambda: export_heatmap(store, out / "c.ome.tif"), megapixels)
        measured("heatmap, OME-Zarr", lambda: export_heatmap(store, out / "c.zarr", form="ome-zarr"), megapixels)
    deflated()


if __name__ == "__main__":
    main()
