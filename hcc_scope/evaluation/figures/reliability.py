"""Reliability curves: how often tiles with a given probability of *high* are high, before and after calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.figures.style import CLASS_COLOURS, DASHED, house, page, say
from hcc_scope.evaluation.metrics import ECE_BINS, reliability
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["draw_reliability"]


def draw_reliability(
    by_title: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.int64],
    *,
    note: str,
    synthetic: bool,
) -> Figure:
    """Draw one panel per set of probabilities, the number in each bin below it.

    Parameters
    ----------
    by_title : mapping
        Title of a panel to (n,) probabilities of *high*.
    labels : (n,)
        0 low, 1 high.
    note : str
        Which tiles these are, and where the temperature comes from.
    synthetic : bool
        Whether the images are no tissue.
    """
    full = f"{counted(len(labels), 'tile')}. ECE: {ECE_BINS} bins of equal width, weighted by their counts. {note}"
    with house():
        figure = page("Reliability of the probability of high", 4.3, note=full, synthetic=synthetic)
        axes = figure.subplots(2, len(by_title), squeeze=False, sharex=True, height_ratios=(4, 1))
        for (top, bottom), (title, probabilities) in zip(axes.T, by_title.items(), strict=True):
            if len(labels) == 0:
                say(top, "No tiles.")
                continue
            curve = reliability(probabilities, labels)
            mean, share = np.array(curve.mean_score), np.array(curve.share_high)
            top.set_title(f"{title}: ECE {curve.ece:.3f}")
            _curve(top, mean, share)
            # bins that are empty have no bar
            edges = np.array(curve.edges)
            place = np.clip(np.searchsorted(edges, mean, "right") - 1, 0, len(edges) - 2)
            width = {"width": np.diff(edges)[place], "align": "edge"}
            bottom.bar(edges[place], curve.n, color="0.7", edgecolor="white", linewidth=0.5, **width)
            bottom.set_xlabel("probability of high")
        axes[0, 0].set_ylabel("share that is high")
        axes[1, 0].set_ylabel("tiles")
        highest = max((one.get_ylim()[1] for one in axes[1]), default=1.0)
        for one in axes[1]:
            one.set_ylim(0, highest)
            one.locator_params(axis="y", nbins=3)
    return figure


def _curve(axes: Axes, mean: NDArray[np.float64], share: NDArray[np.float64]) -> None:
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=0.8, linestyle=DASHED, label="as it should be")
    axes.vlines(mean, mean, share, color="0.7", linewidth=0.8)
    axes.plot(mean, share, color=CLASS_COLOURS[0], marker="o", markersize=3.5, label="held-out tiles")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    axes.legend(loc="upper left")
