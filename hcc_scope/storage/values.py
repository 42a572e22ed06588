"""The values that a store may hold: every value read from one is checked here, and a wrong one is an error.

Each function takes a value and the name of its key, and returns the value or raises ValueError with a sentence.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hcc_scope.types import TagValue

__all__ = ["choice", "flag", "integer", "member", "number", "numbers", "object_of", "scalars", "text", "time_of"]

_YEARS = (1900, 9000)


def _wrong(key: str, value: object, wanted: str) -> NoReturn:
    shown = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else ascii(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    key = key if key.isprintable() else ascii(key)
    raise ValueError(f"{key} is {shown}, not {wanted}")


def member(of: Mapping[str, Any], key: str, where: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """Return the value under `key`; `where` is the name of the object it belongs to, with a dot."""
    if key not in of:
        raise ValueError(f"{where}{key} is missing")
    return of[key]


def integer(value: object, key: str, low: int, high: int) -> int:
    """Return a whole number of `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        _wrong(key, value, f"a whole number of {low} to {high}")
    return value


def number(value: object, key: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number of `low` to `high`, which a float can hold: JSON knows whole numbers of any length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong(key, value, "a number")
    if abs(value) > sys.float_info.max:
        _wrong(key, value, "a number that can be")
    if not low <= value <= high:
        _wrong(key, value, f"a number of {low:g} to {high:g}")
    return value


def numbers(value: object, key: str, n: int) -> list[float]:
    """Return `n` finite numbers."""
    if not isinstance(value, list) or len(value) != n:
        _wrong(key, value, f"{n} numbers")
    return [number(one, key) for one in value]


def text(value: object, key: str) -> str:
    """Return a text."""
    if not isinstance(value, str):
        _wrong(key, value, "a text")
    return value


def flag(value: object, key: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        _wrong(key, value, "true or false")
    return value


def choice(value: object, key: str, words: Collection[str]) -> str:
    """Return one of some words."""
    if not isinstance(value, str) or value not in words:
        _wrong(key, value, f"one of {', '.join(sorted(words))}")
    return value


def time_of(value: object, key: str) -> datetime:
    """Return an ISO 8601 time of this age of the world; without an offset it is UTC, as all times of a store are."""
    try:
        time = datetime.fromisoformat(text(value, key))
    except ValueError:
        _wrong(key, value, "a time (ISO 8601)")
    if not _YEARS[0] <= time.year <= _YEARS[1]:  # at the ends of the calendar an offset cannot be added
        _wrong(key, value, "a time that can be")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def object_of(value: object, key: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        _wrong(key, value, "an object")
    return value


def scalars(value: object, key: str) -> dict[str, TagValue]:
    """Return an object whose values are texts, finite numbers, true, false or null."""
    for name, one in object_of(value, key).items():
        if one is not None and not isinstance(one, str | bool):
            number(one, f"{key}.{name[:60]}")
    return object_of(value, key)
