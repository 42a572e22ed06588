"""AUCs of the protocols at all levels: how much better the paper's looks than folds that share no animal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.figures.style import DASHED, PROTOCOL_COLOURS, PROTOCOL_WORDS, house, page, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from hcc_scope.evaluation.intervals import Estimate

__all__ = ["LevelAuc", "draw_leakage"]

_MARKERS = {"paper": "s", "by_animal": "o", "by_site": "^", "permuted": "D"}


@dataclass(frozen=True, slots=True)
class LevelAuc:
    """The area under the ROC curve of a protocol at a level; of ``permuted`` a mean over labellings."""

    protocol: str
    level: str
    auc: Estimate | None
    """None with one class."""
    n: int
    """How many tiles, images, sections or animals."""
    folds: tuple[float, ...] = ()
    """AUC of the single folds that have both classes."""


def draw_leakage(
    aucs: Sequence[LevelAuc],
    gaps: Mapping[str, Estimate],
    *,
    interval_note: str,
    synthetic: bool,
) -> Figure:
    """Draw the protocols side by side, level by level, and their difference below.

    Parameters
    ----------
    aucs : sequence of LevelAuc
        Levels are drawn in the order in which they come.
    gaps : mapping
        Level to the AUC of the paper's protocol less that of folds by animal, and its interval.
    interval_note : str
        What the intervals are, or that there are none.
    synthetic : bool
        Whether the images are no tissue.
    """
    levels = list(dict.fromkeys(one.level for one in aucs))
    protocols = list(dict.fromkeys(one.protocol for one in aucs))
    note = (
        f"AUC of pairs within folds; where a score is of several networks, of all pairs. {interval_note} Small points: "
        "single folds with both classes. Below: paper minus by animal."
    )
    with house():
        figure = page("AUC by protocol and level", 3.7, note=note, synthetic=synthetic)
        axes = figure.add_subplot()
        if not any(one.auc is not None for one in aucs):
            say(axes, "No AUC is defined: every protocol has one class only.", width=90)
            return figure
        axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle=DASHED)
        axes.text(-0.48, 0.51, "chance", color="0.45", fontsize=6.5, ha="left", va="bottom")
        floor = 0.5
        for protocol, shift in zip(protocols, _shifts(len(protocols)), strict=True):
            colour = PROTOCOL_COLOURS.get(protocol, "0.5")
            name = PROTOCOL_WORDS.get(protocol, protocol)
            for one in (one for one in aucs if one.protocol == protocol):
                x = levels.index(one.level) + shift
                if one.auc is None:
                    axes.text(x, 0.52, "one class", rotation=90, fontsize=6.0, color=colour, ha="center", va="bottom")
                    continue
                if one.folds:
                    beside = np.full(len(one.folds), x - 0.07)
                    axes.scatter(beside, one.folds, s=6, color=colour, alpha=0.45, linewidths=0)
                value, ends = one.auc.value, () if one.auc.interval is None else one.auc.interval.pair
                if ends:
                    axes.vlines(x, *ends, color=colour, linewidth=1.4)
                axes.plot(x, value, _MARKERS.get(protocol, "v"), color=colour, markersize=5.5, label=name)
                axes.text(x + 0.045, value, f"{value:.2f}", fontsize=6.5, color=colour, ha="left", va="center")
                name = "_"  # once in the legend
                floor = min(floor, value, *one.folds, *ends)
        axes.set_xticks(range(len(levels)), [_format_level(level, aucs, gaps.get(level)) for level in levels])
        axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(max(-0.02, floor - 0.06), 1.04))
        axes.set_ylabel("AUC")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(protocols))
    return figure


def _shifts(n: int) -> list[float]:
    return [0.26 * (i - (n - 1) / 2) for i in range(n)]


def _format_level(level: str, aucs: Sequence[LevelAuc], gap: Estimate | None) -> str:
    """Return the level, how many there are, and the difference."""
    counts = sorted({one.n for one in aucs if one.level == level and one.protocol != "permuted"})
    words = f"{level}\nn = {' / '.join(f'{n:,}' for n in counts)}"
    if gap is None:
        return words
    ends = "" if gap.interval is None else f" [{gap.interval.low:+.2f}, {gap.interval.high:+.2f}]"
    return f"{words}\ndifference {gap.value:+.2f}{ends}"
