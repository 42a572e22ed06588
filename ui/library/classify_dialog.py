"""The dialog before several stored sections are classified again: which model, which engine, kept under which name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from hcc_scope.errors import IdError
from hcc_scope.formatting import counted
from hcc_scope.inference.base import AUTO, ENGINES
from hcc_scope.inference.catalogue import offered
from hcc_scope.storage.naming import check_id
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel, describe
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.inference.catalogue import ModelEntry

__all__ = ["ClassifyDialog"]

_NAME_ROLE = Qt.ItemDataRole.UserRole + 1


class ClassifyDialog(QDialog):
    """Asks; `asked` carries the answer. It does not hold up the window.

    Parameters
    ----------
    n_sections : int
        How many sections are classified.
    parent : QWidget
    """

    asked = Signal(str, str, str)
    """Folder of the model, engine, and the name under which the predictions are kept."""

    def __init__(self, n_sections: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classify sections again")
        self.model, self.engine, self.name = QComboBox(), QComboBox(), QLineEdit()
        describe(self.model, "Model", "Classifies all fields of the chosen sections")
        describe(self.engine, "Engine", "Each agrees with the reference within the model's tolerance")
        describe(self.name, "Name of the predictions", "Kept in each store under this name; what is recorded stays")
        for name in (AUTO, *ENGINES):
            self.engine.addItem("automatic" if name == AUTO else name, name)
        self.model.setMinimumWidth(32 * GRID_PX)
        self._named = ""
        self._listed = False
        self._why = ValueLabel("Why it cannot begin")
        self._why.setWordWrap(True)
        words = QLabel(
            f"{counted(n_sections, 'section')}, one after the other. The recorded predictions and scores stay; the new "
            "ones are kept beside them, and Replay compares both."
        )
        words.setWordWrap(True)
        form = QFormLayout()
        form.setHorizontalSpacing(GRID_PX)
        form.setVerticalSpacing(GRID_PX)
        form.addRow("&Model", self.model)
        form.addRow("&Engine", self.engine)
        form.addRow("Predictions &named", self.name)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.start = buttons.addButton("Classify", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(2 * GRID_PX)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self._why)
        column.addWidget(buttons)
        self.model.currentIndexChanged.connect(self._suggest)
        self.name.textChanged.connect(self._check)
        self._check()

    def set_models(self, models: Sequence[ModelEntry], chosen: str) -> None:
        """Offer these models; the one that is chosen here stays chosen if it is among them.

        Parameters
        ----------
        models : sequence of ModelEntry
            The list; those that can be used are offered.
        chosen : str
            Its reference; if it cannot be used, a person has to choose.
        """
        row, now = -1, self.model.currentData()
        with QSignalBlocker(self.model):
            self.model.clear()
            for label, entry in offered(models):
                self.add_model(label, entry.folder, entry.name)
                if entry.reference == chosen:
                    row = self.model.count() - 1
            self._listed = True
            self.model.setCurrentIndex(self.model.findData(now) if now is not None else row)
        self._suggest()
        self._check()

    def add_model(self, label: str, folder: Path, name: str) -> None:
        """Offer one more model; predictions are named after it."""
        self.model.addItem(label, str(folder))
        row = self.model.count() - 1
        self.model.setItemData(row, name, _NAME_ROLE)
        self.model.setItemData(row, str(folder), Qt.ItemDataRole.ToolTipRole)

    @Slot()
    def _suggest(self) -> None:
        """Name the predictions after the model, unless a person has named them."""
        if self.name.text() == self._named and self.model.currentIndex() >= 0:
            names = self.model.currentData(_NAME_ROLE), Path(self.model.currentData()).name
            self._named = next((name for name in names if not _why_no_name(name)), "")
            self.name.setText(self._named)

    @Slot()
    def _check(self) -> None:
        why = ""
        if self.model.currentIndex() < 0:
            why = "Choose a model." if self._listed else "The models are being looked for."
        else:
            why = _why_no_name(self.name.text().strip())
        self._why.setText(why)
        self._why.setVisible(bool(why))
        self.start.setEnabled(not why)

    def accept(self) -> None:
        """Begin."""
        if self.start.isEnabled():
            self.asked.emit(self.model.currentData(), self.engine.currentData(), self.name.text().strip())
            super().accept()


def _why_no_name(name: str) -> str:
    """Return why predictions cannot be kept under a name, as a sentence; empty if they can."""
    try:
        check_id(name, "name")
    except IdError as error:
        return str(error)
    return ""
