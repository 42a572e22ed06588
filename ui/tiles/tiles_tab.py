"""The tab *Tiles*: all tiles of the running or the opened section, sorted by their predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QLabel,
    QListView,
    QStackedWidget,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.formatting import counted
from hcc_scope.orientation import Orientation
from ui.canvas.save_view import save_picture
from ui.kit.flow_layout import FlowLayout
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX
from ui.tiles.thumbnails import Thumbnails
from ui.tiles.tile_delegate import THUMBNAIL_PX, TileDelegate
from ui.tiles.tile_dialog import GalleryContext, TileDialog
from ui.tiles.tile_model import TileListModel
from ui.tiles.tile_table import TileFilter, TileOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QHideEvent, QShowEvent

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, FrameResult
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["TilesTab"]

_ORDER_TIPS = {
    TileOrder.NEWEST: "The newest field first",
    TileOrder.HIGHEST: "By the probability of high, from 1 down; excluded tiles last",
    TileOrder.LOWEST: "By the probability of high, from 0 up; excluded tiles last",
    TileOrder.LEAST_CERTAIN: "By how near the probability is to the decision threshold; excluded tiles last",
    TileOrder.MOST_UNLIKE: "By the distance from the model's training tiles; tiles without one last",
}


class TilesTab(QWidget):
    """The gallery.

    Parameters
    ----------
    jobs : JobRunner
        Makes thumbnails and saliency off the Qt thread.
    parent : QWidget, optional
    """

    filled = Signal()
    """The first tile has come, or all are gone."""

    def __init__(self, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Tiles")
        self._jobs = jobs
        self._context = GalleryContext()
        self._saliency: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None = None
        self._dialog: TileDialog | None = None
        self._current: tuple[int, int] | None = None
        self._scrolled_to = 0
        self.model = TileListModel(self)
        self.thumbnails = Thumbnails(jobs, self)
        self.view = QListView()
        self._delegate = TileDelegate(self.thumbnails, self.model, self.view)
        self._order = QComboBox()
        self._filter = QComboBox()
        self._live = QCheckBox("Keep up with the run")
        self._count = ValueLabel("Number of tiles")
        self.placeholder = ValueLabel("Why no tile is shown")
        """In the place of the gallery while it shows no tile."""
        self._had_tiles = False
        self._pages = QStackedWidget()
        self._build()
        self.model.about_to_reorder.connect(self._remember_place)
        self.model.reordered.connect(self._restore_place)
        self.model.counts_changed.connect(self._show_counts)
        self.thumbnails.arrived.connect(self._thumbnails_arrived)
        self._show_counts()

    def _build(self) -> None:
        for order in TileOrder:
            self._order.addItem(order.value, order)
            self._order.setItemData(self._order.count() - 1, _ORDER_TIPS[order], Qt.ItemDataRole.ToolTipRole)
        for which in TileFilter:
            self._filter.addItem(which.value, which)
        self._filter.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._live.setChecked(True)
        for box, name, tip in (
            (self._order, "Order of the tiles", "What comes first"),
            (self._filter, "Tiles to show", "Which tiles to show, with their number"),
            (self._live, "Keep up with the run", "Sort new tiles in as they arrive; off: nothing moves"),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
        self._order.currentIndexChanged.connect(self._order_chosen)
        self._filter.currentIndexChanged.connect(self._filter_chosen)
        self._live.toggled.connect(self.model.set_live)
        sort, show = QLabel("S&ort"), QLabel("Sho&w")
        sort.setBuddy(self._order)
        show.setBuddy(self._filter)
        bar = FlowLayout(spacing_px=GRID_PX)
        for widget in (sort, self._order, show, self._filter, self._live, self._count):
            bar.addWidget(widget)
        self._set_up_view()
        self.placeholder.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.placeholder.setWordWrap(True)
        self._pages.addWidget(self.placeholder)
        self._pages.addWidget(self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(bar)
        column.addWidget(self._pages, 1)

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setItemDelegate(self._delegate)
        view.setViewMode(QListView.ViewMode.ListMode)
        view.setFlow(QListView.Flow.LeftToRight)
        view.setWrapping(True)
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setUniformItemSizes(True)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setMouseTracking(True)
        view.setAccessibleName("Gallery of tiles")
        view.setAccessibleDescription("Arrow keys move, Enter opens a tile")
        option = QStyleOptionViewItem()
        option.initFrom(view)
        size = self._delegate.cell_size(option)
        view.setGridSize(size)
        view.verticalScrollBar().setSingleStep(size.height() // 3)
        view.activated.connect(self._opened)

    # -- content -----------------------------------------------------------------------------------------------------

    def add_result(self, result: FrameResult, grid: TileGrid) -> None:
        """Take the tiles of one field; a field that comes again takes the place of its first result."""
        self._context.grid = grid
        self.thumbnails.set_tile_px(grid.tile_px)
        self._context.results[result.seq] = result
        self.model.add_result(result, grid)

    def show_section(
        self,
        results: Iterable[FrameResult],
        grid: TileGrid,
        reader: Callable[[int], Frame] | None,
        *,
        threshold: float,
        pixel_size_um: float | None = None,
        orientation: Orientation | None = None,
        excluded: Iterable[int] = (),
        saliency: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None = None,
    ) -> None:
        """Show a complete section in place of the present one.

        `saliency` is that of the model that classified it; without one, that of `set_saliency` is used.
        """
        self.clear()
        if saliency is not None:
            self._context.saliency = saliency
        self.set_reader(reader)
        self.set_threshold(threshold)
        self.set_pixel_size_um(pixel_size_um, orientation)
        for result in results:
            self.add_result(result, grid)
        for seq in excluded:
            self.set_excluded(seq, excluded=True)
        self.model.bring_up_to_date()

    def clear(self) -> None:
        """Forget the section."""
        self._current = None
        self._context.results.clear()
        self._context.excluded.clear()
        self._context.saliency = self._saliency
        if self._dialog is not None:
            self._dialog.close()
            self._dialog = None
        self.set_reader(None)
        self.model.clear()

    def set_reader(self, reader: Callable[[int], Frame] | None) -> None:
        """Take the function that reads a field's frame (off the Qt thread); None: there are no pictures."""
        self._context.reader = reader
        self.thumbnails.set_reader(reader)
        self.view.viewport().update()

    def set_saliency(
        self, saliency: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None, model: str = ""
    ) -> None:
        """Take the function that computes saliency (off the Qt thread) from a tile's counts, and its model's name.

        None: there is none.
        """
        self._saliency = self._context.saliency = saliency
        self._context.saliency_model = model

    def set_threshold(self, threshold: float) -> None:
        """Take the model's decision threshold."""
        self._context.threshold = threshold
        self.model.set_threshold(threshold)

    def set_pixel_size_um(self, pixel_size_um: float | None, orientation: Orientation | None = None) -> None:
        """Take the pixel size at the specimen, for frames that do not carry it."""
        self._context.pixel_size_um = pixel_size_um
        self._context.orientation = Orientation() if orientation is None else orientation

    def set_excluded(self, seq: int, excluded: bool) -> None:
        """Mark a field as excluded by the operator, or take that back."""
        (self._context.excluded.add if excluded else self._context.excluded.discard)(seq)
        self.model.set_excluded(seq, excluded)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._context.theme = theme
        self._delegate.set_theme(theme)
        if self._dialog is not None:
            self._dialog.set_theme(theme)
        self.view.viewport().update()

    def export_png(self, path: Path) -> None:
        """Save the visible part of the gallery, with a caption.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        caption = f"Tiles: {self._filter.currentText()}, {self._order.currentText().lower()}."
        save_picture(self.view, path, caption)

    def set_order(self, order: TileOrder) -> None:
        """Sort by something else."""
        self._order.setCurrentIndex(self._order.findData(order))

    def set_filter(self, which: TileFilter) -> None:
        """Show other tiles."""
        self._filter.setCurrentIndex(self._filter.findData(which))

    # -- the dialog --------------------------------------------------------------------------------------------------

    @property
    def dialog(self) -> TileDialog | None:
        """The dialog, once a tile was opened."""
        return self._dialog

    def open_tile(self, seq: int, index: int) -> None:
        """Look at a tile closely; an open dialog shows it."""
        if self._dialog is None:
            self._dialog = TileDialog(self._context, self._jobs, self)
            self._dialog.step_requested.connect(self._step)
            self._dialog.tile_shown.connect(self._shown)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        self._dialog.show_tile(seq, index)

    @Slot(QModelIndex)
    def _opened(self, index: QModelIndex) -> None:
        tile = self.model.tile_at(index.row())
        self.open_tile(tile.seq, tile.index)

    @Slot(int)
    def _step(self, step: int) -> None:
        """Go to the next or the previous tile of the gallery's order; from a tile that is not in it, to the first."""
        if self._dialog is None or self._dialog.here is None or not self.model.rowCount():
            return
        row = self.model.row_of(*self._dialog.here)
        row = 0 if row is None else min(max(row + step, 0), self.model.rowCount() - 1)
        tile = self.model.tile_at(row)
        self._dialog.show_tile(tile.seq, tile.index)

    @Slot(int, int)
    def _shown(self, seq: int, index: int) -> None:
        """Select in the gallery the tile that the dialog shows."""
        row = self.model.row_of(seq, index)
        if row is not None:
            self.view.setCurrentIndex(self.model.index(row))

    # -- keeping the place while rows are re-ordered -----------------------------------------------------------------

    @Slot()
    def _remember_place(self) -> None:
        index = self.view.currentIndex()
        if index.isValid():
            tile = self.model.tile_at(index.row())
            self._current = (tile.seq, tile.index)
        self._scrolled_to = self.view.verticalScrollBar().value()

    @Slot()
    def _restore_place(self) -> None:
        row = None if self._current is None else self.model.row_of(*self._current)
        if row is not None:
            selection = self.view.selectionModel()
            selection.setCurrentIndex(self.model.index(row), selection.SelectionFlag.ClearAndSelect)
        self.view.verticalScrollBar().setValue(self._scrolled_to)

    # -- controls ----------------------------------------------------------------------------------------------------

    @Slot(int)
    def _order_chosen(self, _index: int) -> None:
        self._scrolled_to = 0
        self.model.set_order(self._order.currentData())
        self.view.scrollToTop()

    @Slot(int)
    def _filter_chosen(self, _index: int) -> None:
        self.model.set_filter(self._filter.currentData())
        self.view.scrollToTop()
        self._show_counts()

    @Slot()
    def _show_counts(self) -> None:
        counts = self.model.counts()
        for row, which in enumerate(TileFilter):
            self._filter.setItemText(row, f"{which.value} ({counts[which]})")
        shown, n = counts[self._filter.currentData() or TileFilter.ALL], self.model.n_tiles
        fields = counted(self.model.n_fields, "field")
        self._count.setText(f"{shown:,} of {counted(n, 'tile')}, {fields}" if n else "")
        self._pages.setCurrentWidget(self.view if shown else self.placeholder)
        self.placeholder.setText("No tile matches." if n and not shown else "")
        if bool(n) != self._had_tiles:
            self._had_tiles = bool(n)
            self.filled.emit()

    @Slot(int)
    def _thumbnails_arrived(self, _seq: int) -> None:
        self.view.viewport().update()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Make thumbnails as fine as the screen is."""
        super().showEvent(event)
        self.thumbnails.set_side_px(round(THUMBNAIL_PX * self.devicePixelRatioF()))
        self.model.set_seen(True)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Lay out nothing while the gallery is hidden."""
        super().hideEvent(event)
        self.model.set_seen(False)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for room for a few tiles."""
        return QSize(6 * (THUMBNAIL_PX + 2 * GRID_PX), 3 * THUMBNAIL_PX)
