"""JSON whose writer was stopped, or did not end it properly: the entries that are whole, one at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entries", "entries_of"]


class Entries:
    """The entries of a JSON object, up to where it breaks off; only one is in memory beside the text.

    Parameters
    ----------
    data : bytes
        In UTF-8, and with zeros at their end where they fill a place in a file.

    Examples
    --------
    >>> entries = Entries(b'{"a": 1, "b": {"c": 2}, "d": "thr')
    >>> list(entries), entries.n, entries.whole
    ([('a', 1), ('b', {'c': 2})], 2, False)
    """

    def __init__(self, data: bytes) -> None:
        self._text = data.rstrip(b"\0 \t\r\n").decode("utf-8", "replace")
        self.n = 0
        """How many were found."""
        self.whole = False
        """Whether the object has its end; after the last entry."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        decoder, text = json.JSONDecoder(), self._text
        at = text.find("{") + 1
        try:
            while at > 0:
                at = _after(text, at, " \t\r\n,")
                if text.startswith("}", at):
                    self.whole = at == len(text) - 1
                    return
                key, at = decoder.raw_decode(text, at)
                value, at = decoder.raw_decode(text, _after(text, at, " \t\r\n:"))
                self.n += 1
                yield str(key), value
        except (ValueError, RecursionError):
            return


def entries_of(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the entries of a JSON object up to where it breaks off, and whether it is whole.

    Parameters
    ----------
    data : bytes
        As of `Entries`.
    """
    entries = Entries(data)
    return dict(entries), entries.whole


def _after(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
