"""The results of a run so far, readable from any thread."""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.types import FrameResult

if TYPE_CHECKING:
    from hcc_scope.protocols import ResultSink
    from hcc_scope.types import FrameOutcome

__all__ = ["ResultLog"]


class _Packed:
    """A frame's result without the objects around its numbers, which take four times their room."""

    __slots__ = ("_about", "_numbers")

    def __init__(self, result: FrameResult, known: dict[object, object]) -> None:
        n = len(result.logits)
        about = (result.outcome, result.engine, result.error, tuple(result.latency_ms), n, result.distances is not None)
        self._about: tuple[FrameOutcome, str, str | None, tuple[str, ...], int, bool] = known.setdefault(about, about)  # type: ignore[assignment]  # what is alike is kept once
        measured = (result.level, result.focus)
        distances = b"" if result.distances is None else np.asarray(result.distances, np.float32).tobytes()
        self._numbers = b"".join(
            (
                struct.pack(f"<{len(result.latency_ms) + 2}d", *result.latency_ms.values(), *map(_or_nan, measured)),
                np.asarray(result.logits, np.float32).tobytes(),
                np.asarray(result.probabilities, np.float32).tobytes(),
                distances,
                np.asarray(result.flags, np.uint8).tobytes(),
            )
        )

    def result(self, seq: int) -> FrameResult:
        """Return the result, the same bit for bit."""
        outcome, engine, error, stages, n, has_distances = self._about
        *latencies_ms, level, focus = struct.unpack_from(f"<{len(stages) + 2}d", self._numbers)
        latency_ms, at = dict(zip(stages, latencies_ms, strict=True)), 8 * (len(stages) + 2)
        floats = np.frombuffer(self._numbers, np.float32, (2 + has_distances) * n, at).reshape(2 + has_distances, n)
        flags = np.frombuffer(self._numbers, np.uint8, n, at + floats.nbytes)
        return FrameResult(
            seq,
            outcome,
            floats[0],
            floats[1],
            flags,
            engine,
            latency_ms,
            error,
            floats[2] if has_distances else None,
            _or_none(level),
            _or_none(focus),
        )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


class ResultLog(Mapping[int, FrameResult]):
    """A `hcc_scope.protocols.ResultSink` that can be looked into: `seq` to result, in the order of analysis.

    Read from any thread during the run: an iteration sees the results that existed when it began. A result of
    16 tiles takes some 400 bytes of memory.

    Parameters
    ----------
    inner : ResultSink, optional
        Takes every result first, to keep it on disk.
    earlier : mapping, optional
        Results of the section's earlier parts, by `seq`, which are on disk.
    """

    def __init__(self, inner: ResultSink | None = None, earlier: Mapping[int, FrameResult] | None = None) -> None:
        self._inner = inner
        self._results: dict[int, _Packed] = {}
        self._known: dict[object, object] = {}
        self._arrived: list[int] = []
        self._lock = threading.Lock()
        for seq, result in (earlier or {}).items():
            self._keep(seq, result)

    def append(self, result: FrameResult) -> None:
        """Take one frame's result; the last one of a frame counts."""
        if self._inner is not None:
            self._inner.append(result)
        with self._lock:
            self._keep(result.seq, result)

    def _keep(self, seq: int, result: FrameResult) -> None:
        self._results[seq] = _Packed(result, self._known)
        self._arrived.append(seq)

    def arrived(self, after: int = 0) -> list[int]:
        """Return whose results came after the first `after` ones, in that order.

        A frame that got another result is there again.
        """
        with self._lock:
            return self._arrived[after:]

    def close(self) -> None:
        """Close what keeps them on disk."""
        if self._inner is not None:
            self._inner.close()

    def __getitem__(self, seq: int) -> FrameResult:
        return self._results[seq].result(seq)

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            seqs = list(self._results)
        return iter(seqs)

    def __len__(self) -> int:
        return len(self._results)
