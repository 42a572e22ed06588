"""The dialog that exports stored sections for other programs: what is written, where to, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.exports.kinds import KINDS, all_options
from hcc_scope.exports.target import export_name
from hcc_scope.formatting import counted, listed
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel, describe, quiet, words
from ui.kit.scrolled import scrolled
from ui.kit.theme import GRID_PX
from ui.shell.file_dialogs import choose_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QCloseEvent

    from hcc_scope.exports.kinds import ExportOption
    from hcc_scope.progress import Progress

__all__ = ["ExportDialog"]

_MOST_NAMED = 4
"""Of the sections; more are counted."""
_MOST_LOOKED_AT = 20
"""Sections whose predictions are looked for."""
_NOTHING = "Choose what is written."


class ExportDialog(QDialog):
    """Asks, then shows how far the export is; it does not hold up the window.

    Parameters
    ----------
    stores : sequence of Path
    parent : QWidget
    """

    asked = Signal(list, object, dict)
    """The names of the kinds, the folder or None for beside each section, and the values of options by name."""
    cancel_asked = Signal()

    def __init__(self, stores: Sequence[Path], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export for other programs")
        self._stores = list(stores)
        self._folder: Path | None = None
        self._busy = False
        self._written: Path | None = None
        self._about = f"{_named(stores)}: what is stored stays as it is."
        self.about = words(self._about)
        self.kinds: dict[str, QCheckBox] = {}
        self.options: dict[str, QComboBox] = {}
        self.where = QComboBox()
        self.state = ValueLabel("State of the export", _NOTHING)
        self.state.setWordWrap(True)
        self.state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.account = QPlainTextEdit()
        self.account.setReadOnly(True)
        self.account.setMaximumHeight(16 * GRID_PX)
        describe(self.account, "What was written", "Each file or folder, and what is missing from it")
        self.account.hide()
        self.bar = QProgressBar()
        describe(self.bar, "Progress of the export", "How much of all that is exported is written")
        self.bar.hide()
        self._asks = self._list_of_kinds()
        self._form = self._rest()
        buttons = QDialogButtonBox()
        self.begin_button = buttons.addButton("Export", QDialogButtonBox.ButtonRole.ActionRole)
        self.folder_button = buttons.addButton("Open folder", QDialogButtonBox.ButtonRole.ActionRole)
        self.folder_button.clicked.connect(self._open_folder)
        self.folder_button.hide()
        self.close_button = buttons.addButton(QDialogButtonBox.StandardButton.Close)
        without_icons(buttons)
        self.begin_button.clicked.connect(self._begin)
        self.close_button.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(2 * GRID_PX)
        column.addWidget(self.about)
        column.addWidget(self._asks, 1)
        column.addLayout(self._form)
        column.addWidget(self.bar)
        column.addWidget(self.state)
        column.addWidget(self.account)
        column.addWidget(buttons)
        self.resize(76 * GRID_PX, 80 * GRID_PX)
        self._update()

    def _list_of_kinds(self) -> QWidget:
        """Return a box for each kind, with what it is."""
        page = QWidget()
        page.setAccessibleName("What is written")
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        for kind in KINDS:
            box = self.kinds[kind.name] = QCheckBox(kind.title)
            box.setAccessibleDescription(kind.words)
            box.toggled.connect(self._update)
            text = quiet(f"{kind.words}.")
            text.setContentsMargins(3 * GRID_PX, 0, 0, GRID_PX // 2)
            column.addWidget(box)
            column.addWidget(text)
        return scrolled(page)

    def _rest(self) -> QFormLayout:
        """Return the options of the kinds, of which those that have an effect are shown, and the folder."""
        form = QFormLayout()
        form.setHorizontalSpacing(GRID_PX)
        form.setVerticalSpacing(GRID_PX)
        for option in all_options():
            if len(option.choices) > 1 or option.is_name:
                form.addRow(self._label(option), self.options[option.name])
        describe(self.where, "Folder", "Where the exports are written; nothing there is overwritten")
        self.where.addItems(["Beside each section", "Other folder …"])
        self.where.activated.connect(self._choose_where)
        label = QLabel("Into &folder")
        label.setBuddy(self.where)
        form.addRow(label, self.where)
        return form

    def _label(self, option: ExportOption) -> QLabel:
        """Return the label of an option, and make its box."""
        box = self.options[option.name] = QComboBox()
        describe(box, option.title, option.words)
        for choice in option.choices:
            box.addItem(choice.capitalize() or "Of the run", choice)
        if option.is_name:
            for name in self._kept_predictions():
                box.addItem(name, name)
        label = QLabel(option.title)
        label.setBuddy(box)
        return label

    def _kept_predictions(self) -> list[str]:
        """Return the names of predictions that were kept in the sections; of many sections, in the first ones."""
        from hcc_scope.exports.section_tiles import kept_predictions

        return sorted({name for store in self._stores[:_MOST_LOOKED_AT] for name in kept_predictions(store)})

    def _taken(self) -> set[str]:
        """Return the names of the options that have an effect on what is ticked."""
        chosen = self.chosen
        return {option.name for kind in KINDS if kind.name in chosen for option in kind.options}

    @property
    def chosen(self) -> list[str]:
        """The names of the kinds that are ticked."""
        return [name for name, box in self.kinds.items() if box.isChecked()]

    @Slot()
    def _update(self) -> None:
        chosen, taken = self.chosen, self._taken()
        for name, box in self.options.items():
            self._form.setRowVisible(box, name in taken and box.count() > 1)
        self.begin_button.setEnabled(bool(chosen) and not self._busy)
        if not self._busy:
            self._say("" if chosen else _NOTHING)

    @Slot(int)
    def _choose_where(self, row: int) -> None:
        last = self.where.count() - 1
        if row == 0:
            self._folder = None
        elif row == last:
            self.where.setCurrentIndex(0 if self._folder is None else 1)
            start = self._folder or self._stores[0].parent
            choose_folder(self, "Folder for the exports", start, self.take_folder)

    @Slot(str)
    def take_folder(self, path: str) -> None:
        """Write into a folder."""
        self._folder = Path(path)
        if self.where.count() > 2:
            self.where.removeItem(1)
        self.where.insertItem(1, path)
        self.where.setCurrentIndex(1)

    @Slot()
    def _begin(self) -> None:
        taken = self._taken()
        options = {name: box.currentData() for name, box in self.options.items() if name in taken}
        self.asked.emit(self.chosen, self._folder, options)

    def set_waiting(self, stores: Sequence[Path]) -> str:
        """Show that other sections were chosen while this export is under way; return that as a sentence."""
        sentence = f"{_named(stores)} can be exported when this export has ended: choose it again then."
        if len(stores) > 1:
            sentence = sentence.replace("choose it", "choose them")
        self.about.setText(f"{self._about} {sentence}")
        return f"An export is under way. {sentence}"

    def set_problem(self, sentence: str) -> None:
        """Show why it cannot begin."""
        self._say(sentence)

    def set_begun(self) -> None:
        """Show that an export is under way."""
        self._busy = True
        self._enable(False)
        self.begin_button.setEnabled(False)
        self.close_button.setText("Cancel")
        self.folder_button.hide()
        self.account.hide()
        self.bar.setRange(0, 0)
        self.bar.show()
        self._say("Exporting …")

    def set_progress(self, now: Progress, *, held: bool, ending: bool) -> None:
        """Show how far it is."""
        self.bar.setRange(0, now.total)
        self.bar.setValue(now.done)
        if ending:
            self._say("Ending: what is whole stays …")
        elif held:
            self._say("It waits until the section under way has ended.")
        else:
            self._say(now.message or "Exporting …")

    def _enable(self, on: bool) -> None:
        for asks in (self._asks, self.where, *self.options.values()):
            asks.setEnabled(on)

    def end(self) -> None:
        """Close, whatever is under way."""
        self._busy = False
        self.close()

    @property
    def busy(self) -> bool:
        """Whether an export is under way."""
        return self._busy

    def set_ended(self, words: str, account: str = "", written: Path | None = None) -> None:
        """Show what became of it, and offer another one.

        Parameters
        ----------
        words : str
            A sentence.
        account : str
            A line for each export.
        written : Path, optional
            One that was written; its folder can be opened.
        """
        self._written = written
        self.folder_button.setVisible(written is not None)
        self.account.setPlainText(account)
        self.account.setVisible(bool(account))
        self._busy = False
        self._enable(True)
        self.bar.hide()
        self.about.setText(self._about)
        self.close_button.setText("Close")
        if written is not None:
            for box in self.kinds.values():
                box.setChecked(False)  # a second export of the same kind would meet the first
        self._update()
        self._say(words)

    def _say(self, words: str) -> None:
        self.state.setText(words)
        self.state.setVisible(bool(words))

    @Slot()
    def _open_folder(self) -> None:
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written.parent)))

    def reject(self) -> None:
        """Close; an export that is under way is cancelled first."""
        if self._busy:
            self.cancel_asked.emit()
        else:
            super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Cancel before it closes."""
        if self._busy:
            self.cancel_asked.emit()
            event.ignore()
        else:
            super().closeEvent(event)


def _named(stores: Sequence[Path]) -> str:
    names = [export_name(store, "") for store in stores]
    return listed(names) if len(names) <= _MOST_NAMED else counted(len(names), "section")
