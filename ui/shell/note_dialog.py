"""The dialog in which a note about a section is written. It is not modal: the emergency stop stays in reach."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QInputDialog, QPlainTextEdit

from hcc_scope.storage.naming import STORE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

__all__ = ["NoteDialogs"]


class NoteDialogs(QObject):
    """Opens one dialog at a time.

    Parameters
    ----------
    window : QWidget
    written : callable
        Takes the store and the text of a note.
    """

    def __init__(self, window: QWidget, written: Callable[[Path, str], None]) -> None:
        super().__init__(window)
        self._window, self._written = window, written
        self._dialog: QInputDialog | None = None

    def open(self, store: Path) -> None:
        """Open a dialog for a note about a store, or bring the open one to the front."""
        if self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        dialog = self._dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Add a note")
        dialog.setLabelText(f"Note about {store.name.removesuffix(STORE_SUFFIX)}")
        dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
        dialog.setOkButtonText("Add")
        dialog.textValueSelected.connect(partial(self._written, store))
        dialog.finished.connect(self._finished)
        dialog.show()
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
