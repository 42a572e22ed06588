"""The items of TRIPOD+AI that apply to a model of sections, each with the place in its card that answers it.

Collins et al., "TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use regression or
machine learning methods", BMJ 2024;385:e078378. An item that the card cannot answer is listed as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard

__all__ = ["tripod_rows"]


def tripod_rows(card: ModelCard) -> list[tuple[str, str, str]]:
    """Return item number, its subject, and the answer or where it is."""
    record, evaluation = card.training, card.evaluation
    protocols = {one.protocol for one in evaluation.protocols} if evaluation is not None else set()
    trained = record is not None
    evaluated = "Validation" if evaluation is not None else _missing("no cross-validation is recorded")
    each_animal = evaluation is not None and bool(evaluation.per_animal)
    by_animal = "Validation: by animal" if "by_animal" in protocols else _missing("not evaluated by animal")
    balance = _missing("numbers by class are not stated")
    if record is not None and record.images_by_class:
        counts = ", ".join(f"{n:,} {name}" for name, n in record.images_by_class.items())
        balance = f"{counts} images"
    return [
        ("1", "Title", f"{card.name}: classification of low and high metastatic sections by a neural network"),
        ("3, 4", "Background and objectives", "Intended use"),
        ("5a", "Source of data", "Training data" if trained else _missing("training data are not stated")),
        ("5b", "Dates", _stated(trained and record is not None and record.days is not None, "Training data: days")),
        ("6, 20", "Participants (animals)", "Training data, Results by animal" if trained else _missing("not stated")),
        ("8", "Outcome", "the class of each image, low or high, as the manifest of the data gives it"),
        ("9", "Predictors", f"raw counts of tiles of {card.tile_px} px, and nothing else"),
        (
            "10",
            "Sample size",
            "what there was; animals are what counts" if trained else _missing("not stated"),
        ),
        (
            "11",
            "Missing data",
            "tiles that fail quality are left out: Training data"
            if record is not None and (record.excluded_tiles or record.images is not None)
            else _missing("tiles left out are not counted"),
        ),
        ("12a", "Use of the data", evaluated if evaluation is None else "Validation: splitting of both protocols"),
        ("12c", "Type and building of the model", "How to repeat it" if trained else _missing("not stated")),
        ("12d", "Clusters", by_animal),
        ("12e", "Measures of performance", evaluated),
        ("13", "Class imbalance", balance),
        ("14", "Fairness", "not assessed: the card knows animals, and no groups of them but the two classes"),
        (
            "15",
            "Model output",
            f"calibrated P(high) of a tile, and their mean over a section; its threshold {card.decision_threshold:.4g}",
        ),
        (
            "16",
            "Training versus evaluation",
            evaluated if evaluation is None else "folds of one set; no other set",
        ),
        ("18f", "Code", "HCC-Scope, licence BSD-3-Clause; How to repeat it"),
        (
            "22",
            "Model specification",
            "the files in the model's folder (docs/models.md)",
        ),
        ("23a", "Performance with intervals", evaluated),
        (
            "23b",
            "Heterogeneity",
            "Results by animal" if each_animal else by_animal,
        ),
        ("26", "Limitations", "Limits"),
        (
            "27a",
            "Poor or unlike input",
            "Unlike training" if card.unlike_training is not None else "quality checks alone; it scores anything else",
        ),
        ("27b", "Usability", "Intended use"),
    ]


def _missing(why: str) -> str:
    return f"**missing**: {why}"


def _stated(known: bool, where: str) -> str:
    return where if known else _missing("not stated")
