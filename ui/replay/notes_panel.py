"""Notes on a stored section and on its fields: read them, add to them, take a field out of the score.

Nothing is ever deleted: a field is marked as excluded, and a later mark takes that back (`hcc_scope.storage.notes`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.runs.section_analyses import OpenedStore
from hcc_scope.storage.notes import NotesWriter, excluded_fields
from hcc_scope.storage.section_labels import describe_label
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.storage.notes import Note
    from hcc_scope.types import NoteKind
    from ui.kit.jobs import JobRunner

__all__ = ["NotesPanel", "describe_note"]

_ALL, _SECTION, _FIELD = "All notes", "On the section", "On this field"


def describe_note(note: Note) -> str:
    """Return the text of a note in the list."""
    where = "Section" if note.seq is None else f"Field {note.seq}"
    text = note.text
    if note.kind == "exclude":
        text = "excluded from the score" + (f": {text}" if text else "")
    elif note.kind == "include":
        text = "back in the score" + (f": {text}" if text else "")
    elif note.kind == "spoilt":
        text = f"no valid interval: {text}"
    elif note.kind == "label":
        text = describe_label(text)
    return f"{where} · {note.t_utc:%Y-%m-%d %H:%M} UTC\n{text}"


class NotesPanel(QWidget):
    """The list and the editor.

    Parameters
    ----------
    jobs : JobRunner
        Writes on its worker ``disk``.
    """

    changed = Signal(OpenedStore)
    """The `OpenedStore` that got a note or a mark."""
    field_requested = Signal(int)
    """A field that a person wants to see."""
    failed = Signal(str)
    """Why a note was not kept, as text."""

    def __init__(self, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._opened: OpenedStore | None = None
        self._seq: int | None = None
        self._writing = False
        self.list = QListWidget()
        self.which = QComboBox()
        self.text = QPlainTextEdit()
        self.add_to_section = QPushButton("Add &to section")
        self.add_to_field = QPushButton()
        self.exclude = QPushButton()
        self._state = ValueLabel("Why the note could not be written")
        self._build()
        self._show()

    def _build(self) -> None:
        self.which.addItems((_ALL, _SECTION, _FIELD))
        self.which.setAccessibleName("Which notes are listed")
        self.which.setToolTip("Which notes are listed")
        self.which.currentIndexChanged.connect(self._which_chosen)
        self.list.setWordWrap(True)
        self.list.setAlternatingRowColors(True)
        self.list.setSpacing(GRID_PX // 4)
        self.list.setAccessibleName("Notes")
        self.list.setToolTip("Enter or double-click shows the field of a note")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._activated)
        self.text.setPlaceholderText("Write a note, or the reason to exclude a field ...")
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("New note")
        self.text.setMaximumHeight(10 * GRID_PX)
        self.text.textChanged.connect(self._text_changed)
        self.add_to_section.setToolTip("Keep the text with the section (Ctrl+Enter)")
        self.add_to_section.clicked.connect(partial(self._add, "note", None))
        self.add_to_field.clicked.connect(self._add_to_field)
        self.exclude.clicked.connect(self._exclude_clicked)
        keep = QShortcut(QKeySequence("Ctrl+Return"), self.text)
        keep.setContext(Qt.ShortcutContext.WidgetShortcut)
        keep.activated.connect(self._add_to_field_or_section)
        self._state.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.add_to_section, 1)
        buttons.addWidget(self.add_to_field, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        column.addWidget(self.which)
        column.addWidget(self.list, 1)
        column.addWidget(self.text)
        column.addLayout(buttons)
        column.addWidget(self.exclude)
        column.addWidget(self._state)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def set_store(self, opened: OpenedStore | None) -> None:
        """Show the notes of a store."""
        self._opened = opened
        self._seq = None
        self._state.setText("")
        self._show()

    def set_field(self, seq: int | None) -> None:
        """Take the field that is shown."""
        self._seq = seq
        self._show()

    def _show(self) -> None:
        opened, seq = self._opened, self._seq
        which = self.which.currentText()
        self.list.clear()
        for note in reversed(opened.notes if opened is not None else []):
            wanted = {_ALL: True, _SECTION: note.seq is None, _FIELD: note.seq is not None and note.seq == seq}
            if wanted[which]:
                item = QListWidgetItem(describe_note(note))
                item.setData(Qt.ItemDataRole.UserRole, note.seq)
                self.list.addItem(item)
        field = "field" if seq is None else f"field {seq}"
        excluded = opened is not None and seq in opened.excluded
        self.add_to_field.setText(f"A&dd to {field}")
        self.add_to_field.setToolTip(f"Keep the text with {field}" + ("" if seq is None else " (Ctrl+Enter)"))
        self.exclude.setText(f"Tak&e {field} back into the score" if excluded else f"&Exclude {field} from the score")
        self.exclude.setToolTip(
            "The field counts again" if excluded else "The field stays stored; the score is computed without it"
        )
        self._show_buttons()

    def _show_buttons(self) -> None:
        free = self._opened is not None and not self._writing
        written = bool(self.text.toPlainText().strip())
        self.text.setEnabled(self._opened is not None)
        self.add_to_section.setEnabled(free and written)
        self.add_to_field.setEnabled(free and written and self._seq is not None)
        self.exclude.setEnabled(free and self._seq is not None)

    # -- writing -----------------------------------------------------------------------------------------------------

    @Slot()
    def _text_changed(self) -> None:
        self._show_buttons()

    @Slot(int)
    def _which_chosen(self, _index: int) -> None:
        self._show()

    @Slot()
    def _add_to_field(self) -> None:
        if self._seq is not None:
            self._add("note", self._seq)

    @Slot()
    def _add_to_field_or_section(self) -> None:
        if self.text.toPlainText().strip():
            self._add("note", self._seq)

    @Slot()
    def _exclude_clicked(self) -> None:
        if self._opened is not None and self._seq is not None:
            self._add("include" if self._seq in self._opened.excluded else "exclude", self._seq)

    def mark_shown(self, *, excluded: bool) -> None:
        """Exclude the shown field from the score, or include it again; nothing if it is so already."""
        if self._opened is not None and self._seq is not None and (self._seq in self._opened.excluded) != excluded:
            self._exclude_clicked()

    @Slot()
    def _add(self, kind: NoteKind, seq: int | None) -> None:
        opened = self._opened
        if opened is None or self._writing:
            return
        self._writing = True
        text = self.text.toPlainText()
        self._show_buttons()
        self._jobs.submit(
            "disk",
            lambda: NotesWriter(opened.path).add(kind, text, seq),
            partial(self._kept, opened),
            self._not_kept,
        )

    def _kept(self, opened: OpenedStore, note: Note) -> None:
        self._writing = False
        opened.notes.append(note)
        opened.excluded = set(excluded_fields(opened.notes))
        self.text.clear()
        self._state.setText("")
        self._show()
        self.changed.emit(opened)

    def _not_kept(self, why: str) -> None:
        self._writing = False
        self._state.setText(why)
        self._show_buttons()
        self.failed.emit(why)

    @Slot(QListWidgetItem)
    def _activated(self, item: QListWidgetItem) -> None:
        seq = item.data(Qt.ItemDataRole.UserRole)
        if seq is not None:
            self.field_requested.emit(seq)
