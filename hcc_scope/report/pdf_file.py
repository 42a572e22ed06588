"""A report as a PDF file, set by Typst: the door to it.

``templates/report.typ`` lays out the parts of a document, which it takes as data: no text of a report is markup there.
Nothing is read but that template and fonts, and nothing is fetched. Fonts are DejaVu Sans, which comes with matplotlib,
and those of the computer for letters that it lacks.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.printable import printable
from hcc_scope.report.document import Drawing, Figures
from hcc_scope.report.drawings import HATCHING
from hcc_scope.report.logo import logo_svg
from hcc_scope.templates import environment
from hcc_scope.theme_colours import colours
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.report.document import Block, Document, Figure

__all__ = ["pdf_file"]

_TEMPLATE = Path(__file__).parent / "templates" / "report.typ"
_FONT = "DejaVu Sans"
_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")
_JOINERS = {0x200C: None, 0x200D: None}
"""Invisible; Typst 0.15 fails on one after a mark on a letter that its font lacks."""
_LONG = re.compile(r"[^\s\u200b]{25,}")
"""A word that may be longer than its line or its column."""
_PIECE = re.compile(r"[!-~]{8}(?=[!-~])|[^\u200b]{64}(?=[^\u200b])")
"""Behind it a long word may be broken: between letters that take no part in a neighbour's shape, if there are such."""


def pdf_file(document: Document) -> bytes:
    """Return the PDF of a document, on sheets of A4; the same document gives the same bytes.

    Blocks of a document that are for the page alone are left out, and the PDF states it. Where Typst fails on the
    letters of a rare script, those that are not Latin are shown as their codes.
    """
    found = attempt(lambda: _set(document, _shown))
    if not isinstance(found, Failure):
        return found
    if isinstance(found.error, KeyboardInterrupt):
        raise found.error
    return _set(document, lambda text: _shown(text).encode("latin-1", "backslashreplace").decode("latin-1"))


def _set(document: Document, shown: Callable[[str], str]) -> bytes:
    import typst

    found: bytes = typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=[_fonts_folder()],
        sys_inputs={"document": json.dumps(_data(document, shown))},
        format="pdf",
        timestamp=document.made_utc.replace(microsecond=0),
    )
    return found


def _fonts_folder() -> Path:
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _data(document: Document, shown: Callable[[str], str]) -> dict[str, Any]:
    return {
        "title": shown(document.title),
        "subtitle": shown(document.subtitle),
        "research_use": shown(document.research_use),
        "not_on_paper": shown(document.not_on_paper),
        "colours": asdict(colours("light")),
        "logo": logo_svg(),
        "blocks": [_block(block, shown) for block in document.blocks],
    }


def _block(block: Block, shown: Callable[[str], str]) -> dict[str, Any]:
    """Return a block as the template takes it."""
    if isinstance(block, Drawing):
        return {"kind": block.kind, "svg": _standalone(block.svg)}
    if isinstance(block, Figures):
        figures = [{"caption": shown(one.caption), "svg": _figure_svg(one)} for one in block.figures]
        return {"kind": block.kind, "columns": block.columns, "figures": figures}
    values = {name: _shown_deep(value, shown) for name, value in asdict(block).items() if name != "links"}
    return {"kind": block.kind, **values}


def _shown_deep(value: Any, shown: Callable[[str], str]) -> Any:  # noqa: ANN401 - whatever a block holds
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list | tuple | frozenset):
        return [_shown_deep(one, shown) for one in value]
    return value


def _shown(text: str) -> str:
    """Return a text without what shows nothing, and with places to break in long words."""
    return _LONG.sub(
        lambda word: _PIECE.sub(lambda piece: f"{piece[0]}\u200b", word[0]), printable(text).translate(_JOINERS)
    )


# ---- drawings -------------------------------------------------------------------------------------------------------


@cache
def _style() -> str:
    """Return the style sheet of drawings in the colours of paper; Typst knows no variables."""
    found = environment("hcc_scope.report").get_template("drawings.css.j2").render()
    values = {name.replace("_", "-"): value for name, value in asdict(colours("light")).items()}
    return _VARIABLE.sub(lambda name: values[name[1]], found).replace("system-ui, sans-serif", f"'{_FONT}'")


def _standalone(svg: str) -> str:
    """Return a drawing of a page as one that needs no page."""
    beginning, rest = svg.split(">", 1)
    begun = beginning.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    pattern = HATCHING if "hatched" in rest and HATCHING not in rest else ""
    return f"{begun}><style>{_style()}</style>{pattern}{rest}"


def _figure_svg(figure: Figure) -> str:
    if figure.svg:
        return _standalone(figure.svg)
    width, height = figure.size_px
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image href="{escape(figure.picture)}" width="{width}" height="{height}"/></svg>'
    )
