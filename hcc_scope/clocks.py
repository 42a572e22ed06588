"""Two clocks that stay right when the computer's clock changes: one for time stamps, one for deadlines."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST_SLICE_S", "Patience", "RunClock"]

LONGEST_SLICE_S = 1.0
"""A wait looks at the clock many times a second. If none looked for longer, the program itself did not run (it was
stopped, the computer slept or was overloaded), and what it waits for may have been stopped with it."""


def _awake_and_asleep_ns() -> int:
    """Return a monotonic time that also counts while the computer sleeps, where the system has one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; the monotonic clock of Windows counts sleep itself
    return time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)


class RunClock:
    """Turns monotonic time stamps into UTC with one offset, taken when the clock is made.

    The computer's own clock is set now and then, by the network or by a person. With a look at it for every frame,
    frames seem to go back in time, or hours seem to pass between two of them.

    Parameters
    ----------
    mono_ns, lasting_ns, utc : callable, optional
        Clocks: the one that time stamps are on, one that counts sleep as well, and the computer's own.
    """

    def __init__(
        self,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        lasting_ns: Callable[[], int] = _awake_and_asleep_ns,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._mono_ns = mono_ns
        self._lasting_ns = lasting_ns
        self._began_utc = utc()
        self._began_ns = lasting_ns()

    def utc(self, t_mono_ns: int) -> datetime:
        """Return the UTC of a time stamp of this run."""
        since_ns = self._lasting_ns() - self._began_ns - (self._mono_ns() - t_mono_ns)
        return self._began_utc + timedelta(microseconds=since_ns / 1000)


class Patience:
    """The time waited while the program ran; query it often.

    Parameters
    ----------
    now_s : callable, optional
        A monotonic clock in seconds.

    Examples
    --------
    >>> times = iter([0.0, 0.5, 20.5])
    >>> patience = Patience(lambda: next(times))
    >>> patience.spent_s(), patience.spent_s()  # the program was stopped for almost 20 s
    (0.5, 1.5)
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last_s = now_s()
        self._spent_s = 0.0

    def spent_s(self) -> float:
        """Return for how long it has been waited."""
        now_s = self._now_s()
        self._spent_s += min(now_s - self._last_s, LONGEST_SLICE_S)
        self._last_s = now_s
        return self._spent_s

    def restart(self) -> None:
        """Start the count again: the awaited event has come."""
        self._last_s = self._now_s()
        self._spent_s = 0.0
