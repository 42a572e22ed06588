"""Executes a plan on a microscope and yields its frames, each with what the devices reported about it."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from hcc_scope.errors import CameraError, FramesLost, UsageError
from hcc_scope.microscope.autofocus import Autofocus
from hcc_scope.microscope.cleanup import Finally
from hcc_scope.microscope.live_section import GRACE_S, LiveSection
from hcc_scope.microscope.moves import PlaceMissedError
from hcc_scope.microscope.plan_focus import PlanFocus
from hcc_scope.microscope.shot_frames import frame_of, tags_of
from hcc_scope.microscope.skips import SkippedFields
from hcc_scope.microscope.stall import FrameWatch
from hcc_scope.orientation import Orientation
from hcc_scope.plans import PositionList, RandomFields, check_plan, field_of
from hcc_scope.plans.progress import PlanProgress
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.retakes import retake_tags
from hcc_scope.score_rule import LATTICE_KEY, current_rule_facts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.hardware import Hardware
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.plans import Plan
    from hcc_scope.protocols import SourceListener, StopSignal
    from hcc_scope.run_events import RunEvents
    from hcc_scope.types import Frame, TagValue

__all__ = ["MicroManagerSource", "need_what_moves"]

_ONE_PLACE = ("time_series", "sequence")
_LOOK_S = 0.05
"""Longest a wait for the next frame of a sequence keeps the core's thread."""


_Event: TypeAlias = "dict[str, Any]"
_Shots: TypeAlias = "Generator[tuple[Shot, _Event, int], None, None]"
"""Images with the events they belong to, and how often the camera had been started anew after a pause."""


def need_what_moves(hardware: Hardware, plan: Plan, field_um: tuple[float, float]) -> None:
    """Refuse a plan that moves a stage or focus drive that is not there, before anybody makes a store for it.

    Raises
    ------
    PlanError
        If it does.
    """
    first = next(plan.events(field_um), {})
    if "x" in first:
        hardware.need_xy_stage()
    if plan.focus.mode != "none":
        hardware.need_focus(f"the plan focuses ({plan.focus.text()})", "Leave 'focus' out of the plan")
    if isinstance(plan, PositionList):
        hardware.need_stages(plan.xy_stage, plan.z_stage)
    if not hardware.focus and ("z" in first or any(z_um is not None for *_, z_um in plan.places(field_um))):
        hardware.need_focus()


class MicroManagerSource:
    """Frames of one section from a live microscope.

    Making one applies the plan's preset (an objective), because the field's size depends on it, and its exposure,
    because the camera may refuse it; the stage does not move yet.

    Parameters
    ----------
    rig : MicroManager
        Opened; the source does not close it.
    plan : Plan
    animal_id, section_id : str
    tile_px : int
    model_sha256 : str, optional
    software : mapping, optional
        Versions to record besides those of Micro-Manager.
    provenance : mapping, optional
        Facts to record with the section.
    outline_um : (n, 2) ndarray, optional
        The section: every position of the plan must lie in it.
    scene : Scene, optional
        Replaces the demo camera's pixels; refused for any other camera.
    progress : PlanProgress, optional
        Of a section that goes on: what is taken already. The first frame has the next number, and shows the next field.

    Raises
    ------
    CameraError, ConfigError
        If the camera cannot be used or takes another exposure than the plan's, or the pixel size is unknown.
    PlanError
        If the plan is empty, leads outside the stage's limits or the section, moves what is not there, or exposes
        longer or shorter than the rig file allows.
    RigError
        If a scene is given and the camera is a real one.
    """

    live = True
    pauses_itself = True

    def __init__(
        self,
        rig: MicroManager,
        plan: Plan,
        *,
        animal_id: str,
        section_id: str,
        tile_px: int = 512,
        model_sha256: str | None = None,
        software: Mapping[str, str] | None = None,
        provenance: Mapping[str, TagValue] | None = None,
        outline_um: NDArray[np.float64] | None = None,
        scene: Scene | None = None,
        progress: PlanProgress | None = None,
    ) -> None:
        self._rig = rig
        self._plan = plan
        self._progress = PlanProgress() if progress is None else progress
        self._fields = list(self._progress.fields)
        self._wanted: deque[tuple[int, str]] = deque()
        self._ended = False
        self._at_gap = self._progress.n_frames > 0
        """Whether the field at which the plan goes on is still to come."""
        self._retake_lock = threading.Lock()
        self._listener: SourceListener | None = None
        self._was_paused = False
        self.skipped = SkippedFields(rig.events)
        """Fields that the stage does not reach."""
        self._section = LiveSection(rig, config_group=plan.config_group, exposure_ms=plan.exposure_ms, scene=scene)
        facts = self._section.facts
        self._field_um = field_of(plan, facts.orientation, facts.shape_yx, facts.pixel_size_um)
        expected_frames = check_plan(plan, self._field_um, limits=rig.limits, outline_um=outline_um)
        need_what_moves(rig.hardware, plan, self._field_um)
        self.warnings = self._section.check_camera_limits()
        """Sentences for the operator about the state in which the run begins."""
        self._section.show_scene()
        autofocus = Autofocus(rig, scene=scene, tile_px=tile_px)
        self._focus = PlanFocus(rig, plan.focus, autofocus, expected_frames, goes_on=progress is not None)
        self.spec = self._section.spec(
            animal_id=animal_id,
            section_id=section_id,
            tile_px=tile_px,
            sampling=plan.sampling,
            expected_frames=None if expected_frames is None else expected_frames - self._progress.next_field,
            model_sha256=model_sha256,
            software=software,
            provenance=provenance,
            how={"plan": plan.model_dump_json(), **self._lattice()},
        )

    def _lattice(self) -> dict[str, TagValue]:
        """Return the size of the lattice that a random plan draws from, and the rule of the interval over it."""
        plan = self._plan
        if not isinstance(plan, RandomFields):
            return {}
        return {LATTICE_KEY: plan.draw(self._field_um).n_lattice, **current_rule_facts("random")}

    def report_to(self, listener: SourceListener) -> None:
        """Report what is done besides frames, fields that are left out, and what an operator must know."""
        self._listener = listener
        self._focus.report_to(listener)
        self.skipped.report = listener.skip
        self._section.remark = listener.remark

    @property
    def remark(self) -> str | None:
        """What deviated from the plan although the run continued, as half a sentence; None if nothing did."""
        return self._focus.remark

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Execute the plan.

        Yields
        ------
        Frame
            In order. When stop is requested, what was already exposed is still delivered, if it is ready soon. A pause
            falls between two exposures; a running sequence is stopped, emptied, and started again for the rest. A field
            that the stage does not reach is left out and reported; the numbers have no gap.

        Raises
        ------
        FramesLost
            If the camera's buffer overflowed or its counter has a gap; the frames before that were yielded.
        PlanError
            If no focus plane can be laid; no frame was yielded then.
        CameraError, DeviceError
            If the camera delivers nothing in time, a device fails, or another section has the camera.
        """
        with self._section.in_use():
            yield from self._executed(stop)

    def put_back(self) -> None:
        """Put back the settings that this section has changed; for one that never began. Idempotent."""
        self._section.put_back()

    @property
    def events(self) -> RunEvents:
        """What happens to the devices."""
        return self._rig.events

    def _executed(self, stop: StopSignal) -> Iterator[Frame]:
        self._section.begin(stop)
        if self._focus.needs_plane() and not self._lay_plane(stop):
            return
        shots = self._sequence(stop) if self._plan.sampling == "sequence" else self._snaps(stop)
        with closing(shots):
            for seq, (shot, event, part) in enumerate(shots, start=self._progress.n_frames):
                yield self._frame(seq, shot, event, part)

    def objective(self) -> str | None:
        """Return the label of the objective in use; None if no device reports it."""
        return self._section.objective()

    def _move(self, event: _Event, stop: StopSignal) -> bool:
        """Bring the devices to the positions of an event; return False if stop was requested on the way."""
        move = partial(self._rig.hardware.apply, event, stop)
        return self._rig.thread.call("moving", move, stop=stop, grace_s=GRACE_S)

    # --- focusing ---

    def _lay_plane(self, stop: StopSignal) -> bool:
        """Focus at well spread places of the plan; return False if stop was requested."""
        settings = self._plan.settings()
        places = list(self._plan.places(self._field_um))
        go = lambda x_um, y_um: self._move({**settings, "x": x_um, "y": y_um}, stop)  # noqa: E731
        return self._focus.lay_plane(places, go, partial(self._section.hold, stop), stop)

    def _focused(self, index: int, event: _Event, stop: StopSignal) -> float | None:
        """Focus at a field; return for how many s the run was paused meanwhile, None if stop was requested."""
        held_s = 0.0
        while True:
            held_s += self._section.hold(stop)
            if stop.requested or not self._move(event, stop):
                return None
            if self._focus.focus_at(index, event, stop):
                return held_s

    # --- fields that are taken again ---

    def retake(self, seq: int, reason: str = "") -> None:
        """Take the field of an earlier frame again, before the next field of the plan. Safe from any thread.

        Where a plan goes on, its next field comes first: what was lost with the part before is whole only with it
        (`hcc_scope.storage.lasting_reasons`).

        Parameters
        ----------
        seq : int
            The frame.
        reason : str
            Why; a tag of the new frame.

        Raises
        ------
        UsageError
            If there is no such frame, the plan stays at one place, or no further frame is taken.
        """
        if self._plan.sampling in _ONE_PLACE:
            name = self._plan.sampling.replace("_", " ")
            raise UsageError(f"no frame of a {name} can be taken again: its time has passed")
        with self._retake_lock:
            if self._ended:
                raise UsageError(
                    f"field {seq} cannot be taken again now: the section ends", hint="Ask again once it has ended."
                )
            if not 0 <= seq < len(self._fields):
                raise UsageError(f"there is no field {seq} yet that could be taken again")
            self._wanted.append((seq, reason))

    def _next(self, coming: tuple[int, _Event] | None) -> tuple[int, _Event, int | None] | None:
        """Return place in the plan, event and replaced frame of what is taken next; None if nothing is left."""
        with self._retake_lock:
            plan_first = self._at_gap and coming is not None
            self._at_gap = False
            wanted = self._wanted.popleft() if self._wanted and not plan_first else None
            if wanted is None:
                self._ended = coming is None
        if wanted is None:
            return None if coming is None else (*coming, None)
        seq, reason = wanted
        index = self._fields[seq]
        event = next(islice(self._plan.events(self._field_um), index, None))
        return index, {**event, "tags": {**event.get("tags", {}), **retake_tags(seq, reason)}}, seq

    def _miss(self, event: _Event, replaced: int | None, why: PlaceMissedError) -> None:
        """Leave a field out that the stage does not reach; one that was to be taken again has its frame already."""
        if replaced is None:
            self.skipped.skip(event, why)
        elif self._listener is not None:
            self._listener.remark(f"field {replaced} could not be taken again and counts as it was: {why.message}")

    # --- one exposure at a time ---

    def _snaps(self, stop: StopSignal) -> _Shots:
        try:
            yield from self._snapped(stop)
        finally:
            with self._retake_lock:
                self._ended = True

    def _snapped(self, stop: StopSignal) -> _Shots:
        rig, began = self._rig, time.monotonic()
        watch = FrameWatch(rig.hardware)
        first = self._progress.next_field
        events = enumerate(islice(self._plan.events(self._field_um), first, None), start=first)
        coming = next(events, None)
        self._announce(coming)
        focus_is_due = False
        while True:
            began += self._section.hold(stop)  # a retake that is asked for meanwhile comes first
            if stop.requested or (todo := self._next(coming)) is None:
                break
            index, event, replaced = todo
            if replaced is None:
                coming = next(events, None)
            event = self._focus.with_height(event)
            focus_is_due |= self._focus.is_due(index)  # a field that is skipped leaves it to the next one
            try:
                if focus_is_due:  # between two exposures of a time series, if there is time enough
                    held_s = self._focused(index, event, stop)
                    if held_s is None:
                        return
                    began += held_s
                    focus_is_due = False
                wait_s = event.get("min_start_time", 0.0) - (time.monotonic() - began)
                if stop.wait(max(0.0, wait_s)):
                    return
                began += max(0.0, -wait_s)  # nor after a delay: an exposure begins no sooner than after the interval
                began += self._section.hold(stop)  # a time series continues at its own pace, and does not catch up
                if stop.requested or not self._move(event, stop):
                    return
            except PlaceMissedError as why:
                self._announce(coming)
                self._miss(event, replaced, why)
                continue
            self.skipped.reached()
            self._announce(coming)
            watch.begin("being asked for its settings")
            self._section.camera("asking", rig.hardware.slow, watch, stop)
            watch.begin("exposing")
            shot = self._section.camera("the exposure of", rig.camera.snap, watch, stop)
            watch.frame(shot.t_mono_ns)
            with self._retake_lock:
                self._fields.append(index)
            yield shot, event, 0
        if not stop.requested:
            self.skipped.check_any(len(self._fields))

    def _announce(self, coming: tuple[int, _Event] | None) -> None:
        """Let the scene prepare the next field while this one is exposed and looked at."""
        scene = self._section.scene
        event = {} if coming is None else coming[1]
        if scene is not None and "x" in event:
            where = (event["x"], event["y"], event.get("z", 0.0))
            orientation = Orientation(self.spec.camera_axes)
            scene.expect(self.spec.frame_shape_yx, where, self.spec.pixel_size_um, orientation)

    # --- as fast as the camera goes ---

    def _sequence(self, stop: StopSignal) -> _Shots:
        """Yield the images of the plan's sequence: one sequence of the camera, and another one after each pause."""
        rig = self._rig
        events = self._plan.events(self._field_um)
        event = next(events, None)
        planned = self._plan.expected_frames
        taken = part = 0
        if event is not None and self._focus.is_due(0) and self._focused(0, event, stop) is None:
            return
        watch = FrameWatch(rig.hardware)
        while event is not None:
            self._section.hold(stop)
            if stop.requested:
                return
            # after a pause too: the stage may have been moved meanwhile
            if not self._move(event, stop):
                return
            watch.begin("being asked for its settings")
            self._section.camera("asking", rig.hardware.slow, watch, stop)
            watch.begin("starting a sequence")
            with Finally(self._section.stop_camera, "stopping the camera"):
                # Not to be left half-way: what starts the camera must be there to stop it.
                n_wanted = None if planned is None else planned - taken
                start = partial(rig.camera.start, n_wanted)
                self._section.camera("starting", start, watch)
                for shot in self._pops(n_wanted, taken, watch, stop):
                    assert event is not None  # there are as many events as frames
                    yield shot, event, part
                    taken += 1
                    event = next(events, None)
            if not self._was_paused:
                return
            part += 1

    def _pops(self, n_wanted: int | None, n_before: int, watch: FrameWatch, stop: StopSignal) -> Iterator[Shot]:
        """Yield images of a running sequence until it is fulfilled, or its buffer is empty after a stop or a pause."""
        rig = self._rig
        n = 0
        ending = False
        self._was_paused = False
        while n_wanted is None or n < n_wanted:
            if not ending and stop.requested:
                ending = True
                # A long exposure cannot be cut short (the driver blocks until it ends) and must not hold up the stop;
                # a short one ends at once, and what the buffer then holds is complete.
                if rig.hardware.exposure_ms / 1000 < GRACE_S / 2:
                    self._section.stop_camera()
            elif not ending and stop.paused:
                ending = self._was_paused = True
                self._section.camera("stopping", rig.camera.stop, watch, stop)
            shot = self._section.camera("reading from", partial(rig.camera.pop, 0.0 if ending else _LOOK_S), watch)
            if shot is None:
                if not self._more_to_come(n_before + n, watch, stopping=ending):
                    return
                continue
            watch.frame(shot.t_mono_ns)
            number = shot.camera_frame
            if number is not None and number != n:
                raise FramesLost(
                    max(1, number - n),
                    f"the camera's counter went from {n - 1} to {number}: frames were lost",
                    hint="Use a longer exposure, or a larger camera buffer in the rig file.",
                )
            n += 1
            yield shot

    def _more_to_come(self, n_received: int, watch: FrameWatch, *, stopping: bool) -> bool:
        """Return whether to go on when the buffer was empty; raise if frames were lost or none can be hoped for."""
        camera = self._rig.hardware.camera
        waiting, running, overflowed = self._section.camera("asking", self._rig.camera.state, watch)
        if waiting and not stopping:
            return True
        if overflowed:
            raise FramesLost(
                1,  # the camera stops at the first frame without room; one in read-out then is not counted
                f"the buffer of camera '{camera}' overflowed after frame {n_received - 1}, at least 1 frame was lost:"
                " the camera is faster than what follows",
                hint="Use a longer exposure, or a larger camera buffer in the rig file.",
            )
        if stopping:
            return False
        if not running:
            raise CameraError(f"camera '{camera}' stopped by itself after {n_received} frames")
        watch.none_yet(running=running, waiting=waiting)
        return True

    # --- putting a frame together ---

    def _frame(self, seq: int, shot: Shot, event: _Event, part: int) -> Frame:
        pixels = self._section.checked_pixels(shot, self.spec)
        if self._plan.sampling != "sequence":  # there the position is read only now and then
            self._rig.hardware.must_still_be_there(event, shot.stage_um)
        pixels = self._section.painted(pixels, shot, seq)
        tags = tags_of(shot, event)
        tags.update(self._focus.tags(event, None if shot.stage_um is None else shot.stage_um[2]))
        if part:
            tags["sequence_part"] = part
        tags.update(self._section.tags)
        if shot.stage_um is not None:
            tags.update(position_tags(PositionOrigin("stage")))
        return frame_of(seq, shot, pixels, self.spec.section_id, tags)
