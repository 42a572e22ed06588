"""What the operator of a hand-moved stand asks for during a section, and whether it can be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from hcc_scope.by_hand import HandCommands, SkipReason
    from hcc_scope.runs.hand_section import HandRun
    from ui.control.app_state import AppState
    from ui.control.run_control import RunControl
    from ui.control.running import Running
    from ui.kit.jobs import Jobs

__all__ = ["HandControl"]

_WORKER = "hand"


class HandControl(QObject):
    """Asks the section by hand that is under way; what may take time is done in the worker ``hand``.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
    run : RunControl
    parent : QObject, optional
    """

    outline_closed = Signal(tuple)
    """The outline of the drive round the section: corners x, y in um."""

    def __init__(self, jobs: Jobs, state: AppState, run: RunControl, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._state, self._run = jobs, state, run

    @property
    def active(self) -> bool:
        """Whether a section by hand is acquired, or paused."""
        return self._of_run is not None and self._run.phase in ("running", "paused")

    @property
    def _of_run(self) -> HandRun | None:
        return None if self._run.run is None else self._run.run.hand

    @property
    def _commands(self) -> HandCommands | None:
        """The section that takes commands now; None while there is none, or it is paused."""
        hand = self._of_run
        if hand is not None and self._run.phase == "paused":
            self._state.message.emit("info", "The section is paused: go on with Resume (F9) first.")
        return hand.hand if hand is not None and self._run.phase == "running" else None

    # -- what takes effect with the next frame -------------------------------------------------------------------------

    def capture(self) -> None:
        """Capture the field as soon as a frame of it is fit."""
        if (commands := self._commands) is not None:
            commands.capture()

    def keep_anyway(self) -> None:
        """Capture the next frame, whatever speaks against it."""
        if (commands := self._commands) is not None:
            commands.keep_anyway()

    def set_automatic(self, on: bool) -> None:
        """Capture frames by themselves, or on request alone."""
        if (commands := self._commands) is not None:
            commands.set_automatic(on=on)

    def new_island(self) -> None:
        """Begin a new coordinate frame at the present field."""
        if (commands := self._commands) is not None:
            commands.new_island()

    # -- what is written first -----------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Exclude the field that was captured last; its place may be captured again."""
        hand, run = self._of_run, self._run.run
        if hand is not None and run is not None and self.active:
            self._jobs.submit(_WORKER, hand.undo, partial(self._undone, run))

    def _undone(self, run: Running, seq: int | None) -> None:
        if seq is None:
            self._state.message.emit("info", "No field was captured yet: there is nothing to undo.")
        elif run is self._run.run:
            self._run.take_undone(seq)

    def close_outline(self) -> None:
        """End the drive round the section; comes back by `outline_closed`, or by a message."""
        if (commands := self._commands) is not None:
            self._jobs.submit(_WORKER, commands.close_outline, self.outline_closed.emit)

    def mark_corner(self) -> None:
        """Take the present place as the next corner of the outline, or report why not."""
        if (commands := self._commands) is not None:
            self._jobs.submit(_WORKER, commands.mark_corner, self._marked)

    def _marked(self, n_corners: int) -> None:
        more = "mark at least three" if n_corners < 3 else "mark more, or press Outline is closed"
        self._state.message.emit("info", f"Corner {n_corners} of the outline is marked: {more}.")

    def drive_again(self) -> None:
        """Forget the outline: the operator drives round the section anew."""
        if (commands := self._commands) is not None:
            self._jobs.submit(_WORKER, commands.drive_again, self._forgotten)

    def _forgotten(self, _nothing: None) -> None:
        self.outline_closed.emit(())

    def draw_fields(self, outline_um: tuple[tuple[float, float], ...] | None) -> None:
        """Draw the random fields inside an outline that was mended; None: inside the one that was driven."""
        if (commands := self._commands) is not None:
            self._jobs.submit(_WORKER, partial(commands.draw_fields, outline_um))

    def skip_target(self, reason: SkipReason) -> None:
        """Skip the present target for a reason that is recorded."""
        if (commands := self._commands) is not None:
            self._jobs.submit(_WORKER, partial(commands.skip_target, reason))
