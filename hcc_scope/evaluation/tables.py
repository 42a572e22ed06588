"""Table 1 in the paper's layout: its own numbers, ours by its protocol, and ours by animal, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.evaluation import published
from hcc_scope.evaluation.intervals import BY_ANIMAL
from hcc_scope.evaluation.tile_features import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from hcc_scope.evaluation.aggregation import TableLevel
    from hcc_scope.evaluation.analysis import Analysis, PairedProtocol, ProtocolFigures
    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.metrics import Figures

__all__ = [
    "MEASURES",
    "Table1",
    "figure_rows",
    "format_estimate",
    "format_signed",
    "level_rows",
    "rich_table",
    "table_1",
]

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


_OF: dict[PairedProtocol, str] = {"paper": "paper's protocol", "by_animal": "by animal", "by_site": "by site"}


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
    protocols = tuple(analysis.protocols.values())
    # of the baselines the AUC alone: the table is wide enough
    baselines = [(name, which) for name in analysis.baselines for which in analysis.protocols]
    shown: list[tuple[ProtocolFigures, Measure]] = [(p, name) for p in protocols for name in MEASURES]
    shown += [(analysis.baselines[name].protocols[which], "auc") for name, which in baselines]
    columns: list[Sequence[float | None]] = [
        *(
            tuple(values)
            for values in (published.SPECIFICITY, published.SENSITIVITY, published.ACCURACY, published.AUC)
        ),
        *(tuple(p.of_fold(fold, level, name) for fold in p.folds) for p, name in shown),
    ]
    n_rows = max(len(column) for column in columns)
    rows = [
        (f"fold {i + 1}", *(_cell(column[i]) if i < len(column) else "" for column in columns)) for i in range(n_rows)
    ]
    means = [_mean(protocol, level, name) for protocol, name in shown]
    rows.append(("mean", *(_cell(mean) for mean in (*published.MEANS, *means))))
    blank = ("",) * len(MEASURES)
    of_all = [getattr(protocol.pooled[level], name) for protocol, name in shown]
    rows.append(("95 %", *blank, *(_ends(estimate) for estimate in of_all)))
    rows.append(("n", *blank, *("" if estimate is None else f"{estimate.n:,}" for estimate in of_all)))
    if analysis.result.starts > 1:
        rows.append(("SD of starts", *blank, *(_cell(None if e is None else e.sd_of_starts) for e in of_all)))
    return Table1(
        title=_TITLES[level],
        columns=(
            *(
                (group, _SHORT[name])
                for group in (published.SOURCE, *(_OF[p.protocol] for p in protocols))
                for name in MEASURES
            ),
            *((name, f"AUC, {_OF[which]}") for name, which in baselines),
        ),
        rows=tuple(rows),
        notes=(
            "High is positive; a tile or image counts as high from a probability of 0.5. The paper's numbers are of "
            "tissue that is not public, ours of the data named here: compare the two protocols, not the first group.",
            "The mean of the paper's AUCs is computed here; the paper does not print it.",
            "Grey, histogram and texture: logistic regressions on a few numbers of the same tiles, in the same folds.",
            "Mean: of the folds; AUC: the share of pairs that are won, of all pairs within folds together. 95 %: the "
            f"interval over animals{' and, of the network, random starts' if analysis.result.starts > 1 else ''}. n: "
            "what a figure is of.",
            _footnote(protocols, level),
        ),
    )


def _mean(protocol: ProtocolFigures, level: TableLevel, name: Measure) -> float | None:
    """Return what the row of means has: the AUC from pairs within folds, and else the mean over folds."""
    auc = protocol.pooled[level].auc
    if name == "auc":
        return None if auc is None else auc.value
    return protocol.fold_mean(level, name)


def _ends(estimate: Estimate | None) -> str:
    """Return an interval, with its coverage where that is less than nominal."""
    if estimate is None or estimate.interval is None:
        return ""
    low, high = estimate.interval.pair
    return f"{low:.2f}-{high:.2f}{_coverage(estimate)}"


def _coverage(estimate: Estimate) -> str:
    covered = None if estimate.interval is None else estimate.interval.coverage
    return "" if covered is None else f" (covers {covered:.0%} at worst)"


def _footnote(found: Sequence[ProtocolFigures], level: TableLevel) -> str:
    """Return the pooled AUCs, and which are in the row of means for want of pairs within folds."""
    pooled = ", ".join(f"{_cell(p.pooled[level].auc_pooled) or 'not defined'} {_BY[p.protocol]}" for p in found)
    words = f"Of all pairs, those of different networks too, the AUC is {pooled}: their scales need not be the same."
    across = [_BY[p.protocol] for p in found if not p.pooled[level].auc_within_folds]
    if across:
        words += f" There are no other pairs {' and '.join(across)}, so that one is in the row of means."
    return words


_BY = {"paper": "by the paper's protocol", "by_animal": "by animal", "by_site": "by site"}


def rich_table(table: Table1, *, baselines: bool = False) -> Table:
    """Return the table for a terminal: the columns of the paper and the network, or those of the baselines."""
    from rich.table import Table as RichTable

    title = "Baselines on the same tiles and folds" if baselines else table.title
    chosen = [0, *(i for i, (group, _) in enumerate(table.columns, 1) if (group in BASELINES) is baselines)]
    shown = RichTable(title=title, title_justify="left")
    shown.add_column("")
    before = ""
    for group, name in (table.columns[i - 1] for i in chosen[1:]):
        shown.add_column(f"{'' if group == before else group}\n{name}", justify="right", overflow="fold")
        before = group
    for row in table.rows:
        shown.add_row(*(row[i] for i in chosen), style="bold" if row[0] == "mean" else None)
    return shown


def format_estimate(estimate: Estimate | None, digits: int = 2) -> str:
    """Return a figure with its interval, as a person reads it: ``0.85 [0.61, 0.96], SD 0.03``.

    SD is that over random starts. How often the interval contains the truth follows where that is less than 95 %.
    """
    if estimate is None:
        return "not defined"
    words = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return words
    mark = {
        BY_ANIMAL: "",
        "clopper-pearson": " exact",
        "wilson": " Wilson",
        "jackknife by animal": " jackknife",
    }
    low, high = estimate.interval.pair
    words += f" [{low:.{digits}f}, {high:.{digits}f}]{mark[estimate.interval.method]}"
    if estimate.sd_of_starts is not None:
        words += f", SD {estimate.sd_of_starts:.{digits}f}"
    return words + _coverage(estimate)


def format_signed(estimate: Estimate | None, digits: int = 3) -> str:
    """Return a difference with its interval, as a person reads it."""
    if estimate is None:
        return "not defined"
    words = f"{estimate.value:+.{digits}f}"
    if estimate.interval is None:
        return words
    low, high = estimate.interval.pair
    return f"{words} [{low:+.{digits}f}, {high:+.{digits}f}]{_coverage(estimate)}"


def level_rows(protocol: ProtocolFigures) -> list[tuple[str, ...]]:
    """Return one row per level: level, n, animals, AUC, sensitivity, specificity, accuracy, Brier, ECE, threshold."""
    return figure_rows(protocol.pooled)


def figure_rows(pooled: Mapping[TableLevel, Figures]) -> list[tuple[str, ...]]:
    """Return the same of figures by level."""
    return [_level_row(_WHICH[level], figures) for level, figures in pooled.items()]


def _level_row(level: str, figures: Figures) -> tuple[str, ...]:
    return (
        level,
        str(figures.n),
        str(figures.n_animals),
        format_estimate(figures.auc) + ("" if figures.auc is None or figures.auc_within_folds else " *"),
        format_estimate(figures.sensitivity),
        format_estimate(figures.specificity),
        format_estimate(figures.accuracy),
        format_estimate(figures.brier, 3),
        f"{figures.ece:.3f}",
        f"{figures.threshold:.4f}",
    )
