"""Histograms of scores by class, and how many sections fall on each side of the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.figures.style import (
    CLASS_COLOURS,
    DASHED,
    PROTOCOL_WORDS,
    house,
    page,
    say,
)
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hcc_scope.evaluation.aggregation import Scored

__all__ = ["draw_histograms"]

_BINS = np.linspace(0.0, 1.0, 26)
_HATCHES = ("", "////")


def draw_histograms(
    tiles: Mapping[str, Scored], sections: Mapping[str, Scored], *, threshold: float, synthetic: bool
) -> Figure:
    """Draw one column per protocol: tiles above, the confusion of its sections below.

    Parameters
    ----------
    tiles, sections : mapping
        Protocol to the scores of all tiles, of all sections.
    threshold : float
        Of the section's score.
    synthetic : bool
        Whether the images are no tissue.
    """
    columns = max(1, len(tiles))
    note = f"Below: sections on either side of the threshold {threshold:.3f}, which was chosen on the folds by animal."
    with house():
        figure = page("Scores of held-out tiles and sections", 4.9, note=note, synthetic=synthetic)
        axes = figure.subplots(2, columns, squeeze=False, height_ratios=(1.15, 1.0), sharey="row")
        for (top, bottom), protocol in zip(axes.T, tiles, strict=False):
            top.set_title(f"{PROTOCOL_WORDS.get(protocol, protocol)}\nn = {counted(len(tiles[protocol]), 'tile')}")
            _spread(top, tiles[protocol])
            _confusion(bottom, sections[protocol], threshold)
        axes[0, 0].set_ylim(0, 1.3 * max((one.dataLim.ymax for one in axes[0]), default=1.0))
        axes[0, 0].set_ylabel("share of the class's tiles")
    return figure


def _spread(axes: Axes, scores: Scored) -> None:
    if not len(scores):
        say(axes, "No tiles.")
        return
    for label, name in enumerate(CLASSES):
        values = scores.scores[scores.labels == label]
        if not len(values):
            continue
        counts = np.histogram(values, _BINS)[0] / len(values)
        axes.stairs(
            counts, _BINS, fill=True, facecolor=(CLASS_COLOURS[label], 0.25), edgecolor=CLASS_COLOURS[label],
            hatch=_HATCHES[label], linewidth=1.0, label=f"{name}: {counted(len(values), 'tile')}",
        )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability of high, per tile")
    axes.legend(loc="upper center")


def _confusion(axes: Axes, scores: Scored, threshold: float) -> None:
    if not len(scores):
        say(axes, "No sections.")
        return
    called = (scores.scores >= threshold).astype(np.int64)
    table = np.zeros((2, 2), np.int64)
    np.add.at(table, (scores.labels, called), 1)
    totals = table.sum(axis=1, keepdims=True)
    shares = table / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1.4, aspect="auto")
    for (truth, call), n in np.ndenumerate(table):
        share = f"\n{shares[truth, call]:.0%}" if totals[truth, 0] else ""
        axes.text(
            call,
            truth,
            f"{n}{share}",
            ha="center",
            va="center",
            color="white" if shares[truth, call] > 0.7 else "black",
        )
    axes.set_xticks((0, 1), [f"called {name}" for name in CLASSES])
    axes.set_yticks((0, 1), [f"is {name}" for name in CLASSES])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"n = {counted(len(scores), 'section')}")
    axes.axvline(0.5, color="0.4", linestyle=DASHED, linewidth=0.9)
