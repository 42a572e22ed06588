"""The list of messages with time, level and details, and the bridge from Python's logging to it."""

from __future__ import annotations

import logging
import queue
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor

from ui.kit.theme import colours

if TYPE_CHECKING:
    from ui.kit.error_report import ErrorReport
    from ui.kit.theme import ThemeName

__all__ = ["LEVELS", "Level", "Message", "MessageModel", "MessageQueue"]

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")

MAX_MESSAGES = 5000
_POLL_MS = 100
_SHAPES: dict[Level, str] = {"debug": "·", "info": "○", "warning": "△", "error": "■"}
"""Beside the word and the colour: a level is never a colour alone."""
HEADINGS = ("Time", "Level", "Message")

_Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    level: Level
    text: str
    details: str = ""
    source: str = ""
    when: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __str__(self) -> str:
        """Return it as it is copied."""
        line = f"{self.when:%Y-%m-%d %H:%M:%S} {self.level.upper()} {self.text}"
        return f"{line}\n{self.details.rstrip()}" if self.details else line


class MessageModel(QAbstractTableModel):
    """The newest messages, oldest first."""

    added = Signal(Message)
    """Each message that is added."""

    def __init__(self, theme: ThemeName, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._messages: list[Message] = []
        self._theme = theme

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        if self._messages:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._messages) - 1, len(HEADINGS) - 1))

    def add(self, message: Message) -> None:
        """Add a message; the oldest is dropped when there are too many."""
        if len(self._messages) >= MAX_MESSAGES:
            self.beginRemoveRows(QModelIndex(), 0, 0)
            self._messages.pop(0)
            self.endRemoveRows()
        n = len(self._messages)
        self.beginInsertRows(QModelIndex(), n, n)
        self._messages.append(message)
        self.endInsertRows()
        self.added.emit(message)

    def say(self, level: str, text: str) -> None:
        """Add a message to the operator, unless the last one has the same text (that one may have details)."""
        if self._messages and self._messages[-1].text == text:
            return
        self.add(Message(cast("Level", level), text))

    def add_error(self, report: ErrorReport) -> None:
        """Add what went wrong."""
        self.add(Message("error", report.sentence, report.details))

    def message(self, row: int) -> Message:
        """Return the message of a row."""
        return self._messages[row]

    def clear(self) -> None:
        """Remove all messages."""
        self.beginResetModel()
        self._messages.clear()
        self.endResetModel()

    # -- Qt's side -----------------------------------------------------------------------------------------------------

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return how many there are."""
        return 0 if parent.isValid() else len(self._messages)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - as above
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802, ANN401 - as above
        """Return a column's heading."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return HEADINGS[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's type
        """Return what a cell shows."""
        message = self._messages[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                level = f"{_SHAPES[message.level]} {message.level}"
                return (f"{message.when:%H:%M:%S}", level, " ".join(message.text.split()))[index.column()]
            case Qt.ItemDataRole.ToolTipRole:
                return f"{message.text}\n{message.source}".strip()
            case Qt.ItemDataRole.ForegroundRole if index.column() == 1:
                c = colours(self._theme)
                named = {"error": c.error, "warning": c.warning, "debug": c.text_muted, "info": c.text}
                return QColor(named[message.level])
            case _:
                return None


class MessageQueue(logging.Handler):
    """Takes log records from any thread; a timer of the Qt thread hands them to the model.

    Parameters
    ----------
    model : MessageModel
        Where they go; the timer is its child.
    """

    def __init__(self, model: MessageModel) -> None:
        super().__init__(logging.INFO)
        self._model = model
        self._waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._pump = _Pump(self._waiting, model)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record for the Qt thread."""
        level: Level = (
            "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        )
        details = "" if record.exc_info is None else logging.Formatter().formatException(record.exc_info)
        when = datetime.fromtimestamp(record.created).astimezone()
        self._waiting.put(Message(level, record.getMessage(), details, record.name, when))

    def stop(self) -> None:
        """Hand over what waits and end the timer."""
        self._pump.stop()


class _Pump(QObject):
    """The Qt thread's end of the queue."""

    def __init__(self, waiting: queue.SimpleQueue[Message], model: MessageModel) -> None:
        super().__init__(model)
        self._waiting, self._model = waiting, model
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._empty)
        self._timer.start()

    @Slot()
    def _empty(self) -> None:
        while not self._waiting.empty():
            self._model.add(self._waiting.get_nowait())

    def stop(self) -> None:
        self._timer.stop()
        self._empty()
