"""What the map shows of a section by hand besides pictures: the course, the drawn fields, and the field at the lens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from hcc_scope.formatting import counted
from hcc_scope.islands import IslandLayout
from hcc_scope.position_tags import describe_island
from ui.canvas.drawing import ON_IMAGE, double_lines, double_rect, plate

if TYPE_CHECKING:
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.tracking import Place
    from hcc_scope.tracking.course import Stretch
    from ui.canvas.viewport import Viewport

__all__ = ["CourseLayer", "HandFieldLayer", "IslandLabels", "TargetsLayer"]

_DARK = QColor(0, 0, 0, 170)
_GREY = QColor("#b8bec5")
_GREEN = QColor("#7ee0a1")
_ROOM_FOR_WORDS_PX = 44.0
_PLATE_PX = 10
"""What a plate takes besides the height of its letters."""
_RING_PX = 5.0
"""Radius of a target at least; it is seen however small the fields are."""


class CourseLayer:
    """The way that the field went."""

    def __init__(self) -> None:
        self.layout = IslandLayout()
        self.visible = True
        self.stretches: tuple[Stretch, ...] = ()

    def summary(self, _view: Viewport | None = None) -> str:
        """Return nothing: the course is for the eye."""
        return ""

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint a thin line for each stretch."""
        if not self.visible:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, len(self.stretches) < 40)
        lines = []
        for island, points in self.stretches:
            dx, dy = self.layout.drawn_um(island, 0.0, 0.0)
            if len(points) > 1:
                lines.append(QPolygonF([QPointF(*view.to_screen(x + dx, y + dy)) for x, y in points.tolist()]))
        # opaque and thin: a long translucent line takes Qt sixty times as long
        for pen in (QPen(QColor("#1c2a33"), 3), QPen(QColor("#6fb2dc"), 1)):
            painter.setPen(pen)
            for line in lines:
                painter.drawPolyline(line)
        painter.restore()


class TargetsLayer:
    """The drawn fields of a guided section, and the way to the present one."""

    def __init__(self) -> None:
        self.layout = IslandLayout()
        self.visible = True
        self.sample: DrawnSample | None = None
        self.present: int | None = None
        """Number of the target that is shown the way to."""
        self.here: Place | None = None
        """Where the field is; None while that is not known."""

    def summary(self, _view: Viewport | None = None) -> str:
        """Return how far the sample is."""
        sample = self.sample
        if not self.visible or sample is None:
            return ""
        present = "" if self.present is None else f", the present one is {self.present}"
        return (
            f"{counted(sample.n_drawn, 'drawn field')}: {len(sample.reached)} reached, {len(sample.skipped)} skipped, "
            f"{len(sample.open_fields)} open{present}"
        )

    def at(self, x_um: float, y_um: float) -> int | None:
        """Return the number of the drawn field around a place of the map."""
        if self.sample is None or not self.visible:
            return None
        width, height = self.sample.field_um
        for number, place in enumerate(self.sample.fields_um):
            x, y = self.layout.drawn_um(self.sample.island, *place)
            if abs(x - x_um) <= width / 2 and abs(y - y_um) <= height / 2:
                return number
        return None

    def describe(self, number: int) -> str:
        """Return one drawn field as text."""
        sample = self.sample
        if sample is None:
            return ""
        if number in sample.reached:
            state = f"reached by field {sample.reached[number]}"
        elif number in sample.skipped:
            state = f"skipped: {sample.skipped[number]}"
        else:
            state = "the present target" if number == self.present else "open"
        return f"Drawn field {number}, {state}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint a ring for each open field, a cross for a skipped, a tick for a reached one; the present one last."""
        sample = self.sample
        if not self.visible or sample is None:
            return
        painter.save()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        width, height = (side * view.scale for side in sample.field_um)
        radius = max(_RING_PX, 0.28 * min(width, height))
        words_fit = min(width, height) >= _ROOM_FOR_WORDS_PX
        for number in sorted(range(sample.n_drawn), key=lambda number: number == self.present):
            at = QPointF(*view.to_screen(*self.layout.drawn_um(sample.island, *sample.fields_um[number])))
            words = str(number)
            if number in sample.reached:
                self._paint_tick(painter, at)
                continue
            if number in sample.skipped:
                self._paint_cross(painter, at)
                words = sample.skipped[number]
            elif number == self.present:
                self._paint_way(painter, view, at, radius)
                self._paint_present(painter, at, radius, QRectF(at.x() - width / 2, at.y() - height / 2, width, height))
            else:
                self._paint_ring(painter, at, radius)
            if words_fit:
                middle = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
                plate(painter, at + QPointF(0, radius + 4), words, middle)
        painter.restore()

    @staticmethod
    def _paint_ring(painter: QPainter, at: QPointF, radius: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for pen in (QPen(_DARK, 4), QPen(QColor("#ffffff"), 2)):
            painter.setPen(pen)
            painter.drawEllipse(at, radius, radius)

    @staticmethod
    def _paint_cross(painter: QPainter, at: QPointF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        arm = _RING_PX
        lines = [
            QLineF(at + QPointF(-arm, -arm), at + QPointF(arm, arm)),
            QLineF(at + QPointF(-arm, arm), at + QPointF(arm, -arm)),
        ]
        double_lines(painter, lines, _GREY, 2)

    @staticmethod
    def _paint_tick(painter: QPainter, at: QPointF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        arm = _RING_PX
        corner = at + QPointF(-arm / 3, arm)
        lines = [QLineF(at + QPointF(-arm, 0), corner), QLineF(corner, at + QPointF(arm, -arm))]
        double_lines(painter, lines, _GREEN, 2)

    @staticmethod
    def _paint_present(painter: QPainter, at: QPointF, radius: float, field: QRectF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        double_rect(painter, field, QColor(ON_IMAGE), 1.5, Qt.PenStyle.DashLine)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(_DARK, 6), QPen(QColor(ON_IMAGE), 3.5)):
            painter.setPen(pen)
            painter.drawEllipse(at, radius, radius)
        painter.setPen(QPen(_DARK, 1))
        painter.setBrush(QColor(ON_IMAGE))
        painter.drawEllipse(at, 3.0, 3.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_way(self, painter: QPainter, view: Viewport, to: QPointF, radius: float) -> None:
        """Paint a line from the field to the ring, with a head, where there is room for it."""
        here, sample = self.here, self.sample
        if here is None or sample is None or here.island != sample.island:
            return
        start = QPointF(*view.to_screen(*self.layout.drawn_um(here.island, here.x_um, here.y_um)))
        way = to - start
        length = math.hypot(way.x(), way.y())
        if length < radius + 12:
            return
        end = to - way * ((radius + 3) / length)
        along = QPointF(way.x() / length, way.y() / length)
        across = QPointF(-along.y(), along.x())
        head = [QLineF(end, end - along * 9 + across * side) for side in (5, -5)]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        double_lines(painter, [QLineF(start, end), *head], QColor(ON_IMAGE), 2)


class HandFieldLayer:
    """The field at the lens: where it is, or where it was when that was known last."""

    def __init__(self) -> None:
        self.layout = IslandLayout()
        self.field_um: tuple[float, float] = (1.0, 1.0)
        self.place: Place | None = None
        """The last known place; None before the first."""
        self.known = False
        """Whether the field is there now."""

    def summary(self, _view: Viewport | None = None) -> str:
        """Return where the field is."""
        if self.place is None:
            return ""
        at = f"x {self.place.x_um:,.0f} µm, y {self.place.y_um:,.0f} µm"
        return f"Field at {at}" if self.known else f"Position not known; the last known place is {at}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the field and a cross, which is seen however small the field is; grey and dashed where it was last."""
        if self.place is None:
            return
        x, y = view.to_screen(*self.layout.drawn_um(self.place.island, self.place.x_um, self.place.y_um))
        width, height = (side * view.scale for side in self.field_um)
        rect = QRectF(x - width / 2, y - height / 2, width, height)
        painter.save()
        if not self.known:
            double_rect(painter, rect, _GREY, 2, Qt.PenStyle.DashLine)
            below = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
            plate(painter, QPointF(x, rect.bottom() + 4), "last known place", below)
        else:
            double_rect(painter, rect, QColor("#ffffff"), 2, Qt.PenStyle.SolidLine)
            arm, gap = max(10.0, 0.5 * min(width, height) + 6.0), 3.0
            lines = [
                QLineF(x - arm, y, x - gap, y),
                QLineF(x + gap, y, x + arm, y),
                QLineF(x, y - arm, x, y - gap),
                QLineF(x, y + gap, x, y + arm),
            ]
            double_lines(painter, lines, QColor(ON_IMAGE), 2)
        painter.restore()


class IslandLabels:
    """The number of each island, where there are several."""

    def __init__(self) -> None:
        self.layout = IslandLayout()

    def summary(self, _view: Viewport | None = None) -> str:
        """Return that islands are apart, and what that means."""
        if not self.layout.apart:
            return ""
        return f"{counted(len(self.layout.boxes_um), 'island')}, drawn apart: where they lie to each other is not known"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint a plate above the upper left corner of each island, or inside where there is no room above."""
        if not self.layout.apart:
            return
        for island, (left, top, _width, _height) in self.layout.boxes_um.items():
            x, y = view.to_screen(left, top)
            above = y - painter.fontMetrics().height() >= _PLATE_PX  # else it would be cut off
            align = Qt.AlignmentFlag.AlignBottom if above else Qt.AlignmentFlag.AlignTop
            plate(
                painter,
                QPointF(x, y - 2 if above else y + 2),
                describe_island(island),
                Qt.AlignmentFlag.AlignLeft | align,
            )
