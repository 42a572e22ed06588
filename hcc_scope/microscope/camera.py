"""Get images from the camera, one by one or as a sequence. Runs in the core's thread only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.clocks import RunClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hcc_scope.microscope.backend import Backend
    from hcc_scope.microscope.hardware import Hardware, Readback, StageUm
    from hcc_scope.types import TagValue

__all__ = ["Camera", "Shot"]

_ENDLESS = 2**31 - 1
_LOOK_S = 0.0005
_LOOK_AGAIN_S = 0.005
"""How often an image is copied out of the buffer only to see whether it is a new one."""
_SURELY_EMPTY = 0.9
"""Share of an exposure, after the last frame, in which there is no use in looking: that costs processor time."""


@dataclass(frozen=True, slots=True)
class Shot:
    """An image with what the devices reported about it."""

    pixels: NDArray[Any]
    camera_tags: Mapping[str, TagValue]
    t_mono_ns: int
    """End of the exposure on this process's monotonic clock."""
    t_utc: datetime
    stage_um: StageUm | None
    readback: Readback

    @property
    def camera_frame(self) -> int | None:
        """The device's own counter, from 0 in every sequence; None for a snapped image."""
        number = self.camera_tags.get("ImageNumber")
        return None if number is None else int(number)


def age_s(camera_tags: Mapping[str, TagValue]) -> float:
    """Return how long ago the core received an image, 0 where that is not known.

    The core stamps each image of a sequence in local time. An age that makes no sense (the clock was set, summer time
    began) counts as 0.
    """
    stamp = camera_tags.get("TimeReceivedByCore")
    if not isinstance(stamp, str):
        return 0.0
    try:
        received = datetime.fromisoformat(stamp)
    except ValueError:
        return 0.0
    age = (datetime.now(UTC).astimezone().replace(tzinfo=None) - received.replace(tzinfo=None)).total_seconds()
    return age if 0.0 <= age < 600.0 else 0.0


class Camera:
    """The configuration's camera."""

    def __init__(self, backend: Backend, hardware: Hardware) -> None:
        self._backend = backend
        self._hardware = hardware
        self._last_ns = 0
        """When the last frame of a sequence was complete, or the sequence began, on the monotonic clock."""
        self._clock = RunClock()
        self._seen: tuple[int, TagValue, NDArray[Any] | None] = (0, None, None)
        """Images in the overwriting buffer at the last look, and the newest one's number and pixels."""
        self._look_again_s = 0.0

    def begin_run(self) -> None:
        """Read the time of day again; until the next run it is reckoned from the monotonic clock."""
        self._clock = RunClock()

    def snap(self) -> Shot:
        """Expose once."""
        self._hardware.same_camera()
        self._backend.ask(f"the exposure of camera '{self._hardware.camera}'", "snap_image")
        t_mono_ns = time.monotonic_ns()
        t_utc = self._clock.utc(t_mono_ns)
        pixels, tags = self._backend.snapped()
        return Shot(pixels, tags, t_mono_ns, t_utc, self._hardware.stage_um(), self._hardware.read())

    def start(self, n_frames: int | None) -> None:
        """Start a sequence of `n_frames`, or without end."""
        self._hardware.same_camera()
        self._last_ns = time.monotonic_ns()
        # True: stop on overflow. The frames before it then stay in the buffer and can still be saved.
        what = f"starting camera '{self._hardware.camera}'"
        self._backend.ask(what, "start_sequence_acquisition", n_frames or _ENDLESS, 0.0, True)

    def start_overwriting(self) -> None:
        """Start a sequence without end whose buffer overwrites its oldest images: see `newest`."""
        self._hardware.same_camera()
        self._last_ns = time.monotonic_ns()
        self._seen = (0, None, None)
        self._backend.ask(f"starting camera '{self._hardware.camera}'", "start_continuous_sequence_acquisition", 0.0)

    def stop(self) -> None:
        """Stop the sequence. Needed also when it has ended by itself: this closes the shutter."""
        self._backend.ask(f"stopping camera '{self._hardware.camera}'", "stop_sequence_acquisition")

    def pop(self, wait_s: float) -> Shot | None:
        """Take the oldest image out of the buffer; None if there is none within `wait_s`, or none to come."""
        what = f"reading from camera '{self._hardware.camera}'"
        deadline = time.monotonic() + wait_s
        while self._backend.ask(what, "get_remaining_image_count") == 0:
            if not self._wait_for_image(what, deadline):
                return None
        return self._shot(*self._backend.popped())

    def newest(self, wait_s: float) -> Shot | None:
        """Return the newest image, which stays in the overwriting buffer; none is returned twice.

        None if there is no newer one within `wait_s`, or none to come.
        """
        what = f"looking through camera '{self._hardware.camera}'"
        deadline = time.monotonic() + wait_s
        while (image := self._newer(what)) is None:
            if not self._wait_for_image(what, deadline):
                return None
        return self._shot(*image)

    def _newer(self, what: str) -> tuple[NDArray[Any], Mapping[str, TagValue]] | None:
        """Return the newest image in the buffer; None if it was returned before. To copy it takes some ms."""
        n_before, number_before, pixels_before = self._seen
        n = int(self._backend.ask(what, "get_remaining_image_count"))
        # a full buffer may hold as many as before: then the image itself shows whether it is another one
        if n == 0 or (n == n_before and time.monotonic() < self._look_again_s):
            return None
        image = self._backend.newest()
        if image is None:
            return None
        pixels, tags = image
        self._look_again_s = time.monotonic() + _LOOK_AGAIN_S
        number = tags.get("ImageNumber")
        if number is None:  # a core that does not count: by its pixels, of which no two exposures have the same
            same = pixels_before is not None and np.array_equal(pixels, pixels_before)
        else:
            same = number == number_before
        self._seen = n, number, pixels if number is None else None
        return None if same else image

    def _wait_for_image(self, what: str, deadline: float) -> bool:
        """Wait a little; return False if the deadline is over, or the camera no longer runs."""
        if time.monotonic() >= deadline or not self._backend.ask(what, "is_sequence_running"):
            return False
        next_s = self._last_ns / 1e9 + _SURELY_EMPTY * self._hardware.exposure_ms / 1e3
        time.sleep(max(_LOOK_S, min(next_s, deadline) - time.monotonic()))
        return True

    def _shot(self, pixels: NDArray[Any], tags: Mapping[str, TagValue]) -> Shot:
        """Return an image of a sequence with what is known about it."""
        # no image is older than the one before it, whatever happened to the computer's clock, which stamps them
        t_mono_ns = max(time.monotonic_ns() - int(age_s(tags) * 1e9), self._last_ns)
        self._last_ns = t_mono_ns
        return Shot(
            pixels,
            tags,
            t_mono_ns,
            self._clock.utc(t_mono_ns),
            self._hardware.stage_now_and_then(),
            self._hardware.slow(),
        )

    def state(self) -> tuple[int, bool, bool]:
        """Return how many images wait, whether the sequence runs, and whether the buffer overflowed."""
        what = f"asking camera '{self._hardware.camera}'"
        running = self._backend.ask(what, "is_sequence_running")
        overflowed = self._backend.ask(what, "is_buffer_overflowed")
        # Last, so that an image that arrives meanwhile is seen and not taken for lost.
        return self._backend.ask(what, "get_remaining_image_count"), running, overflowed
