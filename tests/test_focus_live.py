"""Sections on Micro-Manager's real demo camera that focus by its image: once, at every k-th field, by a plane."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hcc_scope.errors import CameraError, DeviceError, PlanError
from hcc_scope.focus.record import FocusRecord, PlaneRecord, focus_records
from hcc_scope.focus.result import REFUSALS
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.preview import Preview
from hcc_scope.phantom import Specimen
from hcc_scope.plans import Focusing, PositionList, Sequence, TimeSeries
from hcc_scope.runs.phantoms import phantom_facts
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import OpenRig, open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.storage.reader import open_store
from hcc_scope.workers import StopToken
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.plans import Plan
    from hcc_scope.types import Frame

SLOPE_X, SLOPE_Y, Z0_UM = 0.006, -0.003, 3.0
FIELDS = ((0.0, 0.0), (200.0, 0.0), (200.0, 170.0), (-200.0, 170.0), (-200.0, -170.0), (200.0, -170.0), (0.0, 170.0))
"""Close together, so that the phantom is soon drawn."""


def in_focus_um(x_um: float, y_um: float) -> float:
    """Return where the tilted specimen is in focus."""
    return Z0_UM + SLOPE_X * x_um + SLOPE_Y * y_um


class TiltedScene(PhantomScene):
    """A phantom whose slide lies askew; bare glass wherever `glass` says so."""

    glass: tuple[tuple[float, float], ...] = ()
    n_painted = 0

    def __init__(self, specimen: Specimen) -> None:
        super().__init__(specimen)
        self.at_frame: dict[int, Callable[[], object]] = {}
        """What happens when so many frames have been painted."""

    def paint(self, *arguments: Any, **more: Any) -> NDArray[np.uint16]:  # noqa: ANN401 - passed on as they are
        self.n_painted += 1
        self.at_frame.pop(self.n_painted, lambda: None)()
        return super().paint(*arguments, **more)

    def _seen(self, stage_um: tuple[float, float, float | None], *more: Any) -> NDArray[np.float32]:  # noqa: ANN401
        x_um, y_um, z_um = stage_um
        field = super()._seen((x_um, y_um, (z_um or 0.0) - in_focus_um(x_um, y_um)), *more)
        near_glass = any(abs(x_um - x) < 50 and abs(y_um - y) < 50 for x, y in self.glass)
        return np.full_like(field, np.median(field)) if near_glass else field


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return Specimen(5, "m1", "s1", "high", day="focus")


@pytest.fixture(scope="module")
def rig() -> Iterator[OpenRig]:
    with open_rig("demo") as opened:
        opened.set_properties(["Camera,OnCameraCCDXSize,512", "Camera,OnCameraCCDYSize,512"])
        yield opened


@pytest.fixture
def scene(specimen: Specimen, rig: OpenRig) -> Iterator[TiltedScene]:
    drive = rig.microscope
    drive.thread.call("moving", lambda: drive.backend.ask("moving", "set_position", drive.hardware.focus, 0.0))
    made = TiltedScene(specimen)
    yield made
    made.close()


def source(rig: OpenRig, plan: Plan, scene: TiltedScene) -> MicroManagerSource:
    return MicroManagerSource(rig.microscope, plan, animal_id="m1", section_id="s1", scene=scene)


class Heard:
    """Takes what a source reports."""

    def __init__(self, made: MicroManagerSource) -> None:
        self.asides: list[tuple[str, int | None]] = []
        self.left: list[int | None] = []
        self.notes: list[str] = []
        made.report_to(self)

    def begin_aside(self, what: str, n_left: int | None) -> None:
        self.asides.append((what, n_left))

    def end_aside(self, n_left: int | None) -> None:
        self.left.append(n_left)

    def note(self, message: str) -> None:
        self.notes.append(message)

    remark = skip = note


def records(rig: OpenRig) -> tuple[FocusRecord | PlaneRecord, ...]:
    return focus_records(rig.microscope.events.recent("focus"))


def heights(frames: list[Frame]) -> list[float | None]:
    return [None if frame.stage_um is None else frame.stage_um[2] for frame in frames]


def test_a_section_is_focused_by_a_plane_and_replays_to_the_same_bits(
    rig: OpenRig, specimen: Specimen, scene: TiltedScene, tmp_path: Path
):
    scoring_model: ScoringModel = load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None)
    made = MicroManagerSource(
        rig.microscope,
        PositionList(positions_um=FIELDS, focus=Focusing("plane", points=6)),
        animal_id="m1",
        section_id="s1",
        model_sha256=scoring_model.model.card.sha256,
        provenance={**scoring_model.facts, **phantom_facts(specimen)},
        scene=scene,
    )
    report = start_section(made, scoring_model, tmp_path).finish()
    assert report.outcome.state == "completed", report.outcome.cause
    assert report.outcome.remark is None
    path = tmp_path / "m1_s1.ome.zarr"
    opened = open_section(path)
    assert opened.focusings is not None
    *searches, plane = opened.focusings
    assert [record.focus_seq for record in opened.focusings] == list(range(7))
    assert all(isinstance(search, FocusRecord) and search.accepted for search in searches)
    assert all(len(search.curve) >= 10 for search in searches if isinstance(search, FocusRecord))
    assert isinstance(plane, PlaneRecord)
    assert (plane.plane.slope_x, plane.plane.slope_y) == pytest.approx((SLOPE_X, SLOPE_Y), abs=1.5e-3)
    store = open_store(path)
    assert store.n_frames == len(FIELDS)  # no frame of a search is among them
    for seq, (x_um, y_um) in enumerate(FIELDS):
        frame = store.read(seq)
        assert frame.stage_um is not None
        assert frame.stage_um[2] == pytest.approx(in_focus_um(x_um, y_um), abs=0.7)
        assert (frame.tags["z_by"], frame.tags["focus_seq"]) == ("plane", 6)
    run = start_replay(path, scoring_model)
    check = check_replay(run.store, run.finish(), run.results, scoring_model)
    assert (check.problem, check.equal, check.frames) == (None, True, len(FIELDS))


def test_a_refused_focusing_is_reported_and_the_run_continues_at_the_height_it_had(rig: OpenRig, scene: TiltedScene):
    scene.glass = (FIELDS[0],)
    made = source(rig, PositionList(positions_um=FIELDS[:4], focus=Focusing("every_k", every_k=2)), scene)
    heard = Heard(made)
    frames = list(made.frames(StopToken()))
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    assert [(frame.tags["z_by"], frame.tags.get("focus_seq")) for frame in frames] == [
        ("none", None),
        ("none", None),
        ("focus", 1),
        ("focus", 1),
    ]
    z_um = heights(frames)
    assert z_um[:2] == [0.0, 0.0]
    assert z_um[2] == z_um[3] == pytest.approx(in_focus_um(*FIELDS[2]), abs=0.7)
    assert heard.asides == [("focusing at field 0", 2), ("focusing at field 2", 1)]
    assert heard.left == [1, 0]
    (note,) = heard.notes
    assert note == f"no focus was found at field 0: {REFUSALS['no_tissue']}; z stays at 0.00 um"
    assert made.remark == "1 of 2 focusings found no height"
    refused, accepted = records(rig)
    assert isinstance(refused, FocusRecord)
    assert isinstance(accepted, FocusRecord)
    assert (refused.accepted, refused.reason, refused.field) == (False, "no_tissue", 0)
    assert (accepted.accepted, accepted.field, accepted.z_um) == (True, 2, z_um[2])
    assert accepted.bracket_um is not None
    assert accepted.bracket_um[0] < accepted.z_um < accepted.bracket_um[1]


def test_a_stop_during_a_search_ends_the_run_where_the_search_began(rig: OpenRig, scene: TiltedScene):
    stop = StopToken()
    scene.at_frame[5] = stop.request
    made = source(rig, PositionList(positions_um=FIELDS, focus=Focusing("plane")), scene)
    assert list(made.frames(stop)) == []
    assert scene.n_painted <= 6
    assert DeviceControls(rig.microscope).read().z_um == 0.0


def test_a_pause_cuts_a_search_short_which_begins_again_after_it(rig: OpenRig, scene: TiltedScene):
    stop = StopToken()
    scene.at_frame[5] = stop.pause
    made = source(rig, PositionList(positions_um=FIELDS[:1], focus=Focusing("once")), scene)
    heard, frames = Heard(made), list[object]()
    thread = threading.Thread(target=lambda: frames.extend(made.frames(stop)))
    thread.start()
    wait_until(lambda: stop.held)
    controls = DeviceControls(rig.microscope)
    assert controls.read().z_um == 0.0
    assert scene.n_painted <= 6
    controls.move_by_um(50.0, 0.0)  # the stage is free meanwhile; the field is gone to again
    stop.resume()
    thread.join(60)
    assert len(frames) == 1
    assert [what for what, _ in heard.asides] == ["focusing at field 0"] * 2
    assert heard.left == [1, 0]
    cut, record = records(rig)
    assert isinstance(cut, FocusRecord)
    assert isinstance(record, FocusRecord)
    assert cut.explanation == "the search was ended: it was stopped"
    assert (record.focus_seq, record.accepted) == (0, True)


def test_an_emergency_stop_during_a_search_ends_the_run_and_nothing_moves(rig: OpenRig, scene: TiltedScene):
    controls = DeviceControls(rig.microscope)
    scene.at_frame[5] = controls.halt
    made = source(rig, PositionList(positions_um=FIELDS[:1], focus=Focusing("once")), scene)
    with pytest.raises(DeviceError, match="stopped in an emergency"):
        list(made.frames(StopToken()))
    assert scene.n_painted <= 6
    assert controls.read().z_um != 0.0
    assert rig.microscope.use.state == "free"


def test_an_exposure_of_a_time_series_comes_no_sooner_after_a_search(rig: OpenRig, scene: TiltedScene):
    interval_s = 0.3
    plan = TimeSeries(
        n_frames=3, interval_s=interval_s, position_um=(0, 0), exposure_ms=5, focus=Focusing("every_k", every_k=2)
    )
    frames = list(source(rig, plan, scene).frames(StopToken()))
    steps_s = np.diff([frame.t_mono_ns for frame in frames]) / 1e9
    assert (steps_s >= interval_s / 2).all()  # one that catches up comes at once; a busy machine stamps late
    assert [frame.tags["focus_seq"] for frame in frames] == [0, 0, 1]


def test_a_sequence_is_focused_before_it_begins(rig: OpenRig, scene: TiltedScene):
    plan = Sequence(n_frames=3, position_um=(200, 0), exposure_ms=5, focus=Focusing("once"))
    frames = list(source(rig, plan, scene).frames(StopToken()))
    assert [(frame.seq, frame.tags["z_by"]) for frame in frames] == [(0, "focus"), (1, "focus"), (2, "focus")]
    assert heights(frames) == pytest.approx([in_focus_um(200, 0)] * 3, abs=0.7)


def test_a_height_that_was_set_by_hand_is_not_tagged_as_focused(rig: OpenRig, scene: TiltedScene):
    made = source(rig, PositionList(positions_um=FIELDS[:2], focus=Focusing("once")), scene)
    frames = []
    for frame in made.frames(StopToken()):
        frames.append(frame)
        DeviceControls(rig.microscope).move_z_by_um(0.8)
    assert [frame.tags["z_by"] for frame in frames] == ["focus", "none"]
    plain = list(source(rig, PositionList(positions_um=[(0, 0, 1.0), (0, 0)]), scene).frames(StopToken()))
    assert [frame.tags["z_by"] for frame in plain] == ["plan", "none"]


def test_without_a_focus_drive_a_plan_that_focuses_is_refused(rig: OpenRig, scene: TiltedScene):
    microscope = rig.microscope
    drive = microscope.hardware.focus

    def use(label: str) -> None:
        microscope.thread.call("choosing", lambda: microscope.backend.ask("choosing", "set_focus_device", label))

    use("")
    try:
        with pytest.raises(PlanError) as refused:
            source(rig, PositionList(positions_um=FIELDS, focus=Focusing("every_k", every_k=5)), scene)
    finally:
        use(drive)
        DeviceControls(microscope).read()
    assert refused.value.message == "the plan focuses (every_k:5), but the configuration has no focus drive"
    assert refused.value.hint == "Leave 'focus' out of the plan, or add 'Property,Core,Focus,<label>'."


def test_an_operator_focuses_while_the_live_picture_is_on(rig: OpenRig, scene: TiltedScene):
    controls, preview = DeviceControls(rig.microscope), Preview(rig.microscope, scene)
    controls.move_to_um(0.0, 0.0)
    wait_until(lambda: not controls.read().busy)
    preview.start()
    try:
        controls.focus_now()
        assert controls.read().z_um == pytest.approx(in_focus_um(0, 0), abs=0.7)
        assert preview.running
        before = preview.latest()
        wait_until(lambda: preview.latest() is not before)
        scene.glass = (FIELDS[0],)
        controls.move_z_to_um(1.0)
        with pytest.raises(DeviceError, match=r"no focus was found: .*; the focus drive is back at z = 1.00 um"):
            controls.focus_now()
        assert controls.read().z_um == 1.0
        assert preview.running
    finally:
        preview.stop()


def test_an_operator_focuses_while_a_section_is_paused_and_not_while_it_runs(rig: OpenRig, scene: TiltedScene):
    controls, stop = DeviceControls(rig.microscope), StopToken()
    made = source(rig, PositionList(positions_um=FIELDS[:2]), scene)
    running = made.frames(stop)
    first = next(running)
    with pytest.raises(CameraError, match="a section is being acquired"):
        controls.focus_now()
    stop.pause()
    rest: list[Frame] = []
    thread = threading.Thread(target=lambda: rest.extend(running))
    thread.start()
    wait_until(lambda: stop.held)
    controls.focus_now()
    z_um = controls.read().z_um
    assert z_um == pytest.approx(in_focus_um(0, 0), abs=0.7)
    # a section that continues ends a search that is under way, and waits for it to be back where it began
    scene.at_frame[scene.n_painted + 4] = stop.resume
    with pytest.raises(DeviceError, match="because the section continues"):
        controls.focus_now()
    thread.join(60)
    assert heights([first, *rest]) == [0.0, z_um]
