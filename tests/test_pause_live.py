"""Pauses on Micro-Manager's real demo camera: what was exposed is delivered, what is left comes after."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import CameraError, DeviceError, FramesLost, RigError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.preview import Preview
from hcc_scope.plans import PositionList, Sequence, TimeSeries
from hcc_scope.protocols import PausingSource
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.workers import StopToken
from tests.session_parts import Classifier, Sink, finish, make_session, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan
    from hcc_scope.types import Frame

TINY = {"OnCameraCCDXSize": 64, "OnCameraCCDYSize": 64}


@pytest.fixture
def rig(demo_cfg: Callable[..., Path], adapters_dir: Path) -> Iterator[MicroManager]:
    roles = load_rig("demo").roles
    with MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64, roles=roles) as opened:
        yield opened


def source(rig: MicroManager, plan: Plan) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1", tile_px=32)


class Taken:
    """Takes a source's frames in a thread, as a session does."""

    def __init__(self, made: MicroManagerSource) -> None:
        self.stop = StopToken()
        self.frames: list[Frame] = []
        self.error: BaseException | None = None
        self._made = made
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        try:
            for frame in self._made.frames(self.stop):
                self.frames.append(frame)
        except RigError as error:
            self.error = error

    def pause(self) -> int:
        """Pause, wait until it stands still, and return how many frames there are."""
        self.stop.pause()
        wait_until(lambda: self.stop.held)
        return len(self.frames)

    def join(self) -> list[Frame]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.frames


def test_a_sequence_is_stopped_emptied_and_started_again(rig: MicroManager):
    made = source(rig, Sequence(n_frames=400, exposure_ms=1))
    assert isinstance(made, PausingSource)
    taken = Taken(made)
    core = rig.backend.core
    for least in (20, 100):
        wait_until(lambda least=least: len(taken.frames) > least)
        n = taken.pause()
        assert not core.is_sequence_running()
        assert core.get_remaining_image_count() == 0
        time.sleep(0.05)
        assert len(taken.frames) == n
        taken.stop.resume()
    frames = taken.join()
    assert taken.error is None
    assert [frame.seq for frame in frames] == list(range(400))
    parts = [int(frame.tags.get("sequence_part") or 0) for frame in frames]
    assert sorted(set(parts)) == [0, 1, 2]
    assert parts == sorted(parts)
    for part in range(3):  # the camera counts anew in each, without a gap
        counters = [frame.camera_frame for frame, own in zip(frames, parts, strict=True) if own == part]
        assert counters == list(range(len(counters)))
    assert not core.is_sequence_running()
    times = [frame.t_mono_ns for frame in frames]
    assert times == sorted(times)


def test_frames_that_waited_in_the_camera_when_the_pause_came_are_delivered(rig: MicroManager):
    """The consumer is slow: the camera's buffer holds frames when it is paused, and an endless sequence goes on."""
    core, stop = rig.backend.core, StopToken()
    frames = source(rig, Sequence(exposure_ms=1)).frames(stop)
    got = [next(frames)]
    wait_until(lambda: core.get_remaining_image_count() >= 30)
    stop.pause()
    resumer = threading.Thread(target=lambda: (wait_until(lambda: stop.held), stop.resume()))
    resumer.start()
    while not got[-1].tags.get("sequence_part"):
        got.append(next(frames))
    resumer.join()
    stop.request()
    got.extend(frames)
    first_part = [frame for frame in got if not frame.tags.get("sequence_part")]
    assert len(first_part) > 30
    assert [frame.seq for frame in got] == list(range(len(got)))
    assert [frame.camera_frame for frame in first_part] == list(range(len(first_part)))


def test_an_overflow_before_the_camera_stops_is_reported(demo_cfg: Callable[..., Path], adapters_dir: Path):
    with MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=1) as rig:
        core, stop = rig.backend.core, StopToken()
        frames = source(rig, Sequence(exposure_ms=1)).frames(stop)
        got = [next(frames)]
        wait_until(core.is_buffer_overflowed)
        stop.pause()
        with pytest.raises(FramesLost, match=r"overflowed after frame \d+"):
            got.extend(frames)
        assert [frame.seq for frame in got] == list(range(len(got)))


def test_stop_during_a_pause_ends_the_sequence(rig: MicroManager):
    taken = Taken(source(rig, Sequence(exposure_ms=1)))
    wait_until(lambda: len(taken.frames) > 5)
    n = taken.pause()
    taken.stop.request()
    assert len(taken.join()) == n
    assert not rig.backend.core.is_sequence_running()
    assert rig.use.state == "free"


def test_a_pause_in_a_long_exposure_waits_for_it_and_stop_does_not(rig: MicroManager):
    taken = Taken(source(rig, Sequence(n_frames=5, exposure_ms=3000)))
    wait_until(rig.backend.core.is_sequence_running)
    taken.stop.pause()
    time.sleep(0.2)
    began = time.monotonic()
    taken.stop.request()
    assert taken.join() == []
    assert time.monotonic() - began < 2.0


def test_fields_wait_where_the_stage_is_and_the_operator_may_look_and_move(rig: MicroManager):
    plan = PositionList(positions_um=[(100.0 * i, 0.0) for i in range(6)], exposure_ms=5)
    taken = Taken(source(rig, plan))
    controls, preview = DeviceControls(rig), Preview(rig)
    wait_until(lambda: len(taken.frames) >= 2)
    n = taken.pause()
    here = controls.read().xy_um
    assert here == pytest.approx((100.0 * (n - 1), 0.0), abs=0.01)  # it has not set off for the next one
    preview.start()
    wait_until(lambda: preview.latest() is not None)
    controls.move_by_um(0.0, 333.0)
    controls.move_z_to_um(4.0)
    with pytest.raises(DeviceError, match="would spoil the section that is being acquired"):
        controls.set_binning("2")
    with pytest.raises(CameraError, match="a section is being acquired with this camera"):
        source(rig, plan)
    taken.stop.resume()
    frames = taken.join()
    assert taken.error is None
    assert not preview.running
    assert [frame.seq for frame in frames] == list(range(6))
    for i, frame in enumerate(frames):
        assert frame.stage_um is not None
        assert frame.stage_um[:2] == pytest.approx((100.0 * i, 0.0), abs=0.01)
        assert frame.stage_um[2] == (0.0 if i < n else 4.0)  # the plan leaves the focus to the operator


def test_a_time_series_does_not_catch_up_after_a_pause(rig: MicroManager):
    taken = Taken(source(rig, TimeSeries(n_frames=6, interval_s=0.1, exposure_ms=1)))
    wait_until(lambda: len(taken.frames) >= 2)
    n = taken.pause()
    time.sleep(0.5)
    taken.stop.resume()
    frames = taken.join()
    assert [frame.seq for frame in frames] == list(range(6))
    gaps_s = [(b.t_mono_ns - a.t_mono_ns) / 1e9 for a, b in zip(frames[n:], frames[n + 1 :], strict=False)]
    assert gaps_s
    assert min(gaps_s) > 0.08


def test_a_session_on_the_camera_pauses_and_every_frame_is_stored(rig: MicroManager):
    sink = Sink()
    session = make_session(  # type: ignore[arg-type]  # the real source in place of the stand-in
        source(rig, Sequence(n_frames=300, exposure_ms=1)), sink, _Blind(), store_frames=64, analyse_frames=64
    )
    session.start()
    for least in (30, 120):
        wait_until(lambda least=least: session.snapshot().counts.acquired > least)
        session.pause()
        wait_until(lambda: session.snapshot().message == "paused")
        snap = session.snapshot()
        assert snap.paused
        assert snap.acquire_fps == 0.0
        session.resume()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.counts.stored == outcome.counts.acquired == 300
    assert outcome.counts.lost == 0
    assert [frame.seq for frame in sink.frames] == list(range(300))


class _Blind(Classifier):
    """Answers whatever it is shown: the camera's test pattern carries no frame number."""

    def classify(self, tiles):  # type: ignore[no-untyped-def, override]  # noqa: ANN001 - as its base
        import numpy as np

        from hcc_scope.types import Classification

        return Classification(np.zeros((len(tiles), 2), np.float32))
