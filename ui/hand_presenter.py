"""The window of a stand that is moved by hand: its view, what the operator asks for there, and the map beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Slot

from hcc_scope.by_hand.words import PHASE_WORDS
from ui.hand.state import ENDED, FINISHING, PREPARING, SEQUENCE, failed
from ui.shell.hand_keys import HandKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.by_hand import HandView, SkipReason
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.types import Frame, Snapshot
    from ui.control.app_state import AppState
    from ui.control.hand_control import HandControl
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.running import Running
    from ui.control.settings_store import SettingsStore
    from ui.hand.state import HandState
    from ui.hand.steps import StepName
    from ui.shell.hand_keys import HandStep
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["HandPresenter"]


class HandPresenter(QObject):
    """Connects the tab *By hand* with rig, section, keys and settings.

    Parameters
    ----------
    window : MainWindow
    views : Views
    state : AppState
    rig : RigControl
    run : RunControl
    hand : HandControl
    settings_store : SettingsStore
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        hand: HandControl,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._state, self._run = window, views, state, run
        self._hand, self._settings_store = hand, settings_store
        self._shown: Running | None = None
        self._outline_um: tuple[tuple[float, float], ...] = ()
        """The outline as it was mended on the map; empty as it was driven."""
        self.keys = HandKeys(lambda: hand.active, self._do_key, self)
        self._does: dict[StepName, Callable[[], None]] = {
            "capture": hand.capture,
            "undo": hand.undo,
            "keep": hand.keep_anyway,
            "automatic": self._set_automatic,
            "island": hand.new_island,
            "corner": hand.mark_corner,
            "close_outline": hand.close_outline,
            "drive_again": hand.drive_again,
            "draw_fields": self._draw_fields,
        }
        views.hand.steps.asked.connect(self._do_step)
        views.hand.steps.skipped.connect(self._skip)
        views.map.outline_mended.connect(self._mended)
        views.hand_map.field_chosen.connect(views.map.field_chosen)
        hand.outline_closed.connect(self._show_outline)
        rig.opened.connect(self._rig_opened)
        state.run_started.connect(self._begin)
        state.hand_changed.connect(self._show_view)
        state.frame_arrived.connect(self._show_frame)
        state.snapshot_changed.connect(self._show_score)
        state.run_finished.connect(self._show_how_it_ended)
        run.phase_changed.connect(self._phase_changed)
        for name in ("capture_sound", "capture_flash"):
            window.actions_[name].triggered.connect(self._choose_signals)
        self._show_signals()
        views.live.contrast_panel.changed.connect(views.hand.picture.set_contrast)

    # -- rig and section -----------------------------------------------------------------------------------------------

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        self._views.set_by_hand(not loaded.has_stage)

    @Slot(object)
    def _begin(self, run: Running) -> None:
        self._shown = run if run.hand is not None else None
        self._outline_um = ()
        if self._shown is None:
            self._views.hand.await_section(SEQUENCE)
        else:
            parts = run.section.first_frames
            self._views.hand.begin(parts[-1][0] - 1 if parts else None)
            self._views.map.begin_hand(run.hand.mosaic if run.hand is not None else None)
            self._window.show_view(self._views.hand)

    @Slot(str)
    def _phase_changed(self, phase: str) -> None:
        self._window.actions_.lend_key("exclude", self._hand.active)  # Ctrl+Z is then the undo of a capture
        if self._shown is None:
            if phase == "preparing":
                self._views.hand.await_section(PREPARING)
            elif phase == "idle":
                self._views.hand.end()
            return
        self._views.hand.set_paused(phase == "paused")
        if phase not in ("running", "paused", "preparing"):
            self._show_end(self._shown, ENDED if phase == "idle" else FINISHING)
        if phase == "idle":
            self._shown = None

    def _show_end(self, run: Running, state: HandState) -> None:
        """Show the last of a section: a frame may still be captured after Stop."""
        view, sample = self._state.hand, None if run.hand is None else run.hand.sample
        if view is not None:
            self._views.map.show_hand(view, sample)
        self._views.hand.end(state, view, sample)
        self._views.map.end_hand()

    @Slot(object)
    def _show_how_it_ended(self, report: SectionReport) -> None:
        if self._views.by_hand and report.outcome.state == "failed":
            self._views.hand.readout.show_state(failed(str(report.outcome.cause)))

    # -- what is seen --------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_view(self, view: HandView) -> None:
        run = self._shown
        if run is None or not self._hand.active:
            return
        sample = None if run.hand is None else run.hand.sample
        self._views.hand.show_view(view, sample, paused=self._run.phase == "paused")
        self._views.map.show_hand(view, sample)

    @Slot(object)
    def _show_frame(self, frame: Frame) -> None:
        """Show a picture of before the section, or in a pause: the others come with what is known about them."""
        looks = self._shown is None or (self._run.phase == "paused" and not frame.section_id)
        if self._views.by_hand and looks:
            self._views.hand.show_frame(frame)

    @Slot(object)
    def _show_score(self, snapshot: Snapshot) -> None:
        if self._views.by_hand:
            self._views.hand.show_score(snapshot.score)

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def _do_key(self, step: HandStep) -> None:
        view = self._state.hand
        if step == "capture" and view is not None and view.phase in PHASE_WORDS and view.phase != "done":
            self._state.message.emit("info", "Fields are captured once they are drawn. " + PHASE_WORDS[view.phase][1])
            return
        self._does[step]()

    @Slot(str)
    def _do_step(self, name: StepName) -> None:
        self._does[name]()

    @Slot(str)
    def _skip(self, reason: str) -> None:
        self._hand.skip_target(cast("SkipReason", reason))

    def _set_automatic(self) -> None:
        self._hand.set_automatic(self._views.hand.steps.automatic)

    # -- the outline ---------------------------------------------------------------------------------------------------

    @Slot(tuple)
    def _show_outline(self, corners_um: tuple[tuple[float, float], ...]) -> None:
        self._outline_um = ()
        self._views.map.show_hand_outline(corners_um)
        self._views.hand_map.view.fit()

    @Slot(tuple)
    def _mended(self, corners_um: tuple[tuple[float, float], ...]) -> None:
        self._outline_um = corners_um

    def _draw_fields(self) -> None:
        if self._views.map.outline_open or self._views.hand_map.outline.active:
            words = "The outline on the map is being edited: finish it with Edit outline, then draw the fields."
            self._state.message.emit("info", words)
            return
        self._hand.draw_fields(self._outline_um or None)

    # -- sound and flash -----------------------------------------------------------------------------------------------

    @Slot()
    def _choose_signals(self) -> None:
        actions = self._window.actions_
        self._settings_store.change(
            capture_sound=actions["capture_sound"].isChecked(), capture_flash=actions["capture_flash"].isChecked()
        )
        self._show_signals()

    def _show_signals(self) -> None:
        settings, actions = self._settings_store.settings, self._window.actions_
        actions["capture_sound"].setChecked(settings.capture_sound)
        actions["capture_flash"].setChecked(settings.capture_flash)
        self._views.hand.sound, self._views.hand.flashes = settings.capture_sound, settings.capture_flash
