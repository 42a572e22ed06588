"""The rule by which a camera that delivers nothing is given up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hcc_scope.errors import CameraError
from hcc_scope.microscope import stall
from hcc_scope.microscope.stall import FrameWatch, stall_limit_s


class Clock:
    """Takes the place of `Patience`: the test states how long it was."""

    def __init__(self) -> None:
        self.silent_s = 0.0

    def spent_s(self) -> float:
        return self.silent_s

    def restart(self) -> None:
        self.silent_s = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stall, "Patience", lambda: clock)
    return clock


def test_a_frame_may_take_three_times_as_long_and_five_seconds():
    assert stall_limit_s(0.0) == 5.0
    assert stall_limit_s(2.0) == 11.0


def test_the_pace_of_a_sequence_counts_where_it_is_slower_than_the_exposure(clock: Clock):
    watch = FrameWatch(SimpleNamespace(camera="Cam", exposure_ms=1000.0))  # type: ignore[arg-type]
    watch.begin("starting a sequence")
    assert watch.limit_s == 8.0
    watch.frame(10_000_000_000)
    assert watch.limit_s == 8.0
    watch.frame(14_000_000_000)
    assert watch.limit_s == 17.0
    clock.silent_s = 16.9
    watch.none_yet(running=True, waiting=0)
    clock.silent_s = 17.1
    words = r"camera 'Cam' delivered no frame within 17\.1 s \(last state: sequence running, 0 images in its buffer, "
    with pytest.raises(CameraError, match=words + r"exposure 1000 ms, last frame .* s ago\)"):
        watch.none_yet(running=True, waiting=0)


def test_what_lies_between_two_exposures_of_a_time_series_does_not_count(clock: Clock):
    watch = FrameWatch(SimpleNamespace(camera="Cam", exposure_ms=10.0))  # type: ignore[arg-type]
    for t_s in (0, 3600):
        watch.begin("exposing")
        assert clock.silent_s == 0.0
        watch.frame(t_s * 1_000_000_000)
        clock.silent_s = 3600.0
    assert watch.limit_s == pytest.approx(5.03)


def test_an_exposure_that_was_shortened_while_it_lasts_may_end(clock: Clock):
    camera = SimpleNamespace(camera="Cam", exposure_ms=30_000.0)
    watch = FrameWatch(camera)  # type: ignore[arg-type]
    watch.begin("starting a sequence")
    camera.exposure_ms = 10.0
    clock.silent_s = 29.9
    watch.none_yet(running=True, waiting=0)
    watch.frame(30_000_000_000)
    assert watch.limit_s == pytest.approx(5.03)
