"""The table of the library: animals that fold, sections below them, several of which can be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, Signal, Slot
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView

from ui.kit.theme import GRID_PX
from ui.library.library_filter import Column
from ui.library.section_pictures import PICTURE_PX

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QKeyEvent

    from hcc_scope.runs.listed_section import ListedSection
    from ui.library.library_model import LibraryModel

__all__ = ["LibraryTable"]

_WIDTHS = {
    Column.SECTION: 22,
    Column.SCORE: 34,
    Column.STATE: 24,
    Column.ACQUIRED: 16,
    Column.FIELDS: 9,
    Column.LABEL: 9,
    Column.MODEL: 24,
    Column.LEFT_OUT: 26,
    Column.NOTES: 8,
}
"""In average characters; the last column takes what is left."""


class LibraryTable(QTreeView):
    """Keeps what is chosen, folded and in sight while the rows come and go.

    Parameters
    ----------
    model : LibraryModel
    """

    chosen_changed = Signal()
    """Other sections are chosen: `chosen`."""
    open_asked = Signal()
    """The chosen sections are to be opened."""
    menu_asked = Signal(QPoint)
    """Where on the screen the menu of the chosen sections belongs."""

    def __init__(self, model: LibraryModel) -> None:
        super().__init__()
        self._model = model
        self._folded: set[str] = set()
        self._kept: tuple[set[Path | str], Path | str | None, int] = (set(), None, 0)
        """What is chosen and present (paths of sections, ids of animals), and how far it is scrolled."""
        self._restoring = False
        self.setModel(model)
        self.setAccessibleName("Stored sections")
        self.setAccessibleDescription("Arrow keys move, Shift and arrows choose several, Enter opens, Menu offers more")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformRowHeights(True)
        self.setAlternatingRowColors(True)
        self.setAllColumnsShowFocus(True)
        self.setExpandsOnDoubleClick(True)
        self.setIconSize(QSize(PICTURE_PX, PICTURE_PX))
        self.setIndentation(2 * GRID_PX)
        header = self.header()
        header.setAccessibleName("Columns of the sections")
        header.setSectionsMovable(False)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, characters in _WIDTHS.items():
            header.resizeSection(int(column), characters * self.fontMetrics().averageCharWidth())
        self.setSortingEnabled(True)
        self.sortByColumn(int(Column.SECTION), Qt.SortOrder.AscendingOrder)
        model.about_to_change.connect(self._keep)
        model.rearranged.connect(self._restore)
        self.collapsed.connect(self._fold)
        self.expanded.connect(self._unfold)
        self.activated.connect(self._activated)
        self.selectionModel().selectionChanged.connect(self._selected)
        self._restore()

    @property
    def chosen(self) -> list[ListedSection]:
        """The chosen sections, from the top; an animal that is chosen stands for all its sections that are shown."""
        found: dict[Path, ListedSection] = {}
        rows = sorted(self.selectionModel().selectedRows(), key=lambda index: (index.parent().row(), index.row()))
        for index in rows:
            found.update((one.path, one) for one in self._model.sections_at(index))
        return list(found.values())

    def choose(self, path: Path) -> None:
        """Choose one section, and bring it in sight."""
        index = self._model.index_of(path)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)

    @Slot(QItemSelection, QItemSelection)
    def _selected(self, _on: QItemSelection, _off: QItemSelection) -> None:
        if not self._restoring:
            self.chosen_changed.emit()

    @Slot(QModelIndex)
    def _activated(self, index: QModelIndex) -> None:
        if self._model.section_at(index) is not None:
            self.open_asked.emit()

    # -- while rows come and go ----------------------------------------------------------------------------------------

    @Slot()
    def _keep(self) -> None:
        if self._restoring:
            return
        rows = self.selectionModel().selectedRows()
        chosen = {key for index in rows if (key := self._model.key_of(index)) is not None}
        self._kept = chosen, self._model.key_of(self.currentIndex()), self.verticalScrollBar().value()
        self._restoring = True

    @Slot()
    def _restore(self) -> None:
        self._restoring = True
        keys, current, scrolled = self._kept
        for number, group in enumerate(self._model.groups):
            self.setExpanded(self._model.index(number, 0), group.animal_id not in self._folded)
        chosen = QItemSelection()
        for key in keys:
            index = self._model.index_of(key)
            if index.isValid():
                chosen.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        if current is not None and (index := self._model.index_of(current)).isValid():
            self.selectionModel().setCurrentIndex(index, flags.NoUpdate)
        self.selectionModel().select(chosen, flags.ClearAndSelect | flags.Rows)
        self.verticalScrollBar().setValue(scrolled)
        self._restoring = False
        self.chosen_changed.emit()

    @Slot(QModelIndex)
    def _fold(self, index: QModelIndex) -> None:
        if not self._restoring:
            self._folded.add(self._model.groups[index.row()].animal_id)

    @Slot(QModelIndex)
    def _unfold(self, index: QModelIndex) -> None:
        if not self._restoring:
            self._folded.discard(self._model.groups[index.row()].animal_id)

    # -- keys and menu -------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open what is chosen with Enter, on every system."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.chosen:
            self.open_asked.emit()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """Offer what can be done with the chosen sections; by the key, at the present row."""
        if not self.chosen:
            return
        at = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            at = self.viewport().mapToGlobal(self.visualRect(self.currentIndex()).center())
        self.menu_asked.emit(at)
