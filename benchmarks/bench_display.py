"""Measure the cost of showing a frame: ``python benchmarks/bench_display.py [refreshes]``.

Frames of 2048 x 2048, median over the refreshes of the processor time of the Qt thread, so that other programs do not
count: *set* takes the frame, counts its histogram and fits the contrast; *paint* lets Qt draw what has changed:
picture, tiles, words and histogram. For comparison: pyqtgraph's bare ImageItem with fixed limits, and its ImageView as
it comes.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pyqtgraph
from PySide6.QtWidgets import QApplication

from hcc_scope.bench.scenes import make_scenes
from hcc_scope.thumbnails import thumbnail
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult
from ui.live.live_tab import LiveTab
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE_PX = 2048
GRID = TileGrid.for_frame((SIDE_PX, SIDE_PX))
FIELD_UM = (665.6, 665.6)
MAP_FIELDS = 400


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    app = QApplication([])
    scenes = make_scenes(SIDE_PX, 4)
    for name, size in (("1280 x 720", (1280, 720)), ("1920 x 1080", (1920, 1080))):
        live(app, scenes, n, name, size)
    section_map(app, scenes, n)
    compared(app, scenes, n)


def live(app: QApplication, scenes: list[NDArray[np.uint16]], n: int, name: str, size: tuple[int, int]) -> None:
    tab = LiveTab()
    tab.resize(*size)
    tab.show()
    app.processEvents()

    def show(i: int) -> None:
        tab.set_frame(Frame(i, scenes[i % 4], 0, datetime.now(UTC), 10.0, "S1", pixel_size_um=0.325))
        tab.set_result(result(i), GRID, 0.45)

    report(f"Live {name}, fitted, tiles classified", *timed(n, show, app.processEvents))
    tab.view.zoom_to(1.0)
    report(f"Live {name}, 1:1", *timed(n, show, app.processEvents))
    tab.contrast_panel.set_contrast(200.0, 700.0, False)
    report(f"Live {name}, 1:1, fixed limits", *timed(n, show, app.processEvents))
    tab.view.fit()

    def pan(i: int) -> None:
        tab.view.zoom_by(1.01 if i % 2 else 1 / 1.01)

    report(f"Live {name}, one step of the wheel", *timed(n, pan, app.processEvents))
    tab.close()


def section_map(app: QApplication, scenes: list[NDArray[np.uint16]], n: int) -> None:
    tab = SectionMapTab()
    tab.resize(1280, 720)
    tab.show()
    app.processEvents()
    places = [(i % 20 * 700.0, i // 20 * 700.0) for i in range(MAP_FIELDS)]
    tab.set_plan(places, None, FIELD_UM)
    small = [thumbnail(scene) for scene in scenes]
    for i in range(MAP_FIELDS - n):
        tab.add_field(i, small[i % 4], places[i], result(i), GRID)

    def add(i: int) -> None:
        seq = MAP_FIELDS - n + i
        tab.add_field(seq, small[seq % 4], places[seq], result(seq), GRID)

    report(f"Section map, one more of {MAP_FIELDS} fields", *timed(n, add, app.processEvents))
    tab.close()


def compared(app: QApplication, scenes: list[NDArray[np.uint16]], n: int) -> None:
    pyqtgraph.setConfigOption("imageAxisOrder", "row-major")
    graphics = pyqtgraph.GraphicsView()
    box = pyqtgraph.ViewBox(lockAspect=True, invertY=True)
    item = pyqtgraph.ImageItem()
    box.addItem(item)
    graphics.setCentralItem(box)
    graphics.resize(1280, 720)
    graphics.show()
    app.processEvents()
    report(
        "pyqtgraph ImageItem 1280 x 720, fixed limits, nothing else",
        *timed(n, lambda i: item.setImage(scenes[i % 4], levels=(200, 700)), app.processEvents),
    )
    graphics.close()
    view = pyqtgraph.ImageView()
    view.resize(1280, 720)
    view.show()
    app.processEvents()
    report(
        "pyqtgraph ImageView 1280 x 720",
        *timed(n, lambda i: view.setImage(scenes[i % 4]), app.processEvents),
    )
    view.close()


def result(seq: int) -> FrameResult:
    """Return a result with every kind of tile."""
    probabilities = np.linspace(0, 1, GRID.n, dtype=np.float32)
    flags = np.zeros(GRID.n, np.uint8)
    flags[3::4] = (1, 2, 4, 5)
    return FrameResult(seq, "classified", probabilities, probabilities, flags, "torchscript")


def timed(n: int, change: Callable[[int], object], paint: Callable[[], object]) -> tuple[float, float]:
    """Return milliseconds of both, medians over n refreshes."""
    times: list[tuple[float, float]] = []
    for i in range(n):
        start = time.thread_time()
        change(i)
        changed = time.thread_time()
        paint()
        times.append((1e3 * (changed - start), 1e3 * (time.thread_time() - changed)))
    change_ms, paint_ms = np.median(np.array(times), axis=0)
    return float(change_ms), float(paint_ms)


def report(what: str, change_ms: float, paint_ms: float) -> None:
    print(f"{what:60s} set {change_ms:5.1f} ms, paint {paint_ms:5.1f} ms, together {change_ms + paint_ms:5.1f} ms")


if __name__ == "__main__":
    main()
