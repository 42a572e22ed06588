"""Texts made from template files: the pages and Markdown files that the program writes.

A template lies in the ``templates/`` folder of the package that uses it. Its name ends in the kind of file that it
makes and ``.j2``: ``section.html.j2`` makes an HTML page, whose values are escaped; ``card.md.j2`` makes Markdown,
whose values go in as they are. A name that a template uses and the caller does not give is an error.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment"]


@cache
def environment(package: str) -> Environment:
    """Return the environment that loads a package's templates.

    Parameters
    ----------
    package : str
        Dotted name of the package with the ``templates/`` folder, such as ``hcc_scope.report``.
    """
    # imported here: most commands write no page
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
