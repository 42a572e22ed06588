"""A field for an animal or section id: offers earlier ids, and shows at once what is wrong with a new one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QComboBox, QCompleter, QLineEdit, QListView, QSizePolicy

from ui.control.section_request import problem_with_id
from ui.kit.labels import plain_tip
from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ui.kit.theme import ThemeName

__all__ = ["IdField"]

MAX_IDS = 50
_NARROW_CHARACTERS, _WIDEST_PX = 6, 176


class IdField(QComboBox):
    """An id, with its history.

    Parameters
    ----------
    what : str
        What the id is of: ``animal id``, ``section id``.
    history : iterable of str
        Earlier ids, newest first.
    theme : {"dark", "light"}
    """

    changed = Signal()

    def __init__(self, what: str, history: Iterable[str], theme: ThemeName) -> None:
        super().__init__()
        self._what = what
        self._theme: ThemeName = theme
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.addItems(list(history)[:MAX_IDS])
        self.setCurrentIndex(-1)
        self.setAccessibleName(what.capitalize())
        edit = QLineEdit()
        self.setLineEdit(edit)
        edit.setAccessibleName(what.capitalize())
        self._edit = edit
        edit.setPlaceholderText("mandatory")
        completer = QCompleter(self.model(), self)
        self.setCompleter(completer)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseSensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self._offered = QListView()
        completer.setPopup(self._offered)
        self._offered.installEventFilter(self)  # after the completer's own, so that it comes first
        self.setMinimumContentsLength(_NARROW_CHARACTERS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(_WIDEST_PX)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.editTextChanged.connect(self._check)
        edit.editingFinished.connect(partial(edit.setCursorPosition, 0))
        self._check()

    def begin_edit(self) -> None:
        """Move the keyboard focus to the field and select its text."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._edit.selectAll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Let a click beside the offered ids lead where it points to.

        Qt only closes the list with it: the keyboard would stay here, and what is typed next would become part of this
        id.
        """
        if (
            watched is self._offered
            and isinstance(event, QMouseEvent)
            and event.type() == QEvent.Type.MouseButtonPress
            and not self._offered.rect().contains(event.position().toPoint())
        ):
            QTimer.singleShot(0, self, partial(_focus_at, event.globalPosition().toPoint()))
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Close the offered ids when the section has begun by its key."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange and not self.isEnabled():
            self._offered.hide()

    @property
    def value(self) -> str:
        """The id as typed."""
        return self.currentText()

    @property
    def problem(self) -> str:
        """What is wrong with it, as text; empty if nothing is."""
        return problem_with_id(self.value, self._what)

    def set_value(self, value: str) -> None:
        """Put an id in the field; of a long one its beginning shows."""
        self.setEditText(value)
        if not self._edit.hasFocus():
            self._edit.setCursorPosition(0)

    def remember(self, value: str) -> None:
        """Put an id in front of the history, once."""
        kept = [value, *(one for one in self.history() if one != value)][:MAX_IDS]
        with QSignalBlocker(self):
            text = self.currentText()
            self.clear()
            self.addItems(kept)
            self.set_value(text)

    def history(self) -> list[str]:
        """Return earlier ids, newest first."""
        return [self.itemText(i) for i in range(self.count())]

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        self._check()

    @Slot()
    def _check(self) -> None:
        problem = self.problem
        wrong = bool(problem) and bool(self.value)
        # an empty field is not marked: the operator has not typed anything yet
        self.setStyleSheet(f"QComboBox {{ border: 2px solid {colours(self._theme).error}; }}" if wrong else "")
        about = f"{self._what.capitalize()}, mandatory; becomes part of the store's name"
        self.setToolTip(plain_tip(problem if wrong else f"{self.value}\n{about}" if self.value else about))
        self.changed.emit()


def _focus_at(place: QPoint) -> None:
    there = QApplication.widgetAt(place)
    if there is not None and there.isEnabled() and there.focusPolicy() & Qt.FocusPolicy.ClickFocus:
        there.setFocus(Qt.FocusReason.MouseFocusReason)
