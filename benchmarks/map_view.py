"""Measure the section map with many fields: ``python -m benchmarks map_view [fields] [stored]``.

A map of 500 classified fields of 2048 x 2048 px, in a window of 1920 x 1080. Pan and zoom are those of the keys; each
figure is the time from the step until it is painted, in ms: median and largest over 20 steps, while finer pictures are
read and arrive; in brackets the median of the Qt thread's processor time, which other programs change less. *Sharp* is
the time until the finest pictures of all fields in sight are there. The frames are phantom tissue, read from a store of
24 real ones, over and over: what is read costs the same, and the disk keeps room.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.thumbnails import thumbnail
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult, RunSpec
from ui.kit.jobs import Jobs
from ui.map.fine_pictures import LARGEST_BYTES
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.storage.reader import SectionStore

FIELDS, STORED, STEPS = 500, 24, 20
SIDE_PX, UM_PER_PX = 2048, 0.325
FIELD_UM = SIDE_PX * UM_PER_PX
IN_ROW = 25
GRID = TileGrid.for_frame((SIDE_PX, SIDE_PX))
LOOKS = (("whole section", None), ("3 fields across", 3.0), ("1 field across", 1.0), ("a quarter field across", 0.25))
"""What the window shows, as fields in its width."""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else FIELDS
    n_stored = int(sys.argv[2]) if len(sys.argv) > 2 else STORED
    app, jobs = QApplication([]), Jobs()
    tab = SectionMapTab(jobs=jobs)
    tab.resize(1920, 1080)
    tab.show()
    with tempfile.TemporaryDirectory() as folder:
        store = stored(Path(folder), n_stored)
        fill(tab, store, n)
        for name, across in LOOKS:
            look(app, tab, name, across)
        jobs.close()
    tab.close()


def stored(folder: Path, n: int) -> SectionStore:
    """Return a store of n frames of one phantom section."""
    specimen, physics = Specimen(1, "M1", "S1", "high"), CameraPhysics()
    spec = RunSpec((SIDE_PX, SIDE_PX), 16, UM_PER_PX, "M1", "S1", tile_px=GRID.tile_px, expected_frames=n)
    with create_store(folder, spec) as writer:
        for seq in range(n):
            x_um, y_um = FIELD_UM * (seq % 5 - 2), FIELD_UM * (seq // 5 - 2)
            light = specimen.render(x_um, y_um, 0.0, (SIDE_PX, SIDE_PX), UM_PER_PX)
            pixels = physics.expose(light, exposure_ms=10.0, noise_seed=seq)
            pixels.flags.writeable = False
            writer.append(Frame(seq, pixels, seq, datetime.now(UTC), 10.0, "S1", stage_um=(x_um, y_um, None)))
        path = writer.path
    return open_store(path)


def fill(tab: SectionMapTab, store: SectionStore, n: int) -> None:
    """Put n classified fields on the map, and print what each cost."""
    places = [((i % IN_ROW) * 1.05 * FIELD_UM, (i // IN_ROW) * 1.05 * FIELD_UM) for i in range(n)]
    small = [thumbnail(store.read(seq).pixels) for seq in range(store.n_frames)]
    tab.set_plan(places, None, (FIELD_UM, FIELD_UM))
    tab.set_reader(lambda seq: store.read(seq % store.n_frames), (SIDE_PX, SIDE_PX))
    rng = np.random.default_rng(0)
    costs = []
    for seq, place in enumerate(places):
        p = rng.random(GRID.n).astype(np.float32)
        flags = (rng.random(GRID.n) < 0.2).astype(np.uint8)
        result = FrameResult(seq, "classified", p, np.where(flags == 0, p, np.float32(np.nan)), flags, "torchscript")
        began = time.thread_time()
        tab.add_field(seq, small[seq % len(small)], place, result, GRID)
        costs.append(1e3 * (time.thread_time() - began))
    last = costs[-20:]
    print(f"one more of {n} fields: {statistics.median(last):.1f} ms, largest {max(last):.1f} ms (processor time)")


def look(app: QApplication, tab: SectionMapTab, name: str, across: float | None) -> None:
    """Print how long panning and zooming take where the window shows so much."""
    view, fine = tab.view, tab.fields.fine
    assert fine is not None
    view.fit()
    if across is not None:
        view.zoom_to(view.width() / (across * FIELD_UM))
        view.centre_on(12 * FIELD_UM, 10 * FIELD_UM)
    app.processEvents()
    began = time.perf_counter()
    while not fine.complete and time.perf_counter() - began < 60:
        app.processEvents()
        time.sleep(0.001)
    sharp_s = time.perf_counter() - began

    def pan(step: int) -> None:
        left, top, width, height = view.viewport.visible()
        view.centre_on(left + width * (0.6 if step % 4 < 2 else 0.4), top + height * 0.5)

    pans, zooms = timed(app, tab, pan), timed(app, tab, lambda step: view.zoom_by(1.25 if step % 4 < 2 else 0.8))
    print(
        f"{name:24s} pan {pans}; zoom {zooms};"
        f" sharp after {sharp_s:.1f} s; pictures take {fine.n_bytes / 2**20:.0f} of {LARGEST_BYTES / 2**20:.0f} MiB"
    )


def timed(app: QApplication, tab: SectionMapTab, do: Callable[[int], object]) -> str:
    """Return median and largest ms from a step until it is painted; between the steps is time to read."""
    costs, of_thread = [], []
    for step in range(STEPS):
        began, began_thread = time.perf_counter(), time.thread_time()
        do(step)
        tab.view.repaint()
        costs.append(1e3 * (time.perf_counter() - began))
        of_thread.append(1e3 * (time.thread_time() - began_thread))
        until = time.perf_counter() + 0.15
        while time.perf_counter() < until:
            app.processEvents()
            time.sleep(0.001)
    return f"{statistics.median(costs):4.0f} ms, largest {max(costs):4.0f} ({statistics.median(of_thread):.0f})"


if __name__ == "__main__":
    main()
