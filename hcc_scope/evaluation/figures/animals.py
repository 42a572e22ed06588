"""Scores of single animals: their sections as points, their means, and the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.figures.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    DASHED,
    PROTOCOL_WORDS,
    house,
    natural,
    page,
    say,
)
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hcc_scope.evaluation.aggregation import Scored

__all__ = ["draw_animals"]

_LABELS_UPTO = 24
"""More names would not be legible under one panel."""
_JITTER = 0.18


def draw_animals(
    sections: Mapping[str, Scored], *, threshold: float, synthetic: bool, note: str | None = None
) -> Figure:
    """Draw one panel per protocol, the animals in the same order in all of them.

    Parameters
    ----------
    sections : mapping
        Protocol to the scores of all sections.
    threshold : float
        Of the section's score.
    synthetic : bool
        Whether the images are no tissue.
    note : str, optional
        Who scored them, and where the threshold comes from; by default, of the folds of an evaluation.
    """
    if note is None:
        note = (
            f"Points: sections, by networks that were not trained on their images; bars: mean of an animal's sections. "
            f"Threshold {threshold:.3f}, chosen on the sections of the folds by animal."
        )
    with house():
        figure = page("Scores of single animals", 3.4, note=note, synthetic=synthetic)
        panels = figure.subplots(1, max(1, len(sections)), squeeze=False, sharey=True)[0]
        for axes, (protocol, scores) in zip(panels, sections.items(), strict=False):
            animals = len(np.unique(scores.animals))
            axes.set_title(
                f"{PROTOCOL_WORDS.get(protocol, protocol)}\n"
                f"n = {counted(len(scores), 'section')} of {counted(animals, 'animal')}"
            )
            _panel(axes, scores, threshold)
        panels[0].set_ylabel("mean tile probability of high")
    return figure


def _panel(axes: Axes, scores: Scored, threshold: float) -> None:
    if not len(scores):
        say(axes, "No sections.")
        return
    found = set(zip(scores.labels.tolist(), scores.animals.tolist(), strict=True))
    columns = sorted(found, key=lambda one: (one[0], natural(scores.animal_ids[one[1]])))
    names = [scores.animal_ids[animal] for _, animal in columns]
    axes.axhline(threshold, color="0.3", linestyle=DASHED, linewidth=0.9, label=f"threshold {threshold:.2f}")
    shown: set[int] = set()
    for place, (label, animal) in enumerate(columns):
        values = scores.scores[(scores.labels == label) & (scores.animals == animal)]
        # spread by rank, so that the same scores are drawn the same way
        shift = np.zeros(len(values)) if len(values) == 1 else np.linspace(-_JITTER, _JITTER, len(values))
        colour = CLASS_COLOURS[label]
        axes.scatter(
            place + shift[np.argsort(np.argsort(values, kind="stable"), kind="stable")], values, s=11,
            marker=CLASS_MARKERS[label], facecolors="none", edgecolors=colour, linewidths=0.8,
            label=None if label in shown else CLASSES[label],
        )  # fmt: skip
        shown.add(label)
        axes.plot((place - 0.32, place + 0.32), (values.mean(), values.mean()), color=colour, linewidth=2.2)
    axes.set(ylim=(-0.03, 1.03), xlim=(-0.6, len(names) - 0.4))
    if len(names) <= _LABELS_UPTO:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} animals, by class and name")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.99), handletextpad=0.3)
