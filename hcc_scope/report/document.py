"""A report as its parts in order: page and PDF show the same document, each with a template of its own.

A document holds text as it was typed. Each template escapes it, or takes it as data: see `hcc_scope.report.html_page`
and `hcc_scope.report.pdf_file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["Block", "Document", "Drawing", "Figure", "Figures", "Heading", "Paragraph", "Table"]

ParagraphLook = Literal["plain", "quiet", "warn", "alarm", "score"]


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of what follows."""

    kind: ClassVar[str] = "heading"
    text: str
    level: Literal[2, 3] = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One sentence, or some that belong together."""

    kind: ClassVar[str] = "paragraph"
    text: str
    look: ParagraphLook = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under the names of their columns."""

    kind: ClassVar[str] = "table"
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    """As long as `heads`, each."""
    widths: Sequence[float] = (1.0, 2.0)
    """Of the columns on paper, relative to each other."""
    struck: frozenset[int] = frozenset()
    """Rows that do not count: crossed out, but for their last column, which gives the reason."""
    links: Mapping[int, str] = field(default_factory=dict)
    """Where the first column of a row leads, as a relative address; on the page alone."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Vector graphics as wide as the page (`hcc_scope.report.svg.drawing`)."""

    kind: ClassVar[str] = "drawing"
    svg: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing or a picture with a caption; one of both is given."""

    caption: str
    svg: str = ""
    picture: str = ""
    """The address of the picture, which holds the picture itself (``data:``)."""
    size_px: tuple[int, int] = (1, 1)
    """Width, height of the picture."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures beside each other."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]
    columns: int = 2


Block = Heading | Paragraph | Table | Drawing | Figures


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    subtitle: str
    research_use: str
    """On each page."""
    blocks: Sequence[Block]
    made_utc: datetime
    page_only: Sequence[Block] = ()
    """Further blocks that paper does not have, for their length; `not_on_paper` states that they are left out."""
    not_on_paper: str = ""
