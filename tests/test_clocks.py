"""Time stamps when the computer's clock is set, and deadlines when the program itself was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from hcc_scope import clocks
from hcc_scope.clocks import LONGEST_SLICE_S, Patience, RunClock
from hcc_scope.errors import CameraError
from hcc_scope.microscope import camera as camera_module
from hcc_scope.microscope.camera import Camera
from hcc_scope.microscope.core_thread import CoreThread
from hcc_scope.session.cadence import Cadence
from hcc_scope.session.watchdog import ClassifierHangs, WatchedClassifier

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
S = 1_000_000_000


def test_a_clock_that_is_set_moves_no_time_stamp():
    mono_ns, wall = [5 * S], [NOON]
    clock = RunClock(lambda: mono_ns[0], lambda: mono_ns[0], lambda: wall[0])
    assert clock.utc(5 * S) == NOON
    mono_ns[0], wall[0] = 8 * S, NOON - timedelta(hours=1)
    assert clock.utc(7 * S) == NOON + timedelta(seconds=2)


def test_time_asleep_counts():
    mono_ns, lasting_ns = [5 * S], [50 * S]
    clock = RunClock(lambda: mono_ns[0], lambda: lasting_ns[0], lambda: NOON)
    mono_ns[0], lasting_ns[0] = 6 * S, 3651 * S  # a second at work, an hour asleep
    assert clock.utc(6 * S) == NOON + timedelta(seconds=3601)


def test_images_of_a_sequence_never_go_back_in_time(monkeypatch: pytest.MonkeyPatch):
    ages = iter([0.2, 500.0, 0.0, 300.0])  # the computer's clock, which stamps them, is set forth and back
    monkeypatch.setattr(camera_module, "age_s", lambda _tags: next(ages))
    answers = {"get_remaining_image_count": 1}
    backend = SimpleNamespace(ask=lambda _what, name, *_: answers.get(name), popped=lambda: (None, {}))
    hardware = SimpleNamespace(
        camera="Cam", exposure_ms=1.0, same_camera=int, stage_now_and_then=lambda: None, slow=lambda: None
    )
    made = Camera(backend, hardware)  # type: ignore[arg-type]  # all that it asks
    made.begin_run()
    made.start(None)
    shots = [made.pop(0.0) for _ in range(4)]
    stamps = [(shot.t_mono_ns, shot.t_utc) for shot in shots if shot is not None]
    assert len(stamps) == 4
    assert stamps == sorted(stamps)
    assert time.monotonic_ns() - stamps[0][0] < 100 * S  # none is older than its sequence


# --- deadlines ---


class StoppedProgram:
    """A monotonic clock that jumps once, as it does for a program that was stopped meanwhile."""

    def __init__(self, jump_s: float) -> None:
        self._real = time.monotonic
        self._jump_s = jump_s
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        return self._real() + (self._jump_s if self._looks > 2 else 0.0)


def test_time_in_which_the_program_was_stopped_does_not_count():
    times = iter([0.0, 0.02, 15.02, 15.04])
    patience = Patience(lambda: next(times))
    assert [patience.spent_s() for _ in range(3)] == pytest.approx(
        [0.02, 0.02 + LONGEST_SLICE_S, 0.04 + LONGEST_SLICE_S]
    )


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Return a function that lets a module's deadlines see a program that was stopped for 1000 s."""

    def use(module: object) -> None:
        monkeypatch.setattr(module, "Patience", lambda: clocks.Patience(StoppedProgram(1000.0)))

    return use


def test_a_device_is_not_blamed_for_a_program_that_was_stopped(jump: Callable[[object], None]):
    from hcc_scope.microscope import core_thread

    jump(core_thread)
    thread = CoreThread()
    pause = threading.Event()
    assert thread.call("exposing", lambda: pause.wait(0.2), timeout_s=30.0) is False
    with pytest.raises(CameraError, match=r"did not end within 1\.1 s"):  # one that hangs is still noticed
        thread.call("hanging", lambda: pause.wait(10.0), timeout_s=1.1)
    pause.set()
    assert thread.close(5.0)


def test_nor_is_a_model(jump: Callable[[object], None]):
    from hcc_scope.session import watchdog as watched

    jump(watched)
    pause = threading.Event()
    slow = SimpleNamespace(classify=lambda _tiles: pause.wait(0.2))
    one = WatchedClassifier(slow, timeout_s=30.0, analysis_skipped=lambda: False)  # type: ignore[arg-type]  # all that it asks
    one.classify([])
    one.close()
    hangs = SimpleNamespace(classify=lambda _tiles: pause.wait(10.0))
    other = WatchedClassifier(hangs, timeout_s=1.1, analysis_skipped=lambda: False)  # type: ignore[arg-type]  # as above
    with pytest.raises(ClassifierHangs):
        other.classify([])
    pause.set()
    other.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal here")
def test_a_program_that_is_really_stopped():
    script = (
        "import threading; from hcc_scope.microscope.core_thread import CoreThread\n"
        "thread, end = CoreThread(), threading.Event()\n"
        "threading.Thread(target=lambda: (print('waiting', flush=True), input(), end.set()), daemon=True).start()\n"
        "print(thread.call('exposing', end.wait, timeout_s=2.0), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "waiting\n"
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(2.2)  # longer than it is willing to wait
        program.stdin.write("\n")  # what it waits for happens as soon as it runs again
        program.stdin.flush()
        os.kill(program.pid, signal.SIGCONT)
        assert program.stdout.readline() == "True\n"


# --- the interval of a time series ---


@pytest.mark.parametrize(
    ("times_s", "wanted_s", "interval_s", "remark"),
    [
        ((), 1.0, None, None),
        ((0.0,), 1.0, None, None),
        ((0.0, 1.01, 2.0, 3.02), 1.0, pytest.approx(1.0067, abs=1e-3), None),
        (
            (0.0, 0.42, 0.83),
            0.1,
            pytest.approx(0.415),
            "the interval of 0.1 s was not kept: the frames came every 0.415 s",
        ),
        ((0.0, 1.0, 5.0), 1.0, None, "the interval of 1 s was not kept: the frames came 1 to 4 s apart"),
        ((0.0, 0.1, 0.2), None, pytest.approx(0.1), None),
        ((0.0, 0.1, 0.5), 0.0, None, None),
        ((0.0, 0.0), 0.0, None, None),
    ],
)
def test_the_interval_is_measured(
    times_s: tuple[float, ...], wanted_s: float | None, interval_s: object, remark: object
):
    cadence = Cadence(wanted_s)
    for t_s in times_s:
        cadence.add(int(t_s * S))
    assert (cadence.interval_s, cadence.remark()) == (interval_s, remark)
