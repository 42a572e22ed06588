"""Text of unknown origin, made harmless to show."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, invisible ones (which can turn the direction of writing), halves of a pair, ends of lines."""
_HARMLESS = frozenset("\n\t\u200c\u200d")
"""Layout of our own, and the two joiners that scripts and emoji need."""


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that would command a terminal instead of being shown by it.

    Ids, names and notes come with stores and manifests that others have made.

    Examples
    --------
    >>> printable("M7\x1b[2J")
    'M7\\x1b[2J'
    """
    if text.isprintable():  # true of nothing dangerous
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in _DANGEROUS and c not in _HARMLESS
        else c
        for c in text
    )
