"""Draw all figures of an evaluation and write them, each as PNG and SVG."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.aggregation import LEVELS
from hcc_scope.evaluation.figures.animals import draw_animals
from hcc_scope.evaluation.figures.benefit import draw_benefit
from hcc_scope.evaluation.figures.embedding import TooFewPointsError, embed
from hcc_scope.evaluation.figures.explain import Explanation, explain
from hcc_scope.evaluation.figures.gather import spread_over
from hcc_scope.evaluation.figures.histograms import draw_histograms
from hcc_scope.evaluation.figures.leakage import LevelAuc, draw_leakage
from hcc_scope.evaluation.figures.learning import draw_learning
from hcc_scope.evaluation.figures.maps import draw_saliency, draw_sanity
from hcc_scope.evaluation.figures.reliability import draw_reliability
from hcc_scope.evaluation.figures.roc import draw_roc
from hcc_scope.evaluation.figures.style import PROTOCOL_WORDS, sentence_page, write
from hcc_scope.evaluation.figures.tsne import MOST_FOLDS, Cloud, draw_tsne
from hcc_scope.evaluation.intervals import CONFIDENCE, Estimate
from hcc_scope.evaluation.recipe_words import LOSSES
from hcc_scope.progress import Progress
from hcc_scope.scoring import calibrate
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Level, Scored
    from hcc_scope.evaluation.analysis import Analysis, PairedProtocol
    from hcc_scope.evaluation.results import FoldResult
    from hcc_scope.progress import OnProgress

__all__ = ["TSNE_TILES", "draw_all"]

TSNE_TILES = 1000
"""Per fold, at most: t-SNE takes about 5 s for so many."""
_MOST_DRAWN = 60
"""Labellings, as points."""


def draw_all(
    analysis: Analysis, folder: Path, *, on_progress: OnProgress, smooth: int = 0, seed: int = 0
) -> list[Path]:
    """Draw every figure into a folder; figures that are there are replaced.

    What cannot be drawn (a fold with one class, too few tiles, a file that is gone) is a sentence on its page.

    Parameters
    ----------
    analysis : Analysis
    folder : Path
        Made if missing.
    on_progress : callable
        Takes a `Progress` before every figure, and one at the end.
    smooth : int
        Noisy copies per saliency map (SmoothGrad); 0 for the plain gradient.
    seed : int
        Of t-SNE, of the choice of its tiles, and of the weights that are drawn anew.

    Returns
    -------
    list of Path
        Two files per figure.

    Raises
    ------
    StoreUnwritableError
        If the folder cannot be written.
    """
    drawer = _Drawer(analysis, smooth, seed)
    plan: list[tuple[str, str, Callable[[], Figure]]] = [
        ("roc", "ROC of held-out data, per fold", drawer.roc),
        ("leakage", "AUC by protocol", drawer.leakage),
        ("animals", "Scores of single animals", drawer.animals),
        ("histograms", "Scores of held-out tiles and sections", drawer.histograms),
        ("reliability", "Reliability of the probability of high", drawer.reliability),
        ("net-benefit", "Net benefit of acting on the verdict", drawer.benefit),
        ("learning", "Learning curves, per fold", drawer.learning),
        *(
            (f"tsne-{protocol.replace('_', '-')}", f"t-SNE, {PROTOCOL_WORDS[protocol]}", partial(drawer.tsne, protocol))
            for protocol in analysis.protocols
        ),
        ("saliency", "Saliency of held-out tiles", drawer.saliency),
        ("saliency-check", "Do the saliency maps depend on the weights?", drawer.sanity),
    ]
    paths: list[Path] = []
    for done, (name, title, draw) in enumerate(plan):
        on_progress(Progress("figures", done, len(plan), title))
        figure = attempt(draw)
        if isinstance(figure, Failure):
            if not isinstance(figure.error, Exception):  # Ctrl-C is no reason to go on
                raise figure.error
            words = f"{type(figure.error).__name__}: {figure.error}"
            figure = sentence_page(title, f"This figure could not be drawn. {words}", synthetic=drawer.synthetic)
            on_progress(Progress("figures", done, len(plan), f"{title} could not be drawn: {words}"))
        paths += write(figure, folder, name)
    on_progress(Progress("figures", len(plan), len(plan), f"{len(plan)} figures in {folder}"))
    return paths


class _Drawer:
    """One evaluation's figures."""

    def __init__(self, analysis: Analysis, smooth: int, seed: int) -> None:
        self._analysis = analysis
        self._result = analysis.result
        self._smooth = smooth
        self._seed = seed
        self.synthetic = analysis.result.data.synthetic is not None

    def _at(self, level: Level) -> dict[str, Scored]:
        return {protocol: scores.pooled[level] for protocol, scores in self._analysis.scores.items()}

    def roc(self) -> Figure:
        levels: tuple[Level, ...] = ("tile", "image")
        return draw_roc(
            {
                level: {name: [fold[level] for fold in of.folds] for name, of in self._analysis.scores.items()}
                for level in levels
            },
            synthetic=self.synthetic,
        )

    def leakage(self) -> Figure:
        analysis = self._analysis
        aucs = [
            LevelAuc(name, level, figures.pooled[level].auc, figures.pooled[level].n, figures.fold_aucs(level))
            for level in LEVELS
            for name, figures in analysis.protocols.items()
        ]
        gaps: dict[str, Estimate] = {level: gap for level, gap in analysis.gaps.items() if gap is not None}
        permuted = self._permuted()
        estimates = (*(one.auc for one in (*aucs, permuted)), *gaps.values())
        methods = {one.interval.method for one in estimates if one is not None and one.interval is not None}
        note = f"Lines and brackets: {CONFIDENCE:.0%} intervals ({', '.join(sorted(methods)) or 'none'})."
        note += " Permuted: texture by animal, mean over labellings and a part of these; no network."
        return draw_leakage([*aucs, permuted], gaps, interval_note=note, synthetic=self.synthetic)

    def _permuted(self) -> LevelAuc:
        """Return the mean over the labellings of texture, as in the report, and some of them."""
        found = self._analysis.permutations["texture"]
        drawn = found.draws[:: max(1, len(found.draws) // _MOST_DRAWN)]
        n = len(np.unique(self._result.tiles.image_index))
        return LevelAuc("permuted", "image", Estimate(found.null_by_animal), n, drawn)

    def animals(self) -> Figure:
        return draw_animals(self._at("section"), threshold=self._result.threshold, synthetic=self.synthetic)

    def histograms(self) -> Figure:
        return draw_histograms(
            self._at("tile"), self._at("section"), threshold=self._result.threshold, synthetic=self.synthetic
        )

    def reliability(self) -> Figure:
        temperature, tile = self._result.temperature, self._analysis.scores["by_animal"].pooled["tile"]
        return draw_reliability(
            {
                "as the network says it (T = 1)": calibrate(tile.ranks.astype(np.float32), 1.0).astype(np.float64),
                f"calibrated (T = {temperature:.3f})": tile.scores,
            },
            tile.labels,
            note=(
                f"Held-out tiles, {PROTOCOL_WORDS['by_animal']}, folds pooled. The one temperature T was fitted to the "
                "held-out tiles of the folds by animal."
            ),
            synthetic=self.synthetic,
        )

    def benefit(self) -> Figure:
        statement = self._analysis.statement
        return draw_benefit(None if statement is None else statement.record, synthetic=self.synthetic)

    def learning(self) -> Figure:
        recipe = self._result.config.recipe
        return draw_learning(
            {
                p: [[one.history for one in fold.starts] for fold in self._result.of(p)]
                for p in self._analysis.protocols
            },
            loss_name=LOSSES.get(recipe, recipe),
            synthetic=self.synthetic,
        )

    def tsne(self, protocol: PairedProtocol) -> Figure:
        folds = self._result.of(protocol)
        # those beyond are not shown, and embedding them takes seconds each
        clouds = [self._cloud(fold, shown=place < MOST_FOLDS) for place, fold in enumerate(folds)]
        return draw_tsne(
            clouds,
            f"Last hidden layer (t-SNE), {PROTOCOL_WORDS[protocol]}",
            note=(
                f"Held-out tiles; of folds with more than {TSNE_TILES:,}, so many, drawn evenly over animals. Each "
                "fold has a network and a map of its own; only which points are near each other means anything."
            ),
            synthetic=self.synthetic,
        )

    def _cloud(self, fold: FoldResult, *, shown: bool) -> Cloud:
        table = self._result.tiles
        images = [table.images[i] for i in table.image_index[fold.rows].tolist()]
        chosen = spread_over([image.animal_id for image in images], TSNE_TILES, self._seed)
        points: NDArray[np.float32] | str = ""
        if shown:
            try:
                features = fold.drawn.features
                assert features is not None, "folds of an evaluation have features"
                points = embed(features[chosen], self._seed)
            except TooFewPointsError as error:
                points = str(error)
        return Cloud(
            fold=fold.split.fold,
            points=points,
            labels=fold.labels[chosen],
            animals=tuple(images[i].animal_id for i in chosen),
            days=tuple(images[i].day for i in chosen),
        )

    @cached_property
    def _explanation(self) -> Explanation:
        return explain(self._analysis, smooth=self._smooth, seed=self._seed)

    def saliency(self) -> Figure:
        return draw_saliency(
            self._explanation.tiles,
            pixel_size_um=self._result.data.pixel_size_um,
            smooth=self._smooth,
            synthetic=self.synthetic,
        )

    def sanity(self) -> Figure:
        found = self._explanation
        names = [tile.name for tile in found.tiles]
        return draw_sanity(found.checks, names, found.verdict, synthetic=self.synthetic)
