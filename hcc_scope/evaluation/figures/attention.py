"""The tiles to which gated attention gives the most and the least weight, for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.figures.style import CLASS_COLOURS, house, page, say, write

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.evaluation.bag_analysis import BagAnalysis

__all__ = ["draw_attention"]

_SHOWN = 6
"""Tiles in a row."""
_TITLE = "Gated attention, by animal: the held-out tiles that count most and least in their section"


def draw_attention(analysis: BagAnalysis, folder: Path) -> list[Path]:
    """Draw, of each class, the tiles with the largest and smallest share in their section.

    Parameters
    ----------
    analysis : BagAnalysis
    folder : Path

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    found = _shares(analysis)
    rows = [
        (label, words, chosen)
        for label in range(len(CLASSES))
        for words, chosen in (
            ("most", _first(sorted((one for one in found if one[1] == label), key=_largest_first), analysis)),
            ("least", _first(sorted(one for one in found if one[1] == label), analysis)),
        )
    ]
    shown = sorted({row for _, _, chosen in rows for _, _, row in chosen})
    pixels = dict(zip(shown, analysis.tiles.reader.read(shown), strict=True)) if shown else {}
    low, high = np.percentile(np.stack(list(pixels.values())), (0.5, 99.5)) if shown else (0.0, 1.0)
    note = (
        "Above each tile its share in its section, times an equal share, a mean over the starts; at most one tile of "
        "an image in a row. One grey scale for all. Attention shows what the head rests on; that may be a shortcut."
    )
    with house():
        figure = page(_TITLE, 5.6, note=note, synthetic=analysis.data.synthetic is not None)
        if not shown:
            say(figure.add_subplot(), "No section has two tiles, so none can count more than another.", width=60)
            return write(figure, folder, "attention")
        panels = figure.subplots(len(rows), _SHOWN, squeeze=False)
        for axes, (label, words, chosen) in zip(panels, rows, strict=True):
            axes[0].set_ylabel(f"{CLASSES[label]}\n{words}", color=CLASS_COLOURS[label])
            for place, panel in enumerate(axes):
                panel.set_xticks([])
                panel.set_yticks([])
                if place >= len(chosen):
                    panel.spines[:].set_visible(False)
                    continue
                share, _, row = chosen[place]
                image = analysis.tiles.images[int(analysis.tiles.image_index[row])]
                panel.imshow(pixels[row], cmap="gray", vmin=low, vmax=high, interpolation="antialiased")
                panel.set_title(f"x {share:.2f}\n{image.animal_id} {image.section_id}", fontsize=6.0)
    return write(figure, folder, "attention")


def _shares(analysis: BagAnalysis) -> list[tuple[float, int, int]]:
    """Return share times number of tiles, label and row of every held-out tile by animal that is not alone."""
    return [
        (float(fold.weights[place]) * len(bag.places), bag.label, int(fold.rows[place]))
        for fold in analysis.folds["gated-attention"]
        if fold.split.protocol == "by_animal"
        for bag in fold.bags
        if len(bag.places) > 1
        for place in bag.places.tolist()
    ]


def _largest_first(one: tuple[float, int, int]) -> tuple[float, int]:
    return -one[0], one[2]


def _first(ordered: list[tuple[float, int, int]], analysis: BagAnalysis) -> list[tuple[float, int, int]]:
    """Return the first few, at most one of an image."""
    chosen: dict[int, tuple[float, int, int]] = {}
    for one in ordered:
        chosen.setdefault(int(analysis.tiles.image_index[one[2]]), one)
        if len(chosen) == _SHOWN:
            break
    return list(chosen.values())
