"""Two analyses of one section side by side: in a sentence, as a scatter of all tiles, and field by field."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QSizePolicy,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.errors import StoreError
from hcc_scope.runs.comparison import compare
from ui.kit.error_report import describe
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.runs.comparison import Comparison, FieldDifference
    from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
    from ui.kit.theme import ThemeName
    from ui.replay.scatter import TileScatter

__all__ = ["ComparePanel", "FieldTable"]

_COLUMNS = (
    ("Field", "Number of the field"),
    ("1st", "Mean tile probability of the field in the first analysis, 0 to 1"),
    ("2nd", "Mean tile probability of the field in the second analysis, 0 to 1"),
    ("Change", "Second minus first mean tile probability of the field"),
    ("Max", "Largest difference of a tile's probability in the field"),
    ("Sides", "Tiles that changed their side of the threshold"),
)


class FieldTable(QAbstractTableModel):
    """One row per field that was analysed in both."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[FieldDifference] = []

    def show_fields(self, fields: list[FieldDifference]) -> None:
        """Show other fields."""
        self.beginResetModel()
        self._rows = fields
        self.endResetModel()

    def field_at(self, row: int) -> int:
        """Return the number of the field in a row."""
        return self._rows[row].seq

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:  # noqa: N802
        """Return how many fields there are."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:  # noqa: N802
        """Return how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's signature
        """Return a column's heading, and what it means."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section][0]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return _COLUMNS[section][1]
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's signature
        """Return a figure."""
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _format_cell(self._rows[index.row()], index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{_COLUMNS[index.column()][1]}. Enter or double-click shows the field."
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column's numbers; what has none comes last."""
        down = order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        known = [row for row in self._rows if not math.isnan(_cell_number(row, column))]
        unknown = [row for row in self._rows if math.isnan(_cell_number(row, column))]
        known.sort(key=lambda row: _cell_number(row, column), reverse=down)
        self._rows = known + unknown
        self.layoutChanged.emit()


def _cell_number(row: FieldDifference, column: int) -> float:
    match column:
        case 0:
            return float(row.seq)
        case 1:
            return math.nan if row.first is None else row.first
        case 2:
            return math.nan if row.second is None else row.second
        case 3:
            return math.nan if row.first is None or row.second is None else row.second - row.first
        case 4:
            return row.largest
        case _:
            return float(row.sides_changed)


def _format_cell(row: FieldDifference, column: int) -> str:
    value = _cell_number(row, column)
    if math.isnan(value):
        return "–"
    if column in (0, 5):
        return f"{value:.0f}"
    if column in (1, 2):
        return f"{value:.3f}"
    if value == 0:
        return "0"
    return f"{value:+.3f}".replace("-", "−") if column == 3 else f"{value:.4f}"


class ComparePanel(QWidget):
    """Chooses two analyses and shows how they differ."""

    compared = Signal()
    """`comparison` is another one now."""
    field_requested = Signal(int)
    """A field to show."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Compare")
        self._opened: OpenedStore | None = None
        self._analyses: list[SectionAnalysis] = []
        self._comparison: Comparison | None = None
        self._scatter: TileScatter | None = None
        self._theme: ThemeName = "dark"
        self.first, self.second = QComboBox(), QComboBox()
        self.sentence = ValueLabel("How the two analyses differ")
        self.table = FieldTable(self)
        self.view = QTableView()
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        self._build()
        self.set_store(None)

    def _build(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(GRID_PX)
        form.setVerticalSpacing(GRID_PX)
        for label, box in (("Firs&t:", self.first), ("Secon&d:", self.second)):
            name = label.replace("&", "").rstrip(":")
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(12 * GRID_PX)
            box.setAccessibleName(f"{name} analysis")
            box.setToolTip(f"The {name.lower()} of the two analyses to compare")
            box.currentIndexChanged.connect(self._chosen)
            form.addRow(label, box)
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        view = self.view
        view.setModel(self.table)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setAlternatingRowColors(True)
        font = view.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        view.setFont(font)
        view.horizontalHeader().setFont(font)
        view.horizontalHeader().setMinimumSectionSize(3 * GRID_PX)
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + GRID_PX)
        view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        view.horizontalHeader().setSectionResizeMode(len(_COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        view.setAccessibleName("Fields in both analyses")
        view.setMinimumHeight(12 * GRID_PX)
        view.activated.connect(self._row_chosen)
        self._splitter.addWidget(view)
        self._splitter.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(form)
        column.addWidget(self.sentence)
        column.addWidget(self._splitter, 1)
        column.addStretch(0)  # keeps the sentence at the top while there is no plot

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that is shown, or None."""
        return self._comparison

    def set_store(self, opened: OpenedStore | None, *, newest: bool = False) -> None:
        """Offer a section's analyses; `newest` compares the last with the first."""
        kept = (self.first.currentText(), self.second.currentText())
        self._opened = opened
        analyses = self._analyses = [] if opened is None else opened.analyses
        for box in (self.first, self.second):
            box.blockSignals(True)
            box.clear()
            for analysis in analyses:
                box.addItem(analysis.label)
                box.setItemData(box.count() - 1, analysis.label, Qt.ItemDataRole.ToolTipRole)
            box.setEnabled(len(analyses) > 1)
        rows = (0, len(analyses) - 1)
        if not newest:
            found = (self.first.findText(kept[0]), self.second.findText(kept[1]))
            rows = found if min(found) >= 0 else rows
        for box, row in zip((self.first, self.second), rows, strict=True):
            box.setCurrentIndex(row)
            box.blockSignals(False)
        self._compare()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        if self._scatter is not None:
            self._scatter.set_theme(theme)

    @Slot(int)
    def _chosen(self, _index: int) -> None:
        self._compare()

    def _compare(self) -> None:
        one, other = self.first.currentIndex(), self.second.currentIndex()
        comparison, words = None, "Classify the section again to compare the new predictions with the recorded ones."
        if self._opened is not None and len(self._analyses) > 1 and one >= 0 and other >= 0:
            try:
                comparison = compare(self._opened.store, self._analyses[one], self._analyses[other])
                words = comparison.sentence()
            except StoreError as error:
                words = describe(error).sentence
        self._comparison = comparison
        self.table.show_fields([] if comparison is None else list(comparison.fields))
        self.table.sort(
            self.view.horizontalHeader().sortIndicatorSection(), self.view.horizontalHeader().sortIndicatorOrder()
        )
        self.sentence.setText(words)
        if comparison is not None:
            self._plot(comparison)
        self._splitter.setVisible(comparison is not None)
        self.compared.emit()

    def _plot(self, comparison: Comparison) -> None:
        if self._scatter is None:  # imported late: pyqtgraph takes a third of a second of the window's start
            from ui.replay.scatter import TileScatter

            self._scatter = TileScatter()
            self._scatter.set_theme(self._theme)
            self._scatter.tile_chosen.connect(self._tile_chosen)
            self._splitter.insertWidget(0, self._scatter)
            self._splitter.setSizes([300, 200])
        thresholds = (comparison.first.threshold, comparison.second.threshold)
        titles = (comparison.first.title, comparison.second.title)
        self._scatter.show_pairs(comparison.pairs, comparison.pair_places, thresholds, titles)

    @Slot(QModelIndex)
    def _row_chosen(self, index: QModelIndex) -> None:
        self.field_requested.emit(self.table.field_at(index.row()))

    @Slot(int, int)
    def _tile_chosen(self, seq: int, _tile: int) -> None:
        self.field_requested.emit(seq)
