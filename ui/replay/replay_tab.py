"""The tab *Replay*: look at stored sections, classify them again, compare, and keep notes.

Everything that reads, writes or computes goes to the `JobRunner`; this widget only connects its parts.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSplitter, QTabWidget, QVBoxLayout, QWidget

from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis, open_section, read_again
from hcc_scope.workers import Failure, attempt
from ui.canvas.save_view import save_picture
from ui.kit.controls import action_button, style_buttons
from ui.kit.empty_page import EmptyPage
from ui.kit.error_report import describe
from ui.kit.low_page import LowPage, scrolling_column
from ui.kit.save_dialog import ask_where
from ui.kit.theme import GRID_PX, colours
from ui.replay.classify_panel import ClassifyPanel
from ui.replay.compare_panel import ComparePanel
from ui.replay.frame_pane import FramePane, Overlay
from ui.replay.label_row import LabelRow
from ui.replay.notes_panel import NotesPanel
from ui.replay.section_panel import SectionPanel
from ui.replay.store_list import StoreList, dropped_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent, QShowEvent

    from hcc_scope.storage.section_labels import SectionLabel
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["ReplayTab"]


class _Panels(NamedTuple):
    """What a section that is shown can be asked for."""

    classify: ClassifyPanel
    compare: ComparePanel
    notes: NotesPanel


_NARROW_PX = 1000
"""Below this width three columns leave less than the scrubber needs, as beside the docks of a window of 1600 px."""


class ReplayTab(QWidget):
    """The tab.

    Parameters
    ----------
    jobs : JobRunner
        Reads and writes on ``disk``, classifies on ``replay``, draws reports on ``report``.
    parent : QWidget, optional
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.
    """

    store_opened = Signal(Path)
    """The path of a store that could be opened: worth remembering."""
    section_shown = Signal(OpenedStore)
    """Another section is shown, or its analyses changed: its tiles belong into the gallery."""
    section_closed = Signal()
    """No section is shown any more."""
    notes_changed = Signal(OpenedStore)
    """A section that is open got a note or a mark."""
    label_changed = Signal()
    """A section that is open was given a label, or it was taken back."""
    message = Signal(str, str)
    """Level (``info``, ``warning``, ``error``) and text: for the operator, and for the log."""
    report_made = Signal(Path)
    """The path of a section's report."""
    library_asked = Signal()
    """The operator wants to choose a section in the library."""

    def __init__(self, jobs: JobRunner, parent: QWidget | None = None, *, allow_phantom_model: bool = False) -> None:
        super().__init__(parent)
        self.setAccessibleName("Replay")
        self._jobs = jobs
        self._opened: dict[Path, OpenedStore] = {}
        self._opening: set[Path] = set()
        self._shown: OpenedStore | None = None
        self._overlays_of: OpenedStore | None = None
        self._theme: ThemeName = "dark"
        self._prevalence: float | None = None
        self._dragging = False
        self._narrow: bool | None = None
        self.stores = StoreList()
        self.pane = FramePane(jobs, keys_in=self)
        self.section = SectionPanel()
        self._allow_phantom_model = allow_phantom_model
        self._offered: list[tuple[str, Path]] = []
        self._made: _Panels | None = None
        """Made for the first section that is shown; before there is nothing to classify or to write on."""
        self.labels: LabelRow | None = None
        """Of the first section that is shown; before there is nothing to label."""
        self.pages = QTabWidget()
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._left = QSplitter(Qt.Orientation.Vertical)
        self._empty = EmptyPage("No stored section is open.", "Choose one in the library")
        self._build()
        self._wire()
        self._show(None)
        self._show_or_lead_on()

    def _build(self) -> None:
        self.setAcceptDrops(True)
        self.setObjectName("replay")
        self._add_page(self.section, "Se&ction", "What the section is, and its scores")
        self.pages.setAccessibleName("About the section")
        # for its key alone: the list has a button to click
        action_button(self, "Open store …", "Open the folder of a stored section", "Ctrl+Shift+O", self._open_clicked)
        picture = action_button(
            self, "Save picture …", "Save the field as it is shown, as a PNG", "Ctrl+Shift+P", self._picture_clicked
        )
        report = action_button(
            self, "Report", "Make the section's report from its store", "Ctrl+Shift+R", self._report_clicked
        )
        self._needs_store = [picture.defaultAction(), report.defaultAction()]
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(picture)
        buttons.addWidget(report)
        buttons.addStretch(1)
        upper = QWidget()
        left_column = self._left_column = QVBoxLayout(upper)
        left_column.setContentsMargins(0, 0, 0, 0)
        left_column.setSpacing(GRID_PX)
        left_column.addWidget(self.stores, 1)
        left_column.addLayout(buttons)
        self._left.addWidget(upper)
        self._left.setMinimumWidth(20 * GRID_PX)
        self._left.setChildrenCollapsible(False)
        self.pages.setMinimumSize(28 * GRID_PX, 20 * GRID_PX)
        self.pane.setMinimumWidth(32 * GRID_PX)
        self.pane.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        for index, (widget, stretch) in enumerate(((self._left, 0), (self.pane, 1), (self.pages, 0))):
            self._splitter.addWidget(widget)
            self._splitter.setStretchFactor(index, stretch)
            self._splitter.setCollapsible(index, index != 1)
        for splitter in (self._splitter, self._left):
            splitter.setHandleWidth(GRID_PX)
        column = scrolling_column(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.addWidget(self._splitter)
        outer = self.layout()
        assert outer is not None
        outer.addWidget(self._empty)

    def _add_page(self, page: QWidget, title: str, tip: str) -> None:
        self.pages.setTabToolTip(self.pages.addTab(page, title), tip)

    def _panels(self) -> _Panels:
        """Return the panels of a section that is shown, made now if they are not there yet."""
        if self._made is not None:
            return self._made
        classify = ClassifyPanel(self._jobs, allow_phantom_model=self._allow_phantom_model)
        self._made = made = _Panels(classify, ComparePanel(), NotesPanel(self._jobs))
        self._add_page(classify, "Classif&y", "Classify the section again, with this or another model")
        self._add_page(made.compare, "Comp&are", "Two analyses of the section beside each other")
        self._add_page(made.notes, "&Notes", "Notes on the section and on its fields")
        self.pane.field_shown.connect(made.notes.set_field)
        classify.analysed.connect(self._analysed)
        made.compare.compared.connect(self._compared)
        made.notes.changed.connect(self._notes_changed)
        for panel in (classify, made.notes):
            panel.failed.connect(self._warn)
        for shows in (made.compare, made.notes):
            shows.field_requested.connect(self.pane.show_field)
        made.compare.set_theme(self._theme)
        classify.offer_models(self._offered)
        return made

    @property
    def classify(self) -> ClassifyPanel:
        """What classifies the section again."""
        return self._panels().classify

    @property
    def compare(self) -> ComparePanel:
        """Two analyses of the section beside each other."""
        return self._panels().compare

    @property
    def notes(self) -> NotesPanel:
        """The notes on the section."""
        return self._panels().notes

    def offer_models(self, models: Sequence[tuple[str, Path]]) -> None:
        """Offer models by name and folder to classify with."""
        self._offered = list(models)
        if self._made is not None:
            self._made.classify.offer_models(self._offered)

    def _wire(self) -> None:
        self.stores.open_requested.connect(self.open_stores)
        self.stores.selection_changed.connect(self._show_selected)
        self.stores.close_requested.connect(self.close_store)
        for changed in (self.stores.list.model().rowsInserted, self.stores.list.model().rowsRemoved):
            changed.connect(self._show_or_lead_on)
        self._empty.asked.connect(self.library_asked)
        self.pane.failed.connect(self._warn)

    @Slot()
    def _show_or_lead_on(self) -> None:
        """Show the opened stores; without one, lead to where there are some."""
        empty = not self.stores.list.count()
        self._empty.setVisible(empty)
        for area in self.findChildren(LowPage, options=Qt.FindChildOption.FindDirectChildrenOnly):
            area.setVisible(not empty)

    # -- stores ------------------------------------------------------------------------------------------------------

    @property
    def opened(self) -> OpenedStore | None:
        """The store that is shown, or None."""
        return self._shown

    @Slot(list)
    def open_stores(self, paths: Iterable[Path]) -> None:
        """Open stores; the last of them is shown. One that is open already is read again if its files have changed."""
        for path in (Path(one).resolve() for one in paths):
            if path in self._opened:
                self.stores.select(path)
                self._look_again(path)
            elif path not in self._opening:
                self._opening.add(path)
                self.stores.add_opening(path)
                self._jobs.submit("disk", partial(open_section, path), self._have_store, partial(self._no_store, path))

    def _have_store(self, opened: OpenedStore) -> None:
        self._opening.discard(opened.path)
        before = self._opened.get(opened.path)
        self._opened[opened.path] = opened
        self.stores.show_store(opened)
        if self._shown is not None and self._shown is before:
            seq = self.pane.seq
            self._show(opened)
            self.pane.show_field(seq)
        if before is None:
            self.stores.select(opened.path)
            self.store_opened.emit(opened.path)
        for problem in opened.problems:
            if before is None or problem not in before.problems:
                self.message.emit("warning", f"{opened.path.name}: {problem}")

    def _look_again(self, path: Path) -> None:
        """Read an open store again if its files have changed: by a run, another program, or in the library."""
        opened = self._opened.get(path)
        if opened is not None and path not in self._opening:
            self._opening.add(path)
            self._jobs.submit("disk", partial(read_again, opened), partial(self._seen_again, path), self._warn_of(path))

    def look_again(self) -> None:
        """Read the store that is shown again if its files have changed."""
        if self._shown is not None:
            self._look_again(self._shown.path)

    def _seen_again(self, path: Path, now: OpenedStore | None) -> None:
        self._opening.discard(path)
        if now is not None and path in self._opened:  # else it was closed meanwhile
            self._have_store(now)

    def _warn_of(self, path: Path) -> Callable[[str], None]:
        def warn(why: str) -> None:
            self._opening.discard(path)
            self._warn(why)

        return warn

    def _no_store(self, path: Path, why: str) -> None:
        self._opening.discard(path)
        self._opened.pop(path, None)
        self.stores.remove(path)
        self.message.emit("error", why)

    @Slot(Path)
    def close_store(self, path: Path) -> None:
        """Take a store out of the list; analyses that were not saved are gone."""
        self._opened.pop(path, None)
        self.stores.remove(path)

    @Slot()
    def _show_selected(self) -> None:
        path = self.stores.current
        opened = None if path is None else self._opened.get(path)
        self._show(opened)
        if opened is not None and opened.store.complete:  # one that grows is read again when it is opened again
            self._look_again(opened.path)

    def _show(self, opened: OpenedStore | None) -> None:
        self._shown = opened
        self.section.set_store(opened)
        made = self._made if opened is None else self._panels()
        if made is not None:
            made.classify.set_store(opened)
            made.notes.set_store(opened)
        if opened is not None and self.labels is None:
            self._make_labels()
        if self.labels is not None:
            self.labels.set_store(opened)
        self.pane.set_store(opened)
        if made is not None:
            made.compare.set_store(opened, newest=True)
        for action in self._needs_store:
            action.setEnabled(opened is not None)
        if opened is None:
            self.section_closed.emit()
        else:
            self.section_shown.emit(opened)

    def stop(self) -> None:
        """End a running classification early, when the window closes."""
        if self._made is not None:
            self._made.classify.cancel()

    # -- analyses ----------------------------------------------------------------------------------------------------

    @Slot(OpenedStore, SectionAnalysis)
    def _analysed(self, opened: OpenedStore, analysis: SectionAnalysis) -> None:
        opened = self._opened.get(opened.path, opened)  # it may have been read again meanwhile
        opened.analyses.append(analysis)
        self.message.emit("info", f"{opened.name}: {analysis.title} is done. {analysis.note}".strip())
        if opened is not self._shown:
            return
        self.section.set_store(opened)
        self.compare.set_store(opened, newest=True)
        if len(opened.analyses) == 1:
            self.section_shown.emit(opened)  # the gallery and the map had no result before
        if len(opened.analyses) > 1:
            self.pages.setCurrentWidget(self.compare)

    @Slot()
    def _compared(self) -> None:
        """Offer the overlays that can be drawn over the frame."""
        opened, comparison = self._shown, self.compare.comparison
        overlays = [] if opened is None else [Overlay(one.title, one) for one in opened.analyses]
        chosen = "" if opened is not self._overlays_of else None  # another store: its recorded analysis comes first
        self._overlays_of = opened
        if comparison is not None and comparison.first is not comparison.second and comparison.fields:
            one, other = comparison.first, comparison.second
            overlays.append(Overlay(f"{other.title} minus {one.title.lower()}", one, other))
        self.pane.set_overlays(overlays, chosen)

    @Slot(OpenedStore)
    def _notes_changed(self, opened: OpenedStore) -> None:
        self._score_again(opened)
        self.notes_changed.emit(opened)

    def _score_again(self, opened: OpenedStore) -> None:
        """Compute the scores again: a field may have been excluded, or be back."""
        if opened is not self._opened.get(opened.path, opened):  # it was read again meanwhile
            self._look_again(opened.path)
            return
        opened.analyses = opened.rescored()
        self.stores.show_store(opened)
        if opened is self._shown:
            self.section.set_store(opened)
            self.compare.set_store(opened)
            self.section_shown.emit(opened)

    # -- the label ---------------------------------------------------------------------------------------------------

    def _make_labels(self) -> None:
        self.labels = LabelRow(self._jobs)
        self.labels.set_theme(self._theme)
        self.labels.changed.connect(self._labelled)
        self.labels.failed.connect(self._warn)
        self._left_column.insertWidget(1, self.labels)

    def choose_label(self, label: SectionLabel) -> None:
        """Give the section that is shown a label for training; the label that it has is taken back."""
        if self.labels is not None:
            self.labels.choose(label)

    @Slot(OpenedStore)
    def _labelled(self, opened: OpenedStore) -> None:
        self.stores.show_store(opened)
        if opened is self._shown:
            self.notes.show_notes()
        self.label_changed.emit()

    # -- exports -----------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _open_clicked(self, _down: bool) -> None:
        self.stores.ask()

    @Slot(bool)
    def _picture_clicked(self, _down: bool) -> None:
        if self._shown is not None:
            name = self._shown.path.name.removesuffix(".ome.zarr")
            suggestion = self._shown.path.parent / f"{name}_field{self.pane.seq}.png"
            ask_where(self, "Save picture", suggestion, "PNG picture (*.png)", self._save_picture)

    def _save_picture(self, path: Path) -> None:
        saved = attempt(partial(self.export_png, path))
        if isinstance(saved, Failure):
            self._warn(describe(saved.error).sentence)
        else:
            self.message.emit("info", f"Picture saved: {path}")

    def export_png(self, path: Path) -> None:
        """Save the field as it is shown, with a caption.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        caption = "" if self._shown is None else f"{self._shown.name}. {self.pane.caption}"
        save_picture(self.pane.view, path, caption)

    def begin_note(self) -> None:
        """Go to where a note on the section is written."""
        self.pages.setCurrentWidget(self.notes)
        self.notes.text.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot(bool)
    def _report_clicked(self, _down: bool) -> None:
        self.make_report()

    def set_prevalence(self, prevalence: float | None) -> None:
        """Take the share of animals that are high, 0 to 1, for the panel and the report; None: not stated."""
        self._prevalence = prevalence
        self.section.set_prevalence(prevalence)

    def make_report(self) -> None:
        """Make the report of the store that is looked at; `message` carries its path."""
        opened = self._shown
        if opened is None:
            return
        from hcc_scope.runs.reports import write_section_report  # here: it takes matplotlib

        self.message.emit("info", f"Making the report of {opened.name} ...")
        self._jobs.submit(
            "report",
            partial(write_section_report, opened.path, prevalence=self._prevalence),
            self._have_report,
            self._warn,
        )

    def _have_report(self, path: Path) -> None:
        self.message.emit("info", f"The report is {path}.")
        self.report_made.emit(path)

    @Slot(str)
    def _warn(self, why: str) -> None:
        self.message.emit("error", why)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Look whether the store that is shown has changed."""
        super().showEvent(event)
        self.look_again()

    # -- looks and drops ---------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Put the pages below the list of stores where three columns would leave no room for the frame."""
        super().resizeEvent(event)
        narrow = event.size().width() < _NARROW_PX
        if narrow == self._narrow:
            return
        self._narrow = narrow
        if narrow:
            self._left.addWidget(self.pages)
            self._left.setSizes([100, 250])
        else:
            self._splitter.addWidget(self.pages)
        self._left.setMinimumWidth((34 if narrow else 20) * GRID_PX)
        self._share_out(event.size().width())
        self.pages.show()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        style_buttons(self, theme)
        for part in (self.pane, self.section):
            part.set_theme(theme)
        if self._made is not None:
            self._made.compare.set_theme(theme)
        self._show_drop(self._dragging)

    def _share_out(self, width_px: int) -> None:
        """Give the frame the room that the columns beside it leave."""
        sides = [296] if self._splitter.count() == 2 else [200, 352]
        self._splitter.setSizes([sides[0], max(1, width_px - sum(sides)), *sides[1:]])

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Say that stores may be dropped here."""
        if dropped_stores(event.mimeData()):
            event.acceptProposedAction()
            self._show_drop(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        """Remove the mark of a drop."""
        self._show_drop(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Open the dropped stores."""
        self._show_drop(False)
        event.acceptProposedAction()
        self.open_stores(dropped_stores(event.mimeData()))

    def _show_drop(self, dragging: bool) -> None:
        self._dragging = dragging
        accent = colours(self._theme).accent
        self.setStyleSheet(f"#replay {{ border: 2px dashed {accent}; }}" if dragging else "")
