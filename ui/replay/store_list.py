"""The stores that are open, with score and state; stores are opened by a dialog, or by dropping them anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.formatting import capital, counted
from hcc_scope.score_text import describe_named_score, format_section_score
from hcc_scope.storage.metadata import JOURNAL, MANIFEST_COPY
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.section_labels import describe_label
from ui.kit.dropped import local_paths
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtCore import QMimeData

    from hcc_scope.runs.section_analyses import OpenedStore

__all__ = ["StoreList", "dropped_stores", "our_stores_in", "stores_in"]


def stores_in(path: Path) -> list[Path]:
    """Return the store that `path` is, or lies in, or the stores right below it; `path` itself if there is none."""
    for one in (path, *path.parents):
        if one.name.endswith(STORE_SUFFIX):
            return [one]
    below = sorted(one for one in path.glob(f"*{STORE_SUFFIX}") if one.is_dir()) if path.is_dir() else []
    return below or [path]


def our_stores_in(path: Path) -> list[Path]:
    """Return the stores of `stores_in` that this program wrote: others name OME-Zarr images in the same way."""
    return [one for one in stores_in(path) if any((one / name).exists() for name in (MANIFEST_COPY, JOURNAL))]


def dropped_stores(mime: QMimeData) -> list[Path]:
    """Return the stores among what is dragged; a folder of stores means all of them."""
    return list(dict.fromkeys(store for path in local_paths(mime) for store in our_stores_in(path)))


class StoreList(QWidget):
    """The list and its buttons."""

    open_requested = Signal(list)
    """Paths that a person chose."""
    selection_changed = Signal()
    """Another store is chosen, or none: `current`."""
    close_requested = Signal(Path)
    """A store to remove from the list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = str(Path.home())
        self._dialog: QFileDialog | None = None
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Opened stores")
        self.list.setAccessibleDescription("Arrow keys choose a store, Delete closes it")
        self.list.currentItemChanged.connect(self._changed)
        open_ = QPushButton("O&pen …")
        open_.setToolTip("Open a section's folder, <animal>_<section>.ome.zarr (Ctrl+Shift+O); or drop folders here")
        open_.clicked.connect(self.ask)
        self._close = QPushButton("Cl&ose")
        self._close.setToolTip("Take the chosen store out of the list (Delete); nothing is deleted on disk")
        self._close.clicked.connect(self._close_current)
        self._close.setEnabled(False)
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.list)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._close_current)
        heading = QLabel("Stores")
        heading.setBuddy(self.list)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        row.addWidget(open_, 1)
        row.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(row)
        column.addWidget(heading)
        column.addWidget(self.list, 1)

    @property
    def dialog(self) -> QFileDialog | None:
        """The open dialog, if there is one."""
        return self._dialog

    @Slot()
    def ask(self) -> None:
        """Ask for a store's folder; returns at once."""
        dialog = QFileDialog(self, "Open store", self._folder)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._asked)
        dialog.destroyed.connect(self._dialog_gone)
        self._dialog = dialog
        dialog.open()

    @Slot()
    def _dialog_gone(self) -> None:
        self._dialog = None

    @Slot(str)
    def _asked(self, folder: str) -> None:
        self._folder = str(Path(folder).parent)
        self.open_requested.emit(stores_in(Path(folder)))

    @property
    def current(self) -> Path | None:
        """The store that is chosen, or None."""
        item = self.list.currentItem()
        path: Path | None = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        return path

    def paths(self) -> list[Path]:
        """Return the stores in the list, from the top."""
        return [self.list.item(row).data(Qt.ItemDataRole.UserRole) for row in range(self.list.count())]

    def add_opening(self, path: Path) -> None:
        """Show that a store is being opened."""
        item = QListWidgetItem(f"{path.name}\nOpening …")
        item.setData(Qt.ItemDataRole.UserRole, path)
        item.setToolTip(str(path))
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsSelectable & ~Qt.ItemFlag.ItemIsEnabled)
        self.list.addItem(item)

    def show_store(self, opened: OpenedStore) -> None:
        """Show what a store holds."""
        item = self._item(opened.path)
        if item is None:
            return
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
        n = opened.store.n_frames
        lines = [opened.name, counted(n, "field")]
        if opened.analyses:
            score = opened.analyses[0].score
            lines[1] += ", no score" if score.score is None else f", score {format_section_score(score)}"
        else:
            lines[1] += ", not classified"
        if opened.label is not None:
            lines.append(capital(describe_label(opened.label)))
        if opened.problems:
            lines.append(f"⚠ {counted(len(opened.problems), 'problem')}")
        item.setText("\n".join(lines))
        tip = [str(opened.path), *opened.problems]
        if opened.analyses:
            tip.append(capital(describe_named_score(opened.analyses[0].score)))
        item.setToolTip("\n".join(tip))
        item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join(lines))

    def remove(self, path: Path) -> None:
        """Take a store out of the list."""
        item = self._item(path)
        if item is not None:
            self.list.takeItem(self.list.row(item))

    def select(self, path: Path) -> None:
        """Choose a store."""
        item = self._item(path)
        if item is not None:
            self.list.setCurrentItem(item)

    def _item(self, path: Path) -> QListWidgetItem | None:
        items: Iterable[QListWidgetItem] = (self.list.item(row) for row in range(self.list.count()))
        return next((item for item in items if item.data(Qt.ItemDataRole.UserRole) == path), None)

    @Slot(QListWidgetItem, QListWidgetItem)
    def _changed(self, current: QListWidgetItem | None, _previous: QListWidgetItem | None) -> None:
        self._close.setEnabled(current is not None)
        self.selection_changed.emit()

    @Slot()
    def _close_current(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.close_requested.emit(item.data(Qt.ItemDataRole.UserRole))
