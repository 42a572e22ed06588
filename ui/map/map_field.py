"""One field of a section map: what is known of it, and the pictures that it is drawn from."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from hcc_scope.formatting import counted, format_score
from hcc_scope.position_tags import PositionOrigin
from hcc_scope.scoring import frame_score
from ui.canvas.drawing import heat_argb
from ui.canvas.overlays import cell_edges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.orientation import Orientation
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult

__all__ = ["MapField", "cell_shares"]

_HEAT_PX = 64
"""Side of a field's heatmap; fine enough for tiles of unequal width."""
_SMALLEST_PX = 16
_OF_STAGE = PositionOrigin("stage")


@functools.lru_cache(maxsize=8)
def cell_shares(grid: TileGrid) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return where the tiles of a grid begin and end, in rows and in columns, as shares of the frame."""
    ys, xs = cell_edges(grid)
    return tuple((ys / ys[-1]).tolist()), tuple((xs / xs[-1]).tolist())


@dataclass(slots=True)
class MapField:
    """One field on the map."""

    seq: int
    thumbnail: NDArray[np.uint8] | NDArray[np.uint16]
    """(y, x): uint8 is shown as it is, uint16 with a contrast common to all fields."""
    stage_um: tuple[float, float] | None
    """x, y of its centre; None where it is not known."""
    result: FrameResult | None = None
    grid: TileGrid | None = None
    origin: PositionOrigin = _OF_STAGE
    """How its place was obtained, and in which coordinate frame it is."""
    excluded: bool = False
    """By the operator."""
    score: float | None = None
    images: list[QImage] = field(default_factory=list, repr=False)
    """The thumbnail as it is shown, then half as large, a quarter ..."""
    heat: QImage | None = field(default=None, repr=False)

    def set_result(self, result: FrameResult | None, grid: TileGrid | None) -> None:
        """Take the model's result."""
        self.result, self.grid, self.heat = result, grid, None
        self.score = None if result is None else frame_score(result)

    def verdict(self, threshold: float) -> str:
        """Return its outcome, as text."""
        result = self.result
        if result is None:
            return "not classified yet"
        if result.outcome == "failed":
            return f"could not be classified ({result.error or 'no reason given'})"
        if self.score is None:
            return "no tile could be used"
        used = int(np.count_nonzero((result.flags == 0) & np.isfinite(result.probabilities)))
        return f"score {format_score(self.score, threshold)} from {used} of {counted(len(result.flags), 'tile')}"

    def short_verdict(self, threshold: float, *, with_score: bool) -> str:
        """Return its outcome in one or two words; empty while there is none."""
        if self.excluded:
            return "excluded"
        if self.result is None:
            return ""
        if self.result.outcome == "failed":
            return "failed"
        if self.score is None:
            return "unusable"
        side = "high" if self.score >= threshold else "low"
        return f"{format_score(self.score, threshold)} {side}" if with_score else ""

    def picture(self, width_px: float, limits: tuple[float, float], orientation: Orientation) -> QImage:
        """Return the thumbnail, not much larger than it is going to be drawn: else it would be grainy.

        Parameters
        ----------
        width_px : float
            On the screen, in physical px.
        limits : (float, float)
            Counts of black and white, for a thumbnail of uint16.
        orientation : Orientation
            Turns it to lie as the field does.
        """
        if not self.images:
            low, high = (0.0, 255.0) if self.thumbnail.dtype == np.uint8 else limits
            scaled = (self.thumbnail.astype(np.float32) - low) * (255.0 / (high - low))
            pixels = np.ascontiguousarray(orientation.upright(np.clip(scaled, 0, 255).astype(np.uint8)))
            rows, columns = pixels.shape
            grey = QImage(pixels.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
            self.images.append(grey.convertToFormat(QImage.Format.Format_RGB32))  # which also owns its memory
            while min(self.images[-1].width(), self.images[-1].height()) > 2 * _SMALLEST_PX:
                last = self.images[-1]
                self.images.append(
                    last.scaled(
                        last.width() // 2,
                        last.height() // 2,
                        Qt.AspectRatioMode.IgnoreAspectRatio,
                        Qt.TransformationMode.SmoothTransformation,
                    )
                )
        fine_enough = [image for image in self.images if image.width() >= width_px]
        return fine_enough[-1] if fine_enough else self.images[0]

    def heatmap(self, threshold: float, orientation: Orientation) -> QImage | None:
        """Return the colours of its tiles; None without a result."""
        if self.heat is None and self.result is not None and self.grid is not None:
            rgba = heat_argb(self.result.probabilities, threshold)
            rgba[self.result.flags != 0, 3] = 0
            tiles = rgba.reshape(*self.grid.shape_rc, 4)
            for axis, shares in enumerate(cell_shares(self.grid)):
                sides = np.diff(np.round(np.array(shares) * _HEAT_PX).astype(int))
                tiles = np.repeat(tiles, sides, axis=axis)
            tiles = np.ascontiguousarray(orientation.upright(tiles))
            image = QImage(tiles.data, _HEAT_PX, _HEAT_PX, 4 * _HEAT_PX, QImage.Format.Format_RGBA8888)
            self.heat = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        return self.heat
