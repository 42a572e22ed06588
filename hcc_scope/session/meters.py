"""How fast a run is, in bounded memory. Times are handed in, so nothing here reads a clock."""

from __future__ import annotations

from collections import deque

__all__ = ["RateMeter"]

_WINDOW = 32


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
