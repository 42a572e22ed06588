"""The one thread that talks to the core: leaving a call that goes on, and Ctrl-C while a driver hangs."""

from __future__ import annotations

import _thread
import threading
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import CameraError, RigError
from hcc_scope.microscope import micromanager
from hcc_scope.microscope.core_thread import CoreThread, Stopped
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import Sequence
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeCfg = Callable[..., Path]

TINY = {"OnCameraCCDXSize": 64, "OnCameraCCDYSize": 48}


def test_a_caller_can_leave_a_running_call():
    thread = CoreThread()
    go_on, done = threading.Event(), threading.Event()
    stop = StopToken()
    stop.request()
    with pytest.raises(Stopped):
        thread.call("waiting", lambda: (go_on.wait(), done.set()), stop=stop)
    with pytest.raises(CameraError, match=r"waiting did not end within 0\.1 s"):
        thread.call("next", lambda: None, timeout_s=0.1)
    go_on.set()
    assert thread.call("last", done.is_set)
    assert thread.close(5.0)


def test_calls_left_before_their_turn_are_not_made():
    thread = CoreThread()
    go_on = threading.Event()
    stop = StopToken()
    stop.request()
    made = []
    with pytest.raises(Stopped):
        thread.call("waiting", go_on.wait, stop=stop)
    with pytest.raises(Stopped):
        thread.call("a move", lambda: made.append("move"), stop=stop)
    go_on.set()
    thread.call("last", lambda: None)
    assert made == []
    assert thread.close(5.0)


def test_errors_of_a_call_reach_its_caller():
    thread = CoreThread()
    with pytest.raises(ZeroDivisionError):
        thread.call("dividing", lambda: 1 / 0)
    assert thread.call("again", lambda: 7) == 7
    assert thread.close(5.0)


# --- Ctrl-C while a driver hangs ---


def test_a_call_that_hangs_can_be_interrupted():
    thread = CoreThread()
    go_on, left = threading.Event(), threading.Event()

    def hang() -> None:
        _thread.interrupt_main()  # Ctrl-C
        go_on.wait()
        left.set()

    with pytest.raises(KeyboardInterrupt):
        thread.call("loading", hang)
    assert not left.is_set()
    assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())
    assert not thread.close(0.0, then=left.set)  # nor does closing wait for it
    go_on.set()
    assert left.wait(5.0)


def test_loading_that_hangs_can_be_interrupted(demo_cfg: MakeCfg, adapters_dir: Path, monkeypatch: pytest.MonkeyPatch):
    go_on = threading.Event()

    def hang(*_: object) -> None:
        _thread.interrupt_main()
        go_on.wait()

    cfg = demo_cfg(**TINY)
    with monkeypatch.context() as patched:
        patched.setattr(MicroManager, "_load", hang)
        with pytest.raises(KeyboardInterrupt):
            MicroManager.start(cfg, adapters_dir=adapters_dir)
    with pytest.raises(RigError, match="already in use"):  # by the load that goes on
        MicroManager.start(cfg, adapters_dir=adapters_dir)
    go_on.set()
    assert micromanager._open_rig.acquire(timeout=60.0)
    micromanager._open_rig.release()
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig:
        assert rig.facts().shape_yx == (48, 64)


def test_a_rig_that_hangs_can_be_left(demo_cfg: MakeCfg, adapters_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(micromanager, "_CLOSE_MARGIN_S", 0.2)
    monkeypatch.setattr(micromanager, "_END_S", 0.2)
    go_on = threading.Event()

    def hang(*_: object) -> None:
        _thread.interrupt_main()
        go_on.wait()

    rig = MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64)
    monkeypatch.setattr(rig.hardware, "prepare", hang)
    with pytest.raises(KeyboardInterrupt) as error, rig:
        MicroManagerSource(rig, Sequence(n_frames=1), animal_id="m1", section_id="s1")
    assert "a device hangs and Micro-Manager cannot be closed" in error.value.__notes__[0]
    go_on.set()
    assert micromanager._open_rig.acquire(timeout=60.0)
    micromanager._open_rig.release()
