"""The conclusions of an evaluation, in sentences: the same in the report, on the screen and in the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.evaluation.calibration import NO_TEMPERATURE, NO_THRESHOLD
from hcc_scope.evaluation.tables import format_estimate
from hcc_scope.training.config import MOST_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.evaluation.analysis import Analysis, FoldFigures

__all__ = [
    "calibrated_on",
    "describe_calibration",
    "describe_day",
    "describe_gap",
    "describe_interval",
    "describe_left_out",
    "describe_nested",
    "describe_permuted",
    "describe_restarted",
    "describe_silent",
]

_SMALLEST_TEMPERATURE, _LARGEST_TEMPERATURE = 0.05, 20.08
"""Ends of the range in which `hcc_scope.training.metrics.fit_temperature` looks."""


def describe_gap(analysis: Analysis) -> str:
    """Return the headline, with the folds in it whose networks have learnt nothing."""
    silent = _folds_that(analysis, lambda fold: fold.silent)
    return _describe_gap(analysis) + (f" Networks that have learnt nothing are in it ({silent})." if silent else "")


def _describe_gap(analysis: Analysis) -> str:
    paper, animal = (analysis.protocols[name].pooled["image"].auc for name in ("paper", "by_animal"))
    if analysis.gap is None or analysis.gap.interval is None or paper is None or animal is None:
        return "Leakage gap: not defined, because an AUC is not."
    low, high = analysis.gap.interval.pair
    words = (
        f"Leakage gap: {analysis.gap.value:+.3f} [{low:+.3f}, {high:+.3f}] in the pooled AUC of images: "
        f"{paper.value:.3f} by the paper's protocol, {animal.value:.3f} by animal."
    )
    if low > 0:
        return words + " Sharing animals between training and test inflates the figures of this model."
    if high < 0:
        return words + " The AUC is larger by animal, which no leak explains: look at single animals."
    return words + " The interval contains 0: on these animals, no effect of sharing them is detectable."


_OF = {"paper": "folds by image", "by_animal": "folds by animal"}


def _folds_that(analysis: Analysis, are: Callable[[FoldFigures], bool]) -> str:
    """Return which folds of both protocols are something, for example ``folds by animal: 1, 3 of 4``."""
    found = []
    for name, protocol in analysis.protocols.items():
        those = [str(fold.fold + 1) for fold in protocol.folds if are(fold)]
        if those:
            found.append(f"{_OF[name]}: {', '.join(those)} of {len(protocol.folds)}")
    return "; ".join(found)


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


def describe_permuted(analysis: Analysis) -> str:
    """Return the AUC with permuted classes, and what follows from it."""
    found = analysis.permuted
    words = f"Permuted classes: AUC {format_estimate(found.auc)}, mean of {len(found.draw_auc)} permutations (images)."
    if found.silent:
        words += f" Networks among them that have learnt nothing, and could not show a leak: {found.silent}."
    assert found.auc.interval is not None, "the mean of draws has a bound"
    low, high = found.auc.interval.pair
    if low <= 0.5 <= high:
        return words + " 0.5 is inside the interval: this control detects no leak."
    return words + " 0.5 is outside the interval: labels reach the test part somehow, so trust no figure here."


def describe_day(analysis: Analysis) -> str:
    """Return how well the day can be predicted, or why that was not tried."""
    day = analysis.day
    if day is None:
        why = analysis.result.not_run.get("day", "there are no folds of it")
        return f"Day of acquisition: not tried, because {why}."
    words = (
        f"Day of acquisition: the same network predicts it for {format_estimate(day.accuracy)} of {day.n_images} "
        f"images; always predicting the most frequent of {len(day.days)} days gives {day.chance:.2f}."
    )
    if day.silent:
        words += f" Networks that have learnt nothing of it: {day.silent} of {len(day.fold_accuracy)}."
    assert day.accuracy.interval is not None, "a mean has an interval"
    if day.accuracy.interval.low > day.chance:
        return words + (
            " Images carry their day (or their section, where a section was imaged on one day), so a class that is "
            "confounded with days would look learnable."
        )
    return words + " That is not distinguishable from chance on these animals."


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
        f"{_plain(inner.section_specificity)}, n = {inner.n_sections}; Brier score of tiles {inner.tile_brier:.3f}."
    )


def describe_calibration(analysis: Analysis) -> list[str]:
    """Return temperature and threshold, and what they are worth."""
    result = analysis.result
    words = [
        f"Temperature {result.temperature:.3f}, section threshold {result.threshold:.4f}. Chosen on: "
        f"{calibrated_on(analysis)}"
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
    return [
        f"All intervals are at 95 %. What was sampled are animals ({animals}); sections, images and tiles of one "
        "animal are not independent, so no interval counts them.",
        "*exact*: Clopper-Pearson, for shares of animals.",
        f"Unmarked: cluster bootstrap, {analysis.replicates} drawings of whole animals within their class "
        f"(expanded percentiles). With these animals there are {analysis.distinct_resamples:,} different drawings; "
        "with fewer than ten animals per class such intervals are coarse, and near 0 and 1 they hold less often than "
        "95 % (docs/evaluation.md has figures).",
        "*bound*: Hoeffding's, where all drawings agree (nothing goes wrong, or everything), for figures that rest "
        "on too few animals to draw from, and for the independent permutations. Never too narrow.",
        "All intervals are over animals like these with the networks of this run: neither another laboratory nor "
        "another random start of the training is in them.",
    ]
