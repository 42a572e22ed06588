"""Lines that reveal a flipped bit: JSON objects whose last key is the checksum of all before it.

::

    {"seq":0,"kind":"note","text":"","line_crc32":2774399211}
                                    ^ zlib.crc32 of the bytes up to here

Lines of earlier versions have no such key; whether a line may do without one is for its reader to decide.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LINE_CRC", "fields_of", "is_whole", "parse_object", "sealed_line"]

LINE_CRC = "line_crc32"
_SEAL = b',"%s":' % LINE_CRC.encode()
"""Inside a text, its quotes would be escaped: it can only stand between two keys."""


def sealed_line(fields: Mapping[str, object]) -> bytes:
    """Return `fields`, at least one, as a line with its checksum and its end. ASCII, so that no text breaks the line.

    Raises
    ------
    ValueError
        If JSON cannot hold a number.
    """
    body = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode("ascii")[:-1]
    return b"%s%s%d}\n" % (body, _SEAL, zlib.crc32(body))


def _opened(line: bytes) -> tuple[bytes, bool]:
    """Return a line's object without its checksum, and whether it had one; raises ValueError if that is wrong."""
    body, seal, rest = line.rpartition(_SEAL)
    if not seal:
        return line, False
    if rest != b"%d}" % zlib.crc32(body):
        raise ValueError("its checksum is wrong")
    return body + b"}", True


def fields_of(line: bytes) -> tuple[dict[str, Any], bool]:
    """Parse one line without its end.

    Returns
    -------
    dict
        Its fields, without the checksum.
    bool
        Whether it has a checksum, which is right.

    Raises
    ------
    ValueError
        If it is no object, names a key twice, holds what is not JSON, or its checksum is wrong.
    """
    text, sealed = _opened(line)
    return parse_object(text), sealed


def is_whole(line: bytes) -> bool:
    """Return whether a line has a checksum that is right; it is not parsed."""
    try:
        return _opened(line)[1]
    except ValueError:
        return False


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object strictly: no key twice, no NaN or infinity, no endless depth.

    Raises
    ------
    ValueError
        If it is none; the message is for a person.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno}: {error.msg})") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")  # noqa: TRY004 - one kind of error for one kind of damage
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"it has the key {twice[:60]!r} twice")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")
