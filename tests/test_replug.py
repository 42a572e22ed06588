"""A camera that is unplugged and plugged in again: the rig is closed and opened in the same program, and works."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from hcc_scope.errors import CameraError, DeviceError, RigError
from hcc_scope.microscope import micromanager, stall
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import PositionList, Sequence
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.plans import Plan

PLANS = [PositionList(positions_um=[(0, 0)] * 5, exposure_ms=1), Sequence(n_frames=50, exposure_ms=1)]
TINY = {"OnCameraCCDXSize": 64, "OnCameraCCDYSize": 48}


def opened(cfg: Path, adapters_dir: Path) -> MicroManager:
    return MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16)


def source(rig: MicroManager, plan: Plan) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


@pytest.mark.parametrize("plan", PLANS, ids=["snaps", "sequence"])
def test_a_camera_that_answers_nothing_any_more(demo_cfg: Callable[..., Path], adapters_dir: Path, plan: Plan):
    def gone(_real: object, *_arguments: object) -> NoReturn:
        raise RuntimeError("Error in device 'Camera': not connected")

    def ended(real: Callable[[], None]) -> NoReturn:
        real()  # the driver's own thread has ended
        gone(real)

    cfg = demo_cfg(**TINY)
    with opened(cfg, adapters_dir) as rig:
        core = rig.backend.core
        frames = source(rig, plan).frames(StopToken())
        next(frames)
        camera_calls = [
            "snap_image", "get_exposure", "set_exposure", "is_sequence_running", "get_roi", "get_image_bit_depth",
            "get_remaining_image_count", "is_buffer_overflowed", "pop_next_tagged_image",
        ]  # fmt: skip
        FaultyCore(rig, stop_sequence_acquisition=ended, **dict.fromkeys(camera_calls, gone))
        with pytest.raises(DeviceError, match="not connected"):
            list(frames)
    assert core.get_loaded_devices() == ("Core",)  # closed, although the camera did not answer
    with opened(cfg, adapters_dir) as rig:
        assert len(list(source(rig, plan).frames(StopToken()))) == len(list(plan.events((1.0, 1.0))))


@pytest.mark.parametrize(
    ("plan", "call", "state"),
    [
        (PLANS[0], "snap_image", "exposing"),
        (PLANS[0], "get_exposure", "being asked for its settings"),
        (Sequence(n_frames=3, exposure_ms=100), "is_buffer_overflowed", "(starting a sequence|sequence running)"),
    ],
)
def test_a_camera_whose_driver_hangs_until_it_is_unplugged(
    demo_cfg: Callable[..., Path],
    adapters_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan,
    call: str,
    state: str,
):
    unplugged = threading.Event()

    def hang(_real: object, *_arguments: object) -> None:
        unplugged.wait(60)
        raise RuntimeError("device removed")

    cfg = demo_cfg(**TINY)
    rig = opened(cfg, adapters_dir)
    frames = source(rig, plan).frames(StopToken())
    next(frames)
    monkeypatch.setattr(stall, "MARGIN_S", 0.2)
    monkeypatch.setattr(micromanager, "_CLOSE_MARGIN_S", 0.2)
    monkeypatch.setattr(micromanager, "_END_S", 0.2)
    rig.hardware.changed()  # its settings are asked for again
    FaultyCore(rig, **{call: hang})
    with pytest.raises(CameraError, match=rf"did not end within 0\.[25] s \(last state: {state}"):
        list(frames)
    with pytest.raises(DeviceError, match="a device hangs"):
        rig.close()
    with pytest.raises(RigError, match="unplug it"):
        opened(cfg, adapters_dir)
    unplugged.set()
    assert micromanager._open_rig.acquire(timeout=60.0)  # the driver answers
    micromanager._open_rig.release()
    monkeypatch.undo()
    with opened(cfg, adapters_dir) as rig:
        assert len(list(source(rig, PLANS[0]).frames(StopToken()))) == 5
