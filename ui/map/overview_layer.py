"""What was seen at which position of the stage before a section, as a layer of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui.map.mosaic_layer import MosaicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPainter

    from hcc_scope.tracking.mosaic import SeenMosaic
    from ui.canvas.viewport import Box, Viewport

__all__ = ["OverviewLayer"]


class OverviewLayer:
    """A `ui.canvas.canvas.Layer` of mosaics, from the coarsest to the finest."""

    def __init__(self) -> None:
        self.visible = True
        self._layers: dict[SeenMosaic, MosaicLayer] = {}

    def show(self, mosaics: Sequence[SeenMosaic]) -> None:
        """Take what was seen; pictures of what is known already are kept."""
        known, self._layers = self._layers, {}
        for mosaic in mosaics:
            layer = known.get(mosaic)
            if layer is None:
                layer = MosaicLayer()
                layer.begin(mosaic)
            layer.refresh()
            self._layers[mosaic] = layer

    def boxes(self) -> list[Box]:
        """Return what was seen: left, top, width and height in stage um."""
        return [box for mosaic in self._layers for box in mosaic.boxes_um().values()]

    def summary(self, view: Viewport) -> str:
        """Return how much was seen."""
        if not self.visible:
            return ""
        return ", ".join(filter(None, (layer.summary(view) for layer in self._layers.values())))

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint what is in sight."""
        if self.visible:
            for layer in self._layers.values():
                layer.paint(painter, view)
