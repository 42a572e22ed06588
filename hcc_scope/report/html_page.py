"""A report as one self-contained HTML page: no script, no font, no external picture.

Its looks are in ``templates/report.html.j2``, which escapes every value. The page's own policy also keeps a browser
from running or loading anything, whatever is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.report.logo import logo_svg
from hcc_scope.templates import environment
from hcc_scope.theme_colours import css_variables

if TYPE_CHECKING:
    from hcc_scope.report.document import Document

__all__ = ["html_page"]


def html_page(document: Document) -> bytes:
    """Return the page in UTF-8; half of a surrogate pair, which JSON can hold and UTF-8 cannot, shows as its code."""
    text = (
        environment("hcc_scope.report")
        .get_template("report.html.j2")
        .render(document=document, colours=css_variables(), logo=logo_svg(in_page=True))
    )
    return text.encode(errors="backslashreplace")
