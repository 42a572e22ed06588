"""A model's card for people: ``README.md``, made of ``card.yaml`` alone by ``templates/card.md.j2``.

Every figure is the card's, which has it from the run. What the card lacks is reported as missing, because a reader
cannot see what was left out. The order is that of a careful reader's questions: may I use it, what was it trained on,
does it hold for a new animal, what shifts it, when does it refuse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pydantic

from hcc_scope.colour import describe_conversion
from hcc_scope.formatting import counted, percent
from hcc_scope.printable import printable
from hcc_scope.report.tripod import tripod_rows
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.templates import environment, markdown_text
from hcc_scope.validation_text import describe_smallest_p, describe_statement

if TYPE_CHECKING:
    from hcc_scope.inference.card import (
        AnimalRow,
        EvaluationRecord,
        LevelFigures,
        ModelCard,
        TrainingRecord,
        ValidationRow,
    )

__all__ = ["card_markdown", "headline", "is_synthetic"]

_PROTOCOLS = {
    "paper": "paper (images split at random)",
    "by_animal": "by animal (no animal on both sides)",
    "by_site": "by site (no site on both sides)",
}
_OPTIONAL = "by_site"
"""Only where it was asked for."""
_SHIFTS = {
    "exposure": "signal times {amount:g}, photon noise as it would be",
    "gain": "signal and noise times {amount:g}",
    "vignetting": "{amount:.0%} less light in the corners",
    "defocus": "{amount:g} um out of focus (20x/0.4)",
}
_VERBATIM = frozenset({"command", "sha256"})
"""Fields that stand as code."""


def card_markdown(card: ModelCard) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    card : ModelCard
        Any that can be read; also one of a user's own model that knows nothing of its training.

    Returns
    -------
    str
        Ends with a newline; the same card gives the same text.
    """
    card = _as_text(card)
    evaluation, training = card.evaluation, card.training
    return (
        environment("hcc_scope.report")
        .get_template("card.md.j2")
        .render(
            card=card,
            research_use_only=RESEARCH_USE_ONLY,
            synthetic=is_synthetic(card),
            headline=headline(evaluation),
            estimate=_estimate,
            use_rows=_use_rows(card),
            data_rows=() if training is None else _data_rows(training),
            level_rows=() if evaluation is None else _level_rows(evaluation),
            baseline_rows=() if evaluation is None else _baseline_rows(evaluation),
            gap_rows=() if evaluation is None else _gap_rows(evaluation),
            protocols_missing=() if evaluation is None else _protocols_missing(evaluation),
            statement_rows=_statement_rows(card),
            animal_rows=_animal_rows(card),
            shift_rows=_shift_rows(card),
            flagged_rows=()
            if card.unlike_training is None
            else [(what, f"{share:.1%}") for what, share in card.unlike_training.flagged.items()],
            input_rows=_input_rows(card),
            commands=_commands(card),
            repeat_rows=() if training is None else _repeat_rows(training),
            tripod_rows=tripod_rows(card),
        )
    )


def is_synthetic(card: ModelCard) -> bool:
    """Return whether the data of a model are synthetic; an older card states it in its texts alone."""
    if card.training is not None and card.training.synthetic is not None:
        return card.training.synthetic
    texts = [card.description, card.intended_use, *card.limits]
    if card.training is not None:
        texts.append(card.training.data)
    return any("synthetic" in text.lower() or "phantom" in text.lower() for text in texts)


def headline(record: EvaluationRecord | None) -> str:
    """Return the first sentence about a model's validation: its AUC by animal, or that it has none."""
    if record is None:
        return "Not evaluated: neither with images split at random nor by animal."
    by_animal = _level(record, "by_animal", "image")
    if by_animal is None:
        return "Not evaluated by animal: nothing here says how it does on an animal that it has not seen."
    if record.headline is not None:
        return record.headline
    words = f"AUC of images of animals not seen in training: {_estimate(by_animal.auc, by_animal.auc_interval)}."
    if record.leakage_gap is not None:
        words += (
            " Difference of the protocols (AUC of images with images split at random, less that by animal): "
            f"{_estimate(record.leakage_gap, record.leakage_gap_interval, signed=True)}."
        )
    if record.silent is not None:
        words += " Networks that have learnt nothing are among those behind it (see Validation)."
    return words


def _use_rows(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("classes", f"{card.classes[0]}, {card.classes[1]} (metastatic potential)"),
        (
            "what is shown",
            "P(high) of tiles; of a section the mean tile probability, which is no probability of the class",
        ),
        ("tiles", f"{card.tile_px} x {card.tile_px} px, raw counts of a monochrome camera"),
        ("pixel size", f"{card.pixel_size_um:g} um, within {card.pixel_size_tolerance:.0%}; others are refused"),
        ("bit depth", f"{card.bit_depth} (full scale {card.full_scale}); others are refused"),
        (
            "normalisation",
            "inside the graph" if card.normalisation == "inside" else "mean stretching, applied before the graph",
        ),
        ("network", _or(card.network, "not stated") + (f", {card.parameters:,} parameters" if card.parameters else "")),
        ("sha256 of model.pt", f"`{card.sha256}`"),
    ]


def _data_rows(record: TrainingRecord) -> list[tuple[str, str]]:
    return [
        ("animals", _with_classes(len(record.animals), record.animals_by_class)),
        ("sections", _count(record.sections)),
        ("images", _with_classes(record.images, record.images_by_class)),
        ("tiles", _count(record.tiles)),
        ("days of acquisition", _count(record.days)),
        ("tiles left out for quality, of the set", _excluded(record)),
    ]


def _baseline_rows(record: EvaluationRecord) -> list[tuple[str, ...]]:
    """Return AUCs of tiles and images of the baselines, and how much larger those of the network are."""
    return [
        (
            figures.level,
            protocol.protocol.replace("_", " "),
            baseline.name,
            f"{figures.n:,}",
            _estimate(figures.auc, figures.auc_interval),
            _estimate(
                protocol.auc_difference.get(figures.level),
                protocol.auc_difference_interval.get(figures.level),
                signed=True,
            ),
        )
        for baseline in record.baselines
        for protocol in baseline.protocols
        for figures in protocol.levels
        if figures.level in ("tile", "image")
    ]


def _gap_rows(record: EvaluationRecord) -> list[tuple[str, ...]]:
    return [
        (
            gap.of,
            _estimate(gap.difference, gap.difference_interval, signed=True),
            "" if gap.null_of is None else gap.null_of,
            _estimate(gap.null_mean, None, signed=True),
            _estimate(gap.gap, gap.gap_interval, signed=True),
        )
        for gap in record.gaps
    ]


def _protocols_missing(record: EvaluationRecord) -> list[str]:
    known = {one.protocol for one in record.protocols}
    return [words for name, words in _PROTOCOLS.items() if name not in known and name != _OPTIONAL]


def _level_rows(record: EvaluationRecord) -> list[tuple[str, ...]]:
    return [
        (level, words, *_figures(figures))
        for level in ("tile (all)", "tile", "image", "section", "animal")
        for name, words in _PROTOCOLS.items()
        if (figures := _level(record, name, level)) is not None
    ]


def _figures(figures: LevelFigures) -> tuple[str, ...]:
    return (
        f"{figures.n:,}" + ("" if figures.animals is None else f" of {counted(figures.animals, 'animal')}"),
        _auc(figures),
        _estimate(figures.sensitivity, figures.sensitivity_interval),
        _estimate(figures.specificity, figures.specificity_interval),
        _estimate(figures.accuracy, figures.accuracy_interval),
        _estimate(figures.brier, figures.brier_interval),
        f"{figures.ece:.3f}",
        "not stated" if figures.threshold is None else f"{figures.threshold:.4g}",
    )


def _statement_rows(card: ModelCard) -> list[str]:
    """Return what a verdict is worth, as sentences."""
    statement = card.statement
    found = describe_statement(statement)
    if statement is None:
        return found
    if statement.networks > 1:
        found[0] += f" Means over {statement.networks} networks for each animal, rounded down."
    if statement.threshold_interval is not None:
        low, high = statement.threshold_interval
        found.append(
            f"The decision threshold {statement.threshold:.4g} has the 95 % interval {low:.4g} to {high:.4g}; a "
            "section is undecided while the interval of its score meets it."
        )
    if statement.section_map is None:
        found.append("There is no map from a section's score to a probability of the class.")
    else:
        one = statement.section_map
        found.append(
            f"A section's probability of the class comes from its score by a map (log-odds {one.intercept:.3f} + "
            f"{one.slope:.3f} x log-odds of the score, at a prevalence of {percent(one.prevalence)}): on animals that "
            f"it was not fitted to ECE {one.ece:.3f}, Brier {one.brier:.3f}, where the score itself has "
            f"{one.ece_of_score:.3f} and {one.brier_of_score:.3f} ({counted(one.animals, 'animal')})."
        )
    if text := describe_smallest_p(statement):
        found.append(text)
    return found


def _auc(figures: LevelFigures) -> str:
    """Return an AUC with all that is known of how sure it is; a star marks one of all pairs."""
    words = _estimate(figures.auc, figures.auc_interval)
    if figures.auc_sd_of_starts is not None:
        words += f", SD {figures.auc_sd_of_starts:.3f}"
    if figures.auc_coverage is not None:
        words += f" (covers {figures.auc_coverage:.0%} at worst)"
    return words + (" *" if figures.auc_within_folds is False else "")


def _animal_rows(card: ModelCard) -> list[tuple[str, ...]]:
    """Return the animals of the cross-validation or, without one, those that the training held out."""
    if card.evaluation is not None and card.evaluation.per_animal:
        return [
            (row.animal, row.tumour_class, str(row.sections), str(row.images), *_scores(row))
            for row in card.evaluation.per_animal
        ]
    return [
        (row.animal, row.tumour_class, row.role, str(row.sections), str(row.fields), *_scores(row))
        for row in card.validation
    ]


def _scores(row: AnimalRow | ValidationRow) -> tuple[str, str, str, str]:
    of_sections = ", ".join(f"{score:.2f}" for score in row.section_scores)
    return f"{row.tiles:,}", of_sections, f"{row.animal_score:.3f}", "yes" if row.correct else "**no**"


def _shift_rows(card: ModelCard) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in card.shifts:
        same = row.kind in ("exposure", "gain") and row.amount == 1.0
        what = "as they are" if same else _SHIFTS[row.kind].format(amount=row.amount)
        scores = (f"{row.mean_score_low:.3f}", f"{row.mean_score_high:.3f}")
        right = f"{row.sections_correct} of {row.sections}"
        rows.append((row.kind, what, f"{row.tile_auc:.3f}", *scores, right))
    return rows


def _input_rows(card: ModelCard) -> list[tuple[str, ...]]:
    if card.inputs is None:
        return []
    return [
        (name, f"{one.mean:.4g}", f"{one.sd:.3g}", "" if one.sd_of_animals is None else f"{one.sd_of_animals:.3g}")
        for name, one in card.inputs.features.items()
    ]


def _commands(card: ModelCard) -> str:
    """Return the commands that made it, as a block of code that none of them can end; nothing if it names none."""
    records = (card.training, card.evaluation)
    lines = "\n".join(printable(" ".join(one.command.split("\n"))) for one in records if one is not None)
    if not lines:
        return ""
    fence = "`" * max(3, *(len(run) + 1 for run in ("", *re.findall("`+", lines))))
    return f"{fence}sh\n{lines}\n{fence}"


def _repeat_rows(record: TrainingRecord) -> list[tuple[str, str]]:
    return [
        ("recipe", _or(record.recipe, "not stated")),
        ("loss", record.loss),
        ("optimiser", record.optimiser),
        *([] if record.colour is None else [("colour", describe_conversion(record.colour))]),
        ("seed", str(record.seed)),
        ("attempts", _attempts(record.attempts)),
        *([] if record.steps is None else [("steps, at most", str(record.steps))]),
        ("epochs", str(record.epochs)),
        ("precision while training", _or(record.precision, "not stated")),
        ("device", _or(record.device, "not stated")),
        ("fingerprint of the data", _or(record.data_fingerprint, "not stated")),
        *((name, version) for name, version in record.software.items()),
    ]


def _attempts(attempts: int | None) -> str:
    if attempts is None:
        return "not stated"
    return "1" if attempts == 1 else f"{attempts}: after those before it the network had learnt nothing"


def _as_text(value: Any) -> Any:  # noqa: ANN401 - a card or a part of one
    """Return a card whose texts show their letters in Markdown: the author of a card may have put markup into it."""
    if isinstance(value, str):
        return markdown_text(value)
    if isinstance(value, pydantic.BaseModel):
        names = type(value).model_fields.keys() - _VERBATIM
        return value.model_copy(update={name: _as_text(getattr(value, name)) for name in names})
    if isinstance(value, tuple):
        return tuple(_as_text(one) for one in value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(one) for key, one in value.items()}
    return value


def _level(record: EvaluationRecord, protocol: str, level: str) -> LevelFigures | None:
    for one in record.protocols:
        if one.protocol == protocol:
            if level == "tile (all)":
                return one.all_tiles
            return next((figures for figures in one.levels if figures.level == level), None)
    return None


def _estimate(value: float | None, interval: tuple[float, float] | None = None, *, signed: bool = False) -> str:
    if value is None:
        return "not defined"
    sign = "+" if signed else ""
    text = f"{value:{sign}.3f}"
    return text if interval is None else f"{text} [{interval[0]:{sign}.3f}, {interval[1]:{sign}.3f}]"


def _count(value: int | None) -> str:
    return "not stated" if value is None else f"{value:,}"


def _with_classes(total: int | None, by_class: dict[str, int]) -> str:
    split = ", ".join(f"{n:,} {name}" for name, n in by_class.items())
    return f"{_count(total)} ({split})" if split else _count(total)


def _excluded(record: TrainingRecord) -> str:
    if not record.excluded_tiles:
        return "not stated" if record.images is None else "none"
    return ", ".join(f"{n:,} {reason.lower().replace('_', ' ')}" for reason, n in record.excluded_tiles.items())


def _or(value: str | None, missing: str) -> str:
    return value if value else missing
