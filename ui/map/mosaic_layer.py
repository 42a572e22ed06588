"""The live mosaic of everything that was seen, as a layer of the map: it keeps only what is in sight, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPen

from hcc_scope.formatting import counted
from hcc_scope.islands import IslandLayout
from hcc_scope.tracking.mosaic import TILE_PX
from hcc_scope.tracking.mosaic_pictures import NOT_SEEN, reduced
from ui.kit.theme import colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.tracking.mosaic import MosaicTile, SeenMosaic
    from ui.canvas.viewport import Viewport
    from ui.kit.theme import ThemeName

__all__ = ["MosaicLayer"]

_SAMPLE = 8
"""Every so many-th pixel of a tile's rows and columns decides the contrast."""
_SHARES = (0.005, 0.998)
"""Black and white, as shares of what was seen; those of `ui.map.map_fields`."""
_DRIFT = 0.1
"""Contrast is renewed when it is off by this share: redrawing everything for less would only flicker."""
_MOST_LEVEL = 5

Key = tuple[int, int, int]


class MosaicLayer:
    """A `ui.canvas.canvas.Layer`; the world is the stage, in um, with islands where `layout` puts them."""

    def __init__(self) -> None:
        self.layout = IslandLayout()
        self.visible = True
        self.limits: tuple[float, float] | None = None
        """Black and white in counts; None before anything was seen."""
        self._mosaic: SeenMosaic | None = None
        self._version = 0
        self._tiles: dict[Key, MosaicTile] = {}
        self._seen: dict[Key, NDArray[np.intp]] = {}
        """How often each value is in a sample of each tile."""
        self._greys = np.zeros(256, np.uint32)
        self._images: dict[Key, tuple[int, int, QImage]] = {}
        """Version, level (each halves the side) and picture of the tiles that are in sight."""
        self._colours = colours("dark")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    def begin(self, mosaic: SeenMosaic | None) -> None:
        """Show another mosaic; None for none."""
        self._mosaic = mosaic
        self._version = 0
        self._forget()
        self.limits = None

    def _forget(self) -> None:
        self._tiles.clear()
        self._seen.clear()
        self._images.clear()

    def refresh(self) -> bool:
        """Take what changed since the last time; return whether anything did."""
        if self._mosaic is None or self._mosaic.version == self._version:
            return False
        change = self._mosaic.changes(self._version)
        self._version = change.version
        if change.anew:
            self._forget()
        for tile in change.tiles:
            self._tiles[tile.key] = tile
            self._seen[tile.key] = np.bincount(tile.pixels[::_SAMPLE, ::_SAMPLE].ravel(), minlength=256)
        self._renew_contrast(self._mosaic.counts())
        return True

    def _renew_contrast(self, counts: NDArray[np.float64]) -> None:
        seen = np.zeros(256)
        for one in self._seen.values():
            seen += one
        seen[NOT_SEEN] = 0
        if not seen.any():
            return
        share = np.cumsum(seen) / seen.sum()
        low, high = (float(counts[np.searchsorted(share, one)]) for one in _SHARES)
        high = max(high, low + 1.0)
        old = self.limits
        if old is not None and max(abs(low - old[0]), abs(high - old[1])) <= _DRIFT * (old[1] - old[0]):
            return
        self.limits = (low, high)
        with np.errstate(invalid="ignore"):
            grey = np.nan_to_num(np.clip((counts - low) * (255.0 / (high - low)), 0, 255)).astype(np.uint32)
        self._greys = (np.uint32(0xFF000000) | grey * np.uint32(0x010101)).astype(np.uint32)
        self._greys[NOT_SEEN] = 0  # transparent
        self._images.clear()

    def summary(self, _view: Viewport | None = None) -> str:
        """Return how much was seen."""
        if not self.visible or not self._tiles:
            return ""
        n_seen = sum(int(seen[1:].sum()) for seen in self._seen.values()) * _SAMPLE**2
        px_um = next(iter(self._tiles.values())).box_um[2] / TILE_PX
        islands = len({key[0] for key in self._tiles})
        apart = f" of {counted(islands, 'island')}" if islands > 1 else ""
        return f"{n_seen * px_um**2 / 1e6:.2f} mm² seen{apart}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint what is in sight, over a hatching that marks what was not seen."""
        if not self.visible:
            return
        painter.save()
        self._paint_ground(painter, view)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        screen = QRectF(0, 0, *view.size)
        ratio = painter.device().devicePixelRatio()
        in_sight = set()
        for key, tile in self._tiles.items():
            left, top, width, height = tile.box_um
            left, top = self.layout.drawn_um(tile.island, left, top)
            x, y = view.to_screen(left, top)
            right, bottom = view.to_screen(left + width, top + height)
            rect = QRectF(QPointF(round(x), round(y)), QPointF(round(right), round(bottom)))
            if rect.intersects(screen) and rect.width() >= 1:
                in_sight.add(key)
                painter.drawImage(rect, self._image(tile, rect.width() * ratio))
        for key in [key for key in self._images if key not in in_sight]:
            del self._images[key]
        painter.restore()

    def _paint_ground(self, painter: QPainter, view: Viewport) -> None:
        muted = QColor(self._colours.text_muted)
        muted.setAlpha(110)
        for left, top, width, height in self.layout.boxes_um.values():
            rect = QRectF(QPointF(*view.to_screen(left, top)), QPointF(*view.to_screen(left + width, top + height)))
            painter.fillRect(rect, QColor(self._colours.window))
            painter.fillRect(rect, QBrush(muted, Qt.BrushStyle.BDiagPattern))
            painter.setPen(QPen(QColor(self._colours.border), 1))
            painter.drawRect(rect)

    def _image(self, tile: MosaicTile, side_px: float) -> QImage:
        """Return a tile not much larger than it is going to be drawn: else it would be grainy, and slow."""
        level = 0
        while level < _MOST_LEVEL and (TILE_PX >> (level + 1)) >= side_px:
            level += 1
        known = self._images.get(tile.key)
        if known is not None and known[:2] == (tile.version, level):
            return known[2]
        argb = self._greys[reduced(tile.pixels, level)]
        side = len(argb)
        image = QImage(argb.data, side, side, 4 * side, QImage.Format.Format_ARGB32_Premultiplied).copy()
        self._images[tile.key] = (tile.version, level, image)
        return image
