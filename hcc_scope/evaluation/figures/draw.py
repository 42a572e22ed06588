"""Draw all figures of an evaluation and write them, each as PNG and SVG."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.aggregation import LEVELS, animal_strata, scored
from hcc_scope.evaluation.figures.animals import draw_animals
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
from hcc_scope.evaluation.intervals import CONFIDENCE, ClusterBootstrap, bounded_mean
from hcc_scope.evaluation.metrics import auc_difference, auc_of, figures_at
from hcc_scope.progress import Progress
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Level, Scored
    from hcc_scope.evaluation.results import EvaluationResult, FoldResult, ProtocolName
    from hcc_scope.progress import OnProgress

__all__ = ["TSNE_TILES", "draw_all"]

TSNE_TILES = 1000
"""Per fold, at most: t-SNE takes about 5 s for so many."""
_SIDES: tuple[ProtocolName, ...] = ("paper", "by_animal")
_LOSSES = {"meng2019": "half the squared error, eq. 4", "modern": "cross-entropy"}


def draw_all(
    result: EvaluationResult, folder: Path, *, on_progress: OnProgress, smooth: int = 0, seed: int = 0
) -> list[Path]:
    """Draw every figure into a folder; figures that are there are replaced.

    What cannot be drawn (a fold with one class, too few tiles, a file that is gone) is a sentence on its page.

    Parameters
    ----------
    result : EvaluationResult
        With folds of at least one protocol; all but those of ``day`` have two outputs.
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
    drawer = _Drawer(result, smooth, seed)
    plan: list[tuple[str, str, Callable[[], Figure]]] = [
        ("roc", "ROC of held-out data, per fold", drawer.roc),
        ("leakage", "Leakage gap", drawer.leakage),
        ("animals", "Scores of single animals", drawer.animals),
        ("histograms", "Scores of held-out tiles and sections", drawer.histograms),
        ("reliability", "Reliability of the probability of high", drawer.reliability),
        ("learning", "Learning curves, per fold", drawer.learning),
        *(
            (f"tsne-{protocol.replace('_', '-')}", f"t-SNE, {PROTOCOL_WORDS[protocol]}", partial(drawer.tsne, protocol))
            for protocol in drawer.sides
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
    """One evaluation's figures, with what several of them share computed once."""

    def __init__(self, result: EvaluationResult, smooth: int, seed: int) -> None:
        self._result = result
        self._smooth = smooth
        self._seed = seed
        self.synthetic = result.data.synthetic is not None
        self.sides = tuple(protocol for protocol in _SIDES if result.of(protocol))

    def _scored(self, folds: tuple[FoldResult, ...]) -> dict[Level, Scored]:
        return scored(folds, self._result.tiles, self._result.temperature)

    @cached_property
    def _pooled(self) -> dict[ProtocolName, dict[Level, Scored]]:
        return {protocol: self._scored(self._result.of(protocol)) for protocol in self.sides}

    @cached_property
    def _by_fold(self) -> dict[ProtocolName, list[dict[Level, Scored]]]:
        return {p: [self._scored((fold,)) for fold in self._result.of(p)] for p in self.sides}

    def _at(self, level: Level) -> dict[str, Scored]:
        return {protocol: by_level[level] for protocol, by_level in self._pooled.items()}

    def roc(self) -> Figure:
        levels: tuple[Level, ...] = ("tile", "image")
        return draw_roc(
            {level: {p: [fold[level] for fold in folds] for p, folds in self._by_fold.items()} for level in levels},
            synthetic=self.synthetic,
        )

    def leakage(self) -> Figure:
        result = self._result
        boot = ClusterBootstrap(animal_strata(result.tiles), result.config.seed)
        aucs: list[LevelAuc] = []
        gaps: dict[str, tuple[float, tuple[float, float] | None]] = {}
        methods: set[str] = set()
        # a fold of the paper's protocol has parts of sections alone
        for level in LEVELS:
            for protocol, by_level in self._pooled.items():
                values = by_level[level]
                found = figures_at(values, result.threshold, boot).auc
                interval = None if found is None else found.interval
                methods |= set() if interval is None else {interval.method}
                of_folds = tuple(
                    float(area)
                    for fold in (() if protocol == "paper" and level in LEVELS[2:] else self._by_fold[protocol])
                    if (area := auc_of(fold[level].ranks, fold[level].labels)) is not None
                )
                aucs.append(
                    LevelAuc(
                        protocol,
                        level,
                        None if found is None else found.value,
                        None if interval is None else interval.pair,
                        len(values),
                        of_folds,
                    )
                )
            if len(self.sides) == 2:
                gap = auc_difference(self._pooled["paper"][level], self._pooled["by_animal"][level], boot)
                if gap is not None:
                    methods |= set() if gap.interval is None else {gap.interval.method}
                    gaps[level] = (gap.value, None if gap.interval is None else gap.interval.pair)
        permuted = self._permuted()
        if permuted is not None:
            aucs.append(permuted)
            methods.add(bounded_mean(0.5, 1).method)
        note = f"Lines and brackets: {CONFIDENCE:.0%} intervals ({', '.join(sorted(methods)) or 'none'})."
        if permuted is not None:
            note += " Permuted: mean of its networks, each with the classes drawn anew."
        return draw_leakage(aucs, gaps, interval_note=note, synthetic=self.synthetic)

    def _permuted(self) -> LevelAuc | None:
        """Return the mean over the control's drawings, each with a network of its own, as in the report."""
        folds = self._result.of("permuted")
        images = [self._scored((fold,))["image"] for fold in folds]
        areas = [area for one in images if (area := auc_of(one.ranks, one.labels)) is not None]
        if not areas:
            return None
        mean = float(np.mean(areas))
        interval = bounded_mean(mean, len(areas)).pair
        return LevelAuc("permuted", "image", mean, interval, sum(len(one) for one in images), tuple(areas))

    def animals(self) -> Figure:
        return draw_animals(self._at("section"), threshold=self._result.threshold, synthetic=self.synthetic)

    def histograms(self) -> Figure:
        return draw_histograms(
            self._at("tile"), self._at("section"), threshold=self._result.threshold, synthetic=self.synthetic
        )

    def reliability(self) -> Figure:
        result = self._result
        protocol: ProtocolName = "by_animal" if "by_animal" in self.sides else "paper"
        folds = result.of(protocol)
        odds = np.concatenate([log_odds(fold.logits)[fold.counted] for fold in folds])
        labels = np.concatenate([fold.labels[fold.counted] for fold in folds]).astype(np.int64)
        return draw_reliability(
            {
                "as the network says it (T = 1)": calibrate(odds, 1.0).astype(np.float64),
                f"calibrated (T = {result.temperature:.3f})": calibrate(odds, result.temperature).astype(np.float64),
            },
            labels,
            note=(
                f"Held-out tiles, {PROTOCOL_WORDS[protocol]}, folds pooled. The one temperature T was fitted to the "
                "held-out tiles of the folds by animal."
            ),
            synthetic=self.synthetic,
        )

    def learning(self) -> Figure:
        recipe = self._result.config.recipe
        return draw_learning(
            {p: [fold.history for fold in self._result.of(p)] for p in self.sides},
            loss_name=_LOSSES.get(recipe, recipe),
            synthetic=self.synthetic,
        )

    def tsne(self, protocol: ProtocolName) -> Figure:
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
                points = embed(fold.features[chosen], self._seed)
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
        folds = self._result.of("by_animal") or self._result.of("paper")
        return explain(self._result, folds, smooth=self._smooth, seed=self._seed)

    def saliency(self) -> Figure:
        whose = "the animal" if "by_animal" in self.sides else "the image (but others of its animal)"
        return draw_saliency(
            self._explanation.tiles,
            pixel_size_um=self._result.data.pixel_size_um,
            smooth=self._smooth,
            unseen=whose,
            synthetic=self.synthetic,
        )

    def sanity(self) -> Figure:
        found = self._explanation
        names = [tile.name for tile in found.tiles]
        return draw_sanity(found.checks, names, found.verdict, synthetic=self.synthetic)
