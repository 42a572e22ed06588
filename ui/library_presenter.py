"""The library: its list, what is done with the chosen sections, and the section that it opens."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices

from hcc_scope.formatting import counted, full_stop
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library_export import export_sections
from hcc_scope.runs.reclassify_many import ReclassificationOfMany, describe_reclassified
from hcc_scope.runs.section_comparison import compare_sections
from hcc_scope.runs.section_reading import with_present_score
from hcc_scope.storage.section_labels import label_section
from hcc_scope.workers import Failure, attempt
from ui.control.section_library import SectionLibrary
from ui.kit.error_report import describe
from ui.library.classify_dialog import ClassifyDialog
from ui.library.compare_dialog import CompareDialog
from ui.library.section_pictures import SectionPictures
from ui.shell.file_dialogs import choose_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.runs.reclassify_many import Reclassified
    from hcc_scope.runs.reports import WrittenReport
    from hcc_scope.runs.section_comparison import SectionComparison
    from hcc_scope.storage.section_labels import SectionLabel
    from ui.control.app_state import AppState
    from ui.control.model_list import ModelList
    from ui.control.recovery import Recovery
    from ui.control.section_setup import SectionSetup
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["LibraryPresenter"]

_POLL_MS = 200
_BEHIND_FILL = 0.25
"""Of the queue of frames to be stored: beyond it the disk is behind."""
_NONE = "no section is chosen in the library"


class LibraryPresenter(QObject):
    """Connects the library with the window.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    setup : SectionSetup
        Its folder is shown first.
    recovery : Recovery
    settings_store : SettingsStore
    models : ModelList
        Those that classify sections again.
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.
    """

    resume_asked = Signal(str)
    """The path of a store whose plan is to go on."""
    continue_asked = Signal(str)
    """The path of the store of a section by hand that is to go on."""
    export_asked = Signal(list)
    """The paths of stores to be exported for other programs."""

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        setup: SectionSetup,
        recovery: Recovery,
        settings_store: SettingsStore,
        models: ModelList,
        *,
        allow_phantom_model: bool = False,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs, self._state = window, views, jobs, state
        self._setup, self._recovery, self._settings_store = setup, recovery, settings_store
        self._models = models
        self._allow_phantom_model = allow_phantom_model
        self.library = SectionLibrary(jobs, self._is_behind, self)
        self.pictures = SectionPictures(jobs, self._is_behind, self)
        self._task: ReclassificationOfMany | None = None
        self._asking: ClassifyDialog | None = None
        self._reports: Iterator[WrittenReport] | None = None
        self._made: list[WrittenReport] = []
        self._why_not: list[str] = []
        self._n_reports = 0
        self._of_animals = False
        self._cancelled = False
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._show_progress)
        tab = self.tab = views.library
        tab.model.take_sources(self.pictures.get, self.library.animals)
        tab.open_asked.connect(self.open)
        tab.chosen_changed.connect(self._update)
        tab.seen_changed.connect(self.library.set_watched)
        tab.cancel_asked.connect(self.cancel)
        self.library.changed.connect(self._show_sections)
        self.library.folder_changed.connect(self._show_folder)
        self.library.listing_changed.connect(tab.set_listing)
        self.pictures.arrived.connect(tab.show_picture)
        views.replay.library_asked.connect(self.show)
        self._connect_actions()
        setup.folder_changed.connect(self.library.choose_folder)
        for signal in (state.run_started, state.run_finished, state.finish_failed):
            signal.connect(self._look_again)
        views.replay.notes_changed.connect(self._look_again)
        models.changed.connect(self._offer_models)
        self.library.choose_folder(setup.request.out_dir)
        self._update()

    def _connect_actions(self) -> None:
        does: dict[ActionName, Callable[[], None]] = {
            "library_open": self.open,
            "library_report": self.report,
            "library_animal_report": self.report_animals,
            "library_classify": self.classify,
            "library_compare": self.compare,
            "library_export_as": self.export,
            "library_export": self.choose_export,
            "library_resume": self.resume,
            "library_recover": self.recover,
            "library_low": partial(self.label, "low"),
            "library_high": partial(self.label, "high"),
            "library_leave_out": partial(self.label, "leave out"),
            "library_no_label": partial(self.label, None),
            "library_folder": self.choose_folder,
        }
        for name, do in does.items():
            self._window.actions_[name].triggered.connect(partial(_ignoring_checked, do))

    def _is_behind(self) -> bool:
        """Return whether the disk is behind the camera now: then nothing else is read from it."""
        snapshot = self._state.snapshot
        return self._state.run is not None and snapshot is not None and snapshot.store_queue_fill > _BEHIND_FILL

    # -- the list ------------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show the library."""
        self._window.show_view(self.tab)

    @Slot()
    def _show_folder(self) -> None:
        self.tab.set_folder(self.library.folder)

    @Slot()
    def _show_sections(self) -> None:
        library = self.library
        self.tab.set_sections(library.sections.values(), library.problem, library.n_unread)
        self._update()

    @Slot()
    def _look_again(self) -> None:
        """List again: a store has appeared, has ended, or has other notes."""
        if self.tab.isVisible():
            self.library.refresh()

    def choose_folder(self) -> None:
        """Choose the folder that is listed; new sections go where they went."""
        start = self.library.folder or self._setup.request.out_dir
        choose_folder(self._window, "Folder with sections", start, self._take_folder)

    def _take_folder(self, path: str) -> None:
        self.show()
        self.library.choose_folder(Path(path))

    @Slot()
    def _update(self) -> None:
        """Enable what can be done with the chosen sections, and give the reason for the rest."""
        chosen = self.tab.chosen
        readable = [one for one in chosen if one.can_open]
        nothing = "" if chosen else _NONE
        unreadable = nothing or ("" if readable else "it cannot be read" if len(chosen) == 1 else "none can be read")
        busy = "other sections are being worked on" if self._task is not None or self._reports is not None else ""
        with_frames = [one for one in readable if one.n_frames]
        no_frames = unreadable or ("" if with_frames else "no field is stored")
        two = "" if len(readable) == 2 else "two sections have to be chosen"
        recoverable = nothing or ("" if any(one.can_recover for one in chosen) else "nothing there needs it")
        labels = unreadable
        reasons: dict[ActionName, str] = {
            "library_open": unreadable,
            "library_report": unreadable or busy,
            "library_animal_report": unreadable or busy,
            "library_classify": no_frames or busy,
            "library_compare": nothing or two,
            "library_export_as": no_frames,
            "library_export": unreadable,
            "library_resume": nothing or _why_not_resumed(chosen),
            "library_recover": recoverable,
            "library_low": labels,
            "library_high": labels,
            "library_leave_out": labels,
            "library_no_label": labels or ("" if any(one.label for one in readable) else "there is no label"),
        }
        for name, reason in reasons.items():
            self._window.actions_.enable(name, reason)

    def _readable(self) -> list[ListedSection]:
        return [one for one in self.tab.chosen if one.can_open]

    # -- one section or several ----------------------------------------------------------------------------------------

    @Slot()
    def open(self) -> None:
        """Open the chosen sections: Replay, map and tiles show the last of them."""
        paths = [one.path for one in self._readable()]
        if paths:
            self._views.open_stores(paths)

    def label(self, label: SectionLabel | None) -> None:
        """Label the chosen sections for training."""
        paths = [one.path for one in self._readable()]
        self._jobs.submit("disk", partial(_label, paths, label), self._labelled, self._labelled)

    def _labelled(self, _end: object) -> None:
        self._views.replay.look_again()
        self._look_again()

    def resume(self) -> None:
        """Take what is left of the chosen section; a section by hand is continued."""
        (one,) = self.tab.chosen
        (self.continue_asked if one.is_by_hand else self.resume_asked).emit(str(one.path))

    def recover(self) -> None:
        """Make the chosen stores valid again."""
        self._recovery.recover([one.path for one in self.tab.chosen if one.can_recover], self._look_again)

    def compare(self) -> None:
        """Show two sections beside each other."""
        chosen = self._readable()
        if len(chosen) == 2:
            self._jobs.submit("library", partial(compare_sections, *chosen), self._show_comparison)

    def _show_comparison(self, comparison: SectionComparison) -> None:
        pictures = self.pictures.get(comparison.first), self.pictures.get(comparison.second)
        dialog = CompareDialog(comparison, pictures, self._window)
        dialog.show()

    def export(self) -> None:
        """Ask in which formats the chosen sections are exported."""
        paths = [one.path for one in self._readable() if one.n_frames]
        if paths:
            self.export_asked.emit(paths)

    def choose_export(self) -> None:
        """Choose where the lists and tables of the chosen sections go."""
        chosen = self._readable()
        start = self.library.folder or self._setup.request.out_dir
        choose_folder(self._window, "Folder for the export", start, partial(self._export, chosen))

    def _export(self, chosen: Sequence[ListedSection], folder: str) -> None:
        listed = list(self.library.sections.values())
        self._jobs.submit("library", partial(_export, chosen, listed, Path(folder)), partial(self._exported, folder))

    def _exported(self, folder: str, written: list[Path]) -> None:
        self._state.message.emit("info", f"{counted(len(written), 'file')} written to {folder}.")

    # -- reports -------------------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Write a report of each chosen section, beside its store; one alone is opened."""
        from hcc_scope.runs.reports import write_reports  # here: it takes matplotlib

        prevalence, chosen = self._settings_store.settings.prevalence, self._readable()
        folder = self.library.folder
        each = (write_reports([one.path], prevalence=prevalence, folder=folder) for one in chosen)
        self._report(chain.from_iterable(each), len(chosen), of_animals=False)

    def report_animals(self) -> None:
        """Write the report of each animal of the chosen sections, over all its sections in the folder, and of these."""
        from hcc_scope.runs.reports import write_reports

        folder, animals = self.library.folder, {one.animal_id for one in self._readable()}
        if folder is not None:
            n = len(animals) + sum(one.animal_id in animals for one in self.library.sections.values())
            prevalence = self._settings_store.settings.prevalence
            self._report(write_reports([folder], animals=animals, prevalence=prevalence), n, of_animals=True)

    def _report(self, reports: Iterator[WrittenReport], n: int, *, of_animals: bool) -> None:
        if self._reports is not None:
            return
        self._reports, self._n_reports, self._of_animals = reports, n, of_animals
        self._made, self._why_not, self._cancelled = [], [], False
        self._next_report()
        self._update()

    def _next_report(self) -> None:
        if self._cancelled or self._reports is None:
            self._end_reports()
            return
        done = len(self._made) + len(self._why_not)
        self.tab.set_work(f"Report {done + 1} of {max(done + 1, self._n_reports)} …", done, self._n_reports)
        self._jobs.submit("report", partial(attempt, partial(next, self._reports, None)), self._have_report)

    def _have_report(self, made: WrittenReport | Failure | None) -> None:
        if isinstance(made, Failure):
            self._why_not.append(describe(made.error).sentence)
        elif made is None:
            self._reports = None
        elif made.page is None:
            self._why_not.append(f"{made.name}: {made.error}")
        else:
            self._made.append(made)
        self._next_report()

    def _end_reports(self) -> None:
        self._reports = None
        self.tab.set_work("")
        for why in self._why_not:
            self._state.message.emit("error", full_stop(why))
        pages = [one.page for one in self._made if one.page is not None]
        shown = [one.page for one in self._made if one.page is not None and (one.of_animal or not self._of_animals)]
        if len(shown) == 1:
            self._state.message.emit("info", f"The report is {shown[0]}.")
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(shown[0])))
        elif pages:
            where = f"in {self.library.folder}" if self._of_animals else "beside their sections"
            self._state.message.emit("info", f"{counted(len(pages), 'report is', 'reports are')} written {where}.")
        self._update()

    # -- classify again ------------------------------------------------------------------------------------------------

    def classify(self) -> None:
        """Ask with which model the chosen sections are classified again."""
        chosen = [one for one in self._readable() if one.n_frames]
        if not chosen or self._task is not None:
            return
        dialog = ClassifyDialog(len(chosen), self._window)
        dialog.asked.connect(partial(self._classify, [one.path for one in chosen]))
        dialog.finished.connect(dialog.deleteLater)
        dialog.finished.connect(self._asked)
        self._asking = dialog
        self._offer_models()
        dialog.show()
        self._models.refresh()

    @Slot()
    def _asked(self) -> None:
        self._asking = None

    @Slot()
    def _offer_models(self) -> None:
        """Offer every model of the list that can be used, while the dialog asks."""
        if self._asking is not None:
            self._asking.set_models(self._models.entries, chosen=self._setup.request.model)

    def _classify(self, stores: list[Path], model: str, engine: str, name: str) -> None:
        if self._task is not None:
            return
        self._task = ReclassificationOfMany(
            stores, model=model, engine=engine, save_as=name, allow_phantom_model=self._allow_phantom_model
        )
        self._jobs.submit("replay", self._task.run, self._classified, self._not_classified)
        self._poll.start()
        self._show_progress()
        self._update()

    @Slot()
    def _show_progress(self) -> None:
        if self._task is not None:
            now = self._task.progress()
            words = "Ending: what is classified so far is kept …" if self._task.cancelled else now.message
            self.tab.set_work(words, now.done, now.total)

    def _classified(self, found: list[Reclassified]) -> None:
        self._end_classification()
        self._views.replay.look_again()
        for one in found:
            self._state.message.emit("error" if one.error is not None else "debug", one.describe())
        self._state.message.emit("info", describe_reclassified(found))

    def _not_classified(self, _why: str) -> None:
        self._end_classification()

    def _end_classification(self) -> None:
        self._task = None
        self._poll.stop()
        self.tab.set_work("")
        self._update()
        self._look_again()

    @Slot()
    def cancel(self) -> None:
        """End early what is under way for several sections; what is done stays."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
            self._show_progress()

    def end(self) -> None:
        """End everything when the window closes."""
        self.cancel()
        self._poll.stop()
        self.library.end()


def _why_not_resumed(chosen: Sequence[ListedSection]) -> str:
    """Return why what is left of a section cannot be taken, as far as the list shows it; empty if it can."""
    if len(chosen) != 1:
        return "one section has to be chosen"
    (one,) = chosen
    if one.state == "under way":
        return "its run is under way"
    if not one.can_open:
        return "it cannot be read"
    if one.is_by_hand:
        return ""
    left = one.n_planned is not None and (one.n_fields or 0) < one.n_planned
    return "" if left else "every field of its plan is stored"


def _label(paths: Sequence[Path], label: SectionLabel | None) -> None:
    for path in paths:
        label_section(path, label)


def _export(chosen: Sequence[ListedSection], listed: Sequence[ListedSection], folder: Path) -> list[Path]:
    """Export the chosen of all listed sections, with the scores of their animals over all of these."""
    animal_ids = {one.animal_id for one in chosen}
    of_animals = {one.path: one for one in (*listed, *chosen) if one.animal_id in animal_ids}
    present = {path: with_present_score(one) if one.has_old_score else one for path, one in of_animals.items()}
    animals = [one.with_interval() for one in animal_scores(present.values())]
    return export_sections([present[one.path] for one in chosen], animals, folder)


def _ignoring_checked(do: Callable[[], None], _checked: bool = False) -> None:
    do()
