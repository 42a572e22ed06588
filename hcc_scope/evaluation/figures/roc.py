"""ROC curves per fold with their mean (Fig. 2 a-e of the paper), both protocols side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.evaluation.auc import within_fold_auc
from hcc_scope.evaluation.figures.gather import both_classes
from hcc_scope.evaluation.figures.style import (
    DASHED,
    FOLD_COLOURS,
    FOLD_LINES,
    PROTOCOL_WORDS,
    house,
    page,
    say,
)
from hcc_scope.formatting import counted
from hcc_scope.training.metrics import roc_auc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Scored

__all__ = ["draw_roc", "roc_points"]

_GRID = np.linspace(0.0, 1.0, 201)


def roc_points(
    ranks: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (k,) false and (k,) true positive rates, from the strictest threshold to the laxest.

    Ties are one step, so that the area under the line counts them half.
    """
    order = np.argsort(-ranks, kind="stable")
    ranked, positive = ranks[order], labels[order] == 1
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # the last of each run of ties
    true = np.cumsum(positive)[last] / positive.sum()
    false = np.cumsum(~positive)[last] / (~positive).sum()
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


def draw_roc(by_level: Mapping[str, Mapping[str, Sequence[Scored]]], *, synthetic: bool) -> Figure:
    """Draw one row of panels per level, one column per protocol.

    Parameters
    ----------
    by_level : mapping
        Level, such as ``tile``, to protocol to the scores of its folds in order.
    synthetic : bool
        Whether the images are no tissue.
    """
    rows = len(by_level)
    columns = max(1, max(len(by_protocol) for by_protocol in by_level.values()))
    note = (
        "Thin: folds, each on what its network was not trained on. Thick: mean of the folds that have both classes; "
        "band: one standard deviation over them, which is no confidence interval. Image: mean of its tiles."
    )
    with house():
        figure = page("ROC of held-out data, per fold", 3.4 * rows + 0.5, note=note, synthetic=synthetic)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for row, (level, by_protocol) in zip(axes, by_level.items(), strict=True):
            for one, (protocol, folds) in zip(row, by_protocol.items(), strict=False):
                n = sum(len(fold) for fold in folds)
                animals = len({animal for fold in folds for animal in fold.animals.tolist()})
                one.set_title(
                    f"{PROTOCOL_WORDS.get(protocol, protocol)}\nn = {counted(n, level)} of {counted(animals, 'animal')}"
                )
                _panel(one, folds)
        for one in axes[-1]:
            one.set_xlabel("1 - specificity")
        for one in axes[:, 0]:
            one.set_ylabel("sensitivity")
    return figure


def _panel(axes: Axes, folds: Sequence[Scored]) -> None:
    defined = [(k, fold) for k, fold in enumerate(folds) if both_classes(fold.labels)]
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    if not defined:
        _pooled(axes, folds)
        return
    axes.plot((0, 1), (0, 1), color="0.75", linewidth=0.8, linestyle=DASHED)
    areas = np.array([roc_auc(fold.ranks, fold.labels) for _, fold in defined], dtype=np.float64)
    many = len(folds) > len(FOLD_COLOURS)
    curves = []
    for place, (k, fold) in enumerate(defined):
        false, true = roc_points(fold.ranks, fold.labels)
        curve = np.interp(_GRID, false, true)
        curve[0] = 0.0
        curves.append(curve)
        if many:
            label = f"{len(defined)} folds: AUC {areas.min():.2f} to {areas.max():.2f}" if place == 0 else None
            axes.plot(false, true, color=FOLD_COLOURS[0], alpha=0.45, linewidth=0.8, label=label)
        else:
            axes.plot(
                false,
                true,
                linewidth=0.9,
                label=f"fold {k + 1}: AUC {areas[place]:.2f}",
                color=FOLD_COLOURS[k],
                linestyle=FOLD_LINES[k],
            )
    if len(curves) > 1:
        mean, spread = np.mean(curves, axis=0), np.std(curves, axis=0, ddof=1)
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axes.fill_between(_GRID, low, high, color="0.5", alpha=0.22, linewidth=0)
        within = within_fold_auc(*(np.concatenate(parts) for parts in _columns(folds)))
        label = f"pairs within folds: AUC {within:.2f}\nmean curve; s.d. of folds {areas.std(ddof=1):.2f}"
        axes.plot(_GRID, mean, color="black", linewidth=1.8, label=label)
    if missing := len(folds) - len(defined):
        axes.plot([], [], " ", label=f"{counted(missing, 'fold')} with one class: no curve")
    axes.legend(loc="lower right", handlelength=2.6)


def _columns(folds: Sequence[Scored]) -> tuple[list[NDArray[Any]], list[NDArray[Any]], list[NDArray[Any]]]:
    """Return the ranks, labels and folds of all scores."""
    return [f.ranks for f in folds], [f.labels for f in folds], [np.full(len(f), k) for k, f in enumerate(folds)]


def _pooled(axes: Axes, folds: Sequence[Scored]) -> None:
    """Draw one curve over all folds, as where every fold is one animal: it compares answers of different networks."""
    ranks, labels = np.concatenate([fold.ranks for fold in folds]), np.concatenate([fold.labels for fold in folds])
    if not both_classes(labels):
        say(axes, "No curve: all that was held out is of one class.")
        return
    axes.plot((0, 1), (0, 1), color="0.75", linewidth=0.8, linestyle=DASHED)
    label = f"all folds pooled: AUC {roc_auc(ranks, labels):.2f}\n(each fold has one class: no curves of their own)"
    axes.plot(*roc_points(ranks, labels), color="black", linewidth=1.8, label=label)
    axes.legend(loc="lower right", handlelength=2.6)
