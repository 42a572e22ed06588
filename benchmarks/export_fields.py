"""How long it takes to export fields and frames: ``python -m benchmarks.export_fields [--fields N] [--folder DIR]``.

With ``--described N``: how much memory the OME-XML of N frames takes, with the journal that it is made of.

Fields that share the section's files are the metadata alone; copied ones, and the frames of a stack, are read, checked
and written. The frames are of one chunk: how long metadata takes does not depend on their size.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.exports.fields import export_fields
from hcc_scope.exports.frames import export_frames
from hcc_scope.exports.ome_xml import OmeImage, ome_xml
from hcc_scope.orientation import Orientation
from hcc_scope.storage.journal import line_of, parse_journal
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_SIDE_PX = 512
_ROUNDS = 3


def _store(folder: Path, n: int) -> Path:
    pixels = np.random.default_rng(0).poisson(2000, (_SIDE_PX, _SIDE_PX)).astype(np.uint16)
    writer = create_store(folder, RunSpec(pixels.shape, 16, 0.325, "m", "s"))
    with writer:
        for seq in range(n):
            place = (150.0 * (seq % 40), 150.0 * (seq // 40), None)
            tags = {f"Property-{k}": str(k) for k in range(20)}
            writer.append(Frame(seq, pixels, seq, datetime.now(UTC), 10.0, "s", stage_um=place, tags=tags))
    return writer.path


def _describe(n: int) -> None:
    """Print the peak memory of a process that writes the OME-XML of `n` frames."""
    pixels = np.zeros((1, 1), np.uint16)
    tags = {f"Property-{k}": str(k) for k in range(20)}
    began = datetime.now(UTC)
    lines = (
        line_of(Frame(seq, pixels, seq, began, 10.0, "s", stage_um=(150.0 * seq, 0.0, None), tags=tags), seq)
        for seq in range(n)
    )
    entries = parse_journal(b"".join(lines), Path("frames.jsonl")).entries
    journal_mb, before = _peak_mb(), time.process_time()
    image = OmeImage("section", (_SIDE_PX, _SIDE_PX), entries, range(n))
    n_bytes = sum(map(len, ome_xml(RunSpec(image.shape_yx, 16, 0.325, "m", "s"), [image], Orientation())))
    took_s = time.process_time() - before
    print(
        f"OME-XML of {n:,} frames: {n_bytes / 1e6:.0f} MB in {took_s:.1f} s of a processor; memory at most "
        f"{_peak_mb():.0f} MB, of which {journal_mb:.0f} MB were taken when the journal was read"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Measure and print, the best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: that for temporary files")
    parser.add_argument("--described", type=int, metavar="N", help="frames whose OME-XML is made, and nothing else")
    chosen = parser.parse_args()
    if chosen.described is not None:
        _describe(chosen.described)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        store = open_store(_store(folder, chosen.fields))
        works: dict[str, Callable[[Path], object]] = {
            "fields, sharing the section's files": lambda target: export_fields(store, target),
            "fields, copied": lambda target: export_fields(store, target, shared=False),
            "frames, as a stack": lambda target: export_frames(store, target),
        }
        for words, export in works.items():
            took_s, cpu_s = [], []
            for number in range(_ROUNDS):
                target = folder / f"export-{number}"
                before, cpu_before = time.perf_counter(), time.process_time()
                export(target)
                took_s.append(time.perf_counter() - before)
                cpu_s.append(time.process_time() - cpu_before)
                shutil.rmtree(target) if target.is_dir() else target.unlink()
            per_1000 = 1000 / chosen.fields
            print(f"{words}: {min(took_s) * per_1000:.2f} s per 1,000, {min(cpu_s) * per_1000:.2f} s of a processor")


if __name__ == "__main__":
    main()
