"""The results of a section as columns: 15 bytes a tile, so that a million tiles fit into the memory of any computer.

`hcc_scope.storage.prediction_log.read_log` makes an object of every frame, which is right for a window that asks for
single frames. What goes through all tiles once, such as an export, takes these columns.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.field_scores import field_entry
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.files import cannot_read
from hcc_scope.storage.lines import fields_of
from hcc_scope.storage.place_files import lines_of
from hcc_scope.storage.prediction_log import MAX_LOG_BYTES, PREDICTIONS, VERSION, header_of, is_table_line, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from hcc_scope.field_scores import FieldEntry
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import FrameOutcome, FrameResult

__all__ = ["ResultColumns", "read_result_columns"]

_LINES_A_STEP = 500
"""Between two reports of the progress."""


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """What one analysis found, for n frames of t tiles. Rows are frames, in the order of `seqs`."""

    header: Mapping[str, Any]
    """As in `hcc_scope.storage.prediction_log.PredictionLog`."""
    seqs: NDArray[np.int64]
    """(n,) frames that have a result, ascending."""
    logits: NDArray[np.float32]
    """(n, t) as `hcc_scope.types.FrameResult.logits`; NaN for a frame that failed before it was cut."""
    probabilities: NDArray[np.float32]
    """(n, t)"""
    flags: NDArray[np.uint8]
    """(n, t)"""
    distances: NDArray[np.float32]
    """(n, t) NaN where none was measured."""
    cut: NDArray[np.bool_]
    """(n,) whether the frame was cut into tiles."""
    latency_ms: NDArray[np.float64]
    """(n,) from the end of the exposure to the score; NaN where it is not known."""
    outcomes: tuple[FrameOutcome, ...]
    """By row."""
    engines: tuple[str, ...]
    """By row."""
    errors: Mapping[int, str]
    """`seq` of a frame that failed to the reason."""
    entries: Mapping[int, FieldEntry]
    """`seq` to what the score needs of the result."""


def read_result_columns(
    store: StorePlace, n_frames: int, name: str = PREDICTIONS, *, on_progress: OnProgress = ignore_progress
) -> ResultColumns:
    """Read the results of one analysis; those of frames that never reached the journal are left out.

    Parameters
    ----------
    store : Path
        The store's folder.
    n_frames : int
        Frames that its journal lists.
    name : str
        File name of the predictions without its ending.
    on_progress : callable

    Raises
    ------
    StoreError
        If the store has no predictions of that name, or some of them are unreadable.
    """
    path = store / f"{name}.jsonl"
    try:
        with lines_of(path, MAX_LOG_BYTES) as lines:
            return _columns(path, _whole_lines(lines), n_frames, on_progress)
    except FileNotFoundError as error:
        raise StoreError(f"{store} holds no predictions named {name!r}", hint="Replay it with a model.") from error
    except OSError as error:
        raise cannot_read(error, f"The predictions {path}") from error


def _whole_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if not line.endswith(b"\n"):  # the unfinished last line of a crash
            return
        yield line[:-1]


def _columns(path: StorePlace, lines: Iterator[bytes], n_frames: int, on_progress: OnProgress) -> ResultColumns:
    try:
        header, n_tiles = header_of(next(lines, b""))
    except ValueError as error:
        raise StoreError(f"The first line of {path} is unreadable", hint="Replay the store.") from error
    if header["version"] > VERSION:
        raise StoreError(f"{path} has version {header['version']}, this program reads versions up to {VERSION}")
    blocks = _Blocks(n_tiles)
    for number, line in enumerate(lines, start=2):
        if number % _LINES_A_STEP == 2:
            on_progress(Progress("reading results", min(number, n_frames), n_frames))
        try:
            value, sealed = fields_of(line)
            if sealed != (header["version"] > 1):
                raise ValueError("it has no checksum")  # noqa: TRY301 - reported like the others
            result = None if is_table_line(value) else result_of(value, n_tiles)
        except ValueError as error:
            raise StoreError(
                f"Predictions are damaged: line {number} of {path} is unreadable", hint="Replay the store."
            ) from error
        if result is not None and result.seq < n_frames:
            blocks.add(result)
    return blocks.columns(header)


class _Blocks:
    """Rows as they come; a frame that was analysed twice counts with its last one."""

    def __init__(self, n_tiles: int) -> None:
        self._n_tiles = n_tiles
        self._numbers = {name: array(kind) for name, kind in (("l", "f"), ("p", "f"), ("d", "f"), ("f", "B"))}
        self._latency_ms = array("d")
        self._cut = array("b")
        self._words: list[tuple[FrameOutcome, str]] = []
        self._row_of: dict[int, int] = {}
        self._texts: dict[str, str] = {}
        self._errors: dict[int, str] = {}
        self._entries: dict[int, FieldEntry] = {}

    def add(self, result: FrameResult) -> None:
        cut = len(result.flags) > 0
        none = np.full(self._n_tiles, np.nan, np.float32)
        self._numbers["l"].frombytes((result.logits if cut else none).tobytes())
        self._numbers["p"].frombytes((result.probabilities if cut else none).tobytes())
        self._numbers["d"].frombytes((none if result.distances is None or not cut else result.distances).tobytes())
        self._numbers["f"].frombytes((result.flags if cut else np.zeros(self._n_tiles, np.uint8)).tobytes())
        self._latency_ms.append(result.latency_ms.get("total", math.nan))
        self._cut.append(cut)
        self._words.append((result.outcome, self._texts.setdefault(result.engine, result.engine)))
        self._row_of[result.seq] = len(self._words) - 1
        self._errors.pop(result.seq, None)
        if result.error is not None:
            self._errors[result.seq] = result.error
        self._entries[result.seq] = field_entry(result)

    def columns(self, header: Mapping[str, Any]) -> ResultColumns:
        seqs = sorted(self._row_of)
        rows = [self._row_of[seq] for seq in seqs]
        in_order = rows == list(range(len(self._words)))

        def tiles(name: str, dtype: type) -> NDArray[Any]:
            whole: NDArray[Any] = np.frombuffer(self._numbers[name], dtype).reshape(-1, self._n_tiles)
            return whole if in_order else whole[rows]

        return ResultColumns(
            header=header,
            seqs=np.array(seqs, np.int64),
            logits=tiles("l", np.float32),
            probabilities=tiles("p", np.float32),
            flags=tiles("f", np.uint8),
            distances=tiles("d", np.float32),
            cut=np.array([self._cut[row] for row in rows], bool),
            latency_ms=np.array([self._latency_ms[row] for row in rows], np.float64),
            outcomes=tuple(self._words[row][0] for row in rows),
            engines=tuple(self._words[row][1] for row in rows),
            errors=self._errors,
            entries=self._entries,
        )
