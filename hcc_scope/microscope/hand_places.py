"""Where each live frame of a hand-moved stand was taken: by the stage that reports it, or by the pictures alone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand.words import verdict
from hcc_scope.errors import CameraError, RigError
from hcc_scope.microscope.backend import own_pixels
from hcc_scope.microscope.hand_stage import DISAGREE, StageAgreement
from hcc_scope.microscope.shot_frames import check_unchanged, frame_of, tags_of
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.tracking import Place, TrackView
from hcc_scope.tracking.picture import reduced
from hcc_scope.tracking.tracker import AWAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.by_hand import Verdict
    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.live_frames import LiveShot
    from hcc_scope.microscope.live_section import LiveSection
    from hcc_scope.tracking import Tracker
    from hcc_scope.types import Frame, RunSpec

__all__ = ["HandPlaces", "SeenFrame"]

_LOOK_PX = 16
"""Two frames are compared at every 16th pixel first."""
_MOVED = 0.02
"""A stage has moved between two readings if they differ by more than this share of a field: an encoder never rests."""
_DECIMALS = 3
"""Of a tracked position in um: finer than it can be measured."""


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A live frame, and what is known of its place."""

    frame: Frame
    track: TrackView
    t_s: float
    obstacle: Verdict | None = None
    """Why it was not shown to the tracker; None if it was."""
    fits: bool = True
    """Whether it was taken as the other frames of the run were; one that was not cannot be stored."""


class HandPlaces:
    """Locates live frames, one after the other. In the thread of the live frames only.

    Parameters
    ----------
    section : LiveSection
    spec : RunSpec
    tracker : Tracker
    from_stage : bool
        Whether positions are those that the stage reports; the tracker then measures the motion alone.
    """

    def __init__(self, section: LiveSection, spec: RunSpec, tracker: Tracker, *, from_stage: bool) -> None:
        self._section = section
        self._spec = spec
        self._tracker = tracker
        self._from_stage = from_stage
        self._moved_um = _MOVED * min(spec.frame_shape_yx) * spec.pixel_size_um
        self._island = 0
        self._before: NDArray[np.uint16] | None = None
        self._agreement = StageAgreement(min(spec.frame_shape_yx) * spec.pixel_size_um)
        self._stage_before: tuple[float, Place] | None = None
        """When and where the stage was at the frame before."""
        self._interrupted = False
        self._kept: list[bool] = []
        """Of each capture: whether the tracker measures by it."""

    @property
    def reduced(self) -> NDArray[np.float32]:
        """The picture that the tracker saw last, (y, x) at reduced size; empty before the first."""
        small = self._tracker.reduced
        return np.empty((0, 0), np.float32) if small is None else small

    @property
    def tracked(self) -> bool:
        """Whether positions come from the pictures, and not from a stage."""
        return not self._from_stage

    def see(self, live: LiveShot, seq: int, number: int) -> SeenFrame:
        """Return the frame of a live image, with its place.

        Parameters
        ----------
        live : LiveShot
        seq : int
            Its number in the store if it is captured.
        number : int
            Its number among the live frames.

        Raises
        ------
        CameraError
            If the size of the image or its bit depth is no longer that of the run.
        """
        if live.after_pause:
            self.lose()
        fault = self._other_state(live.shot)
        if fault:
            pixels = own_pixels(live.shot.pixels, live.shot.readback.bit_depth)
        else:
            pixels = self._section.checked_pixels(live.shot, self._spec)
        pixels = self._section.painted(pixels, live.shot, number)
        frame = self._frame(seq, live.shot, pixels)
        if fault:
            return self._in_other_state(frame, live.t_s, fault)
        if self._is_same_picture(pixels):
            return self._unseen(frame, live.t_s, verdict("frozen"))
        self._interrupted = False
        track = self._tracker.see(pixels, live.t_s)
        self._island = track.island
        if self._from_stage:
            track = self._by_stage(frame, track, live.t_s)
        return SeenFrame(self._placed(frame, track), track, live.t_s)

    def confirmed(self, seen: SeenFrame, live: LiveShot) -> SeenFrame:
        """Return the newest frame with what the devices report now, before it is captured.

        During a running sequence, what is known of them may be a second old.
        """
        if live.read_again is None:
            return seen
        shot = live.read_again()
        frame = self._frame(seen.frame.seq, shot, seen.frame.pixels)
        fault = self._other_state(shot)
        if fault:
            return self._in_other_state(frame, seen.t_s, fault)
        track, obstacle = seen.track, seen.obstacle
        if self._from_stage and track.place is not None and shot.stage_um is not None:
            x_um, y_um, _ = shot.stage_um
            if math.dist((x_um, y_um), (track.place.x_um, track.place.y_um)) > self._moved_um:
                obstacle = verdict("moving")
            since_s = (time.monotonic_ns() - shot.t_mono_ns) / 1e9
            if (track.speed_um_s or 0.0) * since_s > self._moved_um:  # and so was not there when it was exposed
                track = replace(track, state="too_fast", place=None)
            else:
                track = replace(track, place=Place(0, x_um, y_um, 0.0))
        return replace(seen, frame=self._placed(frame, track), track=track, obstacle=obstacle)

    def _other_state(self, shot: Shot) -> str:
        """Return as a sentence that another objective is in use; empty if not. The operator may turn back to it.

        Raises
        ------
        CameraError
            If the camera itself was set otherwise.
        """
        try:
            check_unchanged(shot.readback, self._spec)
        except CameraError:
            raise
        except RigError as error:
            return error.message
        return ""

    def _frame(self, seq: int, shot: Shot, pixels: NDArray[np.uint16]) -> Frame:
        tags = {**tags_of(shot), **self._section.tags}
        # the live images that are not captured leave gaps in the device's counter, and no frame is lost there
        return replace(frame_of(seq, shot, pixels, self._spec.section_id, tags), camera_frame=None)

    def _in_other_state(self, frame: Frame, t_s: float, fault: str) -> SeenFrame:
        return replace(self._unseen(frame, t_s, verdict("objective"), fault), fits=False)

    def _unseen(self, frame: Frame, t_s: float, obstacle: Verdict, remark: str = "") -> SeenFrame:
        """Return a frame that the tracker must not see: where the field is has to be found again afterwards."""
        self.lose()
        track = TrackView("lost", island=self._island, remark=remark or obstacle.explanation)
        return SeenFrame(self._placed(frame, track), track, t_s, obstacle)

    def lose(self) -> None:
        """Note that the specimen may have been moved unseen."""
        self._stage_before = None
        if not self._interrupted:
            self._interrupted = True
            self._tracker.interrupted()

    def _is_same_picture(self, pixels: NDArray[np.uint16]) -> bool:
        """Return whether a picture is that of the frame before, bit for bit: no camera takes one twice."""
        before, self._before = self._before, pixels
        if before is None or before.shape != pixels.shape:
            return False
        look = (slice(None, None, _LOOK_PX),) * 2
        return np.array_equal(before[look], pixels[look]) and np.array_equal(before, pixels)

    def _by_stage(self, frame: Frame, track: TrackView, t_s: float) -> TrackView:
        """Return what is known of a frame at the stage's position: the tracker measures the motion more finely."""
        assert frame.stage_um is not None
        x_um, y_um, _ = frame.stage_um
        here = Place(0, x_um, y_um, 0.0)
        before, self._stage_before = self._stage_before, (t_s, here)
        step_um, speed_um_s = track.step_um, track.speed_um_s
        if speed_um_s is None and before is not None and t_s > before[0]:
            step_um = (x_um - before[1].x_um, y_um - before[1].y_um)
            speed_um_s = float(np.hypot(*step_um)) / (t_s - before[0])
        track = replace(track, step_um=step_um, speed_um_s=speed_um_s)
        if self._agreement.denies(track, here, t_s):
            return replace(track, state="lost", place=None, remark=DISAGREE)
        if track.state == "lost" and track.remark != AWAY:  # another objective: its frames do not fit those of the run
            return track
        remark = track.remark if track.state == "no_structure" else ""
        return replace(track, state="tracking", place=here, island=0, remark=remark)

    def _placed(self, frame: Frame, track: TrackView) -> Frame:
        """Return a frame with the position that is known of it, and how it was obtained."""
        place = track.place
        if place is None:
            origin, stage_um = PositionOrigin("unknown"), None
        elif self._from_stage:
            origin, stage_um = PositionOrigin("stage"), frame.stage_um
        else:
            origin = PositionOrigin("tracked", place.island, round(place.se_um, _DECIMALS))
            stage_um = (round(place.x_um, _DECIMALS) + 0.0, round(place.y_um, _DECIMALS) + 0.0, None)
        return replace(frame, stage_um=stage_um, tags={**frame.tags, **position_tags(origin)})

    def add_known(self, pixels: NDArray[np.uint16], place: Place) -> NDArray[np.float32]:
        """Take a field that was captured in an earlier part of the section, and return it at reduced size.

        A position that the pictures gave is known again once the field comes over one of them. The stage's own need no
        picture.
        """
        if not self._from_stage:
            self._tracker.add_known(pixels, place)
        return reduced(pixels, self._tracker.factor)

    def captured(self) -> None:
        """Note that the frame that was seen last is captured: later ones are measured against it."""
        self._kept.append(self._tracker.capture() is not None)

    def undone(self) -> None:
        """Note that the last capture is undone."""
        if self._kept.pop():
            self._tracker.undo_capture()

    def new_island(self) -> int | None:
        """Begin a new coordinate frame at the next frame; return its number, or None: a stage has one alone."""
        return None if self._from_stage else self._tracker.new_island()
