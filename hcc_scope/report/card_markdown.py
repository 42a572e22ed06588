"""A model's card for people: ``README.md``, made of ``card.yaml`` alone.

Every figure is the card's, which has it from the run; what the card does not have is said to be missing, because a
reader cannot see what was left out. The order is that of the questions of a careful reader: may I use it, what has it
seen, does it hold for an animal that it has not seen, what moves it, when does it refuse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pydantic

from hcc_scope.printable import printable
from hcc_scope.report.tripod import tripod_rows
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcc_scope.inference.card import (
        AnimalRow,
        EvaluationRecord,
        LevelFigures,
        ModelCard,
        ProtocolRecord,
        TrainingRecord,
        UnlikeTraining,
        ValidationRow,
    )

__all__ = ["card_markdown", "is_synthetic"]

_PROTOCOLS = {"paper": "paper (images split at random)", "by_animal": "by animal (no animal on both sides)"}
_SHIFTS = {
    "exposure": "signal times {amount:g}, photon noise as it would be",
    "gain": "signal and noise times {amount:g}",
    "vignetting": "{amount:.0%} less light in the corners",
    "defocus": "{amount:g} um out of focus (20x/0.4)",
}
_TRIPOD = (
    "Collins et al., TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
    "regression or machine learning methods, BMJ 2024;385:e078378. This is no clinical prediction model; the "
    "items that apply say what a reader may want to look for."
)
_MARKUP = re.compile(
    r"[\\`*\[\]<>~$]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|^(?:#|[+=-](?=[\s=-]|$)|\d+(?=[.)](?:\s|$)))"
)
"""What Markdown or the HTML in it reads as more than text. A ``_`` within a word is none of it."""
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
    parts = [
        _head(card),
        _use(card),
        _data(card),
        _validation(card.evaluation),
        _controls(card.evaluation),
        _animals(card),
        _calibration(card),
        _shifts(card),
        _unlike(card.unlike_training),
        "## Limits\n\n" + _list(card.limits),
        _reproduce(card),
        "## TRIPOD+AI\n\n" + _table(("item", "", "answer"), tripod_rows(card)) + f"\n\n{_TRIPOD}",
        f"## Licence and reference\n\nLicence: {card.licence}."
        + (f"\n\n{card.reference}" if card.reference else "\n\nNo reference is given."),
    ]
    return "\n\n".join(parts) + "\n"


def is_synthetic(card: ModelCard) -> bool:
    """Return whether the card says of itself that its data are synthetic; an older one says so in words alone."""
    if card.training is not None and card.training.synthetic is not None:
        return card.training.synthetic
    said = [card.description, card.intended_use, *card.limits]
    if card.training is not None:
        said.append(card.training.data)
    return any("synthetic" in text.lower() or "phantom" in text.lower() for text in said)


def _head(card: ModelCard) -> str:
    lines = [f"# {card.name}", f"**{RESEARCH_USE_ONLY.upper()}**"]
    if is_synthetic(card):
        lines.append(
            "**TRAINED ON SYNTHETIC IMAGES. Every figure below is about drawings of a computer, none about tissue.**"
        )
    lines += [card.description, f"*{_headline(card.evaluation)}*"]
    return "\n\n".join(lines)


def _headline(record: EvaluationRecord | None) -> str:
    if record is None:
        return "Not evaluated: neither with images split at random nor by animal."
    by_animal = _level(record, "by_animal", "image")
    if by_animal is None:
        return "Not evaluated by animal: nothing here says how it does on an animal that it has not seen."
    words = f"AUC of images of animals not seen in training: {_value(by_animal.auc, by_animal.auc_interval)}."
    if record.leakage_gap is not None:
        words += (
            f" Leakage gap (AUC of images with images split at random, less that by animal): "
            f"{_value(record.leakage_gap, record.leakage_gap_interval, signed=True)}."
        )
    if record.silent is not None:
        words += " Networks that have learnt nothing are among those behind it (see Validation)."
    return words


def _use(card: ModelCard) -> str:
    rows = [
        ("classes", f"{card.classes[0]}, {card.classes[1]} (metastatic potential); what is shown is P(high)"),
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
    outside = (
        "diagnosis, prognosis or any decision about a patient or an animal",
        "single tiles or fields: only a section's score over random fields is meant to be read",
        "another pixel size, bit depth, stain, contrast method or thickness than in training",
    )
    return f"## Intended use\n\n{card.intended_use}\n\nOut of scope:\n\n{_list(outside)}\n\n{_table(('', ''), rows)}"


def _data(card: ModelCard) -> str:
    record = card.training
    if record is None:
        return "## Training data\n\nThe card does not say what this model was trained on."
    words = f"## Training data\n\n{record.data}"
    rows = [
        ("animals", _with_classes(len(record.animals), record.animals_by_class)),
        ("sections", _count(record.sections)),
        ("images", _with_classes(record.images, record.images_by_class)),
        ("tiles", _count(record.tiles)),
        ("days of acquisition", _count(record.days)),
        ("tiles left out for quality, of the set", _excluded(record)),
    ]
    return f"{words}\n\n{_table(('', ''), rows)}\n\nAnimals: {', '.join(record.animals) or 'not named'}."


def _validation(record: EvaluationRecord | None) -> str:
    head = "## Validation: both protocols\n\n"
    if record is None:
        return (
            f"{head}Not evaluated by animal, nor with images split at random: this card holds no cross-validation, so "
            "nothing is known of how far images of the same animal on both sides would flatter the model."
        )
    text = (
        f"{head}Cross-validation of the same network and recipe on the training data: {record.animals} animals, "
        f"{record.images:,} images, {record.tiles:,} tiles. The figures are of networks that were trained on parts "
        "of the images, not of this very model.\n\n"
    )
    gap = "not defined" if record.leakage_gap is None else ""
    gap = gap or _value(record.leakage_gap, record.leakage_gap_interval, signed=True)
    text += f"**Leakage gap: {gap}** (AUC of images, protocol paper less by animal).\n\n"
    text += "" if record.silent is None else f"**{record.silent}**\n\n"
    text += "".join(f"{words}\n\n" for words in (record.restarted, record.left_out) if words is not None)
    missing = [words for name, words in _PROTOCOLS.items() if not any(p.protocol == name for p in record.protocols)]
    text += "".join(f"**Not evaluated: {words}.**\n\n" for words in missing)
    rows = []
    for level in ("tile (all)", "tile", "image", "section", "animal"):
        for name, words in _PROTOCOLS.items():
            figures = _level(record, name, level)
            if figures is not None:
                rows.append((level, words, *_figures(figures)))
    header = ("level", "protocol", "n", "AUC", "sensitivity", "specificity", "accuracy", "Brier", "ECE", "high from")
    text += f"{_table(header, rows)}\n\nIntervals at 95 %. *High* is the positive class.\n\n"
    text += "" if record.calibration is None else f"{record.calibration}\n\n"
    return text + "\n".join(f"- {_folds(protocol)}" for protocol in record.protocols)


def _figures(figures: LevelFigures) -> tuple[str, ...]:
    return (
        f"{figures.n:,}",
        _value(figures.auc, figures.auc_interval),
        _value(figures.sensitivity, figures.sensitivity_interval),
        _value(figures.specificity, figures.specificity_interval),
        _value(figures.accuracy, figures.accuracy_interval),
        f"{figures.brier:.3f}",
        f"{figures.ece:.3f}",
        "not stated" if figures.threshold is None else f"{figures.threshold:.4g}",
    )


def _folds(protocol: ProtocolRecord) -> str:
    aucs = ", ".join("not defined" if value is None else f"{value:.3f}" for value in protocol.fold_auc)
    return (
        f"{protocol.protocol}, {protocol.folds} folds: {protocol.splitting.rstrip('.')}. AUC of tiles per fold, as in "
        f"use: {aucs}."
    )


def _controls(record: EvaluationRecord | None) -> str:
    head = "## Controls\n\n"
    if record is None:
        return f"{head}None was run."
    permuted = (
        "was not run"
        if record.permuted_auc is None
        else f"{_value(record.permuted_auc, record.permuted_auc_interval)}; 0.5 is expected"
    )
    if record.day_accuracy is None:
        day = "not asked: there is only one day, or the control was not run"
    else:
        chance = "unknown" if record.day_chance is None else f"{record.day_chance:.3f}"
        day = f"{record.day_accuracy:.3f} of the images; by chance {chance}"
    return head + _list(
        (
            f"Classes of the animals permuted, AUC by animal: {permuted}.",
            f"The same network asked for the day of acquisition, images split at random: {day}. What it can tell of "
            "the day it can use for the class, wherever the two go together.",
        )
    )


def _animals(card: ModelCard) -> str:
    head = "## Results by animal\n\n"
    rows: list[tuple[str, ...]]
    columns: tuple[str, ...]
    if card.evaluation is not None and card.evaluation.per_animal:
        rows = [
            (row.animal, row.tumour_class, str(row.sections), str(row.images), *_scores(row))
            for row in card.evaluation.per_animal
        ]
        columns = (
            "animal",
            "class",
            "sections",
            "images",
            "tiles",
            "section scores",
            "score",
            "score on the right side",
        )
        note = (
            "Each by a fold that had not seen the animal; images and tiles are those that count. The last column is of "
            f"the animal's score, at the threshold {card.decision_threshold:.4g}."
        )
        return f"{head}{note}\n\n{_table(columns, rows)}"
    if card.validation:
        rows = [
            (row.animal, row.tumour_class, row.role, str(row.sections), str(row.fields), *_scores(row))
            for row in card.validation
        ]
        columns = (
            *("animal", "class", "role", "sections", "fields", "tiles", "section scores", "score"),
            "all sections on the right side",
        )
        note = "By this very model; *calibration* animals are those under Calibration, *test* ones chose nothing."
        return f"{head}{note}\n\n{_table(columns, rows)}"
    return f"{head}Not evaluated by animal."


def _scores(row: AnimalRow | ValidationRow) -> tuple[str, str, str, str]:
    of_sections = ", ".join(f"{score:.2f}" for score in row.section_scores)
    return f"{row.tiles:,}", of_sections, f"{row.animal_score:.3f}", "yes" if row.correct else "**no**"


def _calibration(card: ModelCard) -> str:
    where = _or(card.calibrated_on, "the card does not say").rstrip(".")
    text = (
        f"## Calibration\n\nTemperature {card.temperature:g}; a section counts as high from a score of "
        f"{card.decision_threshold:.4g}. What both were chosen on: {where}."
    )
    record = card.training
    if record is not None and record.tile_auc_calibration is not None:
        text += f"\n\nAUC of these held-out tiles: {record.tile_auc_calibration:.3f}."
    if record is not None and record.tile_auc_test is not None:
        text += f"\n\nTile AUC on animals that were used for nothing else: {record.tile_auc_test:.3f}."
    return text


def _shifts(card: ModelCard) -> str:
    shifts = card.shifts
    head = "## Other light, gain, flatness and focus\n\n"
    if not shifts:
        return f"{head}Not measured."
    rows = []
    for row in shifts:
        same = row.kind in ("exposure", "gain") and row.amount == 1.0
        what = "as they are" if same else _SHIFTS[row.kind].format(amount=row.amount)
        scores = (f"{row.mean_score_low:.3f}", f"{row.mean_score_high:.3f}")
        right = f"{row.sections_correct} of {row.sections}"
        rows.append((row.kind, what, f"{row.tile_auc:.3f}", *scores, right))
    columns = ("what", "images", "tile AUC", "mean score, low", "mean score, high", "sections on the right side")
    on = "" if card.shifts_on is None else f" On {card.shifts_on}."
    return (
        f"{head}Held-out sections, shifted and scored again, at the threshold above.{on} Quality checks and the check "
        "for tiles that are unlike the training's, which would leave out some of these tiles in use, were not applied "
        f"after the shift.\n\n{_table(columns, rows)}"
    )


def _unlike(record: UnlikeTraining | None) -> str:
    head = "## Unlike training\n\n"
    if record is None:
        return f"{head}This model does not say when a tile is unlike what it was trained on: it scores anything."
    text = (
        f"{head}{record.method.rstrip('.')} ({record.components} components). Beyond a distance of "
        f"{record.threshold:g} a tile is flagged *unlike training* and by default not scored. The threshold "
        f"was chosen to flag at most {record.false_flag_rate:.1%} of these tiles: {record.measured_on.rstrip('.')}. Of "
        "others like those in training it can be more or fewer."
    )
    if not record.flagged:
        return f"{text}\n\nNothing else was tried on it."
    rows = [(what, f"{share:.1%}") for what, share in record.flagged.items()]
    return f"{text}\n\n{_table(('of these tiles, drawn by a computer', 'flagged'), rows)}"


def _reproduce(card: ModelCard) -> str:
    head = "## How to repeat it\n\n"
    commands = []
    rows = []
    record = card.training
    if record is not None:
        commands.append(record.command)
        rows = [
            ("recipe", _or(record.recipe, "not stated")),
            ("loss", record.loss),
            ("optimiser", record.optimiser),
            ("seed", str(record.seed)),
            ("starts", _starts(record.starts)),
            ("epochs", str(record.epochs)),
            ("precision while training", _or(record.precision, "not stated")),
            ("device", _or(record.device, "not stated")),
            ("fingerprint of the data", _or(record.data_fingerprint, "not stated")),
            *((name, version) for name, version in record.software.items()),
        ]
    if card.evaluation is not None:
        commands.append(card.evaluation.command)
    if not commands:
        return f"{head}The card names no command."
    lines = "\n".join(printable(" ".join(command.split("\n"))) for command in commands)
    fence = "`" * max(3, *(len(run) + 1 for run in ("", *re.findall("`+", lines))))
    block = f"{fence}sh\n{lines}\n{fence}"
    return f"{head}{block}" + (f"\n\n{_table(('', ''), rows)}" if rows else "")


def _starts(starts: int | None) -> str:
    if starts is None:
        return "not stated"
    return "1" if starts == 1 else f"{starts}: after those before it the network had learnt nothing"


def _as_text(value: Any) -> Any:  # noqa: ANN401 - a card or a part of one
    """Return a card in which each text stands for its letters: who made it may have put markup into it."""
    if isinstance(value, str):
        return _MARKUP.sub(lambda found: _escape(found[0]), printable(" ".join(value.split("\n"))).strip())
    if isinstance(value, pydantic.BaseModel):
        names = type(value).model_fields.keys() - _VERBATIM
        return value.model_copy(update={name: _as_text(getattr(value, name)) for name in names})
    if isinstance(value, tuple):
        return tuple(_as_text(one) for one in value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(one) for key, one in value.items()}
    return value


def _escape(mark: str) -> str:
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def _level(record: EvaluationRecord, protocol: str, level: str) -> LevelFigures | None:
    for one in record.protocols:
        if one.protocol == protocol:
            if level == "tile (all)":
                return one.all_tiles
            return next((figures for figures in one.levels if figures.level == level), None)
    return None


def _value(value: float | None, interval: tuple[float, float] | None, *, signed: bool = False) -> str:
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


def _or(value: str | None, otherwise: str) -> str:
    return value if value else otherwise


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
