"""What each action of the window does."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QInputDialog

from hcc_scope.runs.unfinished import find_unfinished, recover_all
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import Failure, attempt
from ui.control.section_request import PlanChoice, SectionRequest, next_id
from ui.control.settings import default_out_dir, with_recent
from ui.kit.error_report import describe
from ui.shell.about import show_about
from ui.shell.plan_dialog import PlanDialog
from ui.shell.shortcuts_dialog import CheatSheet

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.unfinished import Unfinished
    from ui.control.app_state import AppState
    from ui.control.rig_control import LoadedRig, RigControl
    from ui.control.run_control import RunControl
    from ui.control.settings_store import Memory
    from ui.kit.jobs import Jobs
    from ui.kit.theme import ThemeName
    from ui.replay_presenter import ReplayWiring
    from ui.rig_presenter import Wiring
    from ui.shell.main_window import MainWindow

__all__ = ["Commands"]

DEFAULT_UM_PER_PX = 0.325
"""Where a rig does not say: the phantom of the demo rig is grown for it ahead of time."""


class Commands(QObject):
    """Does what the actions say.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    memory : Memory
    wiring : Wiring
    """

    def __init__(
        self,
        window: MainWindow,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        memory: Memory,
        wiring: Wiring,
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._state = window, jobs, state
        self._rig, self._run, self._memory, self._wiring = rig, run, memory, wiring
        self._seed = secrets.randbelow(2**31)
        self._aimed: int | None = None
        self._note_dialog: QInputDialog | None = None
        self._keys: CheatSheet | None = None
        settings = memory.settings
        self.out_dir = Path(settings.out_dir) if settings.out_dir else default_out_dir()
        state.out_dir = self.out_dir
        self.plan = PlanChoice(
            settings.plan, settings.n_fields, settings.area_um, settings.n_frames, settings.plan_file
        )
        does: dict[str, Callable[[], None]] = {
            "open_store": self.open_store,
            "choose_folder": self.choose_folder,
            "recover": self.choose_store_to_recover,
            "export_view": self.export_view,
            "report": self.report,
            "welcome": self.welcome,
            "quit": self.quit,
            "open_demo": self.open_demo,
            "open_rig": self.choose_rig,
            "close_rig": self.close_rig,
            "snap": self.snap,
            "emergency": self.emergency,
            "start": self.start,
            "stop": run.stop,
            "skip_analysis": run.skip_analysis,
            "exclude": self.exclude,
            "include": self.include,
            "note": self.add_note,
            "plan": self.edit_plan,
            "ids": self.edit_ids,
            "reset_layout": window.reset_layout,
            "shortcuts": self.show_keys,
            "about": self.show_about,
        }
        actions = window.actions_
        for name, do in does.items():
            actions[name].triggered.connect(partial(_ignoring_checked, do))
        actions["live"].triggered.connect(self.live)
        actions["pause"].triggered.connect(run.pause)
        actions["theme"].triggered.connect(self.change_theme)
        actions["full_screen"].triggered.connect(self.full_screen)
        actions["theme"].setChecked(settings.theme == "light")
        window.welcome.rig_chosen.connect(self.open_rig)
        window.welcome.store_chosen.connect(self.open_one_store)
        window.close_asked.connect(self._close_dialogs)
        window.top.exclude_button.pressed.connect(self._aim)
        window.top.exclude_button.released.connect(self._aim_no_more)
        rig.opened.connect(self._rig_opened)
        state.run_finished.connect(self._run_finished)

    # -- the request -------------------------------------------------------------------------------------------------

    def request(self) -> SectionRequest:
        """Return what the operator asks for, as the top bar says now; its ids may not be usable yet."""
        top = self._window.top
        return SectionRequest(
            animal_id=top.animal.value,
            section_id=top.section.value,
            out_dir=self.out_dir,
            plan=self.plan,
            specimen=top.chosen_specimen,
            model=top.chosen_model,
            engine=top.engine.currentText(),
            seed=self._seed,
        )

    def _um_per_px(self) -> float:
        rig = self._state.rig
        return rig.pixel_size_um if rig is not None and rig.pixel_size_um > 0 else DEFAULT_UM_PER_PX

    # -- files -------------------------------------------------------------------------------------------------------

    def open_store(self) -> None:
        """Choose stored sections to open."""
        self._choose_folder(
            "Open a stored section (a folder that ends in .ome.zarr)", self.out_dir, self.open_one_store
        )

    @Slot(str)
    def open_one_store(self, path: str) -> None:
        """Open a stored section in the tab Replay."""
        self._window.show_welcome(False)
        self._wiring.open_store(Path(path))

    def choose_folder(self) -> None:
        """Choose where new sections are stored."""
        self._choose_folder("Folder for new sections", self.out_dir, self._take_folder)

    def _take_folder(self, path: str) -> None:
        """Take a folder once it is clear that a section can be stored there; the old one stays if not."""
        self._jobs.submit("disk", partial(check_out_dir, Path(path)), partial(self._use_folder, path))

    def _use_folder(self, path: str, _checked: None) -> None:
        if self._run.active:
            return
        self.out_dir = self._state.out_dir = Path(path)
        self._memory.change(out_dir=path)
        self._state.ask_system()
        self._window.top.request_changed.emit()
        self._window.messages.say("info", f"New sections are stored in {path}.")

    def _choose_folder(self, title: str, start: Path, then: Callable[[str], None]) -> None:
        dialog = QFileDialog(self._window, title, str(start if start.is_dir() else Path.home()))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(then)
        dialog.open()

    def choose_store_to_recover(self) -> None:
        """Choose an unfinished store to make valid again."""
        self._choose_folder("Recover a section (a folder that ends in .ome.zarr)", self.out_dir, self._recover_one)

    def _recover_one(self, path: str) -> None:
        self.recover([Path(path)])

    def look_for_unfinished(self) -> None:
        """Look in the background for sections whose run never ended, and offer to recover them."""
        stores = [Path(store) for store in self._memory.settings.recent_stores]
        folders = dict.fromkeys([self.out_dir, *(store.parent for store in stores)])
        self._jobs.submit("disk", partial(find_unfinished, folders), self._offer_recovery)

    def _offer_recovery(self, found: list[Unfinished]) -> None:
        if not found or self._run.active:
            return
        names = ", ".join(f"{one.animal_id} {one.section_id}" for one in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        text = f"Not ended in order: {names}{more}. Every frame that was acknowledged is there; recover them to go on."
        self._window.notice.show_notice("warning", text, "Recover", partial(self.recover, [one.path for one in found]))

    def recover(self, paths: list[Path]) -> None:
        """Make stores valid again."""
        self._window.notice.show_notice("info", "Recovering …")
        self._jobs.submit("disk", partial(recover_all, paths), self._recovered)

    def _recovered(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._state.message.emit("info", sentence)

    def export_view(self) -> None:
        """Save what the open tab shows as a PNG file."""
        dialog = QFileDialog(self._window, "Export view", str(self.out_dir), "PNG pictures (*.png)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("png")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._export)
        dialog.open()

    def _export(self, path: str) -> None:
        saved = attempt(partial(self._wiring.export_png, Path(path)))
        if isinstance(saved, Failure):
            self._window.messages.complain(describe(saved.error))
        else:
            self._state.message.emit("info", f"The view was saved as {path}.")

    @property
    def replayed(self) -> ReplayWiring | None:
        """What the tab Replay shows."""
        return self._wiring.in_replay

    def exclude(self) -> None:
        """Take the field on the screen out of the score of its section."""
        if self._wiring.replayed:
            self._wiring.replay.notes.mark_shown(excluded=True)
        elif self._aimed is not None:
            self._run.exclude(self._aimed)
        else:
            self._run.exclude_shown()

    def include(self) -> None:
        """Bring back the field that was excluded last; in Replay, the one on the screen."""
        if self._wiring.replayed:
            self._wiring.replay.notes.mark_shown(excluded=False)
        else:
            self._run.include_again()

    @Slot()
    def _aim(self) -> None:
        """Keep the field that was on the screen when the mouse went down on the button."""
        self._aimed = self._run.field_on_screen

    @Slot()
    def _aim_no_more(self) -> None:
        QTimer.singleShot(0, self, self._forget_aim)  # the click comes after the release

    @Slot()
    def _forget_aim(self) -> None:
        self._aimed = None

    def report(self) -> None:
        """Write the report of the last section and open it; in Replay, of the one that is shown."""
        if self._wiring.replayed:
            self._wiring.replay.make_report()
            return
        store = self._run.last_store
        if store is not None:
            self._jobs.submit("disk", partial(_report, store), self._show_report)

    def _show_report(self, page: Path) -> None:
        self._state.message.emit("info", f"The report is {page}.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))

    def welcome(self) -> None:
        """Show the welcome page, or go back from it."""
        self._window.show_welcome(not self._window.welcome_shown)

    def quit(self) -> None:
        """Close the window."""
        self._window.close()

    # -- the rig -----------------------------------------------------------------------------------------------------

    def open_demo(self) -> None:
        """Load the demo rig."""
        self.open_rig("demo")

    def choose_rig(self) -> None:
        """Choose a rig file."""
        recent = [Path(rig).parent for rig in self._memory.settings.recent_rigs if rig != "demo"]
        kinds = "Rigs (*.rig.yaml *.yaml *.yml *.cfg);;All files (*)"
        dialog = QFileDialog(self._window, "Open rig", str(recent[0] if recent else Path.home()), kinds)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.open_rig)
        dialog.open()

    @Slot(str)
    def open_rig(self, name: str) -> None:
        """Load a rig in the background."""
        if self._run.active:
            return
        self._window.show_welcome(False)
        self._rig.open(name)

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        if not self.plan.fits(has_stage=loaded.has_stage):
            self.plan = replace(self.plan, kind="sequence")  # for this rig; what is remembered stays
            self._window.top.request_changed.emit()
            self._state.message.emit(
                "info", "This rig has no stage that is moved, so the plan is a sequence, the stage at rest."
            )
        elif loaded.has_stage and self.plan.kind == "sequence" and self._memory.settings.plan == "random":
            self.plan = replace(self.plan, kind="random")
            self._window.top.request_changed.emit()
        self._memory.change(recent_rigs=with_recent(self._memory.settings.recent_rigs, loaded.name))

    def close_rig(self) -> None:
        """Unload the devices."""
        if not self._run.active:
            self._rig.close()

    @Slot(bool)
    def live(self, on: bool) -> None:
        """Show what the camera sees, or stop that."""
        if on:
            self._window.show_welcome(False)
            self._rig.start_live(self.request(), self._um_per_px())
        else:
            self._rig.stop_live()

    def snap(self) -> None:
        """Take one picture."""
        self._window.show_welcome(False)
        self._rig.snap(self.request(), self._um_per_px())

    def emergency(self) -> None:
        """Stop what moves, then end the section: nothing would wait for it otherwise."""
        self._rig.halt()
        self._run.stop()

    # -- the section -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Acquire the section that the top bar names."""
        request, top = self.request(), self._window.top
        if not self._window.actions_["start"].isEnabled():
            return
        for field in (top.animal, top.section):
            field.remember(field.value)
        self._memory.change(
            animal_ids=tuple(top.animal.history()),
            section_ids=tuple(top.section.history()),
            demo_specimen=request.specimen,
            model=request.model,
            engine=request.engine,
        )
        self._window.show_welcome(False)
        self._run.start(request)

    @Slot(object)
    def _run_finished(self, report: SectionReport | None) -> None:
        self._seed = secrets.randbelow(2**31)
        if report is None or report.store is None:
            return
        self._memory.change(recent_stores=with_recent(self._memory.settings.recent_stores, report.store))
        top = self._window.top
        if top.section.value == report.section_id:
            top.section.set_value(next_id(report.section_id))

    def add_note(self) -> None:
        """Write a note about the running section, or the last one; in Replay, about the one that is shown."""
        if self._wiring.replayed:
            self._wiring.replay.begin_note()
            return
        store = self.note_store()
        if store is None:
            return
        if self._note_dialog is not None:
            self._note_dialog.raise_()
            self._note_dialog.activateWindow()
            return
        dialog = self._note_dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Add a note")
        dialog.setLabelText(f"Note about {store.name.removesuffix(STORE_SUFFIX)}")
        dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
        dialog.textValueSelected.connect(partial(self._write_note, store))
        dialog.finished.connect(self._note_left)
        dialog.show()  # not modal: the emergency stop has to stay in reach

    @Slot()
    def _note_left(self) -> None:
        self._note_dialog = None

    @Slot()
    def _close_dialogs(self) -> None:
        """Before the window closes: what was written of a note is kept."""
        if self._note_dialog is not None:
            self._note_dialog.accept()
        if self._keys is not None:
            self._keys.close()

    def note_store(self) -> Path | None:
        """Return the store that a note would go to."""
        return self._run.last_store if self._run.run is None else self._run.run.store_path

    def _write_note(self, store: Path, text: str) -> None:
        if text.strip():
            self._jobs.submit("disk", partial(_note, store, text.strip()), self._noted)

    def _noted(self, _note: object) -> None:
        self._state.message.emit("info", "The note is stored with the section.")

    def edit_plan(self) -> None:
        """Choose another plan."""
        loaded = self._rig.loaded
        outlined = loaded is not None and loaded.is_demo and self._window.top.chosen_specimen != "none"
        has_stage = loaded is None or loaded.has_stage
        dialog = PlanDialog(self.plan, outlined=outlined, parent=self._window, has_stage=has_stage)
        dialog.chosen.connect(self._take_plan)
        dialog.open()

    @Slot(object)
    def _take_plan(self, plan: PlanChoice) -> None:
        self.plan = plan
        self._memory.change(
            plan=plan.kind, n_fields=plan.n_fields, area_um=plan.area_um, n_frames=plan.n_frames, plan_file=plan.file
        )
        self._window.top.request_changed.emit()

    def edit_ids(self) -> None:
        """Go to the animal id."""
        self._window.top.animal.begin_edit()

    # -- the window --------------------------------------------------------------------------------------------------

    @Slot(bool)
    def change_theme(self, light: bool) -> None:
        """Change between dark and light."""
        theme: ThemeName = "light" if light else "dark"
        self._window.set_theme(theme)
        self._memory.change(theme=theme)

    @Slot(bool)
    def full_screen(self, on: bool) -> None:
        """Use the whole screen, or go back."""
        if on:
            self._window.showFullScreen()
        else:
            self._window.showNormal()

    def show_keys(self) -> None:
        """Show all keys."""
        if self._keys is None:
            self._keys = CheatSheet(self._window, self._window.actions_)
            self._keys.finished.connect(self._keys_left)
        self._keys.show()  # not modal: the emergency stop has to stay in reach
        self._keys.raise_()
        self._keys.activateWindow()

    @Slot()
    def _keys_left(self) -> None:
        self._keys = None

    def show_about(self) -> None:
        """Show versions."""
        show_about(self._window)


def _ignoring_checked(do: Callable[[], None], _checked: bool = False) -> None:
    do()


def _report(store: Path) -> Path:
    from hcc_scope.report.section import section_report

    return section_report(store)


def _note(store: Path, text: str) -> object:
    from hcc_scope.storage.notes import NotesWriter

    return NotesWriter(store).add("note", text)
