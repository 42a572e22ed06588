"""Decision curves: what acting on the verdict is worth, against acting on every animal and on none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.figures.style import CLASS_COLOURS, DASHED, house, page, say, sentence_page
from hcc_scope.evaluation.statement import BENEFIT_PREVALENCES, benefits
from hcc_scope.formatting import percent
from hcc_scope.validation_text import counts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hcc_scope.inference.card_evaluation import StatementRecord

__all__ = ["draw_benefit"]

_TITLE = "Net benefit of acting on the verdict"
_GRID = np.linspace(0.01, 0.95, 95)
_LOWEST = -0.25


def draw_benefit(record: StatementRecord | None, *, synthetic: bool) -> Figure:
    """Draw one panel per prevalence.

    Parameters
    ----------
    record : StatementRecord, optional
        None: not known; the page then states it.
    synthetic : bool
        Whether the images are no tissue.
    """
    if record is None or not counts_of(record).of_both_classes:
        return sentence_page(_TITLE, "Not known (n = 0): no animal of one class was predicted.", synthetic=synthetic)
    counts = counts_of(record)
    note = (
        f"From {counts.high_right} of {counts.high} high and {counts.low_right} of {counts.low} low unseen animals on "
        "the right side. Per animal: true positives less false ones at the odds of the threshold probability, from "
        "which someone would act. Bands: 95 %, from exact intervals of sensitivity and specificity. It supposes that "
        "both hold at the prevalence shown, and that acting means the same for all."
    )
    with house():
        figure = page(_TITLE, 3.2, note=note, synthetic=synthetic)
        panels = figure.subplots(1, len(BENEFIT_PREVALENCES), sharey=True)
        for axes, prevalence in zip(panels, BENEFIT_PREVALENCES, strict=True):
            axes.set_title(f"prevalence {percent(prevalence)}, n = {counts.high + counts.low}")
            _panel(axes, record, prevalence)
        panels[0].set_ylabel("net benefit per animal")
        panels[0].legend(loc="upper right")
    return figure


def _panel(axes: Axes, record: StatementRecord, prevalence: float) -> None:
    rows = benefits(record, prevalence, _GRID.tolist())
    if not rows:
        say(axes, "Not known.")
        return
    of_all, verdict, low, high = (
        np.array([getattr(row, name) for row in rows]) for name in ("of_all", "of_verdict", "low", "high")
    )
    axes.axhline(0.0, color="0.3", linewidth=0.9, label="act on none")
    axes.plot(_GRID, of_all, color="0.5", linestyle=DASHED, linewidth=0.9, label="act on all")
    axes.fill_between(_GRID, low, high, color=CLASS_COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(_GRID, verdict, color=CLASS_COLOURS[0], label="act on 'high'")
    axes.set(xlim=(0, 1), ylim=(_LOWEST, 0.85), xlabel="threshold probability")
