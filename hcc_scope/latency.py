"""Quantiles of latencies in bounded memory, which can be merged over several sections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["LatencyHistogram"]

_BINS_PER_E_FOLD = 100
_SMALLEST_MS = 1e-3


class LatencyHistogram:
    """Quantiles of any number of latencies, within 1 %, from logarithmic bins (at most a few thousand).

    Examples
    --------
    >>> first, second = LatencyHistogram(), LatencyHistogram()
    >>> first.add(10.0)
    >>> second.add(1000.0)
    >>> together = LatencyHistogram.merged([first.bins, second.bins])
    >>> round(together.quantile_ms(0.5)), round(together.quantile_ms(0.95), -1)
    (10, 1000.0)
    """

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._n = 0

    @classmethod
    def merged(cls, bins: Iterable[Mapping[int, int]]) -> LatencyHistogram:
        """Return the histogram of all latencies together, from the `bins` of several; of none, an empty one."""
        together = cls()
        for one in bins:
            for index, count in one.items():
                together._bins[index] = together._bins.get(index, 0) + count
                together._n += count
        return together

    @property
    def bins(self) -> dict[int, int]:
        """How many latencies fell into each bin, as a copy; the keys mean something to `merged` alone."""
        return dict(self._bins)

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
