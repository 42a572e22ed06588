"""The tab *Library*: the sections of a folder by animal, searched, filtered and sorted; what to do with those chosen.

Its widgets are made when it is first shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QProgressBar, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from hcc_scope.formatting import counted
from ui.kit.controls import ElidedLabel
from ui.kit.empty_page import EmptyPage
from ui.kit.theme import GRID_PX
from ui.library.library_bar import LibraryBar
from ui.library.library_model import LibraryModel
from ui.library.library_table import LibraryTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from PySide6.QtGui import QAction, QHideEvent, QShowEvent

    from hcc_scope.runs.listed_section import ListedSection
    from ui.kit.theme import ThemeName
    from ui.library.library_filter import LibraryFilter

__all__ = ["LibraryTab"]


class LibraryTab(QWidget):
    """The tab.

    Parameters
    ----------
    actions : sequence of QAction or None
        What can be done with the chosen sections, for the menu of a row; None is a line between them.
    folder_action : QAction
        Chooses the folder.
    """

    open_asked = Signal()
    """The chosen sections are to be opened."""
    chosen_changed = Signal()
    """Other sections are chosen: `chosen`."""
    seen_changed = Signal(bool)
    """Whether the tab is on the screen."""
    cancel_asked = Signal()
    """What is under way for several sections is to end early."""

    def __init__(self, actions: Sequence[QAction | None], folder_action: QAction) -> None:
        super().__init__()
        self.setAccessibleName("Library")
        self._actions, self._folder_action = actions, folder_action
        self.model = LibraryModel(self)
        self._theme: ThemeName = "dark"
        self._folder: Path | None = None
        self._problem, self._n_unread = "", 0
        self._listing = False
        self._work: tuple[str, int, int] = ("", 0, 0)
        self._made = False
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        self._column.setSpacing(GRID_PX)

    def _make(self) -> None:
        self._made = True
        self.bar = LibraryBar(self._folder_action)
        self.table = LibraryTable(self.model)
        self._empty = EmptyPage()
        self._about = ElidedLabel("Sections in the list")
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedSize(16 * GRID_PX, 2 * GRID_PX)
        self._progress.setAccessibleName("Progress over the chosen sections")
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("End early; what is done stays")
        self._cancel.clicked.connect(self.cancel_asked)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.table)
        self._pages.addWidget(self._empty)
        line = QHBoxLayout()
        line.setSpacing(GRID_PX)
        line.addWidget(self._about, 1)
        line.addWidget(self._progress)
        line.addWidget(self._cancel)
        self._column.addWidget(self.bar)
        self._column.addWidget(self._pages, 1)
        self._column.addLayout(line)
        self.bar.changed.connect(self._filter_chosen)
        self.table.chosen_changed.connect(self._chosen_changed)
        self.table.open_asked.connect(self.open_asked)
        self.table.menu_asked.connect(self._show_menu)
        self._empty.asked.connect(self._help_out)
        self.bar.offer(self.model.all_sections)
        self._show_state()

    # -- content -------------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> list[ListedSection]:
        """The sections that are chosen, from the top."""
        return self.table.chosen if self._made else []

    def choose(self, path: Path) -> None:
        """Choose one section, and bring it in sight."""
        if self._made:
            self.table.choose(path)

    def set_folder(self, folder: Path | None) -> None:
        """Take the folder that is shown."""
        self._folder = folder
        self._show_state()

    def set_sections(self, sections: Iterable[ListedSection], problem: str = "", n_unread: int = 0) -> None:
        """Show these sections.

        Parameters
        ----------
        sections : iterable of ListedSection
        problem : str
            Why the folder cannot be listed, as a sentence; empty if it can.
        n_unread : int
            Folders below that cannot be opened.
        """
        sections = tuple(sections)
        self._problem, self._n_unread = problem, n_unread
        if sections == self.model.all_sections:
            self.model.show_animals()
        else:
            self.model.set_sections(sections)
            if self._made:
                self.bar.offer(sections)
        self._show_state()

    def show_picture(self, path: Path) -> None:
        """Paint the row of a section again."""
        self.model.show_picture(path)

    def set_listing(self, listing: bool) -> None:
        """Show whether the folder is being read for the first time."""
        self._listing = listing
        self._show_state()

    def set_work(self, words: str, done: int = 0, total: int = 0) -> None:
        """Show what is under way for several sections, and how far it is; no words: nothing."""
        self._work = words, done, total
        self._show_state()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        self.model.set_theme(theme)

    def _show_state(self) -> None:
        if not self._made:
            return
        words, done, total = self._work
        self._progress.setVisible(bool(words) and total > 0)
        self._cancel.setVisible(bool(words))
        self._progress.setRange(0, max(1, total))
        self._progress.setValue(done)
        n, shown = self.model.n_sections, self.model.n_shown
        about = counted(n, "section") if shown == n else f"{shown:,} of {counted(n, 'section')}"
        chosen = len(self.chosen)
        parts = [
            about,
            f"{chosen} chosen" if chosen > 1 else "",
            f"{counted(self._n_unread, 'folder')} cannot be opened" if self._n_unread else "",
            "reading the folder …" if self._listing else "",
        ]
        folder = "" if self._folder is None else f" in {self._folder}"
        now = f"{', '.join(filter(None, parts))}{folder}"
        self._about.setText(words or (f"{self._problem} What was read before: {now}" if self._problem else now))
        empty = not shown and not (self._listing and not self._problem)
        self._pages.setCurrentWidget(self._empty if empty else self.table)
        if empty:
            self._empty.show_words(*self._why_empty())

    def _why_empty(self) -> tuple[str, str]:
        """Return why there is no section, as one sentence, and what the button does."""
        if self._problem:
            return self._problem, self._folder_action.text()
        if self.model.n_sections:
            return "No section here matches search and filters.", "Show all sections"
        where = "here" if self._folder is None else f"in {self._folder}"
        return f"No section is stored {where} yet.", self._folder_action.text()

    @Slot()
    def _help_out(self) -> None:
        if self.model.n_sections and not self._problem:
            self.bar.clear()
        else:
            self._folder_action.trigger()

    @Slot(object)
    def _filter_chosen(self, which: LibraryFilter) -> None:
        self.model.set_filter(which)
        self._show_state()

    @Slot()
    def _chosen_changed(self) -> None:
        self._show_state()
        self.chosen_changed.emit()

    @Slot(QPoint)
    def _show_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        menu.setAccessibleName("The chosen sections")
        for action in self._actions:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)
        menu.popup(at)

    # -- seen ----------------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Make the widgets, the first time."""
        if not self._made:
            self._make()
        super().showEvent(event)
        self.seen_changed.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Have nothing listed while the tab is not on the screen."""
        super().hideEvent(event)
        self.seen_changed.emit(False)
