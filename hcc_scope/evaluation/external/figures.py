"""The figures of an external validation: ROC, single animals, reliability, and the drift of the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from hcc_scope.evaluation.aggregation import LEVELS
from hcc_scope.evaluation.figures.animals import draw_animals
from hcc_scope.evaluation.figures.gather import both_classes
from hcc_scope.evaluation.figures.reliability import draw_reliability
from hcc_scope.evaluation.figures.roc import roc_points
from hcc_scope.evaluation.figures.style import (
    CLASS_COLOURS,
    DASHED,
    FOLD_COLOURS,
    FOLD_LINES,
    house,
    page,
    say,
    write,
)
from hcc_scope.evaluation.input_summary import WELCH
from hcc_scope.evaluation.tables import format_estimate
from hcc_scope.formatting import counted
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from hcc_scope.evaluation.external.analysis import ExternalAnalysis
    from hcc_scope.progress import OnProgress

__all__ = ["draw_external"]

_TITLE = "finished model, new animals"


def draw_external(analysis: ExternalAnalysis, folder: Path, *, on_progress: OnProgress) -> list[Path]:
    """Draw every figure into a folder, each as PNG and SVG.

    Raises
    ------
    StoreUnwritableError
        If the folder cannot be written.
    """
    plan: list[tuple[str, Callable[[ExternalAnalysis], Figure]]] = [
        ("roc", _roc),
        ("animals", _animals),
        ("reliability", _reliability),
        ("drift", _drift),
    ]
    paths: list[Path] = []
    for done, (name, draw) in enumerate(plan):
        on_progress(Progress("figures", done, len(plan), name))
        paths += write(draw(analysis), folder, name)
    on_progress(Progress("figures", len(plan), len(plan), ""))
    return paths


def _synthetic(analysis: ExternalAnalysis) -> bool:
    return analysis.result.data.synthetic is not None


def _roc(analysis: ExternalAnalysis) -> Figure:
    card = analysis.result.card
    note = (
        f"The model {card.name} on animals that it was not trained on; brackets: 95 % intervals over animals. As in "
        "use, without tiles that are unlike its training's."
    )
    with house():
        figure = page("ROC of a finished model on new animals", 3.6, note=note, synthetic=_synthetic(analysis))
        axes = figure.add_subplot()
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
        axes.plot((0, 1), (0, 1), color="0.75", linewidth=0.8, linestyle=DASHED)
        for place, level in enumerate(LEVELS):
            values = analysis.scored[level]
            if not both_classes(values.labels):
                continue
            label = f"{counted(len(values), level)}: AUC {format_estimate(analysis.levels[level].auc)}"
            colour, line = FOLD_COLOURS[place], FOLD_LINES[place]
            axes.plot(*roc_points(values.ranks, values.labels), color=colour, linestyle=line, label=label)
        axes.legend(loc="lower right", handlelength=2.6)
    return figure


def _animals(analysis: ExternalAnalysis) -> Figure:
    threshold = analysis.result.card.decision_threshold
    return draw_animals(
        {_TITLE: analysis.scored["section"]},
        threshold=threshold,
        synthetic=_synthetic(analysis),
        note=f"Points: sections; bars: mean of an animal's sections. Threshold {threshold:.3f}, the model's own.",
    )


def _reliability(analysis: ExternalAnalysis) -> Figure:
    tile, calibration = analysis.scored["tile"], analysis.tile_calibration
    panels = {f"as the model is (T = {analysis.result.card.temperature:.3f})": tile.scores}
    if calibration.temperature is not None:
        title = f"with the temperature that fits them (T = {calibration.temperature:.3f})"
        panels[title] = np.asarray(expit(tile.ranks / calibration.temperature))
    return draw_reliability(
        panels,
        tile.labels,
        note="Tiles of new animals. The right panel is what these animals would fit: it is optimistic, and not in use.",
        synthetic=_synthetic(analysis),
    )


def _drift(analysis: ExternalAnalysis) -> Figure:
    found, title = analysis.drift.differences, "Difference of the inputs from those of the training"
    note = f"Lines: 95 % intervals ({WELCH}), for all numbers at once. Both classes count alike."
    with house():
        figure = page(title, 1.4 + 0.22 * max(len(found), 3), note=note, synthetic=_synthetic(analysis))
        axes = figure.add_subplot()
        if not found:
            say(axes, "The model's card does not state what its training tiles look like.", width=60)
            return figure
        for place, one in enumerate(reversed(found)):
            colour = CLASS_COLOURS[1] if one.shifted else CLASS_COLOURS[0]
            if one.difference.interval is not None:
                axes.plot(one.difference.interval.pair, (place, place), color=colour, linewidth=1.2)
            axes.plot([one.difference.value], [place], color=colour, marker="D" if one.shifted else "o", markersize=4)
        axes.axvline(0.0, color="0.5", linewidth=0.8, linestyle=DASHED)
        axes.set_yticks(range(len(found)), [one.name for one in reversed(found)])
        axes.set_xlabel("standard deviations of a training tile (diamonds: more than animals differ by chance)")
    return figure
