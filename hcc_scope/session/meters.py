"""Rates and latencies of a run, in bounded memory. Times are handed in, so nothing here reads a clock."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["LatencyHistogram", "RateMeter"]

_WINDOW = 32
_BINS_PER_E_FOLD = 100
_SMALLEST_MS = 1e-3


class RateMeter:
    """How fast a count grows now: over the last `_WINDOW` changes, and falling while nothing comes.

    Examples
    --------
    >>> meter = RateMeter()
    >>> for n in range(1, 4):
    ...     meter.update(n, now_ns=n * 500_000_000)
    >>> meter.fps(now_ns=1_500_000_000)
    2.0
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=_WINDOW)  # (ns, count)

    def update(self, count: int, now_ns: int) -> None:
        """Note that the count is `count` now; nothing happens if it did not grow."""
        if not self._marks or count > self._marks[-1][1]:
            self._marks.append((now_ns, count))

    def fps(self, now_ns: int) -> float:
        """Return counts per second, from real intervals; 0 until there are two marks."""
        if len(self._marks) < 2:
            return 0.0
        (first_ns, first), (last_ns, last) = self._marks[0], self._marks[-1]
        span_ns = last_ns - first_ns
        # a stage that stalls must not go on showing its old rate: from one usual interval of silence on, silence counts
        usual_ns = span_ns / (len(self._marks) - 1)
        span_ns = max(span_ns, int(now_ns - first_ns - usual_ns))
        return (last - first) * 1e9 / span_ns if span_ns > 0 else 0.0


class LatencyHistogram:
    """Quantiles of any number of latencies, within 1 %, from logarithmic bins (at most a few thousand)."""

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._n = 0

    def add(self, latency_ms: float) -> None:
        """Count one latency; anything below a microsecond counts as one."""
        index = round(math.log(max(latency_ms, _SMALLEST_MS)) * _BINS_PER_E_FOLD)
        self._bins[index] = self._bins.get(index, 0) + 1
        self._n += 1

    def quantile_ms(self, q: float) -> float:
        """Return the smallest latency that at least the share `q` of all does not exceed; NaN if there is none."""
        if self._n == 0:
            return math.nan
        wanted = max(1, math.ceil(q * self._n))
        seen = 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= wanted:
                return math.exp(index / _BINS_PER_E_FOLD)
        raise AssertionError("the bins hold fewer than were counted")

    def summary(self) -> dict[str, float]:
        """Return p50, p95 and p99 in ms; empty if nothing was counted (NaN is no JSON)."""
        if self._n == 0:
            return {}
        return {"p50": self.quantile_ms(0.50), "p95": self.quantile_ms(0.95), "p99": self.quantile_ms(0.99)}
