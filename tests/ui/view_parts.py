"""Frames, results and mouse moves for the tests of the views."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from find import find
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult
from ui.kit.controls import ElidedLabel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QColor
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas

UM_PER_PX = 0.325
THRESHOLD = 0.45


def phantom_pixels(side_px: int = 256) -> NDArray[np.uint16]:
    """Return tissue as the phantom's camera sees it."""
    specimen = Specimen(1, "views", "S1", "high")
    field = specimen.render(0.0, 0.0, 0.0, (side_px, side_px), UM_PER_PX)
    return CameraPhysics().expose(field, exposure_ms=10.0, noise_seed=0, day=specimen.day_effect)


def frame_of(pixels: NDArray[np.uint16], seq: int = 0, section: str = "S1", um: float | None = UM_PER_PX) -> Frame:
    return Frame(seq, pixels, 0, datetime.now(UTC), 10.0, section, pixel_size_um=um)


def result_of(seq: int, probabilities: list[float], flags: list[int] | None = None) -> FrameResult:
    p = np.float32(probabilities)
    bits = np.zeros(len(p), np.uint8) if flags is None else np.uint8(flags)
    p = np.where(bits == 0, p, np.float32(np.nan))
    return FrameResult(seq, "classified", p, p, bits, "torchscript")


def failed(seq: int, n: int) -> FrameResult:
    nothing = np.full(n, np.nan, np.float32)
    return FrameResult(seq, "failed", nothing, nothing, np.zeros(n, np.uint8), "torchscript", error="out of memory")


def grid_of(side_px: int, tile_px: int) -> TileGrid:
    return TileGrid.for_frame((side_px, side_px), tile_px)


def on_screen(view: Canvas, x: float, y: float) -> QPoint:
    return QPoint(*(round(v) for v in view.viewport.to_screen(x, y)))


def colour_at(view: Canvas, x: float, y: float) -> QColor:
    return view.grab().toImage().pixelColor(on_screen(view, x, y))


def drag(widget: QWidget, start: QPoint, end: QPoint, button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
    QTest.mousePress(widget, button, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(widget, (start + end) / 2)
    QTest.mouseMove(widget, end)
    QTest.mouseRelease(widget, button, Qt.KeyboardModifier.NoModifier, end)


def about(tab: QWidget) -> str:
    """Return the line below a view that describes what is shown."""
    return find(tab, ElidedLabel, "Shown frame").whole_text()


def under_cursor(tab: QWidget) -> str:
    """Return the line below a view about the point under the cursor."""
    return find(tab, ElidedLabel, "Under the cursor").whole_text()
