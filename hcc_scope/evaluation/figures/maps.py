"""Saliency maps (Fig. 3 of the paper), and how they change when the weights are randomised."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from hcc_scope.evaluation.figures.style import DASHED, FOLD_COLOURS, FOLD_LINES, house, page, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hcc_scope.training.sanity import SanityCheck

__all__ = ["ExplainedTile", "draw_saliency", "draw_sanity"]

_MAP_COLOURS = "magma"
_CLIP_PERCENTILE = 99.5
"""Gradients have long tails: a few pixels would leave the rest black."""
_OVERLAY_SIGMA_PX = 4.0
_BAR_UM = 50.0


@dataclass(frozen=True, slots=True)
class ExplainedTile:
    """A tile, its map, and why it was chosen."""

    words: str
    """Class, rule, probability, animal; several lines."""
    name: str
    """The same in one short line, for a legend."""
    image: NDArray[np.uint16]
    """(h, w) raw counts."""
    map: NDArray[np.float32]
    """(h, w) as `hcc_scope.inference.saliency` gives it."""


def draw_saliency(tiles: Sequence[ExplainedTile], *, pixel_size_um: float, smooth: int, synthetic: bool) -> Figure:
    """Draw one row per tile: image, map, map over image.

    Parameters
    ----------
    tiles : sequence of ExplainedTile
    pixel_size_um : float
        For the scale bar.
    smooth : int
        Noisy copies behind each map; 0 for the plain gradient.
    synthetic : bool
        Whether the images are no tissue.
    """
    how = f"SmoothGrad of {smooth} noisy cop{'y' if smooth == 1 else 'ies'}" if smooth else "plain gradient"
    note = (
        f"Magnitude of the gradient of the log-odds with respect to the counts ({how}), of a network that had not "
        f"seen the animal; brightest from the map's {_CLIP_PERCENTILE} % quantile on. Overlay: the map smoothed with a "
        f"Gaussian of {_OVERLAY_SIGMA_PX:.0f} px. n = {len(tiles)}, chosen by rule. A map shows where the answer is "
        "sensitive, not why; see the check with random weights."
    )
    with house():
        figure = page("Saliency of held-out tiles", 1.85 * max(1, len(tiles)) + 0.9, note=note, synthetic=synthetic)
        if not tiles:
            say(figure.add_subplot(), "No tiles to explain.", width=90)
            return figure
        grid = figure.subplots(len(tiles), 4, squeeze=False, width_ratios=(0.62, 1, 1, 1))
        for row, tile in zip(grid, tiles, strict=True):
            row[0].set_axis_off()
            row[0].text(0.0, 0.5, tile.words, transform=row[0].transAxes, fontsize=7.0, va="center", ha="left")
            _three(row[1:], tile, pixel_size_um)
        for axes, title in zip(grid[0, 1:], ("image", "map", "overlay"), strict=True):
            axes.set_title(title)
    return figure


def _three(axes: Sequence[Axes], tile: ExplainedTile, pixel_size_um: float) -> None:
    from matplotlib import colormaps

    low, high = np.percentile(tile.image, (0.5, 99.8))
    grey = np.clip((tile.image.astype(np.float32) - low) / max(high - low, 1.0), 0, 1)
    heat = _unit(tile.map)
    smoothed = _unit(gaussian_filter(tile.map, _OVERLAY_SIGMA_PX))[..., None]
    tinted = (1 - 0.75 * smoothed) * grey[..., None] + 0.75 * smoothed * colormaps["inferno"](smoothed[..., 0])[..., :3]
    axes[0].imshow(grey, cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(heat, cmap=_MAP_COLOURS, vmin=0, vmax=1)
    axes[2].imshow(np.clip(tinted, 0, 1))
    for one in axes:
        one.set_axis_off()
    height, width = tile.image.shape
    length = _BAR_UM / pixel_size_um
    if length < 0.7 * width:
        left, y = 0.05 * width, 0.93 * height
        for colour, thick in (("black", 3.4), ("white", 2.0)):
            axes[0].plot((left, left + length), (y, y), color=colour, linewidth=thick, solid_capstyle="butt")
        axes[0].text(
            left, y - 0.03 * height, f"{_BAR_UM:.0f} um", color="white", fontsize=6.0, va="bottom",
            bbox={"facecolor": "black", "alpha": 0.45, "linewidth": 0, "pad": 0.8},
        )  # fmt: skip


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a map from 0 to 1, 1 at its high quantile; zeros stay zeros."""
    top = float(np.percentile(values, _CLIP_PERCENTILE))
    if top <= 0:
        top = float(values.max()) or 1.0
    return np.asarray(np.clip(values / top, 0, 1), np.float32)


def draw_sanity(checks: Sequence[SanityCheck], names: Sequence[str], verdict: str, *, synthetic: bool) -> Figure:
    """Draw the first tile's map after each step, and the rank correlation of every tile's map with the original.

    Parameters
    ----------
    checks : sequence of SanityCheck
        One per tile, all with the same steps.
    names : sequence of str
        What the legend calls each tile.
    verdict : str
        A sentence: whether the maps depend on the weights.
    synthetic : bool
        Whether the images are no tissue.
    """
    note = (
        "Weights are drawn anew from the output layer back to the first, as before training; each step keeps those "
        "before it (Adebayo et al. 2018). Edges: rank correlation of the original maps with the image's edges (Sobel), "
        "which know no weights: the range over the tiles. Chance: an original map against itself, shifted."
    )
    title = "Do the saliency maps depend on the weights?"
    with house():
        figure = page(title, 4.6, note=note, synthetic=synthetic)
        if not checks:
            say(figure.add_subplot(), "No tiles to check.", width=90)
            return figure
        steps = checks[0].steps
        grid = figure.add_gridspec(2, len(steps), height_ratios=(1.0, 2.1))
        for k, (step, values) in enumerate(zip(steps, checks[0].maps, strict=True)):
            axes = figure.add_subplot(grid[0, k])
            axes.imshow(_unit(values), cmap=_MAP_COLOURS, vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(textwrap.fill(step, 12), fontsize=6.5)
        axes = figure.add_subplot(grid[1, :])
        _correlations(axes, checks, names)
        axes.set_title(textwrap.fill(verdict, 92), loc="left")
        axes.set_xticks(range(len(steps)), [textwrap.fill(step, 12) for step in steps])
    return figure


def _correlations(axes: Axes, checks: Sequence[SanityCheck], names: Sequence[str]) -> None:
    edges = [check.edges for check in checks]
    chance = np.concatenate([check.chance for check in checks])
    axes.axhspan(chance.min(), chance.max(), color="0.85", linewidth=0, label="chance")
    axes.axhspan(
        min(edges) - 0.004, max(edges) + 0.004, facecolor=("#e69f00", 0.35), linewidth=0, label="edges of the image"
    )
    x = np.arange(len(checks[0].steps))
    for k, (check, name) in enumerate(zip(checks, names, strict=True)):
        k %= len(FOLD_COLOURS)
        axes.plot(
            x,
            check.correlations,
            marker="o",
            markersize=3,
            linewidth=1.0,
            label=name,
            color=FOLD_COLOURS[k],
            linestyle=FOLD_LINES[k],
        )
    axes.axhline(0, color="0.6", linewidth=0.8, linestyle=DASHED)
    lowest = min(float(chance.min()), min(edges), *(float(check.correlations.min()) for check in checks))
    axes.set(xlim=(-0.3, len(x) - 0.7), ylim=(min(-0.1, lowest - 0.05), 1.05))
    axes.set_ylabel("rank correlation with the\nmap of the trained network")
    axes.set_xlabel("weights drawn anew, up to and including")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
