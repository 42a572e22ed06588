"""Our writer of frames, and how a writer is measured; the peers are in `benchmarks.peers.writers`.

One layout for all: a shard per frame, chunks of 512, blosc lz4, bit shuffling. Ours syncs every frame to disk, computes
its checksum and keeps a journal.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hcc_scope.bench.figures import percentiles
from hcc_scope.bench.scenes import make_scenes
from hcc_scope.bench.timing import timed
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.bench.figures import JsonObject

__all__ = ["FrameWriter", "OurWriterContender", "OursWriter", "WriterContender"]

_N_SCENES = 8
_EXPOSURE_MS = 10.0


class FrameWriter(Protocol):
    """One open store."""

    def append(self, seq: int, pixels: NDArray[np.uint16]) -> None:
        """Take over a frame."""

    def close(self) -> None:
        """Put everything on disk (as far as this writer does) and close."""


class OursWriter:
    """`hcc_scope.storage.section_writer.SectionWriter`, closed and finalised."""

    def __init__(self, folder: Path, n_frames: int, side_px: int) -> None:
        spec = RunSpec((side_px, side_px), 16, 0.325, "bench", "s1", expected_frames=n_frames)
        self._writer = create_store(folder, spec)
        self.path = self._writer.path

    def append(self, seq: int, pixels: NDArray[np.uint16]) -> None:
        """Take over a frame."""
        frame = Frame(seq, pixels, time.monotonic_ns(), datetime.now(UTC), _EXPOSURE_MS, "s1")
        self._writer.append(frame)

    def close(self) -> None:
        """Wait until every frame is synced and journalled, then finalise."""
        self._writer.close()
        self._writer.finalise({"state": "completed"})


class WriterContender:
    """A writer that gets the same frames as the others: as fast as it takes them, or at a camera's pace.

    Parameters
    ----------
    open_writer : callable
        Opens a new store in a folder, for so many frames of so many pixels a side.
    side_px : int
        Height and width of the frames.
    folder : str
        On the disk that is measured.
    """

    def __init__(self, open_writer: Callable[[Path, int, int], FrameWriter], side_px: int, folder: str) -> None:
        self._open = open_writer
        self._scenes = make_scenes(side_px, _N_SCENES)
        self._side_px = side_px
        self._folder = Path(folder)
        self.round({"frames": 2, "rate_hz": None})  # threads and codecs are there from now on

    @property
    def facts(self) -> JsonObject:
        """The writer of HCC-Scope."""
        return {}

    def round(self, request: JsonObject) -> JsonObject:
        """Write ``frames`` frames into a new store, which is deleted after the clock has stopped.

        Without ``rate_hz`` the frames are shared memory, so that the writer alone is measured. With it each frame is a
        copy, as out of a camera's buffer, so that the memory is the one of a real run.
        """
        n, rate_hz = int(request["frames"]), request["rate_hz"]
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            writer = self._open(Path(name), n, self._side_px)
            with timed() as taken:
                lags_ms = self._fast(writer, n) if rate_hz is None else self._paced(writer, n, float(rate_hz))
                closing_s = time.perf_counter()
                writer.close()
                closed_s = time.perf_counter()
            n_bytes = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
        account = taken.account(n) | {"close_s": closed_s - closing_s, "mib": n_bytes / 2**20}
        return account | ({"lag_ms": percentiles(lags_ms)} if lags_ms else {})

    def _fast(self, writer: FrameWriter, n: int) -> list[float]:
        for seq in range(n):
            writer.append(seq, self._scenes[seq % _N_SCENES])
        return []

    def _paced(self, writer: FrameWriter, n: int, rate_hz: float) -> list[float]:
        """Return for each frame how long after it was due the writer had taken it, in ms."""
        lags_ms = []
        start_s = time.perf_counter()
        for seq in range(n):
            pixels = self._scenes[seq % _N_SCENES].copy()
            pixels.flags.writeable = False
            due_s = start_s + (seq + 1) / rate_hz
            with suppress(ValueError):  # already late
                time.sleep(due_s - time.perf_counter())
            writer.append(seq, pixels)
            lags_ms.append(1e3 * (time.perf_counter() - due_s))
        return lags_ms

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class OurWriterContender(WriterContender):
    """Our writer."""

    def __init__(self, side_px: int, folder: str) -> None:
        super().__init__(OursWriter, side_px, folder)
