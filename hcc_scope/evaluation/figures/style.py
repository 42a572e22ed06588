"""One look for all figures of an evaluation, the notices that each of them carries, and how they are written.

A page is as wide as two columns of a journal. Colours are distinguishable without colour vision, and wherever they
carry meaning, markers, line styles or words carry it too. The same arrays give the same bytes.
"""

from __future__ import annotations

import re
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hcc_scope.atomic_file import replacing
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

__all__ = [
    "CLASS_COLOURS",
    "CLASS_MARKERS",
    "DASHED",
    "FOLD_COLOURS",
    "FOLD_LINES",
    "PHANTOM",
    "PROTOCOL_COLOURS",
    "PROTOCOL_WORDS",
    "RASTERISE_ABOVE",
    "RESEARCH_USE_ONLY",
    "house",
    "natural",
    "page",
    "say",
    "sentence_page",
    "write",
]

PHANTOM = "Phantom: synthetic images, no tissue."

CLASS_COLOURS = ("#2166ac", "#b2182b")
"""Low, high: both ends of the colour-blind-safe RdBu map."""
CLASS_MARKERS = ("o", "^")
PROTOCOL_COLOURS = {"paper": "#e08214", "by_animal": "#053061", "by_site": "#1b7837", "permuted": "#7f7f7f"}
PROTOCOL_WORDS = {
    "paper": "paper: folds over images",
    "by_animal": "by animal: no animal on both sides",
    "by_site": "by site: no site on both sides",
    "permuted": "control: classes of animals permuted",
}
FOLD_COLOURS = ("#4477aa", "#ee6677", "#228833", "#bb9900", "#aa3377", "#33bbcc")
FOLD_LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
DASHED = (0, (4, 3))
RASTERISE_ABOVE = 2000
"""Points of a scatter, beyond which an SVG holds them as a picture."""

_WIDTH_IN = 7.2
_KINDS = (("png", 220), ("svg", 150))
"""Formats, and dots per inch of what is a picture in them."""
_SMALL_PT = 6.5
_FOOTER_CHARS, _TITLE_CHARS = 150, 108
_LOOK: Any = {
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8.0,
    "figure.titlesize": 9.0,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8.0,
    "legend.fontsize": _SMALL_PT,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "hcc-scope",
    "text.parse_math": False,  # ids of animals may hold a $
    "xtick.labelsize": 7.0,
    "xtick.major.width": 0.7,
    "ytick.labelsize": 7.0,
    "ytick.major.width": 0.7,
}


@contextmanager
def house() -> Iterator[None]:
    """Draw in the house style, whatever the user's own settings of matplotlib are; they are put back at the end."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_LOOK)
        yield


def page(title: str, height_in: float, *, note: str, synthetic: bool, width_in: float = _WIDTH_IN) -> Figure:
    """Return an empty page with its title above, and the note and the notices below.

    Parameters
    ----------
    title : str
        What the figure shows, in a few words.
    height_in : float
        In inches.
    note : str
        What a reader has to know: how many, by what rule.
    synthetic : bool
        Whether the images are no tissue; the page then states it.
    width_in : float
        In inches.
    """
    engine = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(width_in, height_in), layout=engine)
    FigureCanvasAgg(figure)
    share = width_in / _WIDTH_IN
    notices = f"{RESEARCH_USE_ONLY} {PHANTOM}" if synthetic else RESEARCH_USE_ONLY
    lines = [*textwrap.wrap(note, int(_FOOTER_CHARS * share)), notices]
    heading = textwrap.fill(title, int(_TITLE_CHARS * share))
    figure.suptitle(heading, fontweight="bold")
    figure.text(
        0.06 / width_in, 0.06 / height_in, "\n".join(lines), fontsize=_SMALL_PT, color="0.25", va="bottom", ha="left"
    )
    bottom = (0.14 + 1.25 * _SMALL_PT / 72 * len(lines)) / height_in
    engine.set(rect=(0.0, bottom, 1.0, 1.0 - bottom))
    return figure


def say(axes: Axes, sentence: str, *, width: int = 34) -> None:
    """Put a sentence where a plot would be."""
    # the ticks themselves may be shared with a panel that has a plot
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("0.8")
    axes.text(
        0.5, 0.5, textwrap.fill(sentence, width), transform=axes.transAxes, ha="center", va="center", fontsize=7.0,
        color="0.35",
    )  # fmt: skip


def sentence_page(title: str, sentence: str, *, synthetic: bool) -> Figure:
    """Return a page that holds a sentence in place of a figure."""
    with house():
        figure = page(title, 2.0, note="", synthetic=synthetic)
        say(figure.add_subplot(), sentence, width=90)
    return figure


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``m2`` before ``m10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def write(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as ``<name>.png`` and ``<name>.svg``, complete or not at all; older ones are replaced.

    Raises
    ------
    DiskFullError, StoreUnwritableError, StoreError
        If the folder cannot be written.
    """
    paths = []
    if figure.get_layout_engine() is not None:
        # Laid out once: doing it again for the second file would move everything by a hair. With "none" in place of
        # None a placeholder would stay, and savefig would draw all of a figure twice for its sake.
        with house():
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, dpi in _KINDS:
            path = folder / f"{name}.{kind}"
            with replacing(path, shared=True) as partial, house():
                figure.savefig(partial, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
            paths.append(path)
    except OSError as error:
        raise explain(error, f"the figure {folder / name} cannot be written") from error
    return paths
