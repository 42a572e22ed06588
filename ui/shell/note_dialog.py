"""The dialogs in which a note, or the reason to exclude a field, is written.

They are not modal: the emergency stop stays in reach.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QComboBox, QInputDialog, QPlainTextEdit

from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.notes import USUAL_REASONS
from ui.kit.dialog_buttons import without_icons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

__all__ = ["NoteDialogs", "ReasonDialogs"]


class NoteDialogs(QObject):
    """Opens one dialog at a time.

    Parameters
    ----------
    window : QWidget
    written : callable
        Takes the store, the field or None, and the text of a note.
    """

    def __init__(self, window: QWidget, written: Callable[[Path, int | None, str], None]) -> None:
        super().__init__(window)
        self._window, self._written = window, written
        self._dialog: QInputDialog | None = None

    def open(self, store: Path, seq: int | None = None) -> None:
        """Open a dialog for a note about a store, or about one of its fields; one that is open comes to the front."""
        if self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        about = store.name.removesuffix(STORE_SUFFIX)
        dialog = self._dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Add a note")
        dialog.setLabelText(f"Note about {about}" if seq is None else f"Note about field {seq} of {about}")
        dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
        dialog.setOkButtonText("Add")
        dialog.textValueSelected.connect(partial(self._written, store, seq))
        dialog.finished.connect(self._finished)
        dialog.show()
        without_icons(dialog)
        for field in dialog.findChildren(QPlainTextEdit):
            field.setAccessibleName(dialog.labelText())
            field.setTabChangesFocus(True)  # else the keyboard does not get to the buttons

    def accept(self) -> None:
        """Close the open dialog and keep its text as a note."""
        if self._dialog is not None:
            self._dialog.accept()

    @Slot()
    def _finished(self) -> None:
        self._dialog = None


class ReasonDialogs(QObject):
    """Asks why a field is excluded, for one field at a time.

    Parameters
    ----------
    window : QWidget
    given : callable
        Takes what was handed to `open`, and the reason.
    """

    def __init__(self, window: QWidget, given: Callable[[object, str], None]) -> None:
        super().__init__(window)
        self._window, self._given = window, given
        self._dialog: QInputDialog | None = None

    def open(self, of: object, field: int, section: str) -> None:
        """Ask for the reason to exclude a field; a question that is open is dropped."""
        self.close()
        dialog = self._dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Exclude a field")
        dialog.setLabelText(f"Why field {field} of {section} is excluded from the score; it stays stored")
        dialog.setComboBoxItems(USUAL_REASONS)
        dialog.setComboBoxEditable(True)
        dialog.setOkButtonText("Exclude")
        dialog.textValueSelected.connect(partial(self._given, of))
        dialog.finished.connect(self._finished)
        dialog.show()
        without_icons(dialog)
        for box in dialog.findChildren(QComboBox):
            box.setAccessibleName(dialog.labelText())

    def close(self) -> None:
        """Exclude nothing, and close the dialog."""
        if self._dialog is not None:
            self._dialog.reject()

    @Slot()
    def _finished(self) -> None:
        self._dialog = None
