"""The autofocus on Micro-Manager's real demo devices: the beads of the demo camera are sharp at z = 0."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.cli.focus import curve_lines
from hcc_scope.errors import CameraError, DeviceError, FrameSizeError, PlanError
from hcc_scope.focus import FocusSettings
from hcc_scope.focus.record import FocusRecord, read_record
from hcc_scope.microscope import autofocus as autofocus_module
from hcc_scope.microscope.autofocus import Autofocus, _Approach
from hcc_scope.microscope.core_thread import Stopped
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.moves import PlaceMissedError
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import StageLimits
from hcc_scope.workers import StopToken
from tests.commands import cli
from tests.faulty_core import FaultyCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.focus import FocusReading
    from hcc_scope.protocols import StopSignal
    from hcc_scope.run_events import RunEvent
    from hcc_scope.tiling import TileGrid

BEADS = {"OnCameraCCDXSize": 512, "OnCameraCCDYSize": 512, "FastImage": 0, "Mode": "Fluorescent Beads"}
STRUCTURE = FocusSettings(judged="structure")
LIMITS = StageLimits((-1000, 1000), (-1000, 1000), (-12.0, 300.0))


@pytest.fixture
def microscope(demo_cfg: Callable[..., Path], adapters_dir: Path) -> Iterator[MicroManager]:
    with MicroManager.start(
        demo_cfg(**BEADS), adapters_dir=adapters_dir, buffer_size_mb=64, roles=load_rig("demo").roles, limits=LIMITS
    ) as opened:
        yield opened


def z_um(microscope: MicroManager) -> float:
    return float(microscope.backend.core.get_position(microscope.hardware.focus))


def put(microscope: MicroManager, to_um: float) -> float:
    microscope.backend.core.set_position(to_um)
    microscope.backend.core.wait_for_device(microscope.hardware.focus)
    return z_um(microscope)


def visited(microscope: MicroManager, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that grows by every height that the focus drive is sent to."""
    heights: list[float] = []
    apply = microscope.hardware.apply

    def spy(event: dict[str, float], stop: StopSignal) -> bool:
        heights.append(event["z"])
        return apply(event, stop)

    monkeypatch.setattr(microscope.hardware, "apply", spy)
    return heights


def events(microscope: MicroManager) -> list[RunEvent]:
    kept: list[RunEvent] = []
    with microscope.events.kept_by(kept.append):
        pass
    return [event for event in kept if event.kind == "focus"]


def test_beads_come_into_focus_from_below_and_the_curve_is_an_event(
    microscope: MicroManager, monkeypatch: pytest.MonkeyPatch
):
    began_um = put(microscope, 7.3)
    heights = visited(microscope, monkeypatch)
    result = Autofocus(microscope, settings=STRUCTURE).run(StopToken(), field=3)
    assert result.accepted, result.explanation
    assert abs(result.z_um) < 0.5
    assert z_um(microscope) == pytest.approx(result.z_um, abs=1e-3)
    assert min(heights) >= LIMITS.z_um[0]
    seen = [point.z_um for point in result.curve]
    from_below = [
        heights[i - 1] < height
        for i, height in enumerate(heights)
        if i and np.min(np.abs(np.subtract(seen, height))) < 0.01
    ]
    assert sum(from_below) >= len(seen)
    (event,) = events(microscope)
    assert (event.facts["accepted"], event.facts["field"], event.facts["began_um"]) == (True, 3, round(began_um, 6))
    assert len(event.facts["curve"]) == len(result.curve) <= 20
    json.dumps(event.facts, allow_nan=False)
    assert "<- accepted" in "\n".join(curve_lines(result, "#"))


def test_a_refusal_and_a_try_leave_the_drive_where_it_was(microscope: MicroManager):
    began_um = put(microscope, 5.0)
    result = Autofocus(microscope).run(StopToken())  # beads are no tissue
    assert (result.reason, result.z_um) == ("no_tissue", began_um)
    assert z_um(microscope) == pytest.approx(began_um, abs=1e-6)
    tried = Autofocus(microscope, settings=STRUCTURE).run(StopToken(), keep=False)
    assert tried.accepted
    assert z_um(microscope) == pytest.approx(began_um, abs=1e-6)
    assert Autofocus(microscope, settings=STRUCTURE).run(StopToken()).accepted
    outside_um = put(microscope, -15.0)  # by hand, beyond the rig's lower limit
    assert Autofocus(microscope, settings=STRUCTURE).run(StopToken()).reason == "no_room"
    assert z_um(microscope) == outside_um
    put(microscope, -11.0)  # near it
    assert Autofocus(microscope, settings=STRUCTURE).run(StopToken()).accepted


class _AfterFrames:
    """A stop that is requested in the middle of a search."""

    paused = False

    def __init__(self, microscope: MicroManager, n: int, then: Callable[[], object] = lambda: None) -> None:
        self._left = n
        self._then = then
        self._snap = microscope.camera.snap
        self.requested = False

    def snap(self):
        self._left -= 1
        if self._left == 0:
            self._then()
        return self._snap()

    def request(self) -> None:
        self.requested = True

    def wait(self, timeout_s: float) -> bool:
        return self.requested

    def wait_while_paused(self) -> None:
        pass


def test_a_stop_ends_the_search_and_brings_the_drive_back(microscope: MicroManager, monkeypatch: pytest.MonkeyPatch):
    began_um = put(microscope, 6.0)
    stop = _AfterFrames(microscope, 5, lambda: stop.request())
    monkeypatch.setattr(microscope.camera, "snap", stop.snap)
    with pytest.raises(Stopped):
        Autofocus(microscope, settings=STRUCTURE).run(stop)
    assert z_um(microscope) == pytest.approx(began_um, abs=1e-6)
    assert [event.facts["reason"] for event in events(microscope)] == ["ended"]
    assert microscope.use.state == "free"


def test_a_drive_that_does_not_come_back_is_reported_with_the_curve(microscope: MicroManager):
    began_um = put(microscope, 40.0)  # far out of focus
    sent: list[float] = []
    core = microscope.backend.core

    def sticks(real: Callable[..., None], device: str, to_um: float) -> None:
        sent.append(to_um)
        if len(sent) <= 12:  # the approach and eleven heights: all of a coarse pass
            real(device, to_um)

    FaultyCore(microscope, set_position=sticks)
    try:
        with pytest.raises(PlaceMissedError) as missed:
            Autofocus(microscope).run(StopToken())
    finally:
        microscope.backend.core = core
    assert any(note.startswith("then, bringing the focus back to z = 40 um: focus") for note in missed.value.__notes__)
    (event,) = events(microscope)
    assert (event.facts["reason"], len(event.facts["curve"]), event.facts["began_um"]) == ("flat", 11, began_um)
    record = read_record(event)
    assert isinstance(record, FocusRecord)
    assert "; then: focus 'Z' was sent to z = 36.00 um twice" in record.explanation


def test_a_stop_in_a_long_exposure_brings_the_drive_back_when_the_camera_has_ended_it(
    microscope: MicroManager, monkeypatch: pytest.MonkeyPatch
):
    began_um = put(microscope, 6.0)
    exposed = threading.Event()
    stop = _AfterFrames(microscope, 3, lambda: (stop.request(), exposed.wait(60)))
    monkeypatch.setattr(microscope.camera, "snap", stop.snap)
    monkeypatch.setattr(autofocus_module, "_TURN_S", 0.01)
    with pytest.raises(Stopped) as stopped:
        Autofocus(microscope, settings=STRUCTURE).run(stop)
    assert any("goes there as soon as the devices let it" in note for note in stopped.value.__notes__)
    assert microscope.use.state == "free"
    exposed.set()
    assert microscope.thread.call("looking", lambda: z_um(microscope)) == pytest.approx(began_um, abs=1e-6)


def test_after_an_emergency_stop_nothing_moves_by_itself(microscope: MicroManager, monkeypatch: pytest.MonkeyPatch):
    put(microscope, 6.0)
    stop = _AfterFrames(microscope, 4, DeviceControls(microscope).halt)
    monkeypatch.setattr(microscope.camera, "snap", stop.snap)
    heights = visited(microscope, monkeypatch)
    with pytest.raises(DeviceError, match="emergency"):
        Autofocus(microscope, settings=STRUCTURE).run(stop)
    assert z_um(microscope) == pytest.approx(heights[-2])  # the last order was refused
    monkeypatch.undo()
    assert Autofocus(microscope, settings=STRUCTURE).run(StopToken()).accepted  # a new search is a new order


def test_what_cannot_be_focused_is_refused_before_anything_moves(microscope: MicroManager):
    began_um = put(microscope, 3.0)
    with microscope.use.section(), pytest.raises(CameraError, match="section"):
        Autofocus(microscope).run(StopToken())
    with pytest.raises(FrameSizeError):
        Autofocus(microscope, tile_px=1024).run(StopToken())
    assert z_um(microscope) == began_um
    microscope.backend.core.set_focus_device("")
    with pytest.raises(PlanError, match="no focus drive"):
        Autofocus(microscope).run(StopToken())


def test_the_command_shows_one_curve_and_exits_by_its_end():
    beads = [f"--property=Camera,{name},{value}" for name, value in BEADS.items()]
    arguments = ["focus", "try", "--rig", "demo", "--json", "--property=Z,Position,4", *beads]
    done = cli(*arguments, "--structure")
    assert (done.code, done.err) == (0, done.err)
    assert done.json["accepted"]
    assert abs(done.json["z_um"]) < 0.5
    assert not done.json["applied"]
    refused = cli(*arguments)
    assert (refused.code, refused.json["reason"]) == (11, "no_tissue")
    assert "no focus was found: no tile shows tissue" in refused.err
    assert cli("focus", "try").code == 2
    assert cli("focus", "try", "--rig=demo", "--config=x.cfg").code == 2
    assert cli("focus", "try", "--rig=demo", "--phantom=both").code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")
def test_a_command_that_is_told_to_end_brings_the_drive_back(monkeypatch: pytest.MonkeyPatch):
    heights: list[float] = []
    go, look = Autofocus._go, Autofocus._look

    def noted_go(self: Autofocus, drive: _Approach, to_um: float, stop: StopSignal) -> None:
        heights.append(to_um)
        go(self, drive, to_um, stop)

    def ended_look(self: Autofocus, grid: TileGrid, stop: StopSignal) -> FocusReading:
        if len(heights) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return look(self, grid, stop)

    def noted_return(self: Autofocus, drive: _Approach, began_um: float, halts: int) -> None:
        back(self, drive, began_um, halts)
        heights.append(began_um)

    back = Autofocus._surely_back
    monkeypatch.setattr(Autofocus, "_go", noted_go)
    monkeypatch.setattr(Autofocus, "_look", ended_look)
    monkeypatch.setattr(Autofocus, "_surely_back", noted_return)
    done = cli("focus", "try", "--rig", "demo", "--property=Z,Position,4")
    assert done.code == 130
    assert done.err.splitlines()[-1] == "Error: interrupted: no focus was found"
    assert heights[-1] == 4.0
    assert len(heights) <= 6
