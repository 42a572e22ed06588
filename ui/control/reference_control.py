"""Dark and flat fields of the open rig: how they are, and taking them, in the worker ``rig``.

Each step (begin, one shot, make, end) is a piece of work of its own, so that the emergency stop, other actions and a
cancellation come in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.shading.making import Refusal
from ui.control.loaded_rig import end_capture, end_preview

if TYPE_CHECKING:
    from hcc_scope.runs.reference_capture import ReferenceCapture, TakenShot
    from hcc_scope.shading.freshness import ReferencesState
    from hcc_scope.shading.reference import Reference, ReferenceKind
    from hcc_scope.types import Frame
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.kit.jobs import Jobs

__all__ = ["CaptureProgress", "ReferenceControl"]


@dataclass(frozen=True, slots=True)
class CaptureProgress:
    """How far a reference is."""

    kind: ReferenceKind
    taken: int
    wanted: int
    by_hand: bool
    """Whether the operator moves to another field before each shot, and asks for it."""
    shutter_closed: bool
    """Whether the program has shut out the light."""


class ReferenceControl(QObject):
    """Takes references, one at a time.

    Parameters
    ----------
    jobs : Jobs
    rig : RigControl
    parent : QObject, optional
    """

    state_changed = Signal(object)
    """The `ReferencesState` of the open rig; None without a rig."""
    progressed = Signal(object)
    """A `CaptureProgress`."""
    shot = Signal(object)
    """The frame of a shot."""
    made = Signal(object)
    """A `Reference`, which is kept."""
    refused = Signal(object)
    """A `Refusal`."""
    failed = Signal(str)
    """Why a reference could not be taken, as a sentence."""
    active_changed = Signal(bool)

    def __init__(self, jobs: Jobs, rig: RigControl, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._rig = jobs, rig
        self._capture: ReferenceCapture | None = None
        self._beginning = self._given_up = False
        self._asking = self._ask_again = False
        rig.opened.connect(self._refresh)
        rig.acted.connect(self._refresh)
        rig.closed.connect(self._closed)

    @property
    def active(self) -> bool:
        """Whether a reference is being taken."""
        return self._beginning or self._capture is not None

    # -- how they are -------------------------------------------------------------------------------------------------

    @Slot()
    def _closed(self) -> None:
        if self._capture is not None:  # closing the rig has put the devices back
            self._capture = None
            self.active_changed.emit(False)
        self.state_changed.emit(None)

    @Slot()
    def _refresh(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Look in the background how the references are for the settings as they are now."""
        loaded = self._rig.loaded
        if loaded is None:
            return
        if self._asking:
            self._ask_again = True
            return
        self._asking = True
        self._jobs.submit("rig", partial(_state_of, loaded), self._take_state, self._miss_state)

    def _take_state(self, state: ReferencesState) -> None:
        self._asking = False
        if self._rig.loaded is not None:
            self.state_changed.emit(state)
        self._look_again()

    def _miss_state(self, _sentence: str) -> None:
        self._asking = False
        self._look_again()

    def _look_again(self) -> None:
        if self._ask_again:
            self._ask_again = False
            self.refresh()

    # -- taking one ---------------------------------------------------------------------------------------------------

    def begin(self, kind: ReferenceKind) -> None:
        """Prepare the devices for a reference; without a question of the operator, take its shots then."""
        loaded = self._rig.loaded
        if loaded is None or self.active:
            return
        self._rig.stop_live()
        self._beginning, self._given_up = True, False
        self.active_changed.emit(True)
        self._jobs.submit("rig", partial(_begin, loaded, kind), self._begun, self._not_begun)

    def _not_begun(self, sentence: str) -> None:
        self._beginning = False
        self.active_changed.emit(False)
        self.failed.emit(sentence)

    def _begun(self, capture: ReferenceCapture) -> None:
        self._beginning, self._capture = False, capture
        if self._given_up:
            self.cancel()
            return
        self._report()
        if not _by_hand(capture):
            self.shoot()

    def _report(self) -> None:
        if self._capture is not None:
            one = self._capture
            self.progressed.emit(CaptureProgress(one.kind, one.n, one.n_shots, _by_hand(one), one.closes_shutter))

    @Slot()
    def shoot(self) -> None:
        """Take the next shot."""
        if self._capture is not None and self._rig.loaded is not None:  # else it is being closed
            self._jobs.submit("rig", self._capture.shoot, self._shot, self._not_shot)

    def _shot(self, shot: TakenShot) -> None:
        capture = self._capture
        if capture is None:  # cancelled meanwhile
            return
        self._show(shot.frame)
        if shot.refusal is not None:
            self._end()
            self.refused.emit(shot.refusal)
            return
        self._report()
        if not capture.wanted:
            self._jobs.submit("rig", capture.finish, self._finished, self._not_shot)
        elif not _by_hand(capture):
            self.shoot()

    def _show(self, frame: Frame) -> None:
        self.shot.emit(frame)

    def _not_shot(self, sentence: str) -> None:
        if self._capture is not None:
            self._end()
            self.failed.emit(sentence)

    def _finished(self, result: Reference | Refusal) -> None:
        cancelled = self._capture is None
        if not cancelled:
            self._end()
        if not isinstance(result, Refusal):
            self.made.emit(result)  # also if it was cancelled too late: it is kept then
        elif not cancelled:
            self.refused.emit(result)

    @Slot()
    def cancel(self) -> None:
        """Take no further shot, and put the devices back."""
        self._given_up = self._beginning
        if self._capture is not None:
            self._capture.cancel()
            self._end()

    def _end(self) -> None:
        self._capture = None
        if self._rig.loaded is not None:
            self._jobs.submit("rig", partial(end_capture, self._rig.loaded), self._put_back)
        self.active_changed.emit(False)

    def _put_back(self, _nothing: None) -> None:
        self.refresh()


def _by_hand(capture: ReferenceCapture) -> bool:
    return capture.kind == "flat" and not capture.moves_stage


# -- in the worker -----------------------------------------------------------------------------------------------------


def _state_of(loaded: LoadedRig) -> ReferencesState:
    from hcc_scope.runs.references import references_state

    return references_state(loaded.rig)


def _begin(loaded: LoadedRig, kind: ReferenceKind) -> ReferenceCapture:
    from hcc_scope.runs.reference_capture import ReferenceCapture

    end_preview(loaded)
    capture = ReferenceCapture(loaded.rig, kind).__enter__()
    loaded.capture = capture
    return capture
