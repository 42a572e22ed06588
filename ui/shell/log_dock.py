"""The messages, to read, filter and copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt, QTimer, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from ui.kit.error_report import ErrorReport, show_error_report
from ui.kit.theme import GRID_PX
from ui.shell.messages import LEVELS, MessageModel

if TYPE_CHECKING:
    from ui.shell.messages import Level, Message

__all__ = ["LogView"]

_SHOW: dict[Level, str] = {
    "debug": "All",
    "info": "Information and worse",
    "warning": "Warnings and errors",
    "error": "Errors",
}
"""The choices of what is shown, by the lowest level."""
FOLLOW_MS = 50
_TIME_CHARACTERS, _LEVEL_CHARACTERS = 10, 12


class _Filter(QSortFilterProxyModel):
    """Shows the messages of a level or worse that contain all words."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._level = 0
        self._words: tuple[str, ...] = ()

    def set_level(self, level: Level) -> None:
        self._level = LEVELS.index(level)
        self.invalidate()

    def set_text(self, text: str) -> None:
        self._words = tuple(text.casefold().split())
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex | QPersistentModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Return whether a message is shown."""
        del source_parent
        model = self.sourceModel()
        assert isinstance(model, MessageModel)
        message = model.message(source_row)
        text = f"{message.text} {message.details}".casefold()
        return LEVELS.index(message.level) >= self._level and all(word in text for word in self._words)


class LogView(QWidget):
    """A list of messages with a choice of level, a filter, and copy.

    Parameters
    ----------
    model : MessageModel
    parent : QWidget, optional
    """

    def __init__(self, model: MessageModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Messages")
        self._model = model
        self._filter = _Filter(self)
        self._filter.setSourceModel(model)
        self._list = QTreeView()
        self._list.setModel(self._filter)
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._list.setAlternatingRowColors(True)
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.setAccessibleName("List of messages")
        self._list.activated.connect(self._open)
        header = self._list.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(True)
        width = self.fontMetrics().averageCharWidth()
        header.resizeSection(0, _TIME_CHARACTERS * width + 2 * GRID_PX)
        header.resizeSection(1, _LEVEL_CHARACTERS * width + 2 * GRID_PX)

        self._level = QComboBox()
        for level, text in _SHOW.items():
            self._level.addItem(text, level)
        self._level.setAccessibleName("Level of the messages shown")
        self._level.setToolTip("Which messages are shown")
        self._level.currentIndexChanged.connect(self._choose_level)
        self._text = QLineEdit()
        self._text.setPlaceholderText("Filter")
        self._text.setClearButtonEnabled(True)
        self._text.setAccessibleName("Filter of the messages")
        self._text.setToolTip("Show only messages that hold all of these words")
        self._text.textChanged.connect(self._choose_text)

        self.copy = QAction("Copy", self)
        self.copy.setShortcut(QKeySequence.StandardKey.Copy)
        self.copy.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.copy.setToolTip("Copy the chosen messages with their details; all that are shown if none is chosen")
        self.copy.triggered.connect(self._copy)
        self.details = QAction("Details", self)
        self.details.setToolTip("Show a message with everything that is known about it")
        self.details.triggered.connect(self._open_current)
        self.clear = QAction("Clear", self)
        self.clear.setToolTip("Empty the list")
        self.clear.triggered.connect(model.clear)
        self.addActions([self.copy, self.details, self.clear])

        bar = QHBoxLayout()
        bar.setSpacing(GRID_PX)
        bar.addWidget(QLabel("Show"))
        bar.addWidget(self._level)
        bar.addWidget(self._text, 1)
        for action in (self.details, self.copy, self.clear):
            button = QToolButton()
            button.setDefaultAction(action)
            bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        layout.setSpacing(GRID_PX // 2)
        layout.addLayout(bar)
        layout.addWidget(self._list, 1)
        self._end_timer = QTimer(self)  # many messages at once are followed once
        self._end_timer.setSingleShot(True)
        self._end_timer.setInterval(FOLLOW_MS)
        self._end_timer.timeout.connect(self._list.scrollToBottom)
        self._filter.rowsInserted.connect(self._follow)
        self._at_end = True
        self._list.verticalScrollBar().valueChanged.connect(self._note_place)

    @Slot()
    def _choose_level(self) -> None:
        self._filter.set_level(self._level.currentData())

    @Slot(str)
    def _choose_text(self, text: str) -> None:
        self._filter.set_text(text)

    @Slot(int)
    def _note_place(self, value: int) -> None:
        self._at_end = value >= self._list.verticalScrollBar().maximum()

    @Slot()
    def _follow(self) -> None:
        if self._at_end:  # an operator who reads further up is not disturbed
            self._end_timer.start()

    def shown_text(self) -> str:
        """Return the chosen messages as text, or all that are shown if none is chosen."""
        rows = sorted(index.row() for index in self._list.selectionModel().selectedRows())
        chosen = rows or range(self._filter.rowCount())
        return "\n".join(str(self._at(row)) for row in chosen)

    def _at(self, row: int) -> object:
        return self._model.message(self._filter.mapToSource(self._filter.index(row, 0)).row())

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.shown_text())

    @Slot()
    def _open_current(self) -> None:
        index = self._list.currentIndex()
        if not index.isValid() and self._filter.rowCount():
            index = self._filter.index(self._filter.rowCount() - 1, 0)
        if index.isValid():
            self._open(index)

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        self.show_message(self._model.message(self._filter.mapToSource(index).row()))

    def show_message(self, message: Message) -> None:
        """Show a message with everything that is known about it; returns at once."""
        source = f"Reported by {message.source}" if message.source else ""
        show_error_report(
            self, message.level.capitalize(), ErrorReport(message.text, f"{message.details}\n{source}".strip())
        )
