"""Sections by hand on Micro-Manager's real demo camera: a hand follows a list of places, or the camera runs freely."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.by_hand import CaptureRules, GuidedSource, screen_word
from hcc_scope.errors import CameraError, DeviceError, PlanError, RigError, StoreError
from hcc_scope.microscope import hand_stage, hardware, stall
from hcc_scope.microscope.hand_captures import Capture, HandCaptures
from hcc_scope.microscope.hand_source import Guided, HandSource
from hcc_scope.microscope.hand_stage import DISAGREE, StageAgreement
from hcc_scope.microscope.live_frames import LiveShot
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.position_tags import DRAWN_TAG, FORCED_TAG, PositionOrigin, position_origin
from hcc_scope.protocols import EventfulSource, PausingSource, ReportingSource
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.tracking import Place, TrackView
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore
from tests.hand_parts import PatternScene, Walk, rests_at
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import Frame

FULL_SCALE = 2**16 - 1
FIELD_UM = 256 * 0.325
SMALL = {"OnCameraCCDXSize": 256, "OnCameraCCDYSize": 256, "Exposure": 1}


@pytest.fixture
def cfg(demo_cfg: Callable[..., Path]) -> Path:
    return demo_cfg(**SMALL)


@pytest.fixture
def rig(cfg: Path, adapters_dir: Path) -> Iterator[MicroManager]:
    roles = load_rig("demo").roles
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=roles) as opened:
        yield opened


@pytest.fixture
def stageless(cfg: Path, adapters_dir: Path) -> Iterator[MicroManager]:
    """The demo rig without stage and focus drive."""
    lines = [line for line in cfg.read_text(encoding="utf-8").splitlines() if not _is_of_a_stage(line)]
    cfg.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16) as opened:
        yield opened


def _is_of_a_stage(line: str) -> bool:
    return bool({"XY", "Z", "XYStage", "Focus"} & set(line.split(",")))


def by_hand(rig: MicroManager, walk: Walk | None = None, **how: object) -> HandSource:
    scene = PatternScene(FULL_SCALE) if walk is None else walk.scene
    how = {"scene": scene, "operator": walk, "rules": CaptureRules(still_ms=250), **how}
    return HandSource(rig, animal_id="m1", section_id="s1", tile_px=128, **how)  # type: ignore[arg-type]


def hand(places_um: Iterable[tuple[float, float]], at: Mapping[int, Callable[[], object]] | None = None) -> Walk:
    return Walk(PatternScene(FULL_SCALE), places_um, at)


def words(views: list[HandView]) -> list[str]:
    """Return what was on the screen, each word once in a row."""
    shown = [screen_word(view)[0] for view in views]
    return [word for i, word in enumerate(shown) if i == 0 or word != shown[i - 1]]


def place_um(frame: Frame) -> tuple[float, float]:
    """Return the tracked place of a frame."""
    assert frame.stage_um is not None
    x_um, y_um, z_um = frame.stage_um
    assert z_um is None
    return x_um, y_um


def happened(rig: MicroManager, what: str) -> list[Mapping[str, object]]:
    return [event.facts for event in rig.events.recent("hand") if event.facts["what"] == what]


# --- what is captured ---


def test_fields_are_captured_where_the_hand_rests_and_the_same_hand_captures_the_same_bits(rig: MicroManager):
    stops = [(0.0, 0.0), (70.0, 0.0), (70.0, 70.0)]
    runs = []
    for _ in range(2):
        walk = hand(rests_at(*stops))
        source = by_hand(rig, walk)
        frames = list(source.frames(StopToken()))
        runs.append(frames)
        for protocol in (PausingSource, ReportingSource, EventfulSource, GuidedSource):
            assert isinstance(source, protocol)
        assert source.spec.sampling == "chosen"
        assert source.spec.expected_frames is None
        assert "still_um_s" in str(source.spec.provenance["capture_rules"])
        assert source.remark is None
        assert words(walk.views)[:3] == ["waiting", "captured", "moving"]
        kept = {view.captured_seq: view.frame for view in walk.views if view.verdict.fit}
        assert [kept[seq].pixels is frames[seq].pixels for seq in range(3)] == [True] * 3
        assert [view.n_seen for view in walk.views] == list(range(1, walk.n))
        last = walk.views[-1]
        assert (last.n_captured, last.n_forced, last.phase, last.automatic) == (3, 0, "free", True)
        assert len(last.places_um) == 3
    first, again = runs
    for frame, same, stop_um in zip(first, again, stops, strict=True):
        assert np.array_equal(frame.pixels, same.pixels)
        assert frame.stage_um == same.stage_um
        assert place_um(frame) == pytest.approx(stop_um, abs=1.0)
        origin = position_origin(frame.tags, has_position=True)
        assert (origin.source, origin.island) == ("tracked", 0)
        assert origin.se_um is not None
        assert frame.camera_frame is None
        assert frame.exposure_ms == 1.0
    assert [frame.seq for frame in first] == [0, 1, 2]
    assert not rig.backend.core.is_sequence_running()
    assert rig.use.state == "free"


def test_a_field_that_is_kept_anyway_while_lost_has_no_position(rig: MicroManager):
    source: HandSource | None = None
    gone = (180.0, 180.0)
    walk = hand(
        [*rests_at((0.0, 0.0)), *[gone] * 6, *rests_at((0.0, 0.0))],
        {8: lambda: source and source.keep_anyway()},
    )
    source = by_hand(rig, walk)
    first, forced = source.frames(StopToken())
    assert first.stage_um is not None
    assert forced.stage_um is None
    assert position_origin(forced.tags, has_position=False) == PositionOrigin("unknown")
    assert forced.tags["position_from"] == "unknown"
    assert forced.tags[FORCED_TAG] in ("lost", "too fast")
    states = [view.track.state for view in walk.views]
    lost_at = states.index("lost")
    assert lost_at <= 7  # within 3 frames
    assert states[-1] == "tracking"  # back over what is known
    assert walk.views[-1].n_forced == 1
    assert happened(rig, "kept anyway") == [{"what": "kept anyway", "seq": 1, "word": forced.tags[FORCED_TAG]}]
    with pytest.raises(PlanError, match="the fields of this section are chosen freely"):
        source.skip_target("fold")


def test_what_is_undone_is_captured_again_once_the_stage_has_moved(rig: MicroManager):
    excluded: list[int] = []
    source: HandSource | None = None

    def fail(_seq: int) -> None:
        raise StoreError("the disk is gone")

    def undo() -> None:
        assert source is not None
        with pytest.raises(StoreError, match="gone"):
            source.undo(fail)
        assert source.undo(excluded.append) == 0
        assert source.undo(excluded.append) is None

    stops = [(0.0, 0.0), (40.0, 0.0), (0.0, 0.0), (120.0, 0.0)]
    walk = hand(rests_at(*stops), {5: undo})
    source = by_hand(rig, walk)
    frames = list(source.frames(StopToken()))
    assert excluded == [0]
    # the place of the second one overlaps that of the first, which no longer counts; the third is too near to it
    assert [round(place_um(frame)[0], -1) for frame in frames] == [0, 40, 120]
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert walk.views[-1].n_captured == 2
    assert happened(rig, "undo") == [{"what": "undo", "seq": 0}]


def test_on_request_alone(rig: MicroManager):
    source: HandSource | None = None
    walk = hand(
        [*rests_at((0.0, 0.0), n_rest=8), *rests_at((180.0, 180.0))],
        {
            0: lambda: source and source.set_automatic(on=False),
            6: lambda: source and source.capture(),
        },
    )
    source = by_hand(rig, walk)
    (frame,) = source.frames(StopToken())
    assert place_um(frame) == pytest.approx((0.0, 0.0), abs=1.0)
    assert words(walk.views) == ["waiting", "by key", "captured", "too fast", "lost"]


def test_a_request_that_no_frame_fulfils_is_given_up(rig: MicroManager):
    source: HandSource | None = None
    there_and_back = [(12.0 * x, 0.0) for x in (*range(20), *range(20, 0, -1))]
    walk = hand(
        there_and_back,
        {0: lambda: source and source.set_automatic(on=False), 3: lambda: source and source.capture()},
    )
    source = by_hand(rig, walk)
    assert list(source.frames(StopToken())) == []
    assert walk.views[-1].message == "not captured: no fit frame within 3 s"


def test_a_new_island_begins_its_own_coordinates(rig: MicroManager):
    source: HandSource | None = None
    gone = (180.0, 180.0)
    walk = hand([*rests_at((0.0, 0.0)), *[gone] * 12], {9: lambda: source and source.new_island()})
    source = by_hand(rig, walk)
    first, second = source.frames(StopToken())
    assert position_origin(first.tags, has_position=True).island == 0
    assert position_origin(second.tags, has_position=True).island == 1
    assert place_um(second) == pytest.approx((0.0, 0.0), abs=1.0)  # and not where it was thought to be before
    assert [facts["island"] for facts in happened(rig, "island")] == [1]
    assert [place[0] for place in walk.views[-1].places_um] == [0, 1]
    assert source.mosaic.changes().tiles


# --- bad input ---


def test_another_objective_is_neither_located_nor_captured_until_it_is_turned_back(rig: MicroManager):
    core = rig.backend.core
    turn = lambda label: lambda: core.set_state_label("Objective", label)  # noqa: E731
    before = core.get_state_label("Objective")
    other = next(label for label in core.get_state_labels("Objective") if label != before)
    source: HandSource | None = None

    def keep() -> None:
        assert source is not None
        source.keep_anyway()  # refused: it does not fit the other frames of the store

    walk = hand(
        rests_at((0.0, 0.0), (70.0, 0.0), (0.0, 0.0), (-70.0, 0.0)),
        {7: turn(other), 10: keep, 17: turn(before)},
    )
    source = by_hand(rig, walk)
    frames = list(source.frames(StopToken()))
    assert [round(place_um(frame)[0], -1) for frame in frames] == [0, -70]
    shown = [view for view in walk.views if view.verdict.word == "objective"]
    assert [view.n_seen for view in shown] == list(range(8, 18))
    assert all(view.track.place is None and view.frame.stage_um is None for view in shown)
    assert "pixel size" in screen_word(shown[0])[1]
    assert walk.views[-1].n_forced == 0


def test_an_objective_that_was_turned_just_before_is_noticed_before_the_frame_is_kept(
    rig: MicroManager, monkeypatch: pytest.MonkeyPatch
):
    """In a running sequence, the state of the devices is read now and then; here only once at the beginning."""
    monkeypatch.setattr(hardware, "_FRESH_S", 1e9)
    core, source = rig.backend.core, by_hand(rig)
    source.set_automatic(on=False)
    taken = Taken(source)
    wait_until(lambda: seen(source) > 2)
    before = core.get_state_label("Objective")
    core.set_state_label("Objective", next(one for one in core.get_state_labels("Objective") if one != before))
    source.keep_anyway()
    wait_until(lambda: (view := source.view()) is not None and view.verdict.word == "objective")
    taken.stop.request()
    assert taken.join() == []
    assert taken.error is None


def test_pictures_that_do_not_change_give_no_position(rig: MicroManager):
    """The camera repeats itself while the hand moves on; the position is found again, and not continued."""
    walk = hand(
        rests_at((0.0, 0.0), (40.0, 0.0), (80.0, 0.0)),
        {6: lambda: setattr(walk.scene, "frozen", True), 13: lambda: setattr(walk.scene, "frozen", False)},
    )
    frames = list(by_hand(rig, walk).frames(StopToken()))
    frozen = [view for view in walk.views if view.verdict.word == "frozen"]
    assert [view.n_seen for view in frozen] == list(range(7, 14))
    assert all(view.track.place is None and view.frame.stage_um is None for view in frozen)
    assert [round(place_um(frame)[0], -1) for frame in frames] == [0, 80]


def test_a_start_on_bare_glass_is_said_and_the_coordinates_begin_with_the_tissue(rig: MicroManager):
    walk = hand(rests_at((30.0, 0.0), (70.0, 0.0)), {9: lambda: setattr(walk.scene, "glass", False)})
    walk.scene.glass = True
    (frame,) = by_hand(rig, walk).frames(StopToken())
    assert [screen_word(view)[0] for view in walk.views[:8]] == ["no structure"] * 8
    assert place_um(frame) == pytest.approx((0.0, 0.0), abs=5.0)


def test_light_that_goes_off_is_said_and_nothing_is_captured(rig: MicroManager):
    walk = hand(
        rests_at((0.0, 0.0), (70.0, 0.0), (0.0, 0.0), (0.0, 70.0)),
        {7: lambda: setattr(walk.scene, "light", 0.0), 20: lambda: setattr(walk.scene, "light", 0.6)},
    )
    frames = list(by_hand(rig, walk).frames(StopToken()))
    assert {view.verdict.word for view in walk.views[7:20]} == {"too dark"}
    assert all(view.track.place is None for view in walk.views[7:20])
    assert [tuple(round(um, -1) for um in place_um(frame)) for frame in frames] == [(0, 0), (0, 70)]


# --- the camera runs freely ---


class Taken:
    """Takes a source's frames in a thread, as a session does."""

    def __init__(self, source: HandSource) -> None:
        self.stop = StopToken()
        self.frames: list[Frame] = []
        self.error: RigError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._source = source
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        try:
            for frame in self._source.frames(self.stop):
                self.frames.append(frame)
                self.gate.wait(30)
        except RigError as error:
            self.error = error

    def join(self) -> list[Frame]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.frames


def seen(source: HandSource) -> int:
    view = source.view()
    return 0 if view is None else view.n_seen


def test_with_a_stage_the_position_is_the_stages_own(rig: MicroManager):
    core = rig.backend.core
    core.set_xy_position("XY", 20.0, -10.0)
    core.wait_for_device("XY")
    source = by_hand(rig, end_after=2)
    assert source.spec.expected_frames == 2
    taken = Taken(source)
    wait_until(lambda: len(taken.frames) == 1)
    core.set_xy_position("XY", 120.0, -10.0)
    assert [frame.stage_um and frame.stage_um[:2] for frame in taken.join()] == [
        pytest.approx(place_um, abs=0.02) for place_um in ((20.0, -10.0), (120.0, -10.0))
    ]
    assert taken.error is None
    for frame in taken.frames:
        assert position_origin(frame.tags, has_position=True) == PositionOrigin("stage")
        assert frame.camera_frame is None
        assert frame.tags["position_from"] == "stage"
    assert not core.is_sequence_running()
    view = source.view()
    assert view is not None
    assert view.track.place is not None
    assert view.track.place.x_um == pytest.approx(120.0, abs=0.02)


def test_the_stage_is_read_again_before_a_field_is_kept(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    """A slow stage is read now and then during a sequence; here only once, before it moves."""
    monkeypatch.setattr(hardware, "_READ_SHARE", 1e-12)
    scene = PatternScene(FULL_SCALE)
    scene.here_um = (0.0, 0.0)
    source = by_hand(rig, scene=scene, end_after=2)
    taken = Taken(source)
    wait_until(lambda: len(taken.frames) == 1)
    scene.here_um = (120.0, 60.0)
    rig.backend.core.set_xy_position("XY", 120.0, 60.0)
    rig.backend.core.wait_for_device("XY")
    source.keep_anyway()
    frames = taken.join()
    assert [frame.stage_um and frame.stage_um[:2] for frame in frames] == [
        pytest.approx(place_um, abs=0.02) for place_um in ((0.0, 0.0), (120.0, 60.0))
    ]


@pytest.mark.parametrize("still", [True, False])
def test_a_frame_that_is_kept_anyway_on_the_way_is_not_where_the_stage_came_to_later(rig: MicroManager, still: bool):
    places = by_hand(rig)._places
    shot = rig.thread.call("exposing", rig.camera.snap)
    later = LiveShot(shot, 0.0, after_pause=False, read_again=lambda: replace(shot, stage_um=(1.0, 0.0, 0.0)))
    seen = places.see(later, 0, 0)
    frame = places.confirmed(
        replace(seen, track=replace(seen.track, speed_um_s=0.0 if still else 1e9)),
        later,
    ).frame
    assert frame.stage_um == ((1.0, 0.0, 0.0) if still else None)
    assert frame.tags["position_from"] == ("stage" if still else "unknown")


def test_a_stage_that_stays_while_the_pictures_move_is_denied(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hand_stage, "_REST_S", 0.3)
    scene = PatternScene(FULL_SCALE)
    scene.here_um = (0.0, 0.0)
    source = by_hand(rig, scene=scene)
    taken = Taken(source)
    rest_s = time.monotonic() + 0.6
    wait_until(lambda: len(taken.frames) == 1 and time.monotonic() > rest_s)
    for x_um in range(0, 101, 5):
        n, scene.here_um = seen(source), (float(x_um), 0.0)
        wait_until(lambda n=n: seen(source) > n)
    wait_until(lambda: (view := source.view()) is not None and view.track.remark == DISAGREE)
    view = source.view()
    assert view is not None
    assert (view.track.state, view.track.place, view.frame.stage_um, view.verdict.word) == ("lost", None, None, "lost")
    source.keep_anyway()
    wait_until(lambda: len(taken.frames) == 2)
    taken.stop.request()
    (_, kept) = taken.join()
    assert (kept.stage_um, kept.tags["position_from"]) == (None, "unknown")


def test_a_slow_computer_sees_fewer_live_frames_and_never_an_old_one(stageless: MicroManager):
    scene = PatternScene(FULL_SCALE)
    source = by_hand(stageless, scene=scene)
    taken = Taken(source)
    taken.gate.clear()  # the session is busy with the first field
    wait_until(lambda: len(taken.frames) == 1)
    n_seen, began_s = seen(source), time.monotonic()
    wait_until(lambda: time.monotonic() > began_s + 0.3)  # some 30 images; the full buffer does not count them
    assert seen(source) == n_seen
    taken.gate.set()
    wait_until(lambda: seen(source) > n_seen + 3)
    taken.stop.request()
    taken.join()
    assert taken.error is None
    assert len(scene.painted) == seen(source)  # what was skipped is not looked at later
    (frame,) = taken.frames
    assert place_um(frame) == pytest.approx((0.0, 0.0), abs=0.1)


def test_no_live_image_comes_twice(stageless: MicroManager):
    """A long exposure, and looks that are much more frequent."""
    source = by_hand(stageless, exposure_ms=30.0)
    taken = Taken(source)
    numbers: list[object] = []

    def look() -> bool:
        view = source.view()
        if view is not None and (not numbers or view.frame.tags["ImageNumber"] != numbers[-1]):
            numbers.append(view.frame.tags["ImageNumber"])
        return len(numbers) > 4

    wait_until(look)
    taken.stop.request()
    taken.join()
    assert seen(source) >= len(numbers)
    assert len(set(numbers)) == len(numbers)


def test_a_pause_stops_the_camera_and_the_position_has_to_be_found_again(stageless: MicroManager):
    scene = PatternScene(FULL_SCALE)
    source = by_hand(stageless, scene=scene)
    taken = Taken(source)
    wait_until(lambda: len(taken.frames) == 1)
    taken.stop.pause()
    wait_until(lambda: taken.stop.held)
    assert stageless.use.state == "paused"
    assert not stageless.backend.core.is_sequence_running()
    n = seen(source)
    scene.here_um = (240.0, 170.0)  # another slide
    taken.stop.resume()
    wait_until(lambda: seen(source) > n + 6)
    view = source.view()
    assert view is not None
    assert (view.track.state, view.track.place, len(taken.frames)) == ("lost", None, 1)
    scene.here_um = None
    wait_until(lambda: (now := source.view()) is not None and now.track.state == "tracking")
    taken.stop.request()
    taken.join()
    assert taken.error is None


def test_stop_ends_a_pause_and_a_long_exposure(stageless: MicroManager):
    source = by_hand(stageless, exposure_ms=1200.0)
    taken = Taken(source)
    wait_until(stageless.backend.core.is_sequence_running)
    taken.stop.request()
    assert taken.join() == []
    assert taken.error is None
    assert stageless.use.state == "free"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"is_sequence_running": lambda _real: False}, "camera 'Camera' stopped by itself during the section"),
        ({}, r"camera 'Camera' delivered no frame within \d\.\d s \(last state: sequence running"),
    ],
)
def test_a_camera_that_delivers_nothing_more_ends_the_section(
    stageless: MicroManager, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Callable[..., bool]], words: str
):
    taken = Taken(by_hand(stageless))
    core = stageless.backend.core
    wait_until(lambda: len(taken.frames) == 1)
    monkeypatch.setattr(stall, "MARGIN_S", 0.2)
    FaultyCore(stageless, get_remaining_image_count=lambda _real: 0, **fault)
    wait_until(lambda: taken.error is not None)
    stageless.backend.core = core
    assert isinstance(taken.error, CameraError)
    assert re.match(words, taken.error.message)
    assert len(taken.join()) == 1
    assert not core.is_sequence_running()


def test_a_camera_that_is_unplugged_ends_the_section(stageless: MicroManager):
    def unplugged(*_: object) -> None:
        raise RuntimeError('Error in device "Camera": the camera does not answer')

    taken = Taken(by_hand(stageless))
    core = stageless.backend.core
    wait_until(lambda: len(taken.frames) == 1)
    FaultyCore(stageless, get_last_image_md=unplugged)
    wait_until(lambda: taken.error is not None)
    stageless.backend.core = core
    assert isinstance(taken.error, DeviceError)
    assert 'Error in device "Camera": the camera does not answer' in taken.error.message
    assert len(taken.join()) == 1


# --- guided ---


class Kept:
    """A `hcc_scope.by_hand.SampleKeeper`."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []
        self.broken = False

    def _write(self, *line: object) -> None:
        if self.broken:
            raise StoreError("the disk is gone")
        self.lines.append(line)

    def drawn(self, sample: DrawnSample) -> None:
        self._write("drawn", sample.fields_um)

    def skipped(self, field: int, reason: str) -> None:
        self._write("skipped", field, reason)

    def undone(self, seq: int) -> None:
        self._write("undone", seq)


def test_random_fields_are_drawn_in_the_outline_that_was_driven_and_visited(rig: MicroManager):
    kept = Kept()
    source: HandSource | None = None
    frames: list[Frame] = []

    def places() -> Iterator[tuple[float, float]]:
        here = (0.0, 250.0)
        yield from rests_at((0.0, 0.0), (250.0, 0.0), (250.0, 250.0), here, n_rest=1, n_move=12)
        assert source is not None
        assert source.close_outline()
        yield here
        view = source.view()
        assert view is not None
        assert view.message.startswith("25 % of the outline are straight lines")  # the fourth side
        kept.broken = True
        with pytest.raises(StoreError):
            source.draw_fields()
        assert phase() == "mend"
        kept.broken = False
        source.draw_fields()
        yield here
        for visit in range(3):
            view = source.view()
            assert view is not None
            assert view.guidance is not None
            if visit == 1:
                source.skip_target("fold")
            for there in rests_at(here, view.guidance.target_um, n_rest=7, n_move=10):
                yield there
            here = there
            if visit == 1:
                assert len(frames) == 1
                source.capture()  # it is captured after all
                yield here
                yield here

    def phase() -> str:
        view = source.view() if source else None
        return "" if view is None else view.phase

    walk = hand(places())
    source = by_hand(rig, walk, guided=Guided(3, 7), end_after=3)
    source.keep_sample_with(kept)
    for frame in source.frames(StopToken()):
        frames.append(frame)
    fields_um = kept.lines[0][1]
    assert isinstance(fields_um, tuple)
    assert len(fields_um) == 3
    assert [line[0] for line in kept.lines] == ["drawn", "skipped"]
    assert len(frames) == 3
    assert source.sample is not None
    assert source.sample.skipped == {}
    for frame in frames:
        field = frame.tags[DRAWN_TAG]
        assert place_um(frame) == pytest.approx(fields_um[field], abs=2.0)
    assert {frame.tags[DRAWN_TAG] for frame in frames} == {0, 1, 2}
    assert frames[1].tags[DRAWN_TAG] == kept.lines[1][1]
    assert phase() == "done"
    assert source.spec.sampling == "guided"
    assert [facts["what"] for facts in (event.facts for event in rig.events.recent("hand"))].count("skip") == 1
    assert {view.verdict.fit for view in walk.views if view.phase in ("outline", "mend")} == {False}
    with pytest.raises(PlanError, match="no target to skip"):
        source.skip_target("fold")
    assert [source.undo(lambda _seq: None) for _ in range(2)] == [2, 1]
    assert kept.lines[-1] == ("undone", 1)
    assert list(source.sample.skipped) == [kept.lines[1][1]]


def test_an_undo_that_comes_while_the_next_field_is_handed_over_is_that_of_the_one_before():
    """Tracker and judge can take back their last capture alone: they must follow in this order."""
    order: list[tuple[str, int]] = []
    captures = HandCaptures(lambda capture: order.append(("undone", capture.seq)))
    captures.add(Capture(0, None), lambda: order.append(("captured", 0)))
    assert captures.undo(lambda seq: order.append(("excluded", seq))) == 0
    assert captures.captures == ()
    captures.add(Capture(1, None, "moving"), lambda: order.append(("captured", 1)))
    assert order == [("captured", 0), ("excluded", 0), ("undone", 0), ("captured", 1)]
    assert ([one.seq for one in captures.captures], captures.n_forced, captures.next_seq) == ([1], 1, 2)


def test_a_stage_that_does_not_follow_the_hand_gives_no_position():
    """Its motor is disengaged, say: the pictures move and its position does not."""
    agreement = StageAgreement(field_um=100.0)

    def rests(seen_um: float, stage_um: float, begin_s: float) -> list[bool]:
        moving = TrackView("tracking", Place(0, seen_um, 0.0, 0.1), (9.0, 0.0), 900.0)
        agreement.denies(moving, Place(0, stage_um, 0.0, 0.0), begin_s - 0.1)
        return [
            agreement.denies(
                TrackView("tracking", Place(0, seen_um, 0.0, 0.1), (0.0, 0.0), 0.0), Place(0, stage_um, 0.0, 0.0), t_s
            )
            for t_s in np.arange(begin_s, begin_s + 1.5, 0.1)
        ]

    assert not any(rests(0.0, 500.0, 0.0))
    assert not any(rests(60.0, 570.0, 2.0))  # a nominal pixel size
    denied = rests(130.0, 570.0, 4.0)
    assert (any(denied[:10]), all(denied[11:])) == (False, True)
    assert rests(60.0, 570.0, 6.0)[-1] is False  # back where they agreed
    assert not any(rests(0.0, 510.0, 8.0))
