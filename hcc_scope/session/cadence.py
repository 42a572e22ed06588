"""The regularity of the frames of a time series, in bounded memory. Times are parameters: nothing reads a clock."""

from __future__ import annotations

import math

__all__ = ["Cadence"]

_REGULAR = 0.2
"""Steps whose longest and shortest differ by no more than this share of their mean are one interval."""
_KEPT = 0.05
"""Share by which the mean may differ from the requested interval."""


class Cadence:
    """Measures the time between one frame's exposure and the next.

    Parameters
    ----------
    wanted_s : float, optional
        The requested interval; None or 0: as fast as possible.

    Examples
    --------
    >>> cadence = Cadence(0.1)
    >>> for t_ms in (0, 420, 840):
    ...     cadence.add(t_ms * 1_000_000)
    >>> cadence.interval_s
    0.42
    >>> cadence.remark()
    'the interval of 0.1 s was not kept: the frames came every 0.42 s'
    """

    def __init__(self, wanted_s: float | None = None) -> None:
        self._wanted_s = wanted_s or 0.0
        self._first_ns = self._last_ns = 0
        self._n = 0
        self._shortest_ns = math.inf
        self._longest_ns = 0.0

    def add(self, t_mono_ns: int) -> None:
        """Take the time of the next frame."""
        if self._n == 0:
            self._first_ns = t_mono_ns
        else:
            step_ns = t_mono_ns - self._last_ns
            self._shortest_ns, self._longest_ns = min(self._shortest_ns, step_ns), max(self._longest_ns, step_ns)
        self._last_ns = t_mono_ns
        self._n += 1

    @property
    def _mean_s(self) -> float:
        return (self._last_ns - self._first_ns) / 1e9 / (self._n - 1)

    @property
    def interval_s(self) -> float | None:
        """The measured interval; None where there is none: fewer than two frames, or irregular ones."""
        if self._n < 2 or self._mean_s <= 0:
            return None
        if (self._longest_ns - self._shortest_ns) / 1e9 > _REGULAR * self._mean_s:
            return None
        return self._mean_s

    def remark(self) -> str | None:
        """Return a sentence if the requested interval was not kept, else None."""
        if self._wanted_s <= 0 or self._n < 2:
            return None
        measured_s = self.interval_s
        if measured_s is None:
            found = f"the frames came {self._shortest_ns / 1e9:.3g} to {self._longest_ns / 1e9:.3g} s apart"
        elif abs(measured_s - self._wanted_s) > _KEPT * self._wanted_s:
            found = f"the frames came every {measured_s:.3g} s"
        else:
            return None
        return f"the interval of {self._wanted_s:g} s was not kept: {found}"
