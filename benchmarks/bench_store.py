"""Frames per second into a store, unpaced: ours beside zarr-python with the same codec, in the same run.

Both loop and close are timed. Times on a shared machine are noisy; the ratio is what to trust.

    python benchmarks/bench_store.py [--frames 100] [--side 2048] [--mean 400] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import zarr
from zarr.codecs import BloscCodec

from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def make_scenes(side_px: int, mean_counts: float) -> list[NDArray[np.uint16]]:
    """Return eight frames of photon noise on a smooth background, read-only."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    scenes = [rng.poisson(mean_counts * (1 + 0.3 * np.sin(9 * x + k) * y)).astype(np.uint16) for k in range(8)]
    for scene in scenes:
        scene.flags.writeable = False
    return scenes


def write_ours(folder: Path, scenes: list[NDArray[np.uint16]], n: int) -> None:
    side = scenes[0].shape[0]
    spec = RunSpec(scenes[0].shape, 16, 0.325, "bench", str(side), expected_frames=n)
    writer = create_store(folder, spec)
    now = datetime.now(UTC)
    for seq in range(n):
        writer.append(Frame(seq, scenes[seq % len(scenes)], time.monotonic_ns(), now, 10.0, str(side)))
    writer.close()
    writer.finalise({"state": "completed"})


def write_zarr_python(folder: Path, scenes: list[NDArray[np.uint16]], n: int) -> None:
    side = scenes[0].shape[0]
    array = zarr.create_array(
        folder / "zarr-python.zarr",
        shape=(n, side, side),
        shards=(1, side, side),
        chunks=(1, 512, 512),
        dtype="uint16",
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
    )
    for seq in range(n):
        array[seq] = scenes[seq % len(scenes)]


def read_ours(folder: Path, n: int) -> None:
    store = open_store(next(folder.glob("bench_*.ome.zarr")))
    assert sum(1 for _ in store.read_ahead(range(n), 3)) == n


def rate(n: int, body: Callable[[], None]) -> tuple[float, float]:
    """Return frames per second and CPU milliseconds per frame."""
    wall, cpu = time.perf_counter(), time.process_time()
    body()
    return n / (time.perf_counter() - wall), (time.process_time() - cpu) / n * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="Frames per second into a store.")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--side", type=int, default=2048, help="px, a multiple of 512")
    parser.add_argument("--mean", type=float, default=400.0, help="counts; more is harder to compress")
    parser.add_argument("--out", type=Path, default=None, help="folder on the disk to measure")
    options = parser.parse_args()
    n = options.frames
    scenes = make_scenes(options.side, options.mean)
    with tempfile.TemporaryDirectory(dir=options.out) as name:
        folder = Path(name)
        results = {
            "hcc-scope: write + close, synced, journalled": rate(n, lambda: write_ours(folder, scenes, n)),
            "zarr-python: write, not synced": rate(n, lambda: write_zarr_python(folder, scenes, n)),
            "hcc-scope: read + checksum": rate(n, lambda: read_ours(folder, n)),
        }
        files = [p for p in folder.glob("bench_*/frames/0/c/**/*") if p.is_file()]
        ratio = n * scenes[0].nbytes / sum(p.stat().st_size for p in files)
    for what, (fps, cpu_ms) in results.items():
        print(f"{what:<48}{fps:8.1f} frames/s {cpu_ms:7.1f} ms of CPU per frame")
    print(f"{n} frames of {options.side} x {options.side}, compression {ratio:.2f}")
    print(f"resident memory at the end {psutil.Process().memory_info().rss / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
