"""Table 1 in the paper's layout: its own numbers, ours by its protocol, and ours by animal, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.evaluation import published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from hcc_scope.evaluation.aggregation import TableLevel
    from hcc_scope.evaluation.analysis import Analysis, PairedProtocol, ProtocolFigures
    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.metrics import Figures

__all__ = ["MEASURES", "Table1", "format_estimate", "format_signed", "level_rows", "rich_table", "table_1"]

Measure = Literal["specificity", "sensitivity", "accuracy", "auc"]
MEASURES: tuple[Measure, ...] = ("specificity", "sensitivity", "accuracy", "auc")
"""In the paper's order."""
_SHORT = {"specificity": "spec", "sensitivity": "sens", "accuracy": "acc", "auc": "AUC"}


@dataclass(frozen=True, slots=True)
class Table1:
    """Cells of the table, as text."""

    title: str
    columns: tuple[tuple[str, str], ...]
    """Group and name of each column; those of one group are neighbours."""
    rows: tuple[tuple[str, ...], ...]
    """Name of the row, then the cells of all groups."""
    notes: tuple[str, ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of all columns."""
        return ("", *(f"{group}: {name}" for group, name in self.columns))


_OF: dict[PairedProtocol, str] = {"paper": "paper's protocol", "by_animal": "by animal"}


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


_WHICH: dict[TableLevel, str] = {
    "tile_all": "tile (all)",
    "tile": "tile",
    "image": "image",
    "section": "section",
    "animal": "animal",
}
_TITLES = {
    "tile_all": "Table 1, all tiles, as in the paper",
    "tile": "Table 1, tiles that are like the training's, as in use",
    "image": "Table 1, images, as in use",
}


def table_1(analysis: Analysis, level: Literal["tile_all", "tile", "image"] = "tile_all") -> Table1:
    """Return specificity, sensitivity, accuracy and AUC per fold, and their means.

    Parameters
    ----------
    analysis : Analysis
    level : 'tile_all', 'tile' or 'image'
        All tiles that were tested, as in the paper; or, as in use, without those that are unlike the training's.
    """
    paper, animal = analysis.protocols["paper"], analysis.protocols["by_animal"]
    # of the baselines the AUC alone: the table is wide enough
    baselines = [(name, which) for name in analysis.baselines for which in _OF]
    shown: list[tuple[ProtocolFigures, Measure]] = [(p, name) for p in (paper, animal) for name in MEASURES]
    shown += [(analysis.baselines[name].protocols[which], "auc") for name, which in baselines]
    columns: list[Sequence[float | None]] = [
        *(
            tuple(values)
            for values in (published.SPECIFICITY, published.SENSITIVITY, published.ACCURACY, published.AUC)
        ),
        *(tuple(p.of_fold(fold, level, name) for fold in p.folds) for p, name in shown),
    ]
    means = [*published.MEANS, *(p.fold_mean(level, name) for p, name in shown)]
    n_rows = max(len(column) for column in columns)
    rows = [
        (f"fold {i + 1}", *(_cell(column[i]) if i < len(column) else "" for column in columns)) for i in range(n_rows)
    ]
    rows.append(("mean", *(_cell(mean) for mean in means)))
    pooled = [getattr(p.pooled[level], name) for p, name in shown]
    rows.append(("pooled", "", "", "", "", *(_cell(None if e is None else e.value) for e in pooled)))
    return Table1(
        title=_TITLES[level],
        columns=(
            *((group, _SHORT[name]) for group in (published.SOURCE, *_OF.values()) for name in MEASURES),
            *((name, f"AUC, {_OF[which]}") for name, which in baselines),
        ),
        rows=tuple(rows),
        notes=(
            "High is positive; a tile or image counts as high from a probability of 0.5. The paper's numbers are of "
            "tissue that is not public, ours of the data named here: compare the two protocols, not the first group.",
            "The mean of the paper's AUCs is computed here; the paper does not print it.",
            "Grey, histogram and texture: logistic regressions on a few numbers of the same tiles, in the same folds.",
            "Pooled: over the held-out predictions of all folds together, that is of different networks.",
        ),
    )


def rich_table(table: Table1) -> Table:
    """Return the table for a terminal."""
    from rich.table import Table as RichTable

    shown = RichTable(title=table.title, title_justify="left")
    shown.add_column("")
    before = ""
    for group, name in table.columns:
        shown.add_column(f"{'' if group == before else group}\n{name}", justify="right")
        before = group
    for row in table.rows:
        shown.add_row(*row, style="bold" if row[0] == "mean" else None)
    return shown


def format_estimate(estimate: Estimate | None, digits: int = 2) -> str:
    """Return a figure with its interval, as a person reads it."""
    if estimate is None:
        return "not defined"
    words = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return words
    mark = {
        "cluster bootstrap by animal": "",
        "clopper-pearson": " exact",
        "wilson": " Wilson",
        "hoeffding bound": " bound",
    }
    low, high = estimate.interval.pair
    return f"{words} [{low:.{digits}f}, {high:.{digits}f}]{mark[estimate.interval.method]}"


def format_signed(estimate: Estimate | None, digits: int = 3) -> str:
    """Return a difference with its interval, as a person reads it."""
    if estimate is None:
        return "not defined"
    words = f"{estimate.value:+.{digits}f}"
    if estimate.interval is None:
        return words
    return f"{words} [{estimate.interval.low:+.{digits}f}, {estimate.interval.high:+.{digits}f}]"


def level_rows(protocol: ProtocolFigures) -> list[tuple[str, ...]]:
    """Return one row per level: level, n, AUC, sensitivity, specificity, accuracy, Brier, ECE, threshold."""
    return [_level_row(_WHICH[level], figures) for level, figures in protocol.pooled.items()]


def _level_row(level: str, figures: Figures) -> tuple[str, ...]:
    return (
        level,
        str(figures.n),
        format_estimate(figures.auc),
        format_estimate(figures.sensitivity),
        format_estimate(figures.specificity),
        format_estimate(figures.accuracy),
        format_estimate(figures.brier, 3),
        f"{figures.ece:.3f}",
        f"{figures.threshold:.4f}",
    )
