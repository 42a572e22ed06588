"""Frames of a section whose stage is moved by hand.

The camera runs all the time. Each live frame is located by the tracker and judged by the rules of capture; a frame that
is captured is yielded to the session, and the others are shown and dropped.

>>> source = HandSource(rig, rules=CaptureRules(), animal_id="m1", section_id="s1")  # doctest: +SKIP
>>> for frame in source.frames(stop):  # doctest: +SKIP
...     print(frame.seq, frame.stage_um, source.view().verdict)
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.by_hand import CaptureJudge, HandView, Verdict
from hcc_scope.by_hand.words import verdict
from hcc_scope.formatting import counted
from hcc_scope.microscope.hand_before import place_of
from hcc_scope.microscope.hand_captures import Capture, HandCaptures
from hcc_scope.microscope.hand_desk import HandDesk
from hcc_scope.microscope.hand_guiding import Guided, HandGuiding
from hcc_scope.microscope.hand_log import HandLog
from hcc_scope.microscope.hand_places import HandPlaces
from hcc_scope.microscope.live_frames import LiveFrames
from hcc_scope.microscope.live_section import LiveSection
from hcc_scope.position_tags import DRAWN_TAG, FORCED_TAG
from hcc_scope.tiling import TileGrid
from hcc_scope.tracking import Tracker
from hcc_scope.tracking.mosaic import SeenMosaic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hcc_scope.by_hand import CaptureRules, SampleKeeper, SkipReason
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.hand_before import HandBefore
    from hcc_scope.microscope.hand_desk import Wishes
    from hcc_scope.microscope.hand_operator import HandOperator
    from hcc_scope.microscope.hand_places import SeenFrame
    from hcc_scope.microscope.live_frames import LiveShot
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.protocols import SourceListener, StopSignal
    from hcc_scope.run_events import RunEvents
    from hcc_scope.types import Frame, TagValue

__all__ = ["Guided", "HandSource"]

_ASKED_S = 3.0
"""How long a request to capture waits for a frame that is fit."""


class HandSource:
    """Frames of one section from a live microscope whose stage is moved by hand; a `hcc_scope.by_hand.HandCommands`.

    Making one sets the exposure. With an XY stage (a joystick, an encoder) the positions are the stage's; without one,
    or with a simulated operator, they are tracked from the pictures.

    Parameters
    ----------
    rig : MicroManager
        Opened; the source does not close it.
    rules : CaptureRules, optional
        When a field is captured; the rig file's without it.
    animal_id, section_id : str
    tile_px : int
    exposure_ms : float, optional
        As the camera is set, if not given.
    guided : Guided, optional
        Visit random fields; without it fields are chosen freely.
    model_sha256 : str, optional
    software : mapping, optional
        Versions to record besides those of Micro-Manager.
    provenance : mapping, optional
        Facts to record with the section.
    scene : Scene, optional
        Replaces the demo camera's pixels; refused for any other camera.
    operator : HandOperator, optional
        Moves the specimen in place of a person. The section ends when it is done.
    end_after : int, optional
        The section ends by itself after so many captured fields, or a guided one after its last drawn field; without
        it, it ends on request.

    Raises
    ------
    CameraError, ConfigError
        If the camera cannot be used or takes another exposure, or the pixel size is unknown.
    PlanError
        If the exposure is beyond the rig file's limits.
    RigError
        If a scene is given and the camera is a real one.
    """

    live = True
    pauses_itself = True

    def __init__(
        self,
        rig: MicroManager,
        *,
        animal_id: str,
        section_id: str,
        rules: CaptureRules | None = None,
        tile_px: int = 512,
        exposure_ms: float | None = None,
        guided: Guided | None = None,
        model_sha256: str | None = None,
        software: Mapping[str, str] | None = None,
        provenance: Mapping[str, TagValue] | None = None,
        scene: Scene | None = None,
        operator: HandOperator | None = None,
        end_after: int | None = None,
    ) -> None:
        rules = rig.handling.capture if rules is None else rules
        self._section = LiveSection(rig, exposure_ms=exposure_ms, scene=scene)
        facts = self._section.facts
        self.warnings = self._section.check_camera_limits()
        """Sentences for the operator about the state in which the run begins."""
        self._section.show_scene()
        how: dict[str, TagValue] = {"by_hand": True, "capture_rules": json.dumps(asdict(rules))}
        if guided is not None:
            how |= {"drawn_fields": guided.n_fields, "drawn_seed": guided.seed}
        self.spec = self._section.spec(
            animal_id=animal_id,
            section_id=section_id,
            tile_px=tile_px,
            sampling="chosen" if guided is None else "guided",
            # a guided section skips fields, and a simulated operator ends when it is done
            expected_frames=end_after if guided is None and operator is None else None,
            model_sha256=model_sha256,
            software=software,
            provenance=provenance,
            how=how,
        )
        self.mosaic = SeenMosaic(facts.shape_yx, facts.pixel_size_um, facts.orientation, bit_depth=facts.bit_depth)
        """Everything that was seen so far, captured or not."""
        self._end_after = end_after
        self._desk = HandDesk()
        self._live = LiveFrames(self._section, operator, self._desk.view)
        self._places = HandPlaces(
            self._section,
            self.spec,
            Tracker(facts.shape_yx, facts.pixel_size_um, facts.orientation),
            from_stage=operator is None and bool(rig.hardware.xy_stage),
        )
        grid = TileGrid.for_frame(facts.shape_yx, tile_px)
        self._judge = CaptureJudge(rules, grid, facts.pixel_size_um, facts.orientation)
        self._captures = HandCaptures(self._follow_undo)
        self._log = HandLog(rig.events)
        self._guiding = HandGuiding(guided, facts.shape_yx, facts.pixel_size_um, facts.orientation, self._log)
        self._asked_at_s: float | None = None
        self._n_seen = 0
        self._message = ""

    # --- a source of frames ---

    def report_to(self, listener: SourceListener) -> None:
        """Report what an operator must know."""
        self._section.remark = listener.remark

    @property
    def remark(self) -> str | None:
        """None: what an operator overruled is recorded with each frame, and the section's account states it."""
        return None

    @property
    def events(self) -> RunEvents:
        """What happens to the devices, and what the operator does."""
        return self._section.rig.events

    def put_back(self) -> None:
        """Put back the settings that this section has changed; for one that never began. Idempotent."""
        self._section.put_back()

    def objective(self) -> str | None:
        """Return the label of the objective in use; None if no device reports it."""
        return self._section.objective()

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Run the camera, and yield the frames that are captured.

        A pause stops the camera; where the field is then has to be found again, as the specimen may have been moved
        meanwhile. Ends when stop is requested, everything asked for is captured, or the simulated operator is done.

        Raises
        ------
        CameraError, DeviceError
            If the camera delivers nothing in time, a device fails, or another section has the camera.
        """
        with self._section.in_use():
            self._section.begin(stop)
            with closing(self._live.shots(stop)) as shots:
                for live in shots:
                    yield from self._look(live)
                    if self._is_over():
                        return

    def go_on(self, before: HandBefore) -> None:
        """Continue a section that has fields already; before the first live frame.

        They are counted and covered, the tracker recognises them, and a drawn sample is visited further. Where the
        specimen lies otherwise, the operator begins a new island.
        """
        captures = []
        for frame in before.frames:
            place, counts = place_of(frame), frame.seq not in before.undone
            if place is not None:
                self.mosaic.add(place, self._places.add_known(frame.pixels, place))
            if counts:
                self._judge.captured(place)
                captures.append(Capture(frame.seq, place, str(frame.tags.get(FORCED_TAG) or "")))
        self._captures.go_on(captures, before.n_frames)
        if before.sample is not None:
            self._guiding.go_on(before.sample)
        if captures:
            what_now = ": go back to one of them, or begin an island" if self._places.tracked else ""
            self._message = f"{counted(len(captures), 'field')} captured before{what_now}"

    def _is_over(self) -> bool:
        """Return whether everything that was asked for is captured."""
        if self._end_after is None:
            return False
        phase = self._guiding.phase
        return self._captures.n_own >= self._end_after if phase == "free" else phase == "done"

    def _look(self, live: LiveShot) -> Iterator[Frame]:
        """Locate and judge one live frame, yield it if it is captured, and show what is known after it."""
        wishes = self._desk.take()
        self._captures.settle()
        if wishes.new_island and (island := self._places.new_island()) is not None:
            self._log.add("island", island=island, before_seq=self._captures.next_seq)
        seen = self._places.see(live, self._captures.next_seq, self._n_seen)
        self._n_seen += 1
        self.mosaic.see(seen.track, self._places.reduced)
        self._message = self._guiding.see(seen.track.place, seen.t_s) or self._message
        asked = self._still_asked(wishes, seen.t_s)
        drawn_at = partial(self._guiding.drawn_at, asked=asked or wishes.forced)
        drawn_field = drawn_at(seen.track.place)
        judged = self._judged(seen, drawn_field, asked=asked)
        forced = wishes.forced and seen.fits
        if judged.fit and not (asked or forced):
            held_back = self._guiding.held_back()
            judged = held_back if held_back is not None else judged if wishes.automatic else verdict("by key")
        if judged.fit or forced:
            seen = self._places.confirmed(seen, live)
            drawn_field = drawn_at(seen.track.place)
            forced &= seen.fits
            judged = judged if seen.obstacle is None else seen.obstacle
        frame = seen.frame
        if judged.fit or forced:
            frame = _marked(frame, judged.word, drawn_field)
            yield frame
            # only now: the session must know what can be undone
            capture = Capture(frame.seq, seen.track.place, judged.word)
            self._captures.add(capture, partial(self._follow, capture, drawn_field))
            judged = Verdict("")
        self._log.track(seen.track, seen.t_s, self._captures.next_seq)
        self._desk.show(self._view(frame, seen, judged, wishes))

    def _still_asked(self, wishes: Wishes, t_s: float) -> bool:
        """Return whether a request to capture waits for a frame; one that waited for too long is given up."""
        if not wishes.asked:
            self._asked_at_s = None
            return False
        if self._asked_at_s is None:
            self._asked_at_s = t_s
        if t_s - self._asked_at_s <= _ASKED_S:
            return True
        self._asked_at_s = None
        self._desk.wish(asked=False)
        self._message = f"not captured: no fit frame within {_ASKED_S:g} s"
        return False

    def _judged(self, seen: SeenFrame, drawn_field: int | None, *, asked: bool) -> Verdict:
        if seen.fits:
            at_target = True if drawn_field is not None else False if self._guiding.phase == "targets" else None
            judged = self._judge.judge(seen.frame, seen.track, t_s=seen.t_s, asked=asked, at_target=at_target)
            if seen.obstacle is None or judged.word in ("too dark", "too bright"):
                return judged
        assert seen.obstacle is not None
        return seen.obstacle

    def _follow(self, capture: Capture, drawn_field: int | None) -> None:
        """Have tracker, judge and guide know of a capture."""
        self._desk.wish(asked=False)
        self._message = ""
        self._places.captured()
        self._judge.captured(capture.place)
        if drawn_field is not None:
            self._guiding.reached(drawn_field, capture.seq)
        if capture.forced:
            self._log.add("kept anyway", seq=capture.seq, word=capture.forced)

    def _follow_undo(self, _capture: Capture) -> None:
        self._places.undone()
        self._judge.undone()

    def _view(self, frame: Frame, seen: SeenFrame, judged: Verdict, wishes: Wishes) -> HandView:
        captures = self._captures.captures
        return HandView(
            frame=frame,
            track=seen.track,
            verdict=judged,
            phase=self._guiding.phase,
            automatic=wishes.automatic,
            n_seen=self._n_seen,
            n_captured=len(captures),
            n_forced=sum(bool(one.forced) for one in captures),
            captured_seq=self._captures.last_seq,
            guidance=self._guiding.guidance,
            places_um=tuple((one.place.island, one.place.x_um, one.place.y_um) for one in captures if one.place),
            message=self._message,
        )

    # --- what the operator asks for ---

    def view(self) -> HandView | None:
        """Return what is known after the newest live frame; None before the first. Waits for nothing."""
        return self._desk.view()

    def set_automatic(self, *, on: bool) -> None:
        """Capture frames by themselves, or on request alone."""
        self._desk.wish(automatic=on)
        self._log.add("automatic", on=on)

    def capture(self) -> None:
        """Capture the field as soon as a frame of it is fit, without waiting for it to be at rest for long."""
        self._desk.wish(asked=True)

    def keep_anyway(self) -> None:
        """Capture the next frame, whatever speaks against it. It is counted, and the report states it."""
        self._desk.wish(forced=True)

    def new_island(self) -> None:
        """Begin a new coordinate frame at the present field; does nothing where a stage gives the positions."""
        self._desk.wish(new_island=True)

    def undo(self, exclude: Callable[[int], None]) -> int | None:
        """Take the last capture back: it counts no more, and its place may be captured again.

        Parameters
        ----------
        exclude : callable
            Takes its number and excludes it from the score, durably, before anything else happens. What it raises
            leaves everything as it was.

        Returns
        -------
        int or None
            Its number in the store, where it stays; None if nothing is left to undo.
        """

        def take_back(seq: int) -> None:
            exclude(seq)
            self._guiding.undone(seq)

        seq = self._captures.undo(take_back)
        if seq is not None:
            self._message = f"field {seq} is undone"
            self._log.add("undo", seq=seq)
        return seq

    # --- a guided section ---

    @property
    def sample(self) -> DrawnSample | None:
        """The drawn fields and what became of them; None before they are drawn."""
        return self._guiding.sample

    def keep_sample_with(self, keeper: SampleKeeper) -> None:
        """Write down what happens to the drawn sample with this keeper, from now on."""
        self._guiding.keeper = keeper

    def mark_corner(self) -> int:
        """Take the present place as the next corner of the outline, and return how many there are.

        Three or more replace the drive round the section.

        Raises
        ------
        PlanError
            If the position is not known, or the section is not guided.
        """
        return self._guiding.mark_corner()

    def close_outline(self) -> tuple[tuple[float, float], ...]:
        """End the drive round the section and return its outline, to be mended or used.

        Raises
        ------
        PlanError
            If the course surrounds no area, or the section is not guided.
        """
        outline_um = self._guiding.close_outline()
        self._message = self._guiding.outline_remark
        return outline_um

    def drive_again(self) -> None:
        """Forget the way round the section, and begin it anew; raises like `mark_corner`."""
        self._guiding.drive_again()
        self._message = ""

    def draw_fields(self, outline_um: tuple[tuple[float, float], ...] | None = None) -> None:
        """Draw the random fields inside the outline; `outline_um` is a mended one.

        Raises
        ------
        PlanError
            If they do not fit, or the section is not guided.
        StoreError
            If they cannot be written down.
        """
        self._guiding.draw_fields(outline_um)
        self._message = ""

    def skip_target(self, reason: SkipReason) -> None:
        """Skip the present target for a reason that is recorded.

        Raises
        ------
        PlanError
            If there is none.
        StoreError
            If it cannot be written down.
        """
        self._guiding.skip_target(reason)


def _marked(frame: Frame, overruled: str, drawn_field: int | None) -> Frame:
    """Return a captured frame with the rule that was overruled and the drawn field that it shows, if any."""
    tags = dict(frame.tags)
    if overruled:
        tags[FORCED_TAG] = overruled
    if drawn_field is not None:
        tags[DRAWN_TAG] = drawn_field
    return replace(frame, tags=tags)
