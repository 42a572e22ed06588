"""The gallery's model: rows of a `TileTable` in the chosen order, brought up to date as fast as an eye can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal, Slot

from ui.tiles.tile_table import TileFilter, TileOrder, TileTable
from ui.tiles.tile_text import format_place, format_probability, tile_tooltip

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult
    from ui.tiles.tile_table import Tile

__all__ = ["TILE_ROLE", "TileListModel"]

TILE_ROLE = Qt.ItemDataRole.UserRole
_UPDATE_MS = 500
_MANY_TILES, _SLOWER_MS = 10_000, 1500
"""Laying out tens of thousands of cells takes some 50 ms: not twice a second beside a camera."""


class TileListModel(QAbstractListModel):
    """Shows a table that grows; its rows are re-ordered at most twice a second, more seldom if there are many."""

    about_to_reorder = Signal()
    reordered = Signal()
    counts_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table = TileTable()
        self._rows: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._order = TileOrder.NEWEST
        self._filter = TileFilter.ALL
        self._live = True
        self._excluded: set[int] = set()
        self._retaken: Mapping[int, int] = {}
        self.grid: TileGrid | None = None
        self.threshold = 0.5
        self._pace = QTimer(self, singleShot=True)
        self._pace.timeout.connect(self._new_tiles)
        self._seen = False

    # -- content -----------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget all tiles."""
        self._pace.stop()
        self.beginResetModel()
        self._table = TileTable()
        self._rows = np.empty(0, dtype=np.intp)
        self._excluded.clear()
        self._retaken = {}
        self.endResetModel()
        self.counts_changed.emit()

    def add_result(self, result: FrameResult, grid: TileGrid) -> None:
        """Take one field's tiles; they appear a moment later."""
        self.grid = grid
        self._table.add(result)
        self._soon()

    def _soon(self) -> None:
        if not self._pace.isActive():
            self._pace.start(_UPDATE_MS if len(self._table) < _MANY_TILES else _SLOWER_MS)

    def set_excluded(self, seq: int, excluded: bool) -> None:
        """Mark a field as excluded by the operator, or take that back."""
        (self._excluded.add if excluded else self._excluded.discard)(seq)
        self._soon()

    def set_retakes(self, retaken: Mapping[int, int], set_aside: Collection[int]) -> None:
        """Show of each field that was taken again the take that counts (`hcc_scope.types.SectionScore`)."""
        self._retaken = retaken
        self._table.set_aside(set_aside)
        self._soon()

    def retake_of(self, seq: int) -> int | None:
        """Return the field for which a later take counts; None if it is no retake."""
        return next((field for field, take in self._retaken.items() if take == seq), None)

    def is_excluded(self, seq: int) -> bool:
        """Return whether the operator excluded a field."""
        return seq in self._excluded

    def set_threshold(self, threshold: float) -> None:
        """Take the model's decision threshold."""
        if threshold != self.threshold:
            self.threshold = threshold
            self.bring_up_to_date()

    def set_order(self, order: TileOrder) -> None:
        """Sort in another order, at once."""
        self._order = order
        self.bring_up_to_date()

    def set_filter(self, which: TileFilter) -> None:
        """Show other tiles, at once."""
        self._filter = which
        self.bring_up_to_date()

    def set_live(self, live: bool) -> None:
        """Choose whether new tiles are sorted in as they come."""
        self._live = live
        if live:
            self.bring_up_to_date()

    @property
    def n_tiles(self) -> int:
        """How many tiles there are, shown or not."""
        return len(self._table)

    @property
    def n_fields(self) -> int:
        """How many fields there are."""
        return self._table.n_fields

    def counts(self) -> dict[TileFilter, int]:
        """Return how many tiles each filter would show."""
        return self._table.counts(self._excluded)

    def set_seen(self, seen: bool) -> None:
        """Note whether the gallery is visible: while it is hidden, nothing is laid out."""
        self._seen = seen
        if seen and self._live and not self._pace.isActive():
            self.bring_up_to_date()

    @Slot()
    def _new_tiles(self) -> None:
        """Sort new tiles in, unless the gallery is hidden or the order is held still."""
        if self._seen and (self._live or not len(self._rows)):
            self.bring_up_to_date()
        else:
            self.counts_changed.emit()

    @Slot()
    def bring_up_to_date(self) -> None:
        """Sort and filter again, at once."""
        self.counts_changed.emit()
        rows = self._table.chosen(self._order, self._filter, self.threshold, self._excluded)
        if np.array_equal(rows, self._rows):
            if len(rows):
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.about_to_reorder.emit()
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
        self.reordered.emit()

    # -- what Qt asks ------------------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:  # noqa: N802
        """Return how many tiles are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def tile_at(self, row: int) -> Tile:
        """Return the tile in a row of the gallery."""
        return self._table.tile(int(self._rows[row]))

    def row_of(self, seq: int, index: int) -> int | None:
        """Return the gallery's row of a tile, or None if it is not shown."""
        row = self._table.row_of(seq, index)
        if row is None:
            return None
        found = np.flatnonzero(self._rows == row)
        return int(found[0]) if found.size else None

    def find(self, seq: int, index: int) -> Tile | None:
        """Return a tile, shown or not, or None if there is none."""
        row = self._table.row_of(seq, index)
        return None if row is None else self._table.tile(row)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's signature
        """Return a tile and its texts."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        tile = self.tile_at(index.row())
        excluded = tile.seq in self._excluded
        if role == TILE_ROLE:
            return tile
        if role == Qt.ItemDataRole.DisplayRole:
            return format_probability(tile)
        if role == Qt.ItemDataRole.ToolTipRole:
            retake_of = self.retake_of(tile.seq)
            return tile_tooltip(tile, self.grid, self.threshold, excluded=excluded, retake_of=retake_of)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return f"{format_place(tile, self.grid)}: {format_probability(tile)}"
        return None
