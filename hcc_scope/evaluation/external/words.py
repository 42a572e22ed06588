"""What an external validation found, in sentences and cells: the same in the report, on the screen and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.colour import describe_conversion
from hcc_scope.datasets.manifest import listed
from hcc_scope.evaluation.input_summary import WELCH
from hcc_scope.evaluation.tables import format_estimate
from hcc_scope.formatting import counted
from hcc_scope.research_use import PHANTOM_SENTENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.evaluation.aggregation import TableLevel
    from hcc_scope.evaluation.external.analysis import ExternalAnalysis, GroupFigures
    from hcc_scope.evaluation.external.recalibration import Fit, Recalibration
    from hcc_scope.inference.card import LevelFigures, ModelCard

__all__ = [
    "NO_BASELINES",
    "calibration_rows",
    "card_level",
    "card_rows",
    "describe_calibration",
    "describe_colour",
    "describe_drift",
    "describe_external",
    "describe_intervals",
    "describe_leak_check",
    "describe_left_out",
    "describe_specimen",
    "describe_threshold",
    "drift_rows",
    "group_rows",
]

NO_BASELINES = (
    "No baseline stands beside the model: grey level and texture would have to be trained on its training images, "
    "which a card does not hold."
)


def describe_external(analysis: ExternalAnalysis, *, name: Callable[[str], str] = str) -> str:
    """Return the headline.

    Parameters
    ----------
    analysis : ExternalAnalysis
    name : callable
        As in `describe_left_out`.
    """
    card, (low, high, both) = analysis.result.card, analysis.n_animals
    animals = f"{low} low, {high} high" + (f", {both} of both classes" if both else "")
    right = analysis.levels["animal"].accuracy
    n = analysis.levels["animal"].n
    words = (
        f"External validation of {name(card.name)}: AUC of images {format_estimate(analysis.levels['image'].auc)} on "
        f"animals that it was not trained on ({animals}); {round(right.value * n)} of {n} on the right side of the "
        f"model's threshold: {format_estimate(right)}."
    )
    own = card_level(card, "image")
    if own is not None and own.auc is not None:
        words += f" By its card, on unseen animals of its own set: AUC {own.auc:.2f}{_interval(own.auc_interval)}."
    return words


def _interval(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f" [{pair[0]:.2f}, {pair[1]:.2f}]"


def card_level(card: ModelCard, level: TableLevel) -> LevelFigures | None:
    """Return what the card states of unseen animals of the model's own set, at a level."""
    if card.evaluation is None:
        return None
    for protocol in card.evaluation.protocols:
        if protocol.protocol == "by_animal":
            if level == "tile_all":
                return protocol.all_tiles
            return next((figures for figures in protocol.levels if figures.level == level), None)
    return None


def card_rows(analysis: ExternalAnalysis) -> list[tuple[str, ...]]:
    """Return one row per level: AUC, accuracy and Brier score here, and those of the card."""
    rows: list[tuple[str, ...]] = []
    for level, here in analysis.levels.items():
        own = card_level(analysis.result.card, level)
        stated = ("not stated",) * 3
        if own is not None:
            auc = "not defined" if own.auc is None else f"{own.auc:.2f}{_interval(own.auc_interval)}"
            stated = (auc, f"{own.accuracy:.2f}{_interval(own.accuracy_interval)}", f"{own.brier:.3f}")
        name = "tile (all)" if level == "tile_all" else level
        found = (format_estimate(here.auc), format_estimate(here.accuracy), f"{here.brier.value:.3f}")
        rows.append((name, *(cell for pair in zip(found, stated, strict=True) for cell in pair)))
    return rows


def describe_leak_check(analysis: ExternalAnalysis) -> str:
    """Return what was compared with the training, and what could not be."""
    leak, card = analysis.result.leak, analysis.result.card
    if leak.animals is None:
        words = f"The card of {card.name} names no animal, so whether it was trained on one of these cannot be checked"
    elif leak.same_names:
        words = (
            f"The card of {card.name} names animals that are called like some of these ({listed(leak.same_names)}); "
            "that they are others was stated with --new-animals, and is not known otherwise"
        )
    else:
        words = f"None of the {counted(leak.animals, 'animal')} that the card of {card.name} names is in this set"
    if leak.images is not None:
        return words + f". No image has the pixels of one of its {counted(leak.images, 'training image')}."
    return words + ". It does not keep the content of its training images, so copies under other names are not found."


def describe_specimen(analysis: ExternalAnalysis) -> str | None:
    """Return that a model of a phantom was applied to what may be tissue; None if it was not."""
    card, data = analysis.result.card, analysis.result.data
    return PHANTOM_SENTENCE if card.trained_on_phantom_only and data.synthetic is None else None


def describe_colour(analysis: ExternalAnalysis) -> str | None:
    """Return how colour images became grey, here or in the training; None: all are grey, as far as the card states."""
    card, data = analysis.result.card, analysis.result.data
    trained_by = None if card.training is None else card.training.colour
    if trained_by == data.colour:
        return data.conversion
    if trained_by is not None:
        return (
            f"The model {card.name} was trained on {describe_conversion(trained_by)}; these images are grey: what a "
            "monochrome camera sees differs from that."
        )
    return f"{data.conversion} The card of {card.name} does not state that it was trained on such images."


def describe_left_out(analysis: ExternalAnalysis, *, name: Callable[[str], str] = str) -> str:
    """Return how many tiles were left out because they are unlike the training's, and what has no score for that.

    Parameters
    ----------
    analysis : ExternalAnalysis
    name : callable
        What makes of a user's name what the medium shows, such as `hcc_scope.templates.markdown_text`.
    """
    drift, card = analysis.drift, analysis.result.card
    if drift.unlike is None or drift.expected_unlike is None:
        return f"The model {card.name} gives no distance from its training tiles, so all tiles count."
    words = (
        f"As in use, tiles that are unlike the model's training tiles count at no level but 'tile (all)': "
        f"{analysis.unlike_tiles} of {len(analysis.result.tiles)} ({format_estimate(drift.unlike, 3)}; of tiles like "
        f"the training's {drift.expected_unlike:.3f})."
    )
    if drift.unlike.interval is not None and drift.unlike.interval.low > drift.expected_unlike:
        words += " That is more than of tiles like the training's: these images differ from them."
    if analysis.unscored:
        sections = ", ".join(f"{name(section)} of {name(animal)}" for animal, section in analysis.unscored)
        words += f" No score, because nothing else is left: section {sections}."
    return words


def describe_drift(analysis: ExternalAnalysis) -> str:
    """Return whether the images differ from those of the training, and in what."""
    card, found = analysis.result.card, analysis.drift.differences
    if card.inputs is None:
        return (
            f"The card of {card.name} does not state what its training tiles look like (an earlier version made it), "
            "so how these differ from them is not known beyond the share of unlike tiles."
        )
    if not found:
        return f"The card of {card.name} has no number of its training tiles that this version measures."
    unit = "in standard deviations of a training tile"
    largest = found[0]
    if all(one.difference.interval is None for one in found):
        return (
            f"The largest difference of the inputs, {unit}: {largest.name} {largest.difference.value:+.2f}. With one "
            "animal in a class of either set, what animals differ by chance is not known."
        )
    shifted = [f"{one.name} {one.difference.value:+.2f}" for one in found if one.shifted]
    if shifted:
        return (
            f"These images differ from those of the training by more than animals differ by chance ({unit}): "
            f"{', '.join(shifted)}."
        )
    return (
        f"No number of these tiles differs from the training's by more than animals differ by chance; the largest "
        f"difference, {unit}: {largest.name} {largest.difference.value:+.2f}."
    )


def drift_rows(analysis: ExternalAnalysis) -> list[tuple[str, ...]]:
    """Return one row per number: name, mean and SD of the training, mean and SD here, difference."""
    rows: list[tuple[str, ...]] = []
    for one in analysis.drift.differences:
        interval = one.difference.interval
        words = f"{one.difference.value:+.2f}"
        if interval is not None:
            words += f" [{interval.low:+.2f}, {interval.high:+.2f}]"
        rows.append(
            (
                one.name,
                f"{one.training.mean:.3g}",
                f"{one.training.sd:.2g}",
                f"{one.new.mean:.3g}",
                f"{one.new.sd:.2g}",
                words,
                "yes" if one.shifted else ("no" if interval is not None else "not known"),
            )
        )
    return rows


def calibration_rows(analysis: ExternalAnalysis) -> list[tuple[str, ...]]:
    """Return Brier score and ECE as the model is, and with what other animals would correct."""

    def cells(fit: Fit | None) -> tuple[str, str]:
        return ("", "") if fit is None else (f"{fit.brier:.3f}", f"{fit.ece:.3f}")

    rows: list[tuple[str, ...]] = []
    for name, found in (("tile", analysis.tile_calibration), (_section_words(analysis), analysis.section_calibration)):
        rows.append((name, "as the model is", *cells(found.as_it_is)))
        if found.with_temperature is not None:
            rows.append((name, "temperature of the other animals", *cells(found.with_temperature)))
        if found.with_intercept_and_slope is not None:
            rows.append((name, "intercept and slope of the other animals", *cells(found.with_intercept_and_slope)))
    return rows


def _section_words(analysis: ExternalAnalysis) -> str:
    return "section, by the card's map" if analysis.mapped else "section (mean tile probability)"


def describe_calibration(analysis: ExternalAnalysis) -> list[str]:
    """Return how well the probabilities fit these animals, and which correction would fit."""
    card = analysis.result.card
    of_sections = "mean probability by the card's map" if analysis.mapped else "mean of their mean tile probabilities"
    words = [
        f"Tiles: mean probability {_fit_words(analysis.tile_calibration)}",
        f"Sections: {of_sections} {_fit_words(analysis.section_calibration)}",
    ]
    fitting = analysis.tile_calibration.temperature
    refit = "not defined" if fitting is None else f"{fitting:.3f}"
    words.append(
        f"Temperature that would fit these tiles: {refit} (the model's: {card.temperature:.3f}). The model itself is "
        "not changed."
    )
    if not analysis.mapped:
        words.append(
            "A section's score is a mean of tile probabilities, and no probability of its class unless a card has a "
            "map for it."
        )
    return words


def _fit_words(found: Recalibration) -> str:
    words = (
        f"{found.mean_probability:.3f}, share of high {found.share_high:.3f}; calibration in the "
        f"large {_or_none(found.in_the_large is None, format_estimate(found.in_the_large))} (0 is right)"
    )
    if found.slope is None or found.intercept is None:
        words += "; slope not defined"
    else:
        words += f"; slope {format_estimate(found.slope)} (1 is right, less: too sure), intercept {found.intercept:.2f}"
    return words + (f" ({found.why_not})." if found.why_not is not None else ".")


def _or_none(missing: bool, words: str) -> str:
    return "not defined" if missing else words


def describe_threshold(analysis: ExternalAnalysis) -> str:
    """Return the threshold that these sections would choose, and what it is worth."""
    found, card = analysis.new_threshold, analysis.result.card
    if found is None:
        return f"Threshold {card.decision_threshold:.4f}, the model's; the sections are of one class."
    words = (
        f"Threshold {card.decision_threshold:.4f}, the model's; these {counted(found.sections, 'section')} would "
        f"choose {found.threshold:.4f}."
    )
    if found.sections_right is None or found.animals_right is None:
        return words + " What that is worth cannot be judged, since a class has one animal alone."
    sections, animals = analysis.levels["section"], analysis.levels["animal"]
    return words + (
        f" Right with the model's: {round(sections.accuracy.value * sections.n)} of {sections.n} sections, "
        f"{round(animals.accuracy.value * animals.n)} of {animals.n} animals; each animal with the threshold of all "
        f"others: {found.sections_right} and {found.animals_right}."
    )


def group_rows(groups: tuple[GroupFigures, ...], name: Callable[[str], str] = str) -> list[tuple[str, ...]]:
    """Return one row per site or batch: images, AUC, sensitivity, specificity, animals right, unlike tiles."""
    return [
        (
            name(group.name),
            str(group.image.n),
            format_estimate(group.image.auc),
            format_estimate(group.image.sensitivity),
            format_estimate(group.image.specificity),
            f"{group.animals_right} of {group.animals}",
            f"{group.unlike_tiles} of {group.test_tiles}",
        )
        for group in groups
    ]


def describe_intervals() -> list[str]:
    """Return which interval is what."""
    return [
        "All intervals are at 95 % and over animals: sections, images and tiles of one animal are not independent, so "
        "no interval counts them. The model is given: it is this one, whatever another training would have found.",
        "*exact*: Clopper-Pearson, for shares of animals. *jackknife*: over animals, with Student's t. Unmarked: from "
        "the variance between animals, as docs/evaluation.md describes for every evaluation.",
        f"Differences of the inputs: {WELCH}, for all numbers at once (Bonferroni).",
    ]
