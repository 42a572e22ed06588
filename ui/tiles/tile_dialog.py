"""One tile, closely: its pixels as they were classified, its saliency, its values, and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.flag_texts import describe_flags, missed_step
from hcc_scope.formatting import format_score, format_threshold, significant
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import describe_position, position_origin
from ui.canvas.canvas import Canvas, MouseMode
from ui.canvas.drawing import double_rect
from ui.canvas.frame_layer import FrameLayer
from ui.canvas.luts import display_limits
from ui.canvas.overlays import TileLayer
from ui.kit.controls import ElidedLabel
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel, breakable
from ui.kit.theme import GRID_PX, colours
from ui.tiles.saliency_view import SaliencyView

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, FrameResult
    from ui.canvas.viewport import Viewport
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["GalleryContext", "TileDialog"]

_ABOUT_SALIENCY = (
    "Saliency{of}: where a change of counts would change the score most, from 0 to 1 relative to this tile. "
    "It shows what the model is sensitive to, not why."
)
_NO_MODEL = "No saliency: there is no model loaded that can compute it."
_NEIGHBOURHOOD_TILES = 3.3
_STEPS = {"Alt+Left": (0, -1), "Alt+Right": (0, 1), "Alt+Up": (-1, 0), "Alt+Down": (1, 0)}


@dataclass(slots=True)
class GalleryContext:
    """What gallery and dialog share; the tab changes it in place."""

    reader: Callable[[int], Frame] | None = None
    saliency: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None = None
    saliency_model: str = ""
    """The model whose saliency it is: the one that is loaded, which need not be the one that scored the section."""
    results: dict[int, FrameResult] = field(default_factory=dict)
    excluded: set[int] = field(default_factory=set)
    grid: TileGrid | None = None
    threshold: float = 0.5
    pixel_size_um: float | None = None
    orientation: Orientation = field(default_factory=Orientation)
    """How the camera lay over the stage."""
    theme: ThemeName = "dark"


class _HereLayer:
    """A `ui.canvas.canvas.Layer`: the outline of the shown tile."""

    def __init__(self, tiles: TileLayer) -> None:
        self._tiles = tiles
        self.tile: int | None = None
        self.colour = colours("dark").accent

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the outline."""
        if self.tile is not None and self._tiles.grid is not None:
            rect: QRectF = self._tiles.rect_of(self.tile, view)
            double_rect(painter, rect.adjusted(1, 1, -1, -1), QColor(self.colour), 3, Qt.PenStyle.SolidLine)


class TileDialog(QDialog):
    """Stays open beside the gallery and steps through it.

    Parameters
    ----------
    context : GalleryContext
        Where frames, results and saliency come from.
    jobs : JobRunner
        Reads frames on ``disk``, computes saliency on ``model``.
    parent : QWidget, optional
    """

    step_requested = Signal(int)
    """+1 or -1: the next or the previous tile in the gallery's order."""
    tile_shown = Signal(int, int)
    """Field and tile."""

    def __init__(self, context: GalleryContext, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._jobs = jobs
        self._here: tuple[int, int] | None = None
        self._frame: Frame | None = None
        self._reading: int | None = None
        self._computing: tuple[int, int] | None = None
        self.view = SaliencyView()
        self.field = Canvas((0.02, 8.0))
        self._field_frame = FrameLayer()
        self._tiles = TileLayer()
        self._tiles.opacity = 0.3
        self._outline = _HereLayer(self._tiles)
        self.field.layers = [self._field_frame, self._tiles, self._outline]
        self._facts: dict[str, ValueLabel] = {}
        self._cursor = ElidedLabel("Under the cursor")
        self._state = ElidedLabel("State")
        self._build()
        self.set_theme(context.theme)

    def _build(self) -> None:
        self.setWindowTitle("Tile")
        self.setSizeGripEnabled(True)
        self.field.setMinimumSize(26 * GRID_PX, 26 * GRID_PX)
        self.field.describe_as(
            "Neighbours in the field", "Click a tile, or press Alt and an arrow key, to look at a neighbour"
        )
        self.field.set_mouse_mode(MouseMode.POINT)
        self.field.clicked.connect(self._field_clicked)
        self.field.tooltip_of = self._field_tooltip
        self.view.hovered.connect(self._cursor.set_text)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setVerticalSpacing(GRID_PX // 2)
        for name in (
            "Field",
            "Tile",
            "Probability of high",
            "Log-odds",
            "Quality",
            "From training",
            "On the stage",
            "Engine",
        ):
            value = ValueLabel(name, "–")
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setWordWrap(True)
            self._facts[name] = value
            form.addRow(f"{name}:", value)
        heading = QLabel("Neighbours (click, or Alt and an arrow key)")
        side = QVBoxLayout()
        side.setSpacing(GRID_PX)
        side.addLayout(form)
        side.addWidget(heading)
        side.addWidget(self.field, 1)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID_PX)
        top.addWidget(self.view, 1)
        panel = QWidget()
        panel.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        panel.setFixedWidth(36 * GRID_PX)
        top.addWidget(panel)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        whole.setSpacing(GRID_PX)
        whole.addLayout(top, 1)
        whole.addLayout(self._bottom())
        for keys, (rows, columns) in _STEPS.items():
            QShortcut(QKeySequence(keys), self).activated.connect(partial(self._step_in_field, rows, columns))
        room = self.screen().availableSize()
        self.resize(min(1200, room.width() - 4 * GRID_PX), min(680, room.height() - 8 * GRID_PX))

    def _bottom(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        for text, key, step in (("Previous", "PgUp", -1), ("Next", "PgDown", 1)):
            button = QPushButton(text)
            button.setToolTip(f"The {text.lower()} tile in the gallery's order ({key})")
            button.setShortcut(QKeySequence(key))
            button.setAutoDefault(False)
            button.clicked.connect(partial(self._step_clicked, step))
            row.addWidget(button)
        row.addWidget(self._cursor, 2)
        row.addWidget(self._state, 1)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        without_icons(close)
        row.addWidget(close)
        return row

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def here(self) -> tuple[int, int] | None:
        """Field and tile that are shown."""
        return self._here

    def show_tile(self, seq: int, index: int) -> None:
        """Look at a tile; its pixels come a moment later."""
        same_field = self._frame is not None and self._frame.seq == seq
        self._here = (seq, index)
        self._outline.tile = index
        if not same_field:
            self._frame = None
        self._show_facts()
        if same_field:
            self._show_pixels()
        else:
            self.view.set_pixels(None, 16)
            self._read()
        self.tile_shown.emit(seq, index)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.view.set_theme(theme)
        self.field.set_theme(theme)
        self._outline.colour = colours(theme).accent

    def _show_facts(self) -> None:
        """Show the values of the tile."""
        if self._here is None:
            return
        seq, index = self._here
        c, facts = self._context, self._facts
        result = c.results.get(seq)
        where = ""
        if c.grid is not None and index < c.grid.n:
            row, column = c.grid.rows_cols[index].tolist()
            y, x = c.grid.origins_yx[index].tolist()
            where = f"row {row + 1}, column {column + 1} (x {x}, y {y} px)"
        excluded = " (excluded by the operator)" if seq in c.excluded else ""
        facts["Field"].setText(f"{seq}{excluded}")
        facts["Tile"].setText(where or f"{index + 1}")
        self.setWindowTitle(f"Field {seq}, {where.split(' (', maxsplit=1)[0] or f'tile {index + 1}'}")
        for name in ("Probability of high", "Log-odds", "Quality", "From training", "Engine"):
            facts[name].setText("–")
        if result is None or index >= len(result.probabilities):
            facts["Quality"].setText("not analysed" if result is None else result.error or "the field failed")
            return
        flags, probability = int(result.flags[index]), float(result.probabilities[index])
        facts["Quality"].setText(f"not {missed_step(flags)}: {describe_flags(flags)}" if flags else "usable")
        facts["Engine"].setText(breakable(result.engine))
        if result.outcome == "failed":
            facts["Quality"].setText(result.error or "the field could not be analysed")
        elif not flags and probability == probability:
            side = "at or above" if probability >= c.threshold else "below"
            facts["Probability of high"].setText(
                f"{format_score(probability, c.threshold, 4)}, {side} the threshold "
                f"{format_threshold(c.threshold, probability, decimals=4)}"
            )
            facts["Log-odds"].setText(f"{float(result.logits[index]):+.3f}, before calibration")
        if result.distances is not None and result.distances[index] == result.distances[index]:
            facts["From training"].setText(
                f"{significant(float(result.distances[index]))} (distance from the training tiles)"
            )

    def _show_pixels(self) -> None:
        frame, here, c = self._frame, self._here, self._context
        if frame is None or here is None or c.grid is None or here[1] >= c.grid.n:
            return
        limits = display_limits(frame.pixels)
        tile = c.grid.views(frame.pixels)[here[1]]
        self.view.set_pixels(tile, frame.bit_depth, limits, frame.pixel_size_um or c.pixel_size_um)
        self._field_frame.set_limits(*limits)
        self._field_frame.set_pixels(frame.pixels, frame.bit_depth)
        self._tiles.set_grid(c.grid)
        self._tiles.set_result(c.results.get(frame.seq), c.threshold)
        height, width = frame.pixels.shape
        self.field.set_world((0.0, 0.0, float(width), float(height)))
        y, x = c.grid.origins_yx[here[1]].tolist()
        half = c.grid.tile_px / 2
        self.field.zoom_to(min(self.field.width(), self.field.height()) / (_NEIGHBOURHOOD_TILES * c.grid.tile_px))
        self.field.centre_on(x + half, y + half)
        self._facts["On the stage"].setText(_describe_stage(frame, x + half, y + half, c.pixel_size_um, c.orientation))
        self._state.set_text("")
        self._compute()

    # -- work off the Qt thread: one piece at a time, and only for the tile that is shown now ----------------------

    def _read(self) -> None:
        if self._here is None or self._reading is not None:
            return
        seq, reader = self._here[0], self._context.reader
        if reader is None:
            self._state.set_text("No pixels: there is no store to read them from")
            return
        self._reading = seq
        self._state.set_text(f"Reading field {seq} ...")
        self._jobs.submit("disk", lambda: reader(seq), self._have_frame, self._no_frame)

    def _have_frame(self, frame: Frame) -> None:
        self._reading = None
        if self._here is None:
            return
        if frame.seq == self._here[0]:
            self._frame = frame
            self._show_pixels()
        else:
            self._read()

    def _no_frame(self, why: str) -> None:
        seq, self._reading = self._reading, None
        if self._here is None:
            return
        if seq == self._here[0]:
            self._state.set_text(why)
            self.view.set_saliency(None, why)
        else:
            self._read()

    def _compute(self) -> None:
        if self._computing is not None or self._here is None or self.view.pixels is None:
            return
        saliency, here, pixels = self._context.saliency, self._here, self.view.pixels
        model = self._context.saliency_model
        about = _ABOUT_SALIENCY.format(of=f" of {model}, the model that is loaded" if model else "")
        if saliency is None:
            self.view.set_saliency(None, _NO_MODEL)
            return
        self._computing = here
        self.view.set_saliency(None, "Computing the saliency ...")
        have = partial(self._have_saliency, about)
        self._jobs.submit("model", lambda: saliency(pixels), have, self._no_saliency)

    def _have_saliency(self, about: str, saliency: NDArray[np.float32]) -> None:
        self._saliency_ended(saliency, about)

    def _no_saliency(self, why: str) -> None:
        self._saliency_ended(None, f"No saliency. {why}")

    def _saliency_ended(self, saliency: NDArray[np.float32] | None, note: str) -> None:
        of, self._computing = self._computing, None
        if of == self._here:
            self.view.set_saliency(saliency, note)
        else:
            self._compute()

    # -- to other tiles ----------------------------------------------------------------------------------------------

    @Slot()
    def _step_clicked(self, step: int) -> None:
        self.step_requested.emit(step)

    @Slot()
    def _step_in_field(self, rows: int, columns: int) -> None:
        grid = self._context.grid
        if self._here is None or grid is None:
            return
        row, column = (grid.rows_cols[self._here[1]] + (rows, columns)).tolist()
        if 0 <= row < grid.shape_rc[0] and 0 <= column < grid.shape_rc[1]:
            self.show_tile(self._here[0], row * grid.shape_rc[1] + column)

    @Slot(float, float)
    def _field_clicked(self, x_px: float, y_px: float) -> None:
        tile = self._tiles.tile_at(x_px, y_px)
        if tile is not None and self._here is not None:
            self.show_tile(self._here[0], tile)

    def _field_tooltip(self, x_px: float, y_px: float) -> str:
        tile = self._tiles.tile_at(x_px, y_px)
        return "" if tile is None else self._tiles.describe(tile)


def _describe_stage(
    frame: Frame, x_px: float, y_px: float, pixel_size_um: float | None, orientation: Orientation
) -> str:
    """Return where a point of a frame is on the specimen; a frame's position is that of its centre."""
    size_um = frame.pixel_size_um or pixel_size_um
    if frame.stage_um is None or not size_um:
        return "unknown"
    height, width = frame.pixels.shape
    offset_px = np.array([x_px - width / 2, y_px - height / 2])
    x_um, y_um = orientation.to_stage_um(offset_px, size_um) + frame.stage_um[:2]
    return describe_position((x_um, y_um, None), position_origin(frame.tags, has_position=True))
