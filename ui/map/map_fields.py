"""The fields of a section map: where each lies, which are shown, and how all of them are painted."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPolygonF

from hcc_scope.formatting import counted
from hcc_scope.islands import IslandLayout
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import describe_position
from ui.canvas.drawing import ON_IMAGE, double_lines, double_rect, paint_hatch, plate
from ui.map.boxes import box_around
from ui.map.field_contrast import CommonContrast
from ui.map.fine_pictures import Wish
from ui.map.map_field import MapField, cell_shares

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from PySide6.QtGui import QImage

    from ui.canvas.viewport import Box, Viewport
    from ui.map.fine_pictures import FinePictures

__all__ = ["FieldsLayer", "MapField"]

_GAP = 1.06
"""Distance of fields without a position, in field sizes."""
_PER_ROW = 6
_NUMBER_SHARE = 0.7
"""The number of a field is written where it takes no more of the field's width; of its height, half of that."""
_HATCHED_TILE_PX = 12.0
"""In a smaller tile the pattern, which repeats every 16 px, cannot be read."""
_EDGE = QColor(0, 0, 0, 130)
_MARK_PX = 12.0


class FieldsLayer:
    """A `ui.canvas.canvas.Layer` of all fields, in the order in which they came; the world is the stage, in µm."""

    def __init__(self, fine: FinePictures | None = None) -> None:
        self.fields: dict[int, MapField] = {}
        self.fine = fine
        """Pictures finer than the thumbnails; None where there is nothing to read them from."""
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
        self._retaken: Mapping[int, int] = {}
        """Fields that were taken again, and the retake that counts for each."""
        self._set_aside: frozenset[int] = frozenset()
        """Takes that do not count."""
        self._contrast = CommonContrast()

    # -- fields ------------------------------------------------------------------------------------------------------

    def add(self, new: MapField) -> None:
        """Add a field, or replace that of the same number."""
        self._take_out(new.seq)
        self.fields[new.seq] = new
        if self._contrast.add(new.thumbnail):
            self._forget_images()

    def remove(self, seq: int) -> None:
        """Take a field away."""
        self._take_out(seq)
        if self.chosen == seq:
            self.chosen = None

    def _take_out(self, seq: int) -> None:
        old = self.fields.pop(seq, None)
        if old is not None:
            self._contrast.remove(old.thumbnail)

    def clear(self) -> None:
        """Forget all fields."""
        self.fields.clear()
        self.set_retakes({}, ())
        self._contrast.clear()
        self.layout = IslandLayout()
        self.by_hand = False
        self.n_not_drawn = 0
        self.chosen = None

    def set_threshold(self, threshold: float) -> None:
        """Colour by another threshold."""
        if threshold != self.threshold:
            self.threshold = threshold
            for one in self.fields.values():
                one.heat = None

    def set_retakes(self, retaken: Mapping[int, int], set_aside: Collection[int]) -> None:
        """Take which fields were taken again: of each, the take that counts is shown.

        Parameters
        ----------
        retaken : mapping
            Number of a field to the retake that counts for it.
        set_aside : collection of int
            Takes that do not count, as another one of the same field does.
        """
        self._retaken, self._set_aside = retaken, frozenset(set_aside)
        if self.chosen is not None and self._hidden(self.chosen):
            self.chosen = self._retaken.get(self.chosen)

    def retake_of(self, seq: int) -> int | None:
        """Return the field for which a later take counts; None if it is no retake."""
        return next((field for field, take in self._retaken.items() if take == seq), None)

    def _hidden(self, seq: int) -> bool:
        """Return whether a field is not shown: another take of it counts, and is on the map."""
        return seq in self._set_aside and self._retaken.get(seq, seq) in self.fields

    @property
    def shown(self) -> list[MapField]:
        """The fields, each by the take that counts, in the order in which they came."""
        if not self._set_aside:
            return list(self.fields.values())
        return [one for one in self.fields.values() if not self._hidden(one.seq)]

    @property
    def has_places(self) -> bool:
        """Whether places on the map are places on the stage: not so if there are fields and none has a position."""
        return self.by_hand or not self.fields or self.without_position < len(self.fields)

    @property
    def on_stage(self) -> bool:
        """Whether a place on the map is one that a stage can go to: none is that was measured from the pictures."""
        tracked = any(one.origin.source == "tracked" for one in self.fields.values())
        return self.has_places and not self.by_hand and not tracked

    @property
    def without_position(self) -> int:
        """How many fields have no stage position."""
        return sum(one.stage_um is None for one in self.fields.values())

    def boxes(self) -> list[tuple[MapField, Box]]:
        """Return where the shown fields lie, in the order in which they came.

        Without a stage no field has a position: they are then laid out in rows, by their numbers. Where only some have
        none, those are left out, as every place on the map would be a false one.
        """
        width, height = self.field_um
        shown = self.shown
        if not self.has_places:
            places = {seq: divmod(index, _PER_ROW) for index, seq in enumerate(sorted(one.seq for one in shown))}
            return [
                (one, (places[one.seq][1] * _GAP * width, places[one.seq][0] * _GAP * height, width, height))
                for one in shown
            ]
        return [
            (one, box_around(self.layout.drawn_um(one.origin.island, *one.stage_um), self.field_um))
            for one in shown
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
        earlier = self.retake_of(one.seq)
        if earlier is not None:
            parts.append(f"taken again, in the place of field {earlier}")
        if one.stage_um is not None:
            parts.append(f"centre at {describe_position((*one.stage_um, None), one.origin, decimals=1)}")
        if one.excluded:
            parts.append("excluded by the operator")
        parts.append(self.verdict(one))
        return ", ".join(parts)

    def verdict(self, one: MapField) -> str:
        """Return the outcome of one field, as text."""
        return one.verdict(self.threshold)

    # -- contrast ----------------------------------------------------------------------------------------------------

    def set_common_limits(self, limits: tuple[float, float] | None) -> None:
        """Take black and white of the other pictures on the map."""
        if limits != self.common_limits:
            self.common_limits = limits
            self._forget_images()

    @property
    def limits(self) -> tuple[float, float]:
        """Black and white of all pictures, in counts."""
        return self.common_limits or self._contrast.limits or (0.0, 65535.0)

    def _forget_images(self) -> None:
        for one in self.fields.values():
            one.images.clear()

    # -- painting ----------------------------------------------------------------------------------------------------

    def summary(self, _view: Viewport) -> str:
        """Return how many fields there are, and which one is chosen."""
        if not self.fields:
            return ""
        chosen = "" if self.chosen is None else f", chosen: {self.describe(self.fields[self.chosen])}"
        return f"{counted(len(self.shown), 'field')}{chosen}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint all fields that are in sight, the chosen one last."""
        painter.save()
        screen = QRectF(0, 0, *view.size)
        wishes: list[Wish] = []
        font = painter.font().toString()
        for one, (left, top, width, height) in self._painted_boxes():
            x, y = view.to_screen(left, top)
            right, bottom = view.to_screen(left + width, top + height)
            rect = QRectF(QPointF(round(x), round(y)), QPointF(round(right), round(bottom)))
            if rect.intersects(screen):
                self._paint_field(painter, rect, one, wishes)
                if self.shows_words:
                    self._paint_text(painter, rect.intersected(screen), one, font)
        painter.restore()
        if self.fine is not None:
            self.fine.wish(wishes, self.limits, view)

    def _paint_field(self, painter: QPainter, rect: QRectF, one: MapField, wishes: list[Wish]) -> None:
        if self.shows_pictures:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
            painter.drawImage(rect, self._picture(painter, rect, one, wishes))
        heat = one.heatmap(self.threshold, self.orientation) if self.shows_heat else None
        if heat is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.setOpacity(self.opacity)
            painter.drawImage(rect, heat)
            painter.setOpacity(1.0)
            self._paint_hatching(painter, rect, one)
        self._paint_border(painter, rect, one)

    def _picture(self, painter: QPainter, rect: QRectF, one: MapField, wishes: list[Wish]) -> QImage:
        """Return the finest picture that is there, and wish for a finer one where the screen shows more."""
        width_px = rect.width() * painter.device().devicePixelRatio()
        small = one.picture(width_px, self.limits, self.orientation)
        if self.fine is None or one.thumbnail.dtype == np.uint8 or width_px <= small.width():
            return small
        px_per_px = width_px / self.fine.width_px()
        at = rect.center()
        middle = (painter.device().width() / 2, painter.device().height() / 2)
        wishes.append(Wish(one.seq, px_per_px, abs(at.x() - middle[0]) + abs(at.y() - middle[1])))
        return self.fine.picture(one.seq, px_per_px) or small

    def _paint_hatching(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        if one.result is None or one.grid is None or not one.result.flags.any():
            return
        if rect.width() < _HATCHED_TILE_PX * max(one.grid.shape_rc):
            return
        ys, xs = cell_shares(one.grid)
        for tile in np.flatnonzero(one.result.flags):
            row, column = one.grid.rows_cols[tile]
            box = self.orientation.upright_box(xs[column], ys[row], xs[column + 1], ys[row + 1])
            left, right = (round(rect.left() + share * rect.width()) for share in box[::2])
            top, bottom = (round(rect.top() + share * rect.height()) for share in box[1::2])
            corner, other = QPointF(left, top), QPointF(right, bottom)
            paint_hatch(painter, QRectF(corner, other), int(one.result.flags[tile]), rect.topLeft())

    def _paint_border(self, painter: QPainter, rect: QRectF, one: MapField) -> None:
        left, top, width, height = rect.x(), rect.y(), rect.width(), rect.height()
        # rectangles: a line around it is stroked, which costs ten times as much
        for edge in (
            QRectF(left, top, width, 1),
            QRectF(left, top + height, width + 1, 1),
            QRectF(left, top, 1, height),
            QRectF(left + width, top, 1, height),
        ):
            painter.fillRect(edge, _EDGE)
        if one.excluded:
            painter.fillRect(rect, QColor(0, 0, 0, 110))
            cross = [QLineF(rect.topLeft(), rect.bottomRight()), QLineF(rect.topRight(), rect.bottomLeft())]
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            double_lines(painter, cross, QColor("#ffffff"), 1.5)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if one.seq in self._retaken.values():
            self._paint_retake(painter, rect)
        if one.seq == self.chosen:
            double_rect(painter, rect, QColor(ON_IMAGE), 2.5, Qt.PenStyle.SolidLine)

    @staticmethod
    def _paint_retake(painter: QPainter, rect: QRectF) -> None:
        """Mark a field that was taken again: its upper right corner is turned down."""
        side = min(_MARK_PX, rect.width() / 2, rect.height() / 2)
        corner = rect.topRight()
        painter.setPen(QColor(0, 0, 0, 170))
        painter.setBrush(QColor(ON_IMAGE))
        painter.drawPolygon(QPolygonF([corner, corner + QPointF(-side, 0), corner + QPointF(0, side)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_text(self, painter: QPainter, rect: QRectF, one: MapField, font: str) -> None:
        """Write number and outcome into the part of a field that is in sight."""
        number, height = str(one.seq), _line_height(font)
        fits = _width(number, font) + 8 <= _NUMBER_SHARE * rect.width() and height <= _NUMBER_SHARE / 2 * rect.height()
        if fits or one.seq == self.chosen:
            plate(painter, rect.topLeft() + QPointF(3, 3), number)
        words = one.short_verdict(self.threshold, with_score=self.shows_heat) if fits else ""
        if words and _width(words, font) + 14 <= rect.width() and rect.height() >= 3 * height:
            below = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
            plate(painter, rect.bottomRight() - QPointF(3, 3), words, below)


@functools.lru_cache(maxsize=4096)
def _width(text: str, font_name: str) -> float:
    """Return the width of a text; the same ones are painted again and again."""
    return _metrics(font_name).horizontalAdvance(text)


@functools.lru_cache(maxsize=4)
def _line_height(font_name: str) -> float:
    return _metrics(font_name).height()


def _metrics(font_name: str) -> QFontMetricsF:
    font = QFont()
    font.fromString(font_name)
    return QFontMetricsF(font)
