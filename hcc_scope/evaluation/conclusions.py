"""The conclusions of an evaluation, in sentences: the same in the report, on the screen and in the card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.evaluation.calibration import NO_TEMPERATURE, NO_THRESHOLD
from hcc_scope.evaluation.tables import format_estimate, format_signed
from hcc_scope.formatting import counted
from hcc_scope.training.config import MOST_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.evaluation.analysis import Analysis, FoldFigures

__all__ = [
    "calibrated_on",
    "describe_calibration",
    "describe_excess",
    "describe_gap",
    "describe_interval",
    "describe_left_out",
    "describe_nested",
    "describe_null",
    "describe_restarted",
    "describe_silent",
    "describe_sites",
]

_SMALLEST_TEMPERATURE, _LARGEST_TEMPERATURE = 0.05, 20.08
"""Ends of the range in which `hcc_scope.training.metrics.fit_temperature` looks."""


def describe_gap(analysis: Analysis) -> str:
    """Return the headline: both AUCs, what classes that mean nothing give, and what the protocols' difference is worth.

    With the folds in it whose networks have learnt nothing.
    """
    silent = _folds_that(analysis, lambda fold: fold.silent)
    return _describe_gap(analysis) + (f" Networks that have learnt nothing are in it ({silent})." if silent else "")


def _describe_gap(analysis: Analysis) -> str:
    level = analysis.lead
    figures = analysis.protocols["by_animal"].pooled[level]
    paper, animal = analysis.protocols["paper"].pooled[level].auc, figures.auc
    difference = analysis.gaps[level]
    if difference is None or difference.interval is None or paper is None or animal is None:
        return "AUC by animal: not defined, because a protocol has no pairs of both classes."
    low, high = difference.interval.pair
    words = (
        f"AUC of {level}s by animal: {format_estimate(animal)} (n = {counted(figures.n, level)} of "
        f"{counted(figures.n_animals, 'animal')}). By the paper's protocol: {format_estimate(paper)}. "
        f"{describe_null(analysis)} Difference of the protocols: {format_signed(difference)}."
    )
    if low > 0:
        words += " Images of one animal on both sides raise the AUC of this network."
    elif high < 0:
        words += " The AUC is larger by animal, which no leak explains: look at single animals."
    else:
        words += " It contains 0, which does not show that shared animals have no effect."
    return words + describe_excess(analysis)


def describe_null(analysis: Analysis) -> str:
    """Return what both protocols give where there is no class to learn, and how rare the true classes are by animal."""
    null = analysis.permutations[analysis.corrected["network"].null_of]
    if not null.testable:
        return (
            "What classes that mean nothing give is not known: no labelling of these animals differs from the true one."
        )
    words = (
        f"With classes of the animals that mean nothing ({null.of}, mean over {null.labellings:,} labellings), the "
        f"paper's protocol gives {null.null_paper:.2f} on these images, and folds by animal give "
        f"{null.null_by_animal:.2f}"
    )
    if null.recognises:
        words += (
            ": an AUC of that size by the paper's protocol is no evidence of a class, for images of one animal are on "
            "both sides and resemble each other."
        )
    else:
        words += f": {null.of} gains nothing from images of one animal on both sides."
    if null.leaks:
        words += " By animal it should be 0.50, so figures by animal are too good as well (see Controls)."
    return words + (
        f" By animal {null.of} has {null.auc:.2f} with the true classes, p = {null.p_value:.2g} (no p can be smaller "
        f"than {null.smallest_p:.2g} here)."
    )


def describe_excess(analysis: Analysis) -> str:
    """Return the difference of the protocols less that of classes which mean nothing; empty if that is not defined."""
    found = analysis.corrected["network"]
    if found.gap is None or found.gap.interval is None or found.null_mean is None:
        return ""
    of = "" if analysis.lead == "image" else " of images"
    words = (
        f" The difference{of} less that of classes that mean nothing ({found.null_mean:+.3f}): "
        f"{format_signed(found.gap)}"
    )
    if found.gap.interval.low > 0:
        return words + f", more than {found.null_of} gains with such classes."
    if found.gap.interval.high < 0:
        return words + (
            ". Below 0 it shows that what is learnt of the true classes holds for other animals too, and not that "
            "nothing leaks."
        )
    return words + ". That contains 0: images of one animal on both sides may alone make the difference."


_OF = {"paper": "folds by image", "by_animal": "folds by animal", "by_site": "folds by site"}


def _folds_that(analysis: Analysis, are: Callable[[FoldFigures], bool]) -> str:
    """Return which folds of both protocols are something, for example ``folds by animal: 1, 3 of 4``."""
    found = []
    for name, protocol in analysis.protocols.items():
        those = [str(fold.fold + 1) for fold in protocol.folds if are(fold)]
        if those:
            found.append(f"{_OF[name]}: {', '.join(those)} of {len(protocol.folds)}")
    return "; ".join(found)


def describe_sites(analysis: Analysis, *, name: Callable[[str], str] = str) -> str | None:
    """Return what leaving one site out found, beside the figure by animal; None if it was not run.

    Parameters
    ----------
    analysis : Analysis
    name : callable
        As in `describe_left_out`.
    """
    found = analysis.protocols.get("by_site")
    if found is None:
        return None
    image, animal = found.pooled["image"], analysis.protocols["by_animal"].pooled["image"]
    words = (
        f"Leave one site out: AUC of images {format_estimate(image.auc)} over {len(found.folds)} sites, by animal "
        f"{format_estimate(animal.auc)}."
    )
    of_sites = []
    for fold in found.folds:
        value = found.of_fold(fold, "image", "auc")
        of_sites.append(f"{name(fold.site or '')} {'one class' if value is None else f'{value:.2f}'}")
    words += f" Site by site: {', '.join(of_sites)}."
    sites = {one.site for one in analysis.result.tiles.images if one.site is not None}
    if untested := sorted(sites - {fold.site for fold in found.folds}):
        words += (
            f" Not tested: {', '.join(map(name, untested))}, because without it one class alone is left to train on."
        )
    return words


def describe_silent(analysis: Analysis) -> str | None:
    """Return which networks have learnt nothing in any attempt; None if none."""
    some = _folds_that(analysis, lambda fold: bool(fold.silent_starts))
    if not some:
        return None
    n = sum(len(fold.silent_starts) for protocol in analysis.protocols.values() for fold in protocol.folds)
    words = (
        f"Networks that have learnt nothing in any of {MOST_ATTEMPTS} attempts: {n} ({some}). There is nothing to "
        "learn, or the training was too short or its images too few. No figure rests on them"
    )
    all_of = _folds_that(analysis, lambda fold: fold.silent)
    if not all_of:
        return f"{words}."
    return (
        f"{words} but where a fold has no other network ({all_of}): there temperature and threshold were not chosen on "
        "them, no tile is taken for unlike the training's, and all other figures contain them."
    )


def describe_restarted(analysis: Analysis) -> str | None:
    """Return how many networks were trained again because they had learnt nothing; None if none."""

    def again(fold: FoldFigures) -> int:
        return sum(n > 1 and k not in fold.silent_starts for k, n in enumerate(fold.attempts, 1))

    found = _folds_that(analysis, lambda fold: again(fold) > 0)
    if not found:
        return None
    n = sum(again(fold) for protocol in analysis.protocols.values() for fold in protocol.folds)
    of = sum(fold.starts for protocol in analysis.protocols.values() for fold in protocol.folds)
    return (
        f"Of {of} networks, {n} had learnt nothing and {'was' if n == 1 else 'were'} trained again from another seed, "
        f"in at most {MOST_ATTEMPTS} attempts ({found}). Whether one has learnt was judged on its own training tiles "
        "alone."
    )


def describe_left_out(analysis: Analysis, *, name: Callable[[str], str] = str) -> str:
    """Return how many tiles were left out because they are unlike the training's, and what has no score for that.

    Parameters
    ----------
    analysis : Analysis
    name : callable
        What makes of a user's name what the medium shows, such as `hcc_scope.templates.markdown_text`.
    """
    counts = "; ".join(
        f"{_OF[key]}: {protocol.unlike_tiles} of {protocol.test_tiles}" for key, protocol in analysis.protocols.items()
    )
    words = (
        "As in use, a tile that is unlike the training tiles of the network that scores it (by that network's own "
        f"distance and threshold) counts at no level but 'tile (all)'. Left out ({counts})."
    )
    reasons = dict.fromkeys(
        why.removesuffix(".") for protocol in analysis.protocols.values() for why in protocol.why_no_distance
    )
    if reasons:
        words += f" Some networks do not flag such tiles and count all: {'; '.join(reasons)}."
    for key, protocol in analysis.protocols.items():
        if protocol.unscored:
            sections = ", ".join(f"{name(section)} of {name(animal)}" for animal, section in protocol.unscored)
            words += f" No score, because nothing else is left ({_OF[key]}): section {sections}."
    return words


def calibrated_on(analysis: Analysis) -> str:
    """Return what temperature and threshold were chosen on, in a sentence for the card."""
    chosen, folds = analysis.calibration, analysis.protocols["by_animal"]
    if not chosen.folds:
        return (
            f"nothing: temperature {NO_TEMPERATURE:g} and threshold {NO_THRESHOLD:g} are conventions, since too few of "
            "the networks of the folds by animal have learnt something"
        )
    of = (
        f"{len(folds.folds)} folds"
        if chosen.folds == len(folds.folds)
        else f"{chosen.folds} of {len(folds.folds)} folds"
    )
    words = (
        f"Predictions for animals that the predicting network had not been trained on ({of} by animal, "
        f"{chosen.animals} animals): temperature on {chosen.tiles} tiles, threshold (largest sensitivity + "
        f"specificity) on {chosen.sections} sections."
    )
    if folds.unlike_tiles:
        words += f" Tiles that are unlike the training's ({folds.unlike_tiles} of {folds.test_tiles}) were left out."
    if folds.silent:
        words += " So were networks that have learnt nothing."
    return words


def describe_nested(analysis: Analysis) -> str:
    """Return what temperature and threshold are worth on folds that they were not chosen on."""
    if not analysis.calibration.folds:
        return "Temperature and threshold were chosen on nothing."
    words = (
        "Temperature and threshold were chosen on the same predictions that the figures by animal are made of, so "
        "sensitivity, specificity and accuracy of sections and animals are optimistic there. "
    )
    inner = analysis.nested
    if inner is None:
        return words + "There are too few folds to choose them on some and count on others."
    thresholds = ", ".join(f"{value:.2f}" for value in inner.thresholds)
    return words + (
        f"Chosen on all other folds and counted on the one left out (thresholds {thresholds}): sections right "
        f"{inner.section_accuracy:.2f}, sensitivity {_plain(inner.section_sensitivity)}, specificity "
        f"{_plain(inner.section_specificity)}, n = {inner.n_sections}; Brier score of tiles {inner.tile_brier:.3f}. "
        "These have no intervals: sections of one animal are not independent, and the exact interval of animals stands "
        "under what a verdict is worth."
    )


def describe_calibration(analysis: Analysis) -> list[str]:
    """Return temperature and threshold, and what they are worth."""
    result = analysis.result
    words = [
        f"Temperature {result.temperature:.3f}, section threshold {result.threshold:.4f}. Chosen on: "
        f"{calibrated_on(analysis).rstrip('.')}."
    ]
    if result.temperature >= _LARGEST_TEMPERATURE:
        words.append(
            "The temperature is the largest that is tried: on new animals these networks are hardly better than "
            "chance, and their probabilities say nothing."
        )
    elif result.temperature <= _SMALLEST_TEMPERATURE:
        words.append(
            "The temperature is the smallest that is tried: every tile here is on its side, so how sure a probability "
            "should be cannot be learnt from them."
        )
    return [*words, describe_nested(analysis)]


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def describe_interval(analysis: Analysis) -> list[str]:
    """Return which interval is what."""
    low, high, both = analysis.n_animals
    animals = f"{low} low, {high} high" + (f", {both} of both classes" if both else "")
    starts = analysis.result.starts
    words = [
        f"All intervals are at 95 %. What was sampled are animals ({animals}); sections, images and tiles of one "
        "animal are not independent, so no interval counts them.",
        "*exact*: Clopper-Pearson, for shares of animals.",
        "Unmarked: Wilson's score interval with as many trials as the animals are worth. The variance between animals "
        "is averaged with the largest that is possible, because few animals show it badly (docs/evaluation.md has how "
        "often such intervals contain the truth; where that is less than 95 %, it stands beside them).",
    ]
    if starts > 1:
        folds = len(analysis.protocols["by_animal"].folds)
        words.append(
            f"SD: standard deviation of the AUC over {starts} random starts, with one network in each fold in the "
            "place of their mean logit. It is in full in the intervals of AUCs and of their differences. It averages "
            f"over the networks of {folds} folds: the AUC of a single one, as a model is, can vary by up to "
            f"{math.sqrt(folds):.1f} times as much."
        )
    else:
        words.append("One random start was trained, so that what another would change is in no interval.")
    return [
        *words,
        "ECE has no interval: noise makes it larger and never smaller. Figures of single folds have none: their "
        "networks share training animals.",
        "All intervals are over animals like these: another laboratory is not in them.",
    ]
