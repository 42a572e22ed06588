"""The pattern in which a user states where animal, section and day stand in the paths of images.

``{animal}/{section}/*`` or ``{animal}_{section}_{day}_*.tif``: fields in braces, ``*`` for anything within a name,
``**`` for any folders, and text that stands there as it is. A field holds no ``/`` and not the character that follows
it in the pattern; after a ``*``, not the one before it either. Nothing is guessed: a path that does not match is an
error, and so is one that matches with other values in another way.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from hcc_scope.errors import UsageError

__all__ = ["FIELDS", "IdPattern"]

FIELDS = ("animal", "section", "day", "site", "batch")
"""What a pattern may find."""
_PARTS = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<folders>\*\*/?)|(?P<any>\*)|(?P<text>[^{}*]+)|(?P<odd>[{}])")
_EXAMPLE = "Write it like '{animal}/{section}/*' or '{animal}_{section}_{day}_*.tif'."

_Kind = Literal["text", "field", "any", "folders"]
_Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Part:
    kind: _Kind
    text: str
    """Of a field: its name."""
    without: str = ""
    """Characters that a field does not hold: where it ends must be clear."""


@dataclass(frozen=True)
class IdPattern:
    """A pattern that was understood."""

    text: str
    parts: tuple[_Part, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """What it finds."""
        return tuple(part.text for part in self.parts if part.kind == "field")

    @classmethod
    def parse(cls, text: str) -> IdPattern:
        r"""Return the pattern in a text.

        Raises
        ------
        UsageError
            If it has no field, an unknown one, one twice, or one whose end is not clear.

        Examples
        --------
        >>> IdPattern.parse("{animal}/{section}_*.tif").values("M7/S1_004.tif")
        {'animal': 'M7', 'section': 'S1'}
        """
        found: list[tuple[_Kind, str]] = []
        for part in _PARTS.finditer(text.replace("\\", "/")):
            kind = part.lastgroup or ""
            if kind == "odd":
                raise UsageError(f"The pattern '{text}' has a brace without its other half", hint=_EXAMPLE)
            found.append((kind, part[kind]))  # type: ignore[arg-type]
        names = [name for kind, name in found if kind == "field"]
        if unknown := [name for name in names if name not in FIELDS]:
            raise UsageError(
                f"The pattern '{text}' has a field {{{unknown[0]}}}", hint=f"Fields are {', '.join(FIELDS)}."
            )
        if not names:
            raise UsageError(f"The pattern '{text}' has no field such as {{animal}}", hint=_EXAMPLE)
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"The pattern '{text}' has {{{twice[0]}}} twice", hint="Keep one of them.")
        parts: list[_Part] = []
        for n, (kind, value) in enumerate(found):
            if kind != "field":
                parts.append(_Part(kind, value))
                continue
            before = found[n - 1] if n else ("text", "/")
            after = found[n + 1] if n + 1 < len(found) else ("text", "")
            if not _parts_from(before, -1) or not _parts_from(after, 0):
                raise UsageError(
                    f"The pattern '{text}' has nothing between {{{value}}} and its neighbour",
                    hint="Where a field ends must be clear: put a character between them, such as '_' or '/'.",
                )
            after_any = n > 1 and found[n - 2][0] == "any"
            parts.append(_Part("field", value, after[1][:1] + (before[1][-1:] if after_any else "")))
        return cls(text, tuple(parts))

    def values(self, path: str) -> dict[str, str] | None:
        """Return what the fields are in a path, relative to its folder and with ``/`` between names; None: no match.

        Raises
        ------
        ValueError
            If it matches in several ways, with other values. The message names them.
        """
        found = _match(self.parts, path)
        if len(found) > 1:
            first, other = dict(found[0]), dict(found[1])
            name = next(name for name in first if first[name] != other[name])
            raise ValueError(f"{name} may be {first[name]!r} or {other[name]!r}")
        return dict(found[0]) if found else None


def _parts_from(neighbour: tuple[_Kind, str], side: int) -> bool:
    """Return whether a field ends where this begins or ends: at text, or at the slash after any folders."""
    kind, value = neighbour
    return kind == "text" or (kind == "folders" and side == -1 and value.endswith("/"))


def _match(parts: tuple[_Part, ...], path: str) -> list[_Values]:
    """Return in which ways a path matches: none, one, or the first two."""

    @functools.cache
    def rest(n: int, at: int) -> tuple[_Values, ...]:
        if n == len(parts):
            return ((),) if at == len(path) else ()
        part = parts[n]
        ways: list[_Values] = []
        for end in _ends(part, path, at):
            here: _Values = ((part.text, path[at:end]),) if part.kind == "field" else ()
            ways += [way for tail in rest(n + 1, end) if (way := (*here, *tail)) not in ways]
            if len(ways) > 1:
                break
        return tuple(ways[:2])

    return list(rest(0, 0))


def _ends(part: _Part, path: str, at: int) -> list[int]:
    """Return where a part that begins at a character may end."""
    if part.kind == "text":
        return [at + len(part.text)] if path.startswith(part.text, at) else []
    if part.kind == "folders":
        return [at, *(n + 1 for n in range(at, len(path)) if path[n] == "/")]
    stop = {"/", *part.without}
    end = at
    while end < len(path) and path[end] not in stop:
        end += 1
    return list(range(at, end + 1)) if part.kind == "any" else list(range(at + 1, end + 1))
