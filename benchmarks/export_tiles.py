"""Seconds and memory that writing a million tiles for other programs takes.

``python -m benchmarks export_tiles [--tiles N] [--frame-px PX]``: a section with the results of so many tiles is made,
without pixels, and written as GeoJSON for QuPath and as tables, each in a process of its own: seconds, those of the
processor alone (which a busy machine does not lengthen), the process's peak memory, that part of it which opening the
section takes, and the size of the file. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.progress import ignore_progress
from hcc_scope.storage.journal import line_of
from hcc_scope.storage.lines import sealed_line
from hcc_scope.storage.prediction_log import result_fields
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult, RunSpec

if TYPE_CHECKING:
    from hcc_scope.types import TagValue

KINDS = ("qupath", "table", "csv", "wsinfer")
_LARGEST_S, _LARGEST_MB = 60, 300
"""What a million tiles in GeoJSON may take."""
_BEGAN = datetime(2026, 11, 30, tzinfo=UTC)
_TAGS: dict[str, TagValue] = {
    "Camera": "DHyperCam",
    "CCDTemperature": "-70.0",
    "ReadoutMode": "1 MHz, 16 bit",
    "z_by": "plane",
    "lamp_level": 40,
}


def make_section(folder: Path, n_frames: int, frame_px: int) -> Path:
    """Write a section of so many frames with journal and results, but without their pixels."""
    spec = RunSpec(
        (frame_px, frame_px), 16, 0.325, "M7", "S1",
        model_sha256="ab" * 32,
        provenance={"model": "phantom-meng2019", "decision_threshold": 0.47, "interval_rule": 2},
    )  # fmt: skip
    grid = TileGrid.for_frame(spec.frame_shape_yx)
    writer = create_store(folder, spec)
    predictions = PredictionWriter(writer.path, spec, run="live")
    per_row = math.ceil(math.sqrt(n_frames))
    rng = np.random.default_rng(0)
    pixels = np.zeros(spec.frame_shape_yx, np.uint16)
    pixels.flags.writeable = False

    def frame(seq: int) -> Frame:
        row, column = divmod(seq, per_row)
        place = (column * frame_px * 0.3, row * frame_px * 0.3, 12.5)
        when = _BEGAN + timedelta(milliseconds=40 * seq)
        return Frame(seq, pixels, 40_000_000 * seq, when, 10.0, "S1", 300.0, place, seq, 0.325, tags=_TAGS)

    with writer:
        writer.append(frame(0))
    predictions.close()
    with (writer.path / "frames.jsonl").open("ab") as file:
        file.writelines(line_of(frame(seq), 0) for seq in range(1, n_frames))
    header = (writer.path / "predictions.jsonl").read_bytes().splitlines(keepends=True)[0]
    with (writer.path / "predictions.jsonl").open("wb") as file:
        file.write(header)
        for seq in range(n_frames):
            logits = rng.normal(0, 2, grid.n).astype(np.float32)
            flags = np.where(rng.random(grid.n) < 0.1, 2, 0).astype(np.uint8)
            logits[flags != 0] = np.nan
            p = (1 / (1 + np.exp(-logits))).astype(np.float32)
            distances = rng.gamma(4, 0.5, grid.n).astype(np.float32)
            latency = {"quality": 1.25, "model": 14.5, "total": 31.25}
            result = FrameResult(seq, "classified", logits, p, flags, "torchscript", latency, distances=distances)
            file.write(sealed_line(result_fields(result)))
    return writer.path


def _peak_mb() -> float:
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


def _measure(path: Path, kind: str, target: Path) -> None:
    """Export in this process, and print what it took as JSON."""
    from hcc_scope.exports.kinds import kinds_named, options_of

    (one,) = kinds_named([kind])
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    store = open_store(path)
    opened_mb = _peak_mb()
    outcome = one.run(store, target, options_of([one], {}), ignore_progress)
    took_s = time.perf_counter() - began_s
    cpu_s = time.process_time() - cpu_began_s
    print(json.dumps({"s": took_s, "cpu_s": cpu_s, "mb": _peak_mb(), "opened_mb": opened_mb, "what": outcome.what}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--frame-px", type=int, default=2048)
    parser.add_argument("--measure", nargs=3, metavar=("STORE", "KIND", "TARGET"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        path, kind, target = asked.measure
        _measure(Path(path), kind, Path(target))
        return
    per_frame = TileGrid.for_frame((asked.frame_px, asked.frame_px)).n
    with tempfile.TemporaryDirectory() as name:
        path = make_section(Path(name), math.ceil(asked.tiles / per_frame), asked.frame_px)
        for kind in KINDS:
            target = Path(name) / f"export-{kind}"
            command = [sys.executable, "-m", "benchmarks.export_tiles", "--measure", str(path), kind, str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            found = json.loads(done.stdout)
            over = kind == "qupath" and (found["cpu_s"] > _LARGEST_S or found["mb"] > _LARGEST_MB)
            print(
                f"{kind}: {found['s']:.1f} s ({found['cpu_s']:.1f} s of the processor), {found['mb']:.0f} MB at most "
                f"({found['opened_mb']:.0f} MB when opened), {target.stat().st_size / 1e6:.1f} MB written: "
                f"{found['what']}{' TOO MUCH' if over else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
