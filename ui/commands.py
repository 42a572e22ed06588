"""The effect of each action of the window."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import Failure, attempt
from ui.control.run_control import describe_end
from ui.control.settings import with_recent
from ui.kit.error_report import describe
from ui.shell.about import show_about
from ui.shell.file_dialogs import choose_folder, choose_new_picture, choose_rig_file
from ui.shell.health_dialogs import HealthDialogs
from ui.shell.note_dialog import NoteDialogs
from ui.shell.reference_dialog import ReferenceDialog
from ui.shell.rig_wizard import RigWizard
from ui.shell.shortcuts_dialog import ShortcutsDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.report.summary import SectionReport
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.reference_control import ReferenceControl
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName
    from ui.plan_presenter import PlanPresenter
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["Commands"]


class Commands(QObject):
    """Carries out the actions of the window.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
    focus : ReplayFocus
    settings_store : SettingsStore
    plans : PlanPresenter
    references : ReferenceControl
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        focus: ReplayFocus,
        settings_store: SettingsStore,
        plans: PlanPresenter,
        references: ReferenceControl,
    ) -> None:
        super().__init__(window)
        self._plans = plans
        self._window, self._views, self._jobs, self._state = window, views, jobs, state
        self._rig, self._run, self._setup, self._focus = rig, run, setup, focus
        self._settings_store = settings_store
        self._aimed: int | None = None
        self._notes = NoteDialogs(window, self._write_note)
        self._health = HealthDialogs(window, jobs)
        self._shortcuts: ShortcutsDialog | None = None
        self._wizard: RigWizard | None = None
        self._references = references
        self._reference_dialog: ReferenceDialog | None = None
        views.devices.references.asked.connect(window.actions_["references"].trigger)
        references.state_changed.connect(views.devices.references.set_references)
        self._connect_actions()
        window.welcome.rig_chosen.connect(self.open_rig)
        window.welcome.store_chosen.connect(self.open_one_store)
        window.close_asked.connect(self._close_dialogs)
        window.top.exclude_button.pressed.connect(self._aim)
        window.top.exclude_button.released.connect(self._aim_no_more)
        rig.opened.connect(self._rig_opened)
        run.phase_changed.connect(self._phase_changed)
        state.run_finished.connect(self._run_finished)
        state.finish_failed.connect(self._finish_failed)

    def _connect_actions(self) -> None:
        does: dict[ActionName, Callable[[], None]] = {
            "open_store": self.open_store,
            "choose_folder": self.choose_folder,
            "export_view": self.export_view,
            "report": self.report,
            "welcome": self.welcome,
            "quit": self.quit,
            "open_demo": self.open_demo,
            "open_rig": self.choose_rig,
            "reconnect": self.reconnect,
            "new_rig": self.set_up_rig,
            "close_rig": self.close_rig,
            "snap": self.snap,
            "references": self.show_references,
            "emergency": self.emergency,
            "start": self.start,
            "stop": self._run.stop,
            "skip_analysis": self._run.skip_analysis,
            "exclude": self.exclude,
            "include": self.include,
            "note": self.add_note,
            "plan": self.edit_plan,
            "load_plan": self._plans.load_plan,
            "save_plan": self._plans.save_plan,
            "export_positions": self._plans.export_positions,
            "quick_scan": self._plans.scan_quickly,
            "ids": self.edit_ids,
            "reset_layout": self._window.reset_layout,
            "shortcuts": self.show_shortcuts,
            "about": self.show_about,
            "qc": self.show_charts,
            "doctor": self.examine,
        }
        actions = self._window.actions_
        for name, do in does.items():
            actions[name].triggered.connect(partial(_ignoring_checked, do))
        actions["live"].triggered.connect(self.live)
        actions["pause"].triggered.connect(self._run.pause)
        actions["theme"].triggered.connect(self.change_theme)
        actions["expert"].triggered.connect(self.change_mode)
        actions["panels"].triggered.connect(self._window.show_panels)
        actions["full_screen"].triggered.connect(self.full_screen)
        actions["theme"].setChecked(self._settings_store.settings.theme == "light")

    # -- files ---------------------------------------------------------------------------------------------------------

    def open_store(self) -> None:
        """Choose stored sections to open."""
        title = "Open a stored section (a folder that ends in .ome.zarr)"
        choose_folder(self._window, title, self._setup.request.out_dir, self.open_one_store)

    @Slot(str)
    def open_one_store(self, path: str) -> None:
        """Open a stored section in the tab Replay."""
        self._views.open_store(Path(path))

    def choose_folder(self) -> None:
        """Choose where new sections are stored."""
        choose_folder(self._window, "Folder for new sections", self._setup.request.out_dir, self.take_folder)

    def take_folder(self, path: str) -> None:
        """Store new sections in a folder, once it is clear that this is possible; the old one stays if not."""
        self._jobs.submit("disk", partial(check_out_dir, Path(path)), partial(self._use_folder, path))

    def _use_folder(self, path: str, _checked: None) -> None:
        if not self._run.active:
            self._setup.choose_folder(Path(path))
            self._window.messages.say("info", f"New sections are stored in {path}.")

    def export_view(self) -> None:
        """Save what the open tab shows as a PNG file."""
        choose_new_picture(self._window, self._setup.request.out_dir, self.save_view)

    def save_view(self, path: str) -> None:
        """Save what the open tab shows as a file."""
        saved = attempt(partial(self._views.export_png, Path(path)))
        if isinstance(saved, Failure):
            self._window.messages.add_error(describe(saved.error))
        else:
            self._state.message.emit("info", f"The view was saved as {path}.")

    def exclude(self) -> None:
        """Exclude the field on the screen from the score of its section."""
        if self._focus.on:
            self._views.replay.notes.mark_shown(excluded=True)
        elif self._aimed is not None:
            self._run.exclude(self._aimed)
        else:
            self._run.exclude_shown()

    def include(self) -> None:
        """Include the field that was excluded last; in Replay, the one on the screen."""
        if self._focus.on:
            self._views.replay.notes.mark_shown(excluded=False)
        else:
            self._run.include_again()

    @Slot()
    def _aim(self) -> None:
        """Keep the field that is on the screen when the mouse is pressed on the button."""
        self._aimed = self._run.field_on_screen

    @Slot()
    def _aim_no_more(self) -> None:
        QTimer.singleShot(0, self, self._forget_aim)  # the click comes after the release

    @Slot()
    def _forget_aim(self) -> None:
        self._aimed = None

    def report(self) -> None:
        """Write the report of the last section and open it; in Replay, of the one that is shown."""
        if self._focus.on:
            self._views.replay.make_report()
            return
        self._run.write_report(self._settings_store.settings.prevalence, self._show_report)

    def _show_report(self, page: Path) -> None:
        self._state.message.emit("info", f"The report is {page}.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))

    def welcome(self) -> None:
        """Show the welcome page, or go back from it."""
        self._window.show_welcome(not self._window.welcome_shown)

    def quit(self) -> None:
        """Close the window."""
        self._window.close()

    # -- the rig -------------------------------------------------------------------------------------------------------

    def open_demo(self) -> None:
        """Load the demo rig."""
        self.open_rig("demo")

    def choose_rig(self) -> None:
        """Choose a rig file."""
        recent = [Path(rig).parent for rig in self._settings_store.settings.recent_rigs if rig != "demo"]
        choose_rig_file(self._window, recent[0] if recent else Path.home(), self.open_rig)

    def set_up_rig(self) -> None:
        """Ask what a new rig consists of, write its files and try them."""
        if self._wizard is not None:
            self._wizard.raise_()
            self._wizard.activateWindow()
            return
        recent = [Path(rig).parent for rig in self._settings_store.settings.recent_rigs if rig != "demo"]
        self._wizard = RigWizard(self._jobs, recent[0] if recent else Path.home(), parent=self._window)
        self._wizard.rig_chosen.connect(self.open_rig)
        self._wizard.finished.connect(self._wizard_closed)
        self._wizard.set_section(under_way=self._run.active)
        self._wizard.show()

    @Slot()
    def _wizard_closed(self) -> None:
        self._wizard = None

    @Slot(str)
    def _phase_changed(self, _phase: str) -> None:
        if self._wizard is not None:
            self._wizard.set_section(under_way=self._run.active)

    @Slot(str)
    def open_rig(self, name: str) -> None:
        """Load a rig in the background."""
        if self._run.active:
            return
        self._window.show_welcome(False)
        self._rig.open(name)

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        if self._setup.fit_rig(has_stage=loaded.has_stage, has_focus=loaded.has_focus):
            self._state.message.emit(
                "info",
                "This rig has no motorised stage, so you move the specimen by hand: Section > Plan has the choice.",
            )
        elif not loaded.has_stage and self._setup.request.plan.kind == "sequence":
            self._state.message.emit(
                "info",
                "The plan is a sequence with the stage at rest, as it was chosen: Section > Plan has sections by hand.",
            )
        recent = with_recent(self._settings_store.settings.recent_rigs, loaded.name)
        self._settings_store.change(recent_rigs=recent)

    def reconnect(self) -> None:
        """Load the last rig again: a device was unplugged, or switched off and on."""
        if self._rig.last_name:
            self.open_rig(self._rig.last_name)

    def close_rig(self) -> None:
        """Unload the devices."""
        if not self._run.active:
            self._rig.close()

    @Slot(bool)
    def live(self, on: bool) -> None:
        """Show what the camera sees, or stop showing it."""
        if on:
            self._window.show_welcome(False)
            self._rig.start_live(self._setup.request)
        else:
            self._rig.stop_live()

    def snap(self) -> None:
        """Take one picture."""
        self._window.show_welcome(False)
        self._rig.snap(self._setup.request)

    def show_references(self) -> None:
        """Show how dark and flat field are, and take them."""
        if self._reference_dialog is None:
            references = self._references
            dialog = ReferenceDialog(self._window, corrects=self._setup.request.shading == "auto")
            dialog.begin_asked.connect(references.begin)
            dialog.shot_asked.connect(references.shoot)
            dialog.cancel_asked.connect(references.cancel)
            dialog.corrects_changed.connect(self._correct_sections)
            references.state_changed.connect(dialog.set_references)
            references.active_changed.connect(dialog.set_active)
            references.progressed.connect(dialog.set_progress)
            references.shot.connect(dialog.set_shot)
            references.made.connect(dialog.show_made)
            references.refused.connect(dialog.show_refused)
            references.failed.connect(dialog.show_failed)
            dialog.finished.connect(self._references_closed)
            self._reference_dialog = dialog
        self._references.refresh()
        self._reference_dialog.show()  # not modal: the emergency stop has to stay in reach
        self._reference_dialog.raise_()
        self._reference_dialog.activateWindow()

    @Slot()
    def _references_closed(self) -> None:
        self._reference_dialog = None

    @Slot(bool)
    def _correct_sections(self, on: bool) -> None:
        self._setup.choose_shading("auto" if on else "none")

    def emergency(self) -> None:
        """Stop what moves, then end the section, which would go on with the next move."""
        self._rig.halt()
        self._run.stop()

    # -- the section ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Acquire the section that is set up."""
        if not self._window.actions_["start"].isEnabled():
            return
        animal_ids, section_ids = self._window.top.remember_ids()
        self._settings_store.change(animal_ids=animal_ids, section_ids=section_ids)
        self._setup.remember()
        self._window.show_welcome(False)
        self._run.start(self._setup.request)

    @Slot(object)
    def _run_finished(self, report: SectionReport) -> None:
        if report.store is not None:
            recent = with_recent(self._settings_store.settings.recent_stores, report.store)
            self._settings_store.change(recent_stores=recent)
        if self._run.importing:
            return  # the plan that is set up is that of a section on the rig
        outlined = self._setup.request.plan.uses_outline
        went_on = self._run.request is not None and self._run.request.resumes is not None
        self._setup.prepare_next(report.section_id if report.store is not None and not went_on else None)
        if outlined and not self._setup.request.plan.uses_outline:
            words = f"The outline on the map is that of {report.section_id}: find or draw the one of the next section."
            self._state.message.emit("info", words)
        if isinstance(report.outcome.cause, CameraError | DeviceError) and self._rig.last_name:
            self._window.notice.show_notice("error", describe_end(report)[1], "Reconnect rig", self.reconnect)

    @Slot()
    def _finish_failed(self) -> None:
        self._setup.prepare_next(None)

    def add_note(self) -> None:
        """Write a note about the running section, or the last one; in Replay, about the one that is shown."""
        if self._focus.on:
            self._views.replay.begin_note()
        elif self._run.note_store is not None:
            self._notes.open(self._run.note_store)

    def _write_note(self, store: Path, seq: int | None, text: str) -> None:
        self._run.write_note(store, text, seq)

    @Slot()
    def _close_dialogs(self) -> None:
        """Before the window closes: keep what was written of a note."""
        self._notes.accept()
        self._health.close()
        if self._wizard is not None:
            self._wizard.reject()
        if self._shortcuts is not None:
            self._shortcuts.close()
        if self._reference_dialog is not None:
            self._reference_dialog.close()

    def edit_plan(self) -> None:
        """Choose another plan."""
        self._plans.edit_plan()

    def edit_ids(self) -> None:
        """Go to the animal id."""
        self._window.top.animal.begin_edit()

    # -- the window ----------------------------------------------------------------------------------------------------

    @Slot(bool)
    def change_theme(self, light: bool) -> None:
        """Change between dark and light."""
        theme: ThemeName = "light" if light else "dark"
        self._window.set_theme(theme)
        self._settings_store.change(theme=theme)

    @Slot(bool)
    def change_mode(self, expert: bool) -> None:
        """Change between Operator and Expert mode, also during a section."""
        mode: ModeName = "expert" if expert else "operator"
        self._window.set_mode(mode)
        self._settings_store.change(mode=mode)

    @Slot(bool)
    def full_screen(self, on: bool) -> None:
        """Use the whole screen, or go back."""
        if on:
            self._window.showFullScreen()
        else:
            self._window.showNormal()

    def show_shortcuts(self) -> None:
        """Show all keys."""
        if self._shortcuts is None:
            self._shortcuts = ShortcutsDialog(self._window, self._window.actions_)
            self._shortcuts.finished.connect(self._shortcuts_closed)
        self._shortcuts.show()  # not modal: the emergency stop has to stay in reach
        self._shortcuts.raise_()
        self._shortcuts.activateWindow()

    @Slot()
    def _shortcuts_closed(self) -> None:
        self._shortcuts = None

    def show_charts(self) -> None:
        """Show the control charts of the sections in the present folder."""
        self._health.show_charts(self._setup.request.out_dir)

    def examine(self) -> None:
        """Offer to examine this computer; a rig as well, unless one is open or being opened here."""
        rigs = list(dict.fromkeys(("demo", *self._settings_store.settings.recent_rigs)))
        in_use = self._rig.loaded is not None or self._rig.busy
        self._health.examine(self._setup.request.out_dir, [] if in_use else rigs)

    def show_about(self) -> None:
        """Show versions."""
        show_about(self._window)


def _ignoring_checked(do: Callable[[], None], _checked: bool = False) -> None:
    do()
