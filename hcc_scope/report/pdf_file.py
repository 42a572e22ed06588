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
from hcc_scope.report.document import Figures
from hcc_scope.report.drawings import HATCHING
from hcc_scope.report.logo import logo_svg
from hcc_scope.templates import environment
from hcc_scope.theme_colours import colours

if TYPE_CHECKING:
    from hcc_scope.report.document import Block, Document, Figure

__all__ = ["pdf_file"]

_TEMPLATE = Path(__file__).parent / "templates" / "report.typ"
_FONT = "DejaVu Sans"
_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")
_LONG = re.compile(r"[^\s\u200b]{64}(?=[^\s\u200b])")
"""What a line cannot be broken in; a sha256 fits into one."""


def pdf_file(document: Document) -> bytes:
    """Return the PDF of a document, on sheets of A4; the same document gives the same bytes.

    Blocks of a document that are for the page alone are left out, and the PDF states it.
    """
    import typst

    found: bytes = typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=[_fonts_folder()],
        sys_inputs={"document": json.dumps(_data(document))},
        format="pdf",
        timestamp=document.made_utc.replace(microsecond=0),
    )
    return found


def _fonts_folder() -> Path:
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _data(document: Document) -> dict[str, Any]:
    return {
        "title": _shown(document.title),
        "subtitle": _shown(document.subtitle),
        "research_use": _shown(document.research_use),
        "not_on_paper": _shown(document.not_on_paper),
        "colours": asdict(colours("light")),
        "logo": logo_svg(),
        "blocks": [_block(block) for block in document.blocks],
    }


def _block(block: Block) -> dict[str, Any]:
    """Return a block as the template takes it."""
    if block.kind == "drawing":
        return {"kind": "drawing", "svg": _standalone(block.svg)}  # type: ignore[union-attr]
    if isinstance(block, Figures):
        figures = [{"caption": _shown(one.caption), "svg": _figure_svg(one)} for one in block.figures]
        return {"kind": "figures", "columns": block.columns, "figures": figures}
    values = {name: _shown_deep(value) for name, value in asdict(block).items() if name != "links"}
    return {"kind": block.kind, **values}


def _shown_deep(value: Any) -> Any:  # noqa: ANN401 - whatever a block holds
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, list | tuple | frozenset):
        return [_shown_deep(one) for one in value]
    return value


def _shown(text: str) -> str:
    """Return a text without what shows nothing, and with a place to break after each 64 letters of one word."""
    return _LONG.sub(lambda found: found[0] + "\u200b", printable(text))


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
