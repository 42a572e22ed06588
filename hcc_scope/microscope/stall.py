"""When a camera that delivers nothing is given up: the one rule, for single exposures, sequences and the preview.

A frame may take three times as long as it should, and 5 s more: read-out, transfer, a driver that wakes up. What a time
series waits between two frames is no part of this: only the time in which the camera is at work counts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hcc_scope.clocks import Patience
from hcc_scope.errors import CameraError

if TYPE_CHECKING:
    from hcc_scope.microscope.hardware import Hardware

__all__ = ["STALL_HINT", "FrameWatch", "stall_limit_s"]

FACTOR = 3.0
MARGIN_S = 5.0
STALL_HINT = "Check that it is on and connected, and that its trigger is internal."


def stall_limit_s(expected_s: float) -> float:
    """Return how long a frame may take that should take `expected_s`."""
    return FACTOR * expected_s + MARGIN_S


class FrameWatch:
    """Waits for the frames of one run, and knows the camera's last state.

    Parameters
    ----------
    hardware : Hardware
        Whose camera is watched. Nothing is asked here: the core may be busy.
    """

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._silent = Patience()
        self._work = "idle"
        self._waiting: int | None = None
        self._interval_s = 0.0
        self._longest_ms = 0.0
        """Of the exposures that were set since the last frame: the one under way may be any of them."""
        self._before_ns: int | None = None
        self._last_ns: int | None = None

    @property
    def limit_s(self) -> float:
        """How long the next frame may take: by the exposure, or by the pace of the sequence if that is slower."""
        self._longest_ms = max(self._longest_ms, self._hardware.exposure_ms)
        return stall_limit_s(max(self._longest_ms / 1000, self._interval_s))

    def begin(self, work: str) -> None:
        """Note what the camera begins to do, in words; a frame is expected from now on."""
        self._work, self._waiting = work, None
        self._interval_s, self._before_ns = 0.0, None
        self._longest_ms = self._hardware.exposure_ms
        self._silent.restart()

    def frame(self, t_mono_ns: int) -> None:
        """Note that a frame has come, with the time of its exposure."""
        if self._before_ns is not None:
            self._interval_s = max(0.0, (t_mono_ns - self._before_ns) / 1e9)
        self._before_ns = self._last_ns = t_mono_ns
        self._longest_ms = self._hardware.exposure_ms
        self._silent.restart()

    def none_yet(self, *, running: bool, waiting: int) -> None:
        """Take the camera's state when no frame was there.

        Parameters
        ----------
        running : bool
            Whether its sequence is running.
        waiting : int
            Images in its buffer.

        Raises
        ------
        CameraError
            If it has been silent for too long.
        """
        self._work, self._waiting = ("sequence running" if running else "sequence not running"), waiting
        silent_s = self._silent.spent_s()
        if silent_s > self.limit_s:
            raise CameraError(
                f"camera '{self._hardware.camera}' delivered no frame within {silent_s:.1f} s{self.last_state()}",
                hint=STALL_HINT,
            )

    def last_state(self) -> str:
        """Return the camera's last known state, as the end of a sentence."""
        facts = [self._work]
        if self._waiting is not None:
            facts.append(f"{self._waiting} images in its buffer")
        facts.append(f"exposure {self._hardware.exposure_ms:g} ms")
        if self._last_ns is None:
            facts.append("no frame yet")
        else:
            facts.append(f"last frame {(time.monotonic_ns() - self._last_ns) / 1e9:.1f} s ago")
        return f" (last state: {', '.join(facts)})"
