"""The layers of a section map besides its fields: stage limits, outline, where fields are planned, and the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen, QPolygonF

from hcc_scope.formatting import counted
from ui.canvas.drawing import ON_IMAGE, double_lines, double_rect, plate
from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hcc_scope.types import StageLimits
    from ui.canvas.viewport import Box, Viewport
    from ui.kit.theme import ThemeName

__all__ = ["LimitsLayer", "OutlineLayer", "PlanLayer", "StageLayer", "cross_out"]

_ARRIVED = 0.05
"""A planned field counts as acquired if a field's centre is nearer than this share of a field."""


_MOST_DASHED = 400
"""More fields than that get a plain line: dashes are slow to draw, and too short to be seen."""


def cross_out(rect: QRectF) -> list[QLineF]:
    """Return the two lines that cross a field out."""
    return [QLineF(rect.topLeft(), rect.bottomRight()), QLineF(rect.topRight(), rect.bottomLeft())]


class LimitsLayer:
    """Where the stage may go."""

    def __init__(self) -> None:
        self.limits: StageLimits | None = None
        self._colours = colours("dark")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    @property
    def box(self) -> Box | None:
        """Left, top, width and height in stage um; None without limits."""
        if self.limits is None:
            return None
        (x0, x1), (y0, y1) = self.limits.x_um, self.limits.y_um
        return x0, y0, x1 - x0, y1 - y0

    def summary(self, _view: Viewport) -> str:
        """Return how far the stage may go."""
        if self.limits is None:
            return ""
        (x0, x1), (y0, y1) = self.limits.x_um, self.limits.y_um
        return f"The stage may go from x {x0:,.0f} to {x1:,.0f} µm, y {y0:,.0f} to {y1:,.0f} µm"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the border, and hatch what is beyond it."""
        if self.box is None:
            return
        left, top, width, height = self.box
        corner, other = view.to_screen(left, top), view.to_screen(left + width, top + height)
        screen = QRectF(-4, -4, view.size[0] + 8, view.size[1] + 8)
        inside = QRectF(QPointF(*corner), QPointF(*other)).intersected(screen)
        if inside == screen:
            return
        painter.save()
        beyond = QPainterPath()
        beyond.addRect(screen)
        beyond.addRect(inside)  # even-odd: what is in both is left out
        muted = QColor(self._colours.text_muted)
        muted.setAlpha(90)
        painter.fillPath(beyond, QBrush(muted, Qt.BrushStyle.BDiagPattern))
        if not inside.isEmpty():
            painter.setPen(QPen(QColor(self._colours.text_muted), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(inside)
            plate(painter, inside.topLeft() + QPointF(6, 6), "Stage limits")
        painter.restore()


class OutlineLayer:
    """The section's edge."""

    def __init__(self) -> None:
        self.points_um: NDArray[np.float64] | None = None
        """(n, 2) x, y in stage µm."""
        self.visible = True
        self.filled = True
        """Whether its inside is painted; not where it lies over pictures."""
        self._colours = colours("dark")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    def summary(self, _view: Viewport) -> str:
        """Return whether the section's edge is shown."""
        return "Outline of the section" if self.visible and self.points_um is not None else ""

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint its edge, and the inside a little lighter or darker; over pictures, a light edge over a dark one."""
        if not self.visible or self.points_um is None or len(self.points_um) < 3:
            return
        polygon = QPolygonF([QPointF(*view.to_screen(x, y)) for x, y in self.points_um.tolist()])
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.filled:
            painter.setBrush(QColor(self._colours.window))
            painter.setPen(QPen(QColor(self._colours.text_muted), 1.5))
            painter.drawPolygon(polygon)
        else:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in (QPen(QColor("#1f1c10"), 4), QPen(QColor("#ffd866"), 2)):
                painter.setPen(pen)
                painter.drawPolygon(polygon)
        painter.restore()


class PlanLayer:
    """Where fields are going to be taken, in their order; what has been taken is no longer drawn.

    A field that the stage cannot go to is crossed out.
    """

    def __init__(self) -> None:
        self.positions_um: NDArray[np.float64] = np.zeros((0, 2))
        """(n, 2) x, y of the centres."""
        self.done: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self.beyond: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        """Which of them lie beyond the stage's limits."""
        self.edited = False
        """Whether the fields are being edited: they are then drawn by the tool."""
        self.field_um: tuple[float, float] = (1.0, 1.0)
        self.visible = True
        self._colours = colours("dark")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    def set_plan(
        self,
        positions_um: NDArray[np.float64] | None,
        field_um: tuple[float, float],
        beyond: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take another plan; None for none."""
        self.field_um = field_um
        self.positions_um = np.zeros((0, 2)) if positions_um is None else positions_um
        self.done = np.zeros(len(self.positions_um), dtype=bool)
        self.beyond = self.done.copy() if beyond is None else beyond

    def visited(self, centres_um: Iterable[tuple[float, float]]) -> None:
        """Tick off one planned place for each field that is there now."""
        if not len(self.positions_um):
            return
        for centre in centres_um:
            away = np.abs(self.positions_um - np.array(centre)) / np.array(self.field_um)  # (n, 2) in fields
            near = np.flatnonzero(~self.done & (away.max(axis=1) < _ARRIVED))
            self.done[near[:1]] = True  # one of them: a place may be planned several times

    def summary(self, _view: Viewport) -> str:
        """Return how many fields are still to come."""
        left, n_beyond = int(np.count_nonzero(~self.done)), int(np.count_nonzero(self.beyond))
        if not self.visible or self.edited or not left:
            return ""
        beyond = f", {n_beyond} beyond the stage's limits" if n_beyond else ""
        return f"{counted(left, 'planned field')} to come{beyond}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the fields still to come: dashed, the next one in the accent's colour."""
        left = np.flatnonzero(~self.done)
        if not self.visible or self.edited or not left.size:
            return
        painter.save()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        width, height = (side * view.scale for side in self.field_um)
        screen = QRectF(0, 0, *view.size)
        style = Qt.PenStyle.DashLine if left.size <= _MOST_DASHED else Qt.PenStyle.SolidLine
        plain, refused = QPen(QColor(self._colours.text_muted), 1, style), QPen(QColor(self._colours.error), 1.5)
        for index in left[::-1]:  # the next one last: it lies uppermost
            x, y = view.to_screen(*self.positions_um[index])
            rect = QRectF(x - width / 2, y - height / 2, width, height)
            if not rect.intersects(screen):
                continue
            if self.beyond[index]:
                painter.setPen(refused)
                painter.drawLines(cross_out(rect))
            elif index == left[0]:
                painter.setPen(QPen(QColor(self._colours.accent), 2, Qt.PenStyle.DashLine))
            else:
                painter.setPen(plain)
            painter.drawRect(rect)
        painter.restore()


class StageLayer:
    """The position of the stage: the camera's present field of view."""

    def __init__(self) -> None:
        self.at_um: tuple[float, float] | None = None
        self.field_um: tuple[float, float] = (1.0, 1.0)

    def summary(self, _view: Viewport) -> str:
        """Return where the stage is."""
        return "" if self.at_um is None else f"Stage at x {self.at_um[0]:,.0f} µm, y {self.at_um[1]:,.0f} µm"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the field under the lens and a cross through its middle, which is seen however small the field is."""
        if self.at_um is None:
            return
        x, y = view.to_screen(*self.at_um)
        width, height = (side * view.scale for side in self.field_um)
        painter.save()
        double_rect(
            painter,
            QRectF(x - width / 2, y - height / 2, width, height),
            QColor("#ffffff"),
            1.5,
            Qt.PenStyle.SolidLine,
        )
        arm, gap = max(10.0, 0.5 * min(width, height) + 6.0), 3.0
        lines = [
            QLineF(x - arm, y, x - gap, y),
            QLineF(x + gap, y, x + arm, y),
            QLineF(x, y - arm, x, y - gap),
            QLineF(x, y + gap, x, y + arm),
        ]
        double_lines(painter, lines, QColor(ON_IMAGE), 2)
        painter.restore()
