"""Show how the running section was focused, or the one that is open in Replay; help the operator to focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.focus.record import focus_records
from ui.control.focus_coach import FocusCoach

if TYPE_CHECKING:
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.run_events import RunEvent
    from hcc_scope.runs.section_analyses import OpenedStore
    from hcc_scope.types import Frame, Snapshot
    from ui.control.app_state import AppState
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["FocusPresenter"]

LOOK_MS = 300


class FocusPresenter(QObject):
    """Fills the panel *Focus*, and the focus coach where there is no focus drive.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
        Whose frames the coach sees.
    rig : RigControl
        Whose events are shown.
    replay_focus : ReplayFocus
        Whether the panels belong to Replay.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        replay_focus: ReplayFocus,
    ) -> None:
        super().__init__(window)
        self._views, self._rig, self._replay_focus = views, rig, replay_focus
        self._shown: tuple[OpenedStore | None, RunEvent | int | None] = (None, None)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.show_again)
        self._timer.start()
        views.devices.stage.focus_requested.connect(rig.focus_now)
        replay_focus.changed.connect(self.show_again)
        self._coach = FocusCoach(jobs, self)
        self._coach.changed.connect(views.live.coach.show_trend)
        views.live.coach.restarted.connect(self._coach.reset)
        state.rig_changed.connect(self._turn_coach)
        state.rig_gone.connect(self._stop_coach)
        state.snapshot_changed.connect(self._note_run)
        state.frame_arrived.connect(self._coach_frame)
        rig.live_changed.connect(self._restart_coach)

    @Slot()
    def show_again(self) -> None:
        """Show what there is now."""
        panel, opened = self._views.focusing, self._views.replay.opened
        if not self._replay_focus.on or opened is None:
            loaded = self._rig.loaded
            events = () if loaded is None else loaded.rig.microscope.events.recent("focus")
            last = (None, events[-1] if events else None)
            if last != self._shown:
                self._shown = last
                panel.set_records(focus_records(events))
            return
        frame = self._views.replay.pane.frame
        shown = opened, None if frame is None else frame.seq
        if shown == self._shown:
            return
        self._shown = shown
        panel.set_records(opened.focusings or (), known=opened.focusings is not None)
        if frame is not None and isinstance(seq := frame.tags.get("focus_seq"), int):
            panel.show_seq(seq)

    # -- the coach -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _turn_coach(self, rig: RigState) -> None:
        """Coach where the focus is turned by hand."""
        by_hand = rig.z_um is None
        self._coach.note_view((rig.camera.roi, rig.camera.binning))
        self._coach.turn(by_hand)
        self._views.live.coach.setVisible(by_hand)

    @Slot()
    def _stop_coach(self) -> None:
        self._coach.turn(False)
        self._views.live.coach.hide()

    @Slot(bool)
    def _restart_coach(self, _live: bool) -> None:
        self._coach.reset()
        self._views.live.coach.clear()

    @Slot(object)
    def _note_run(self, snapshot: Snapshot) -> None:
        storing = snapshot.phase != "finished" and not snapshot.paused
        self._coach.note_run(storing=storing, store_queue_fill=snapshot.store_queue_fill)

    @Slot(object)
    def _coach_frame(self, frame: Frame) -> None:
        if self._views.live.isVisible():
            self._coach.see(frame)
