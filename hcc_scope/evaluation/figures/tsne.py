"""The last hidden layer per fold as t-SNE (Fig. 2 f-j of the paper), coloured by class, animal and day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.figures.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    RASTERISE_ABOVE,
    house,
    natural,
    page,
    say,
)
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["MOST_FOLDS", "Cloud", "draw_tsne"]

MOST_FOLDS = 6
"""More would be too small on one page."""
_COOL = ("#0072b2", "#56b4e9", "#009e73", "#332288")
_WARM = ("#d55e00", "#e69f00", "#cc79a7", "#882255")
_MOST_NAMES = 10
_MARK: Any = {"s": 6.0, "linewidths": 0.0, "alpha": 0.75}


@dataclass(frozen=True, slots=True)
class Cloud:
    """The tiles of one fold in two dimensions."""

    fold: int
    """0, 1, ..."""
    points: NDArray[np.float32] | str
    """(n, 2), or a sentence why there are none."""
    labels: NDArray[np.int64]
    """(n,) 0 low, 1 high."""
    animals: tuple[str, ...]
    days: tuple[str, ...]


def draw_tsne(clouds: Sequence[Cloud], title: str, *, note: str, synthetic: bool) -> Figure:
    """Draw one column per fold and one row each for class, animal and day.

    Parameters
    ----------
    clouds : sequence of Cloud
        The first `MOST_FOLDS` are drawn.
    title : str
        Which protocol this is.
    note : str
        By what rule the tiles were sampled.
    synthetic : bool
        Whether the images are no tissue.
    """
    shown = clouds[:MOST_FOLDS]
    if len(clouds) > len(shown):
        note = f"The first {len(shown)} of {len(clouds)} folds. {note}"
    class_of = {a: int(k) for cloud in shown for a, k in zip(cloud.animals, cloud.labels, strict=True)}
    days = sorted({day for cloud in shown for day in cloud.days})
    rows = {
        "class": _looks_of_classes(),
        "animal": _looks_of_animals(class_of),
        "day": _looks_of_days(days),
    }
    points = sum(len(cloud.labels) for cloud in shown)
    with house():
        figure = page(title, 5.0, note=note, synthetic=synthetic)
        grid = figure.subplots(3, max(1, len(shown)), squeeze=False)
        for row, (what, looks) in zip(grid, rows.items(), strict=True):
            for axes, cloud in zip(row, shown, strict=False):
                values = {"class": [CLASSES[k] for k in cloud.labels], "animal": cloud.animals, "day": cloud.days}[what]
                _panel(axes, cloud, values, looks, rasterised=points > RASTERISE_ABOVE)
            row[0].set_ylabel(f"by {what}")
            _legend(row[-1], looks, "of " + counted(len(looks), what) if what != "class" else "")
        for axes, cloud in zip(grid[0], shown, strict=False):
            axes.set_title(f"fold {cloud.fold + 1}\nn = {counted(len(cloud.labels), 'tile')}", fontsize=7.0)
    return figure


def _panel(
    axes: Axes, cloud: Cloud, values: Sequence[str], looks: Mapping[str, tuple[str, str]], *, rasterised: bool
) -> None:
    if isinstance(cloud.points, str):
        say(axes, cloud.points, width=18)
        return
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("0.75")
    named = np.array(values)
    # in turns of a few tiles, so that no group lies on top of all others
    for turn in range(4):
        for value, (colour, marker) in looks.items():
            here = np.flatnonzero(named == value)[turn::4]
            if len(here):
                x, y = cloud.points[here].T
                axes.scatter(x, y, color=colour, marker=marker, rasterized=rasterised, **_MARK)
    axes.margins(0.06)
    axes.set_box_aspect(1)


def _legend(axes: Axes, looks: Mapping[str, tuple[str, str]], how_many: str) -> None:
    from matplotlib.lines import Line2D

    names = list(looks)
    if len(names) > _MOST_NAMES:  # some from everywhere
        names = [names[i] for i in np.linspace(0, len(names) - 1, _MOST_NAMES).astype(int)]
    handles = [
        Line2D([], [], color=looks[name][0], marker=looks[name][1], linestyle="", markersize=4.0, label=name)
        for name in names
    ]
    if len(looks) > len(names):
        handles.append(Line2D([], [], linestyle="", label=f"... {how_many}"))
    axes.legend(
        handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5), handletextpad=0.1, borderaxespad=0.0,
        labelspacing=0.35,
    )  # fmt: skip


def _looks_of_classes() -> dict[str, tuple[str, str]]:
    return {name: (CLASS_COLOURS[k], CLASS_MARKERS[k]) for k, name in enumerate(CLASSES)}


def _looks_of_animals(class_of: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Return cool colours and circles for animals of the low class, warm ones and triangles for the high class."""
    looks: dict[str, tuple[str, str]] = {}
    for label, few, many in ((0, _COOL, "YlGnBu"), (1, _WARM, "YlOrRd")):
        names = sorted((name for name, k in class_of.items() if k == label), key=natural)
        colours = few if len(names) <= len(few) else _shades(many, len(names), first=0.3)
        looks.update({name: (colours[i], CLASS_MARKERS[label]) for i, name in enumerate(names)})
    return looks


def _looks_of_days(days: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return shades from early to late."""
    return {day: (colour, "o") for day, colour in zip(days, _shades("viridis", len(days), last=0.92), strict=True)}


def _shades(name: str, n: int, *, first: float = 0.0, last: float = 1.0) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[name](x)) for x in np.linspace(first, last, n)]
