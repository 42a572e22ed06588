"""Search and filters of the library, and the folder that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QLineEdit, QToolButton, QWidget

from ui.kit.flow_layout import FlowLayout
from ui.kit.labels import describe
from ui.kit.theme import GRID_PX
from ui.library.library_filter import NO_LABEL, LibraryFilter, Since, sides_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction

    from hcc_scope.runs.listed_section import ListedSection

__all__ = ["LibraryBar"]

_STATES = {"complete": "Complete", "under way": "Under way", "unfinished": "Not ended", "unreadable": "Cannot be read"}


class LibraryBar(QWidget):
    """One row that wraps; its boxes offer only what there is.

    Parameters
    ----------
    folder_action : QAction
        Chooses the folder.
    """

    changed = Signal(object)
    """The `LibraryFilter` that a person chose."""

    def __init__(self, folder_action: QAction) -> None:
        super().__init__()
        self.setAccessibleName("Search and filters")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search id, model, date, note")
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(24 * GRID_PX)
        describe(self.search, "Search", "Only sections with all of these words in id, model, date, note or state")
        self.side, self.state, self.model, self.label, self.since = (QComboBox() for _ in range(5))
        for box, name, tip, nothing in (
            (self.side, "Side", "Only sections with this statement about the threshold", "Any side"),
            (self.state, "State", "Only sections that are complete, or are not", "Any state"),
            (self.model, "Scored by", "Only sections that this model scored", "Any model"),
            (self.label, "Label", "Only sections with this label for training", "Any label"),
        ):
            describe(box, name, tip)
            box.addItem(nothing, None)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        describe(self.since, "Acquired", "Only sections that are no older")
        for since in Since:
            self.since.addItem(since.title, since)
        self.folder = QToolButton()
        self.folder.setDefaultAction(folder_action)
        self.folder.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.folder.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        row = FlowLayout(self, spacing_px=GRID_PX)
        for widget in (self.search, self.side, self.state, self.model, self.label, self.since, self.folder):
            row.addWidget(widget)
        self.search.textChanged.connect(self._emit)
        for box in (self.side, self.state, self.model, self.label, self.since):
            box.currentIndexChanged.connect(self._emit)

    @property
    def filter(self) -> LibraryFilter:
        """What is chosen."""
        return LibraryFilter(
            self.search.text(),
            self.side.currentData(),
            self.state.currentData(),
            self.model.currentData(),
            self.label.currentData(),
            self.since.currentData(),
        )

    def offer(self, sections: Sequence[ListedSection]) -> None:
        """Offer the verdicts, states, models and labels that some sections have; what is chosen stays."""
        states = [state for state in _STATES if any(one.state == state for one in sections)]
        labels = sorted({one.label or NO_LABEL for one in sections} - {NO_LABEL})
        offers = (
            (self.side, {title: title for title in sides_of(sections)}),
            (self.state, {state: _STATES[state] for state in states}),
            (self.model, {model: model for model in sorted({one.model for one in sections if one.model})}),
            (self.label, {label: label.capitalize() for label in (*labels, *([NO_LABEL] if labels else []))}),
        )
        for box, values in offers:
            wanted = [None, *values]
            if box.currentData() is not None and box.currentData() not in wanted:
                values = {**values, box.currentData(): box.currentText()}
                wanted = [None, *values]
            if [box.itemData(row) for row in range(box.count())] == wanted:
                continue
            with QSignalBlocker(box):
                chosen = box.currentData()
                while box.count() > 1:
                    box.removeItem(1)
                for value, title in values.items():
                    box.addItem(title, value)
                box.setCurrentIndex(wanted.index(chosen))

    @Slot()
    def clear(self) -> None:
        """Show all sections."""
        with QSignalBlocker(self):
            self.search.clear()
            for box in (self.side, self.state, self.model, self.label, self.since):
                box.setCurrentIndex(0)
        self._emit()

    @Slot()
    def _emit(self) -> None:
        self.changed.emit(self.filter)
