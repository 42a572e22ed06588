"""Wall and processor time of a piece of work."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.bench.figures import JsonObject

__all__ = ["Taken", "timed"]


@dataclass(slots=True)
class Taken:
    """How long it took; 0 until it is over."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of all threads of this process."""

    def account(self, n_frames: int) -> JsonObject:
        """Return it as a contender's answer."""
        return {
            "frames": n_frames,
            "seconds": self.seconds,
            "cpu_s": self.cpu_s,
            "cpu_s_per_100_frames": 100 * self.cpu_s / n_frames,
        }


@contextmanager
def timed() -> Iterator[Taken]:
    """Measure the body of the ``with``."""
    taken = Taken()
    cpu_s, start_s = time.process_time(), time.perf_counter()
    yield taken
    taken.seconds = time.perf_counter() - start_s
    taken.cpu_s = time.process_time() - cpu_s
