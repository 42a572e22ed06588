"""What may be said about an evaluation, in sentences: the same in the report, on the screen and in the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.evaluation.tables import estimate_words

if TYPE_CHECKING:
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.results import EvaluationResult

__all__ = [
    "calibrated_on",
    "calibration_words",
    "day_words",
    "gap_words",
    "interval_words",
    "permuted_words",
    "silent_words",
]

_SMALLEST_TEMPERATURE, _LARGEST_TEMPERATURE = 0.05, 20.08
"""Ends of the range in which `hcc_scope.training.merit.fit_temperature` looks."""


def gap_words(analysis: Analysis) -> str:
    """Return the headline."""
    paper, animal = (analysis.protocols[name].pooled["image"].auc for name in ("paper", "by_animal"))
    if analysis.gap is None or analysis.gap.interval is None or paper is None or animal is None:
        return "Leakage gap: not defined, because an AUC is not."
    low, high = analysis.gap.interval.pair
    words = (
        f"Leakage gap: {analysis.gap.value:+.3f} [{low:+.3f}, {high:+.3f}] in the pooled AUC of images: "
        f"{paper.value:.3f} by the paper's protocol, {animal.value:.3f} by animal."
    )
    if low > 0:
        return words + " Sharing animals between training and test makes this model look better than it is."
    if high < 0:
        return words + " By animal it does better, which no leak explains: look at single animals."
    return words + " The interval contains 0: on these animals, sharing them makes no difference that can be told."


def silent_words(analysis: Analysis) -> str | None:
    """Return which networks have learnt nothing; None if none."""
    found = [
        f"{'folds by image' if name == 'paper' else 'folds by animal'}: "
        f"{', '.join(str(fold + 1) for fold in analysis.silent[name])} of {len(protocol.folds)}"
        for name, protocol in analysis.protocols.items()
        if analysis.silent[name]
    ]
    if not found:
        return None
    return (
        f"Some networks answer the same to every tile that they were trained on ({'; '.join(found)}): there is nothing "
        "to learn, or the training was too short or its images too few. All figures contain them."
    )


def permuted_words(analysis: Analysis) -> str:
    """Return what the permuted classes say."""
    found = analysis.permuted
    words = f"Permuted classes: AUC {estimate_words(found.auc)}, mean of {len(found.draw_auc)} permutations (images)."
    assert found.auc.interval is not None, "the mean of draws has a bound"
    low, high = found.auc.interval.pair
    if low <= 0.5 <= high:
        return words + " 0.5 is within: nothing leaks that this control can see."
    return words + " 0.5 is outside: labels reach the test part by some way, so distrust every figure here."


def day_words(result: EvaluationResult, analysis: Analysis) -> str:
    """Return how well the day can be told, or why that was not tried."""
    day = analysis.day
    if day is None:
        return f"Day of acquisition: not tried, because {result.not_run.get('day', 'there are no folds of it')}."
    words = (
        f"Day of acquisition: the same network tells it for {estimate_words(day.accuracy)} of {day.n_images} images; "
        f"always naming the commonest of {len(day.days)} days gets {day.chance:.2f}."
    )
    assert day.accuracy.interval is not None, "a mean has an interval"
    if day.accuracy.interval.low > day.chance:
        return words + (
            " Images carry their day (or their section, where a section was imaged on one day), so a class that is "
            "confounded with days would look learnable."
        )
    return words + " That is no more than chance would get, as far as these animals can tell."


def calibrated_on(analysis: Analysis) -> str:
    """Return what temperature and threshold were chosen on, in a sentence for the card."""
    folds = analysis.protocols["by_animal"]
    tiles, sections = folds.pooled["tile"].n, folds.pooled["section"].n
    return (
        f"Predictions for animals that the predicting network had not been trained on ({len(folds.folds)} folds by "
        f"animal, {len({a.animal for a in analysis.animals})} animals): temperature on {tiles} tiles, threshold "
        f"(largest sensitivity + specificity) on {sections} sections."
    )


def calibration_words(result: EvaluationResult, analysis: Analysis) -> list[str]:
    """Return temperature and threshold, and what they are worth."""
    words = [
        f"Temperature {result.temperature:.3f}, section threshold {result.threshold:.3f}. {calibrated_on(analysis)}",
        "Both were chosen on the same predictions that the tables by animal are made of, so sensitivity, specificity "
        "and accuracy of sections and animals are optimistic there.",
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
    inner = analysis.nested
    if inner is None:
        words.append("Too few folds to choose them on some and count on others.")
    else:
        thresholds = ", ".join(f"{value:.2f}" for value in inner.thresholds)
        words.append(
            f"Chosen on all other folds and counted on the one left out (thresholds {thresholds}): sections right "
            f"{inner.section_accuracy:.2f}, sensitivity {_plain(inner.section_sensitivity)}, specificity "
            f"{_plain(inner.section_specificity)}, n = {inner.n_sections}; Brier score of tiles {inner.tile_brier:.3f}."
        )
    return words


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def interval_words(analysis: Analysis) -> list[str]:
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
