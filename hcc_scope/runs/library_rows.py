"""A row of the library as text, for the index: exactly the same row comes back.

The text is JSON without the names of its values. `FORMAT` is another number in every version of the program, and for
every other set of fields, so a row of another program is never read as one of this.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import hcc_scope
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.types import Drift, ExcludedBounds, SampleCounts, SectionScore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT", "row_from_text", "row_to_text"]

_DECODE = json.JSONDecoder().raw_decode
_LAYOUT = 1
"""Counts up when a field means something else, under the same name."""
# by place, as thousands of rows are read; the path is the first field, and the stamp the last
_ROW = tuple(one.name for one in fields(ListedSection))[1:-1]
_TIMES = frozenset({"created_utc", "noted_utc"})
_TIMES_AT = tuple(_ROW.index(name) for name in sorted(_TIMES))
_SCORE_AT = _ROW.index("score")
_SCORE = tuple(one.name for one in fields(SectionScore))
_PARTS: dict[str, type] = {"sample": SampleCounts, "excluded_bounds": ExcludedBounds, "drift": Drift}
_PARTS_AT = tuple((_SCORE.index(name), part) for name, part in _PARTS.items())
_TUPLES_AT = tuple(_SCORE.index(name) for name in ("interval", "threshold_interval", "set_aside"))
_RETAKEN_AT = _SCORE.index("retaken")

FORMAT = zlib.crc32(repr((hcc_scope.__version__, _LAYOUT, _ROW, _SCORE)).encode()) & 0x7FFFFFFF
"""Of the texts that this program writes."""


def row_to_text(section: ListedSection) -> str:
    """Return a row as text, without its path and stamp."""
    values: list[Any] = []
    for name in _ROW:
        value = getattr(section, name)
        if name in _TIMES and value is not None:
            value = value.isoformat()
        elif name == "score" and value is not None:
            value = _score_values(value)
        values.append(value)
    return json.dumps(values, separators=(",", ":"))


def row_from_text(text: str, path: Path, stamp: tuple[int, ...]) -> ListedSection:
    """Return the row that `row_to_text` made a text of.

    Raises
    ------
    ValueError, TypeError
        If it is none.
    """
    values, _ = _DECODE(text)
    if len(values) != len(_ROW):
        raise ValueError(f"{len(values)} values are no row, which has {len(_ROW)}")
    for place in _TIMES_AT:
        if values[place] is not None:
            values[place] = datetime.fromisoformat(values[place])
    if values[_SCORE_AT] is not None:
        values[_SCORE_AT] = _score(values[_SCORE_AT])
    values.append(stamp)
    return ListedSection(path, *values)


def _score_values(score: SectionScore) -> list[Any]:
    values: list[Any] = []
    for name in _SCORE:
        value = getattr(score, name)
        if name in _PARTS and value is not None:
            value = [_plain(getattr(value, one.name)) for one in fields(value)]
        elif name == "retaken":
            value = sorted(value.items())
        else:
            value = _plain(value)
        values.append(value)
    return values


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a score
    return dict(value) if hasattr(value, "items") else value


def _score(values: list[Any]) -> SectionScore:
    if len(values) != len(_SCORE):
        raise ValueError(f"{len(values)} values are no score, which has {len(_SCORE)}")
    for place in _TUPLES_AT:
        if values[place] is not None:
            values[place] = tuple(values[place])
    for place, part in _PARTS_AT:
        if values[place] is not None:
            values[place] = part(*(tuple(one) if isinstance(one, list) else one for one in values[place]))
    values[_RETAKEN_AT] = dict(values[_RETAKEN_AT])
    return SectionScore(*values)
