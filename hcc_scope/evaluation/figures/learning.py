"""Learning curves: the loss on training and on held-out (test) tiles, of every start of every fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from hcc_scope.evaluation.figures.style import FOLD_COLOURS, PROTOCOL_WORDS, house, page, say
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hcc_scope.training.fit_result import Epoch

__all__ = ["draw_learning"]

_LOG_FROM = 20.0
"""Where the largest loss is so many times the smallest, a logarithmic axis shows both."""


def draw_learning(
    histories: Mapping[str, Sequence[Sequence[Sequence[Epoch]]]], *, loss_name: str, synthetic: bool
) -> Figure:
    """Draw one panel per protocol.

    Parameters
    ----------
    histories : mapping
        Protocol to the epochs of each start of each of its folds.
    loss_name : str
        What the loss is, for the axis.
    synthetic : bool
        Whether the images are no tissue.
    """
    starts = [start for protocol in histories.values() for fold in protocol for start in fold]
    span = _range([len(start) for start in starts if start])
    note = f"{span}Held-out: the fold's test tiles, recorded after some epochs; nothing was chosen by them."
    with house():
        figure = page("Learning curves, of every start of each fold", 3.1, note=note, synthetic=synthetic)
        panels = figure.subplots(1, max(1, len(histories)), squeeze=False, sharey=True)[0]
        values = [x for start in starts for epoch in start for x in (epoch.loss, epoch.held_out_loss) if x is not None]
        spread = bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_FROM
        for axes, (protocol, of_folds) in zip(panels, histories.items(), strict=False):
            axes.set_title(f"{PROTOCOL_WORDS.get(protocol, protocol)}\nn = {counted(len(of_folds), 'fold')}")
            _panel(axes, of_folds, log=spread)
        panels[0].set_ylabel(f"loss ({loss_name})")
    return figure


def _range(n_epochs: Sequence[int]) -> str:
    if not n_epochs:
        return ""
    low, high = min(n_epochs), max(n_epochs)
    return f"{counted(high, 'epoch') if low == high else f'{low} to {high} epochs'} per start. "


def _panel(axes: Axes, folds: Sequence[Sequence[Sequence[Epoch]]], *, log: bool) -> None:
    if not any(start for fold in folds for start in fold):
        say(axes, "No epochs were recorded.")
        return
    held_out = False
    few = len(folds) <= len(FOLD_COLOURS)
    for k, j, epochs in [(k, j, start) for k, fold in enumerate(folds) for j, start in enumerate(fold) if start]:
        colour = FOLD_COLOURS[k] if few else FOLD_COLOURS[0]
        mark: dict[str, Any] = {
            "color": colour,
            "alpha": 1.0 if few else 0.5,
            "marker": "o" if len(epochs) == 1 else None,
        }
        label = f"fold {k + 1}" if few and j == 0 else None
        axes.plot([epoch.epoch for epoch in epochs], [epoch.loss for epoch in epochs], label=label, **mark)
        known = [(epoch.epoch, epoch.held_out_loss) for epoch in epochs if epoch.held_out_loss is not None]
        if known:
            held_out = True
            axes.plot(*zip(*known, strict=True), linestyle=(0, (3, 2)), linewidth=0.9, **{**mark, "markersize": 3})
    axes.plot([], [], color="0.3", label="training tiles")
    if held_out:
        axes.plot([], [], color="0.3", linestyle=(0, (3, 2)), linewidth=0.9, label="held-out tiles")
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(ncols=2, loc="upper right")
