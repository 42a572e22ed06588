"""Show how the running section was focused, or the one that is open in Replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.focus.record import focus_records

if TYPE_CHECKING:
    from hcc_scope.run_events import RunEvent
    from hcc_scope.runs.section_analyses import OpenedStore
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["FocusPresenter"]

LOOK_MS = 300


class FocusPresenter(QObject):
    """Fills the panel *Focus*.

    Parameters
    ----------
    window : MainWindow
    views : Views
    rig : RigControl
        Whose events are shown.
    replay_focus : ReplayFocus
        Whether the panels belong to Replay.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
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

    @Slot()
    def show_again(self) -> None:
        """Show what there is now, once the panel is there."""
        if not self._views.focus_page.is_made:
            return
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
