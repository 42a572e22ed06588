"""The results of a run so far, for whoever looks on from another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hcc_scope.types import FrameResult

if TYPE_CHECKING:
    from hcc_scope.protocols import ResultSink

__all__ = ["ResultsSoFar"]


class ResultsSoFar(Mapping[int, FrameResult]):
    """A `hcc_scope.protocols.ResultSink` that can be looked into: `seq` to result, in the order of analysis.

    Read from any thread while the run goes on: going through it sees what was there when that began. A result takes
    about a kilobyte of memory.

    Parameters
    ----------
    inner : ResultSink, optional
        Given every result first, to keep it on disk.
    """

    def __init__(self, inner: ResultSink | None = None) -> None:
        self._inner = inner
        self._results: dict[int, FrameResult] = {}
        self._lock = threading.Lock()

    def append(self, result: FrameResult) -> None:
        """Take one frame's result; the last one of a frame counts."""
        if self._inner is not None:
            self._inner.append(result)
        with self._lock:
            self._results[result.seq] = result

    def close(self) -> None:
        """Close what keeps them on disk."""
        if self._inner is not None:
            self._inner.close()

    def __getitem__(self, seq: int) -> FrameResult:
        return self._results[seq]

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            seqs = list(self._results)
        return iter(seqs)

    def __len__(self) -> int:
        return len(self._results)
