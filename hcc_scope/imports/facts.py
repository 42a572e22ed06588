"""The facts about one image, collected from what a file states: plain values, by the names of `Plane`'s fields."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import TagValue

__all__ = ["Facts", "finite", "later", "number", "plain", "plain_tags", "utc"]

_LONGEST_TEXT = 4000
_LARGEST_WHOLE = 2**53
_LONGEST_MS = 1e11
"""Three years: a longer time is none since the beginning of an acquisition."""


class Facts(TypedDict, total=False):
    """Fields of `hcc_scope.imports.collection.Plane`; what a file does not state is left out."""

    pixel_size_yx_um: tuple[float, float] | None
    stage_um: tuple[float, float, float | None] | None
    exposure_ms: float | None
    t_utc: datetime | None
    em_gain: float | None
    temperature_c: float | None
    objective: str | None
    camera_frame: int | None
    tags: dict[str, TagValue]


def finite(value: object) -> float | None:
    """Return a number, which may be written as text; None for all else and for what is not finite.

    Examples
    --------
    >>> finite("12.5"), finite(3), finite("fast"), finite(float("nan")), finite(True)
    (12.5, 3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def number(value: object) -> int | None:
    """Return a whole number from 0 on, which may be written as text or with a fraction of 0.

    Examples
    --------
    >>> number("3"), number(4.0), number(-1), number("3.5")
    (3, 4, None, None)
    """
    found = finite(value)
    return int(found) if found is not None and found == int(found) and 0 <= found < _LARGEST_WHOLE else None


def plain(value: object) -> TagValue:
    """Return a value as a tag: a number, a text (a long one is cut), or a text that states a list or an object."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LARGEST_WHOLE else str(value)[:_LONGEST_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = str(value).replace("\0", "").strip()
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def plain_tags(values: Mapping[Any, Any]) -> dict[str, TagValue]:
    """Return values as tags; what lies in objects gets the names of these before its own, with dots between."""
    tags: dict[str, TagValue] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            tags |= {f"{name}.{inner}": plain(one) for inner, one in value.items()}
        else:
            tags[str(name)] = plain(value)
    return tags


def utc(text: object, *formats: str) -> datetime | None:
    """Return a time that states its zone, in UTC; None without a zone, as it may then be any.

    Parameters
    ----------
    text : object
        As the file has it.
    *formats : str
        For `datetime.strptime`, tried after ISO 8601.

    Examples
    --------
    >>> utc("2026-11-30 09:00:00.5 +0100")
    datetime.datetime(2026, 11, 30, 8, 0, 0, 500000, tzinfo=datetime.timezone.utc)
    >>> utc("2026-11-30T09:00:00")
    """
    if not isinstance(text, str):
        return None
    found: datetime | None = None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        for form in ("%Y-%m-%d %H:%M:%S.%f %z", "%Y-%m-%d %H:%M:%S %z", *formats):
            try:
                found = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - one without a zone is dropped below
                break
            except ValueError:
                continue
    if found is None or found.tzinfo is None:
        return None
    try:
        return found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def later(start: datetime, ms: float) -> datetime | None:
    """Return a time since the beginning of an acquisition; None if it cannot be one."""
    if not 0 <= ms < _LONGEST_MS:
        return None
    try:
        return start + timedelta(milliseconds=ms)
    except OverflowError:
        return None
