"""The fields of a section map: what is known of each, where it lies, and how all of them are painted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from hcc_scope.formatting import counted, format_score
from hcc_scope.islands import IslandLayout
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import PositionOrigin, describe_position
from hcc_scope.scoring import frame_score
from ui.canvas.drawing import ON_IMAGE, double_lines, double_rect, heat_argb, paint_hatch, plate
from ui.canvas.overlays import cell_edges
from ui.map.boxes import box_around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult
    from ui.canvas.viewport import Box, Viewport

__all__ = ["FieldsLayer", "MapField"]

_GAP = 1.06
"""Distance of fields without a position, in field sizes."""
_PER_ROW = 6
_HEAT_PX = 64
"""Side of a field's heatmap; fine enough for tiles of unequal width."""
_SAMPLES = 40_000
"""Pixels of all thumbnails together from which the common contrast is taken."""
_DRIFT = 0.1
"""Contrast is renewed when it is off by this share: redrawing all thumbnails for less would only flicker."""
_SMALLEST_PX = 16
_OF_STAGE = PositionOrigin("stage")
_ROOM_FOR_WORDS_PX = 44.0
_ROOM_FOR_HATCHING_PX = 40.0


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


class FieldsLayer:
    """A `ui.canvas.canvas.Layer` of all fields, in the order in which they came; the world is the stage, in µm."""

    def __init__(self) -> None:
        self.fields: dict[int, MapField] = {}
        self.field_um: tuple[float, float] = (1.0, 1.0)
        """Width and height of a field on the stage."""
        self.orientation = Orientation()
        """How the camera lies over the stage: pictures are turned to lie as the fields do."""
        self.layout = IslandLayout()
        """Where the coordinate frames of a section by hand are drawn."""
        self.by_hand = False
        """Whether places on the map are those of a section by hand, also while no field is captured."""
        self.n_not_drawn = 0
        """Stored fields that have no own place on the map."""
        self.common_limits: tuple[float, float] | None = None
        """Black and white in counts that other pictures on the map have; None where there are none."""
        self.threshold = 0.5
        self.opacity = 0.5
        self.shows_pictures = True
        self.shows_heat = True
        self.shows_words = True
        self.chosen: int | None = None
        self._limits: tuple[float, float] | None = None

    # -- fields ------------------------------------------------------------------------------------------------------

    def add(self, new: MapField) -> None:
        """Add a field, or replace that of the same number."""
        self.fields.pop(new.seq, None)
        self.fields[new.seq] = new
        self._renew_contrast(new)

    def remove(self, seq: int) -> None:
        """Take a field away."""
        self.fields.pop(seq, None)
        if self.chosen == seq:
            self.chosen = None

    def clear(self) -> None:
        """Forget all fields."""
        self.fields.clear()
        self.layout = IslandLayout()
        self.n_not_drawn = 0
        self.chosen = None
        self._limits = None

    def set_threshold(self, threshold: float) -> None:
        """Colour by another threshold."""
        if threshold != self.threshold:
            self.threshold = threshold
            for one in self.fields.values():
                one.heat = None

    @property
    def has_places(self) -> bool:
        """Whether places on the map are places on the stage: not so if there are fields and none has a position."""
        return self.by_hand or not self.fields or self.without_position < len(self.fields)

    @property
    def without_position(self) -> int:
        """How many fields have no stage position."""
        return sum(one.stage_um is None for one in self.fields.values())

    def boxes(self) -> list[tuple[MapField, Box]]:
        """Return where the fields lie, in the order in which they came.

        Without a stage no field has a position: they are then laid out in rows, by their numbers. Where only some have
        none, those are left out, as every place on the map would be a false one.
        """
        width, height = self.field_um
        if not self.has_places:
            places = {seq: divmod(index, _PER_ROW) for index, seq in enumerate(sorted(self.fields))}
            return [
                (one, (places[seq][1] * _GAP * width, places[seq][0] * _GAP * height, width, height))
                for seq, one in self.fields.items()
            ]
        return [
            (one, box_around(self.layout.drawn_um(one.origin.island, *one.stage_um), self.field_um))
            for one in self.fields.values()
            if one.stage_um is not None
        ]

    def _painted_boxes(self) -> list[tuple[MapField, Box]]:
        """Return `boxes` with the chosen field last: it lies uppermost."""
        return sorted(self.boxes(), key=lambda pair: pair[0].seq == self.chosen)

    def at(self, x_um: float, y_um: float) -> MapField | None:
        """Return the uppermost field at a place."""
        for one, (left, top, width, height) in reversed(self._painted_boxes()):
            if left <= x_um < left + width and top <= y_um < top + height:
                return one
        return None

    def describe(self, one: MapField) -> str:
        """Return one field as text."""
        parts = [f"Field {one.seq}"]
        if one.stage_um is not None:
            parts.append(f"centre at {describe_position((*one.stage_um, None), one.origin, decimals=1)}")
        if one.excluded:
            parts.append("excluded by the operator")
        parts.append(self.verdict(one))
        return ", ".join(parts)

    def verdict(self, one: MapField) -> str:
        """Return the outcome of one field, as text."""
        result = one.result
        if result is None:
            return "not classified yet"
        if result.outcome == "failed":
            return f"could not be classified ({result.error or 'no reason given'})"
        if one.score is None:
            return "no tile could be used"
        used = int(np.count_nonzero((result.flags == 0) & np.isfinite(result.probabilities)))
        return f"score {format_score(one.score, self.threshold)} from {used} of {counted(len(result.flags), 'tile')}"

    def set_common_limits(self, limits: tuple[float, float] | None) -> None:
        """Take black and white of the other pictures on the map."""
        if limits != self.common_limits:
            self.common_limits = limits
            for one in self.fields.values():
                one.images.clear()

    # -- contrast ----------------------------------------------------------------------------------------------------

    def _renew_contrast(self, new: MapField) -> None:
        raw = [one.thumbnail for one in self.fields.values() if one.thumbnail.dtype != np.uint8]
        if new.thumbnail.dtype == np.uint8 or not raw:
            return
        step = max(1, sum(pixels.size for pixels in raw) // _SAMPLES)
        sampled = np.concatenate([pixels.ravel()[::step] for pixels in raw])
        low, high = (float(v) for v in np.percentile(sampled, (0.5, 99.8)))
        high = max(high, low + 1.0)
        old = self._limits
        if old is None or max(abs(low - old[0]), abs(high - old[1])) > _DRIFT * (old[1] - old[0]):
            self._limits = (low, high)
            for one in self.fields.values():
                one.images.clear()

    def _image(self, one: MapField, side_px: float) -> QImage:
        """Return the thumbnail, not much larger than it is going to be drawn: else it would be grainy."""
        if not one.images:
            # counts with the common contrast; 8 bit is shown unchanged
            raw = self.common_limits or self._limits or (0.0, 65535.0)
            low, high = (0.0, 255.0) if one.thumbnail.dtype == np.uint8 else raw
            scaled = (one.thumbnail.astype(np.float32) - low) * (255.0 / (high - low))
            pixels = np.ascontiguousarray(self.orientation.upright(np.clip(scaled, 0, 255).astype(np.uint8)))
            rows, columns = pixels.shape
            grey = QImage(pixels.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
            one.images.append(grey.convertToFormat(QImage.Format.Format_RGB32))  # which also owns its memory
            while min(one.images[-1].width(), one.images[-1].height()) > 2 * _SMALLEST_PX:
                last = one.images[-1]
                one.images.append(
                    last.scaled(
                        last.width() // 2,
                        last.height() // 2,
                        Qt.AspectRatioMode.IgnoreAspectRatio,
                        Qt.TransformationMode.SmoothTransformation,
                    )
                )
        fine_enough = [image for image in one.images if image.width() >= side_px]
        return fine_enough[-1] if fine_enough else one.images[0]

    def _heat(self, one: MapField) -> QImage | None:
        if one.heat is None and one.result is not None and one.grid is not None:
            rgba = heat_argb(one.result.probabilities, self.threshold)
            rgba[one.result.flags != 0, 3] = 0
            tiles = rgba.reshape(*one.grid.shape_rc, 4)
            for axis, edges in enumerate(cell_edges(one.grid)):
                tiles = np.repeat(tiles, np.diff(np.round(edges / edges[-1] * _HEAT_PX).astype(int)), axis=axis)
            tiles = np.ascontiguousarray(self.orientation.upright(tiles))
            image = QImage(tiles.data, _HEAT_PX, _HEAT_PX, 4 * _HEAT_PX, QImage.Format.Format_RGBA8888)
            one.heat = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        return one.heat

    # -- painting ----------------------------------------------------------------------------------------------------

    def summary(self, _view: Viewport) -> str:
        """Return how many fields there are, and which one is chosen."""
        if not self.fields:
            return ""
        chosen = "" if self.chosen is None else f", chosen: {self.describe(self.fields[self.chosen])}"
        return f"{counted(len(self.fields), 'field')}{chosen}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint all fields that are in sight, the chosen one last."""
        painter.save()
        screen = QRectF(0, 0, *view.size)
        for one, (left, top, width, height) in self._painted_boxes():
            x, y = view.to_screen(left, top)
            right, bottom = view.to_screen(left + width, top + height)
            rect = QRectF(QPointF(round(x), round(y)), QPointF(round(right), round(bottom)))
            if rect.intersects(screen):
                self._paint_field(painter, rect, one)
        painter.restore()

    def _paint_field(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        if self.shows_pictures:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
            side_px = rect.width() * painter.device().devicePixelRatio()
            painter.drawImage(rect, self._image(one, side_px))
        heat = self._heat(one) if self.shows_heat else None
        if heat is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.setOpacity(self.opacity)
            painter.drawImage(rect, heat)
            painter.setOpacity(1.0)
            self._paint_hatching(painter, rect, one)
        self._paint_border(painter, rect, one)
        if self.shows_words and min(rect.width(), rect.height()) >= _ROOM_FOR_WORDS_PX:
            self._paint_text(painter, rect, one)

    def _paint_hatching(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        if one.result is None or one.grid is None or rect.width() < _ROOM_FOR_HATCHING_PX or not one.result.flags.any():
            return
        ys, xs = (edges / edges[-1] for edges in cell_edges(one.grid))
        for tile in np.flatnonzero(one.result.flags):
            row, column = one.grid.rows_cols[tile]
            box = self.orientation.upright_box(xs[column], ys[row], xs[column + 1], ys[row + 1])
            left, right = (round(rect.left() + share * rect.width()) for share in box[::2])
            top, bottom = (round(rect.top() + share * rect.height()) for share in box[1::2])
            corner, other = QPointF(left, top), QPointF(right, bottom)
            paint_hatch(painter, QRectF(corner, other), int(one.result.flags[tile]), rect.topLeft())

    def _paint_border(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(0, 0, 0, 130), 1))
        painter.drawRect(rect)
        if one.excluded:
            painter.fillRect(rect, QColor(0, 0, 0, 110))
            cross = [QLineF(rect.topLeft(), rect.bottomRight()), QLineF(rect.topRight(), rect.bottomLeft())]
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            double_lines(painter, cross, QColor("#ffffff"), 1.5)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if one.seq == self.chosen:
            double_rect(painter, rect, QColor(ON_IMAGE), 2.5, Qt.PenStyle.SolidLine)

    def _paint_text(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        metrics = QFontMetricsF(painter.font())
        plate(painter, rect.topLeft() + QPointF(3, 3), str(one.seq))
        words = self._short(one)
        fits = metrics.horizontalAdvance(words) + 14 <= rect.width() and rect.height() >= 3 * metrics.height()
        if words and fits:
            below = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
            plate(painter, rect.bottomRight() - QPointF(3, 3), words, below)

    def _short(self, one: MapField) -> str:
        if one.excluded:
            return "excluded"
        if one.result is None:
            return ""
        if one.result.outcome == "failed":
            return "failed"
        if one.score is None:
            return "unusable"
        side = "high" if one.score >= self.threshold else "low"
        return f"{format_score(one.score, self.threshold)} {side}" if self.shows_heat else ""
