"""The record of an analysis, ``predictions.jsonl``: a header, one line per analysed frame, and the table made of it.

Every line carries a checksum (`hcc_scope.storage.lines`); those of version 1 do not. The line of the table states its
sha256, so that a table that was damaged or exchanged is noticed without reading it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args, overload

import numpy as np

from hcc_scope.atomic_file import replace_file
from hcc_scope.errors import StoreError
from hcc_scope.storage import values
from hcc_scope.storage.files import read_plain
from hcc_scope.storage.lines import fields_of, is_whole
from hcc_scope.storage.metadata import MAX_FRAME_BYTES, MAX_SIDE_PX, MAX_TILES, axes_from_json, tiles_of
from hcc_scope.storage.naming import PREDICTIONS
from hcc_scope.storage.place_files import exists, names_in, size_of
from hcc_scope.types import FrameOutcome, FrameResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.storage.place import StorePlace

__all__ = [
    "MAX_LOG_BYTES",
    "MAX_TABLE_BYTES",
    "PREDICTIONS",
    "VERSION",
    "PredictionLog",
    "drop_results_of_lost_frames",
    "fits",
    "header_of",
    "is_table_line",
    "log_files",
    "log_problems",
    "read_log",
    "result_fields",
    "result_of",
    "table_fields",
    "table_path",
]


VERSION = 2
_VERSIONS = (1, 2)
MAX_LOG_BYTES = 1 << 30
MAX_TABLE_BYTES = 1 << 30
_LARGEST = 3.5e38
"""Beyond any float32."""
_NAMES = {math.inf: "inf", -math.inf: "-inf"}
_INFINITE = {name: value for value, name in _NAMES.items()}
_HEADER = frozenset({"version", "run", "model_sha256", "frame_shape_yx", "tile_px", "pixel_size_um"})
_KEYS = frozenset({"seq", "outcome", "logits", "probabilities", "flags", "engine", "latency_ms", "error"})
_DISTANCES = "distances"
_MEASURED = ("level", "focus")
"""Of the usable tiles, on average; only where there are some, and not in lines of earlier programs."""
_AXES = "camera_axes"
"""Only of version 2: earlier cameras were taken for upright."""
_SHADING = "shading"
"""``none`` where frames were classified raw although the run corrected them."""
_TABLE = frozenset({"table", "bytes", "sha256"})


@dataclass(frozen=True, slots=True)
class PredictionLog:
    """What a ``predictions.jsonl`` holds."""

    header: dict[str, Any]
    """version, run, model_sha256, frame_shape_yx, tile_px, pixel_size_um; empty if a crash came before it was whole."""
    results: dict[int, FrameResult]
    """By `seq`; a frame analysed twice counts with its last result."""
    problems: tuple[str, ...]
    """One sentence for each unreadable line in the middle."""
    torn: bytes
    """The unfinished last line of a crash, or empty."""
    table_sha256: str | None = None
    """Of the table that was made last; None if the log does not state it."""


@overload
def table_path(log: Path) -> Path: ...
@overload
def table_path(log: StorePlace) -> StorePlace: ...
def table_path(log: StorePlace) -> StorePlace:
    """Return where the table of a log is."""
    return log.with_suffix(".parquet")


@overload
def log_files(store: Path) -> list[Path]: ...
@overload
def log_files(store: StorePlace) -> Sequence[StorePlace]: ...
def log_files(store: StorePlace) -> Sequence[StorePlace]:
    """Return the logs of all analyses in a store, by name; raises StoreError if object storage does not answer."""
    return [store / name for name in names_in(store, PREDICTIONS, ".jsonl")]


def _floats(numbers: NDArray[np.float32]) -> list[float | str | None]:
    """Return JSON values that give the same float32 again: NaN is null, an infinity its name."""
    return [None if math.isnan(v) else _NAMES.get(v, v) for v in numbers.tolist()]


def _float32(found: object, key: str) -> NDArray[np.float32]:
    # a float32 went through float64 unchanged, so it comes back unchanged
    if not isinstance(found, list):
        raise ValueError(f"{key} is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    numbers = [
        math.nan
        if v is None
        else _INFINITE[v]
        if isinstance(v, str) and v in _INFINITE
        else values.number(v, key, -_LARGEST, _LARGEST)
        for v in found
    ]
    with np.errstate(over="ignore"):
        read = np.array(numbers, dtype=np.float32)
    if (np.isinf(read) != np.isinf(np.array(numbers, dtype=np.float64))).any():
        raise ValueError(f"{key} holds a number that is no float32")
    return read


def result_fields(result: FrameResult) -> dict[str, Any]:
    """Return the fields of a frame's line."""
    line: dict[str, Any] = {
        "seq": int(result.seq),
        "outcome": result.outcome,
        "logits": _floats(result.logits),
        "probabilities": _floats(result.probabilities),
        "flags": [int(f) for f in result.flags],
        "engine": result.engine,
        "latency_ms": {stage: float(ms) for stage, ms in result.latency_ms.items() if math.isfinite(ms)},
        "error": result.error,
    }
    if result.distances is not None:
        line[_DISTANCES] = _floats(result.distances)
    measured = zip(_MEASURED, (result.level, result.focus), strict=True)
    return line | {key: value for key, value in measured if value is not None and math.isfinite(value)}


def table_fields(log: Path, table: bytes) -> dict[str, Any]:
    """Return the fields of the line that states the table of `log`."""
    return {"table": table_path(log).name, "bytes": len(table), "sha256": hashlib.sha256(table).hexdigest()}


def fits(result: FrameResult, n_tiles: int) -> bool:
    """Return whether there is one entry per tile; a frame that failed before it was cut may have none."""
    arrays = (result.logits, result.probabilities, result.flags, result.distances)
    shapes = {array.shape for array in arrays if array is not None}
    return shapes == {(n_tiles,)} or (shapes == {(0,)} and result.outcome == "failed")


def _writable_text(value: object, key: str) -> str:
    """Return a text that a table can hold; raises ValueError (also as UnicodeEncodeError, for half a character)."""
    text = values.text(value, key)
    text.encode()
    return text


def header_of(line: bytes) -> tuple[dict[str, Any], int]:
    """Return a log's header, and how many tiles a frame has; raises ValueError."""
    header, sealed = fields_of(line)
    version = values.integer(values.member(header, "version"), "version", 1, 1 << 30)
    if version not in _VERSIONS:
        return header, 0
    if header.keys() - {_AXES, _SHADING} != _HEADER or sealed != (version > 1):
        raise ValueError("it has other keys")
    _writable_text(header["run"], "run")
    if header["model_sha256"] is not None:
        _writable_text(header["model_sha256"], "model_sha256")
    height, width = (
        values.integer(side, "frame_shape_yx", 1, MAX_SIDE_PX)
        for side in values.numbers(header["frame_shape_yx"], "frame_shape_yx", 2)
    )
    tile_px = values.integer(header["tile_px"], "tile_px", 1, min(height, width))
    values.number(header["pixel_size_um"], "pixel_size_um", 1e-9, 1e6)
    axes_from_json(header.get(_AXES))
    if _SHADING in header:
        values.choice(header[_SHADING], _SHADING, ("none",))
    n_tiles = tiles_of((height, width), tile_px)
    if n_tiles > MAX_TILES or 2 * height * width > MAX_FRAME_BYTES:
        raise ValueError("its frames are larger than any")
    return header, n_tiles


def result_of(value: dict[str, Any], n_tiles: int) -> FrameResult:
    """Return the result of a line's fields; raises ValueError if it is none of this run."""
    if value.keys() - {_DISTANCES, *_MEASURED} != _KEYS:
        raise ValueError("it has other keys")
    if not isinstance(value["flags"], list):
        raise ValueError("flags is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    latency_ms = values.object_of(value["latency_ms"], "latency_ms")
    level, focus = (float(values.number(value[key], key)) if key in value else None for key in _MEASURED)
    result = FrameResult(
        seq=values.integer(value["seq"], "seq", 0, 1 << 40),
        outcome=cast("FrameOutcome", values.choice(value["outcome"], "outcome", get_args(FrameOutcome))),
        logits=_float32(value["logits"], "logits"),
        probabilities=_float32(value["probabilities"], "probabilities"),
        flags=np.array([values.integer(one, "flags", 0, 255) for one in value["flags"]], dtype=np.uint8),
        engine=_writable_text(value["engine"], "engine"),
        latency_ms={stage: float(values.number(ms, "latency_ms")) for stage, ms in latency_ms.items()},
        error=None if value["error"] is None else values.text(value["error"], "error"),
        distances=_float32(value[_DISTANCES], _DISTANCES) if _DISTANCES in value else None,
        level=level,
        focus=focus,
    )
    known = result.probabilities[~np.isnan(result.probabilities)]
    if not fits(result, n_tiles) or ((known < 0) | (known > 1)).any():
        raise ValueError("not a result of this run")
    return result


def is_table_line(value: Mapping[str, Any]) -> bool:
    """Return whether a line's fields state the table instead of a result."""
    return value.keys() == _TABLE


def read_log(path: StorePlace) -> PredictionLog:
    """Read a ``predictions.jsonl``, also while it is being written.

    Raises
    ------
    OSError
        If the file cannot be read.
    StoreError
        If its header is unreadable, or something else is in its place.
    """
    first, *rest = read_plain(path, MAX_LOG_BYTES).split(b"\n")
    if not rest:  # killed while the header was written: there is no prediction
        return PredictionLog(header={}, results={}, problems=(), torn=first)
    *lines, torn = rest
    try:
        header, n_tiles = header_of(first)
    except ValueError as error:
        raise StoreError(f"The first line of {path} is unreadable", hint="Replay the store.") from error
    version = header["version"]
    if version not in _VERSIONS:
        raise StoreError(f"{path} has version {version}, this program reads versions up to {VERSION}")
    results: dict[int, FrameResult] = {}
    problems: list[str] = []
    table_sha256: str | None = None
    for number, line in enumerate(lines, start=2):
        try:
            value, sealed = fields_of(line)
            if sealed != (version > 1):
                raise ValueError("it has no checksum")  # noqa: TRY301 - reported like the others
            if is_table_line(value):
                table_sha256 = values.text(value["sha256"], "sha256")
                continue
            result = result_of(value, n_tiles)
        except ValueError:
            problems.append(f"line {number} of {path} is unreadable")
        else:
            results[result.seq] = result
    return PredictionLog(header, results, tuple(problems), torn, table_sha256)


def drop_results_of_lost_frames(path: Path, n_frames: int) -> bool:
    """Rewrite a sound log without results of frames that the journal does not have: those numbers will be given again.

    Parameters
    ----------
    path : Path
        The log; its other lines stay, byte for byte.
    n_frames : int
        Frames that the journal has.

    Returns
    -------
    bool
        Whether there were any.

    Raises
    ------
    OSError, StoreError
        If it cannot be read or written.
    """
    first, *rest = read_plain(path, MAX_LOG_BYTES).split(b"\n")
    kept = [line for line in rest if not line or fields_of(line)[0].get("seq", -1) < n_frames]
    if len(kept) == len(rest):
        return False
    replace_file(path, b"\n".join([first, *kept]))
    return True


def log_problems(path: StorePlace, *, ended: bool) -> list[str]:
    """Return what is wrong with a log and its table, without parsing every line.

    Parameters
    ----------
    path : Path
        The log.
    ended : bool
        Whether the run has ended, so that the table has to be there and the last line has its end.

    Raises
    ------
    StoreError
        If something else is in a file's place.
    """
    try:
        first, *rest = read_plain(path, MAX_LOG_BYTES).split(b"\n")
        if not rest:
            return [f"{path} holds no whole line"] if ended else []
        header, _ = header_of(first)
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror or error}"]
    except ValueError:
        return [f"line 1 of {path} is unreadable"]
    if header["version"] not in _VERSIONS:
        return [f"{path} has version {header['version']}, this program reads versions up to {VERSION}"]
    *lines, torn = rest
    problems = [f"{path} ends in the middle of a line"] if ended and torn else []
    table = table_path(path)
    if header["version"] == 1:
        missing = ended and not exists(table)
        return [*problems, *([f"{table} is missing: hcc-scope recover makes it again"] if missing else [])]
    problems += [f"line {number} of {path} is unreadable" for number, line in enumerate(lines, 2) if not is_whole(line)]
    stated = next((line for line in reversed(lines) if line.startswith(b'{"table":') and is_whole(line)), None)
    if ended and stated is not None and stated != lines[-1]:
        stated = None  # results came after it: the table has no rows of them
    if ended or stated is not None:
        try:
            problem = _table_problem(table, None if stated is None else fields_of(stated)[0])
        except ValueError as error:
            problem = f"{table} is not stated in a line that can be read ({error})"
        problems += [] if problem is None else [f"{problem}: hcc-scope recover makes it again"]
    return problems


def _table_problem(table: StorePlace, stated: Mapping[str, Any] | None) -> str | None:
    try:
        size = size_of(table)
        if stated is None:
            return f"{table} was not finished"
        if size not in (None, stated.get("bytes")):  # found before it is read
            return f"{table} is damaged: it has another size than its log states"
        data = read_plain(table, MAX_TABLE_BYTES)
    except FileNotFoundError:
        return f"{table} is missing"
    except OSError as error:
        return f"{table} cannot be read: {error.strerror or error}"
    if hashlib.sha256(data).hexdigest() != stated.get("sha256"):
        return f"{table} is damaged: its checksum is wrong"
    return None
