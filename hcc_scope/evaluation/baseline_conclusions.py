"""What baselines and controls show, in sentences: the same in the report, on the screen and in the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.evaluation.permutations import MOST_FOLDS
from hcc_scope.evaluation.source_control import SOURCES, SourceFigures
from hcc_scope.evaluation.tables import format_estimate, format_signed

if TYPE_CHECKING:
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.permutations import PermutationFigures
    from hcc_scope.evaluation.source_control import Source

__all__ = [
    "SHORTCUT_P",
    "describe_controls",
    "describe_permutations",
    "describe_shortcut",
    "describe_source",
    "describe_texture",
]

SHORTCUT_P = 0.05
"""At most this share of the labellings may do as well by grey level as the true one, for a shortcut to be reported."""


def describe_texture(analysis: Analysis) -> str:
    """Return whether the network is better than texture, by how much, or not shown to be."""
    texture = analysis.baselines["texture"]
    found = texture.differences["by_animal"]["image"]
    one = analysis.protocols["by_animal"].pooled["image"].auc
    other = texture.protocols["by_animal"].pooled["image"].auc
    if found is None or found.interval is None or one is None or other is None:
        return "Whether the network is better than texture is not defined, because an AUC is not."
    low, high = found.interval.pair
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
    return (
        f"By animal the network is {verdict} texture, a logistic regression on {texture.n_features} numbers of a tile: "
        f"difference of the AUC of images {format_signed(found)}, {one.value:.3f} against {other.value:.3f}."
    )


def describe_shortcut(analysis: Analysis) -> str | None:
    """Return that grey level alone distinguishes the classes; None: it is not shown to."""
    auc = analysis.baselines["grey"].protocols["by_animal"].pooled["image"].auc
    permuted = analysis.permutations["grey"]
    if auc is None or auc.interval is None:
        return None
    by_p = permuted.testable and permuted.p_value <= SHORTCUT_P
    if auc.interval.low <= 0.5 and not by_p:
        return None
    return (
        "Shortcut: grey level alone (mean and SD of a tile) distinguishes the classes of animals that it was not "
        f"fitted to: AUC of images {format_estimate(auc)}{_p_words(permuted) if permuted.testable else ''}. A network "
        "can use it, and another exposure, lamp or stain can turn it round."
    )


def _p_words(found: PermutationFigures) -> str:
    return f", p = {found.p_value:.3g} over {found.labellings:,} labellings"


def describe_permutations(analysis: Analysis) -> str:
    """Return how texture does with the true classes and with others, and whether anything reaches the test part."""
    found = analysis.permutations["texture"]
    if not found.testable:
        return (
            "Permuted classes: not possible, for no labelling of these animals differs from the true one. "
            f"{found.exchanged} Class and day (or batch, or site) go together, and no figure here can tell them apart."
        )
    which = "all there are" if found.exact else f"the true one and others at random, of {found.possible:,}"
    if analysis.result.leave_one_out:
        which += f"; in {MOST_FOLDS} folds at most, not with one animal left out"
    words = (
        f"Permuted classes: by animal texture has an AUC of images of {found.auc:.2f} with the true classes, and at "
        f"least that with a share of p = {found.p_value:.3g} of {found.labellings:,} labellings ({which}; no p can be "
        f"smaller than {found.smallest_p:.2g} here). {found.exchanged} Their mean, the true one included, is "
        f"{found.null_by_animal:.2f} by animal and {found.null_paper:.2f} by the paper's protocol. They have no "
        "intervals; p takes their place."
    )
    if found.leaks:
        return words + (
            " By animal it should be 0.50: animals that have their class and a day, a batch or a site in common, or "
            "one animal under two ids, are on both sides of a fold. Figures by animal are too good for that reason."
        )
    return words + " By animal that is no more than chance: this control detects no leak."


def describe_source(analysis: Analysis, source: Source) -> str:
    """Return how well texture predicts the day, the batch or the site, or why that was not tried."""
    found = analysis.sources[source]
    if not isinstance(found, SourceFigures):
        return f"{source.capitalize()}: not predicted, because {found}."
    words = (
        f"{source.capitalize()}: texture predicts it for {format_estimate(found.accuracy)} of {found.n_images} images; "
        f"always the most frequent of {len(found.values)} gives {found.chance:.2f}."
    )
    if not found.shown:
        return words + " That is not distinguishable from chance on these animals."
    section = " (or their section, where a section was imaged on one day)" if source == "day" else ""
    return words + f" Images carry their {source}{section}, so a class that goes with it would look learnable."


def describe_controls(analysis: Analysis) -> list[str]:
    """Return what the controls show: permuted classes, and day, batch and site as far as they are stated."""
    sources = [source for source in SOURCES if source == "day" or isinstance(analysis.sources[source], SourceFigures)]
    return [
        describe_permutations(analysis),
        *(describe_source(analysis, source) for source in sources),
    ]
