"""JSON whose writer was stopped, or did not end it properly: the entries that are whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["entries_of"]


def entries_of(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the entries of a JSON object up to where it breaks off, and whether it is whole.

    Parameters
    ----------
    data : bytes
        In UTF-8, and with zeros at their end where they fill a place in a file.

    Examples
    --------
    >>> entries_of(b'{"a": 1, "b": {"c": 2}, "d": "thr')
    ({'a': 1, 'b': {'c': 2}}, False)
    """
    text = data.rstrip(b"\0 ").decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return dict(_salvaged(text)), False
    return (found, True) if isinstance(found, dict) else ({}, False)


def _salvaged(text: str) -> Iterator[tuple[str, Any]]:
    decoder = json.JSONDecoder()
    at = text.find("{") + 1
    try:
        while at > 0:
            key, at = decoder.raw_decode(text, _after(text, at, " \t\r\n,"))
            value, at = decoder.raw_decode(text, _after(text, at, " \t\r\n:"))
            if isinstance(key, str):
                yield key, value
    except (ValueError, RecursionError):
        return


def _after(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
