"""Text of unknown origin, made harmless to show."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["printable", "spreadsheet_text"]

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


_FORMULA = re.compile(r"""(^|[;,\t\r\n|"'])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20\t\r])""")
"""What makes a spreadsheet compute: a sign of a formula, also of full width, at the start of a cell. In a country whose
spreadsheets separate cells by another sign than the comma, a cell starts behind that sign."""
_SIGN = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")
"""Without one of them there is no formula: most cells have none, and lists have many."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def spreadsheet_text(text: str) -> str:
    r"""Return `text` as a cell of a CSV table that no spreadsheet takes for a formula; a number stays a number.

    An apostrophe before the sign of a formula makes it text.

    Examples
    --------
    >>> spreadsheet_text('=HYPERLINK("x")'), spreadsheet_text("-3.5"), spreadsheet_text("fold; =1+1")
    ('\'=HYPERLINK("x")', '-3.5', "fold;' =1+1")
    """
    if _SIGN.search(text) is None or _NUMBER.fullmatch(text):
        return text
    return _FORMULA.sub(r"\1'\2", text)
