"""Pages and texts for people, filled into template files (Jinja2).

A package keeps its templates in its folder ``templates``: ``*.html.j2``, in which Jinja2 escapes every value, and
``*.md.j2``, in which a value that a user has written passes through `markdown_text` (the filter ``text``).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from hcc_scope.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jinja2 import Environment

__all__ = ["environment", "markdown_table", "markdown_text"]

_MARKUP = re.compile(
    r"[\\`*\[\]<>~$]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|^(?:#|[+=-](?=[\s=-]|$)|\d+(?=[.)](?:\s|$)))"
)
"""What Markdown, or HTML within it, reads as more than text. A ``_`` inside a word is text."""


@cache
def environment(package: str) -> Environment:
    """Return the templates of a package, with a name that is missing as an error.

    Parameters
    ----------
    package : str
        Its full name, such as ``hcc_scope.report``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # not before a page is written

    found = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["text"] = markdown_text
    found.filters["number"] = format
    found.globals["table"] = markdown_table
    return found


def markdown_text(value: str) -> str:
    """Return a text as Markdown that shows its letters, on one line, whatever markup is in it."""
    return _MARKUP.sub(lambda found: _escape(found[0]), printable(" ".join(value.split("\n"))).strip())


def _escape(mark: str) -> str:
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, figures: bool = False) -> str:
    """Return a table as Markdown, without a newline at its end.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences of str
        Cells, as Markdown; a ``|`` in them is escaped here.
    figures : bool
        Align all columns but the first to the right.
    """
    rule = ["---"] + ["---:" if figures else "---"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in (header, rule, *rows))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
