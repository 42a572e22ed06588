"""The stored results of an evaluation: ``evaluation.json`` with everything, and the record for a model's card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pydantic

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import TrainingError
from hcc_scope.evaluation import published
from hcc_scope.evaluation.aggregation import LEVELS
from hcc_scope.evaluation.baseline_conclusions import describe_controls, describe_shortcut, describe_texture
from hcc_scope.evaluation.conclusions import (
    calibrated_on,
    describe_gap,
    describe_left_out,
    describe_nested,
    describe_restarted,
    describe_silent,
)
from hcc_scope.evaluation.filenames import EVALUATION_FILE
from hcc_scope.evaluation.recipe_words import describe_recipe, left_open
from hcc_scope.evaluation.report import relative_pngs, report_markdown, table1_markdown
from hcc_scope.evaluation.statement import BENEFIT_PREVALENCES, benefits
from hcc_scope.evaluation.stored_evaluation import data_facts, image_rows, reading_evaluation, versions_used
from hcc_scope.evaluation.tables import MEASURES
from hcc_scope.inference.card import AnimalRow, EvaluationRecord, LevelFigures, ProtocolRecord
from hcc_scope.inference.card_evaluation import BaselineProtocol, BaselineRecord, GapRecord, PermutationRecord
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain
from hcc_scope.training.config import NetworkName, Precision, RecipeName  # noqa: TC001 - read by pydantic
from hcc_scope.training.records import StrictRecord
from hcc_scope.validation_text import statement_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.evaluation.analysis import Analysis, ProtocolFigures
    from hcc_scope.evaluation.baseline_figures import BaselineFigures
    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.metrics import Figures
    from hcc_scope.evaluation.permutations import PermutationFigures
    from hcc_scope.evaluation.statement import Statement
    from hcc_scope.inference.card import Interval

__all__ = [
    "EVALUATION_FILE",
    "Calibration",
    "evaluation_json",
    "evaluation_record",
    "load_calibration",
    "write_evaluation",
]

SCHEMA = 3
KIND = "cross-validation"
"""Of the evaluation: of a network and recipe, not of one finished model."""


def _pair(estimate: Estimate | None) -> Interval | None:
    return None if estimate is None or estimate.interval is None else estimate.interval.pair


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _level(figures: Figures) -> LevelFigures:
    return LevelFigures(
        level=figures.level,
        n=figures.n,
        auc=_value(figures.auc),
        auc_interval=_pair(figures.auc),
        auc_within_folds=figures.auc_within_folds,
        sensitivity=_value(figures.sensitivity),
        sensitivity_interval=_pair(figures.sensitivity),
        specificity=_value(figures.specificity),
        specificity_interval=_pair(figures.specificity),
        accuracy=figures.accuracy.value,
        accuracy_interval=_pair(figures.accuracy),
        brier=figures.brier.value,
        brier_interval=_pair(figures.brier),
        ece=figures.ece,
        threshold=figures.threshold,
        animals=figures.n_animals,
        auc_of_single=figures.auc_of_single,
        auc_sd_of_starts=None if figures.auc is None else figures.auc.sd_of_starts,
        auc_coverage=None if figures.auc is None or figures.auc.interval is None else figures.auc.interval.coverage,
    )


def _baseline(found: BaselineFigures) -> BaselineRecord:
    return BaselineRecord(
        name=found.name,
        features=found.words,
        n_features=found.n_features,
        protocols=tuple(
            BaselineProtocol(
                protocol=which,
                levels=tuple(_level(protocol.pooled[level]) for level in LEVELS),
                auc_difference={level: _value(one) for level, one in found.differences[which].items()},
                auc_difference_interval={level: _pair(one) for level, one in found.differences[which].items()},
            )
            for which, protocol in found.protocols.items()
        ),
    )


def _permutations(found: PermutationFigures) -> PermutationRecord:
    return PermutationRecord(
        of=found.of,
        labellings=found.labellings,
        exact=found.exact,
        auc=found.auc,
        p_value=found.p_value,
        null_by_animal=found.null_by_animal,
        null_paper=found.null_paper,
    )


def evaluation_record(analysis: Analysis, command: str) -> EvaluationRecord:
    """Return the evaluation as a model's card has it: both protocols, never one alone.

    Parameters
    ----------
    analysis : Analysis
    command : str
        That made it.
    """
    result, found = analysis.result, analysis
    images = result.tiles.images
    return EvaluationRecord(
        command=command,
        headline=describe_gap(found),
        recipe=describe_recipe(result),
        animals=len({image.animal_id for image in images}),
        images=len(images),
        tiles=len(result.tiles),
        protocols=tuple(
            ProtocolRecord(
                protocol=protocol.protocol,
                folds=len(protocol.folds),
                splitting=protocol.splitting,
                fold_auc=tuple(protocol.of_fold(fold, "tile", "auc") for fold in protocol.folds),
                levels=tuple(_level(protocol.pooled[level]) for level in LEVELS),
                all_tiles=_level(protocol.pooled["tile_all"]),
            )
            for protocol in found.protocols.values()
        ),
        leakage_gap=_value(found.gap),
        leakage_gap_interval=_pair(found.gap),
        silent=describe_silent(found),
        restarted=describe_restarted(found),
        left_out=describe_left_out(found),
        calibration=describe_nested(found),
        starts=result.starts,
        baselines=tuple(_baseline(baseline) for baseline in found.baselines.values()),
        better_than_texture=describe_texture(found),
        shortcut=describe_shortcut(found),
        gaps=tuple(
            GapRecord(
                of=gap.of,
                difference=_value(gap.difference),
                difference_interval=_pair(gap.difference),
                null_mean=gap.null_mean,
                null_of=gap.null_of,
                gap=_value(gap.gap),
                gap_interval=_pair(gap.gap),
            )
            for gap in found.corrected.values()
        ),
        permutations=_permutations(found.permutations["texture"]),
        controls=tuple(describe_controls(found)),
        per_animal=tuple(
            AnimalRow(
                animal=a.animal,
                tumour_class=CLASSES[a.label],
                sections=len(a.section_scores),
                images=a.images,
                tiles=a.tiles,
                section_scores=a.section_scores,
                animal_score=a.score,
                correct=a.correct,
            )
            for a in found.animals
        ),
        statement=None if found.statement is None else found.statement.record,
    )


def evaluation_json(analysis: Analysis, command: str, figures: Sequence[str] = ()) -> dict[str, Any]:
    """Return everything as JSON values; docs/evaluation.md describes the keys."""
    result, data = analysis.result, analysis.result.data
    gap = analysis.gap
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "note": RESEARCH_USE_ONLY,
        "command": command,
        "headline": describe_gap(analysis),
        "recipe": describe_recipe(result),
        "left_open": left_open(result),
        "data": data_facts(data, result.tiles, analysis.n_animals),
        "config": asdict(result.config),
        "leakage_gap": None if gap is None else asdict(gap) | {"pooled": analysis.gap_pooled},
        "calibration": {
            "temperature": result.temperature,
            "threshold": result.threshold,
            "calibrated_on": calibrated_on(analysis),
            "of": asdict(analysis.calibration),
            "nested": None if analysis.nested is None else asdict(analysis.nested),
        },
        "statement": _statement(analysis.statement),
        "protocols": {name: _protocol(found) for name, found in analysis.protocols.items()},
        "baselines": {name: _baseline_json(found) for name, found in analysis.baselines.items()},
        "better_than_texture": describe_texture(analysis),
        "shortcut": describe_shortcut(analysis),
        "gaps": {of: asdict(found) for of, found in analysis.corrected.items()},
        "permutations": {
            of: asdict(found) | {"null_gap": found.null_gap, "leaks": found.leaks}
            for of, found in analysis.permutations.items()
        },
        "sources": {
            source: {"not_run": found} if isinstance(found, str) else asdict(found)
            for source, found in analysis.sources.items()
        },
        "controls": describe_controls(analysis),
        "animals": [asdict(animal) for animal in analysis.animals],
        "copies": analysis.copies,
        "silent": dict(analysis.silent),
        "images": _images(analysis),
        "published": {
            "source": published.SOURCE,
            "specificity": published.SPECIFICITY,
            "sensitivity": published.SENSITIVITY,
            "accuracy": published.ACCURACY,
            "auc": published.AUC,
        },
        "figures": list(figures),
        "versions": versions_used(),
        "card": evaluation_record(analysis, command).model_dump(mode="json"),
    }


def _statement(found: Statement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    trial = found.trial
    return {
        "record": found.record.model_dump(mode="json"),
        "map_trial": {
            "ece_of_score": trial.ece_of_score,
            "brier_of_score": trial.brier_of_score,
            "ece": trial.ece,
            "brier": trial.brier,
            "why_not": trial.why_not or None,
        },
        "predictive_values": statement_json(found.record),
        "net_benefit": {
            f"{prevalence:g}": [row._asdict() for row in benefits(found.record, prevalence)]
            for prevalence in BENEFIT_PREVALENCES
        },
    }


def _protocol(found: ProtocolFigures) -> dict[str, Any]:
    means = {level: {name: found.fold_mean(level, name) for name in MEASURES} for level in found.pooled}
    return asdict(found) | {"fold_mean": means, "test_tiles": found.test_tiles, "unlike_tiles": found.unlike_tiles}


def _baseline_json(found: BaselineFigures) -> dict[str, Any]:
    return {
        "features": found.words,
        "n_features": found.n_features,
        "temperature": found.temperature,
        "threshold": found.threshold,
        "protocols": {
            which: _protocol(protocol)
            | {"auc_difference": {level: _dict(one) for level, one in found.differences[which].items()}}
            for which, protocol in found.protocols.items()
        },
    }


def _dict(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)


def _images(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each image with its held-out scores: enough to compute any other figure."""
    rows = image_rows(analysis.result.tiles.images)
    for name, scores in analysis.scores.items():
        image = scores.pooled["image"]
        for (index,), score, fold in zip(image.names, image.scores.tolist(), image.folds.tolist(), strict=True):
            rows[int(str(index))][name] = {"score": score, "fold": fold + 1}
    return rows


def write_evaluation(analysis: Analysis, folder: Path, command: str, figures: Sequence[Path] = ()) -> dict[str, Any]:
    """Write ``table1.md``, ``report.md`` and, last, ``evaluation.json``; return what the latter holds.

    Parameters
    ----------
    analysis : Analysis
    folder : Path
    command : str
    figures : sequence of Path
        Files below `folder`.

    Raises
    ------
    StoreError
        If one cannot be written.
    """
    links = relative_pngs(figures, folder)
    content = evaluation_json(analysis, command, links)
    try:
        replace_file(folder / "table1.md", table1_markdown(analysis).encode())
        replace_file(folder / "report.md", report_markdown(analysis, command, links).encode())
        replace_file(folder / EVALUATION_FILE, json_bytes(content))
    except OSError as error:
        raise explain(error, f"the evaluation in {folder} could not be written") from error
    return content


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a training takes over from the evaluation of the same network and recipe."""

    temperature: float
    threshold: float
    calibrated_on: str
    evaluation: EvaluationRecord
    config: dict[str, Any]
    """Of the folds; ``epochs`` is what they were trained for."""
    fingerprint: str
    """Of the labelled set."""
    bit_depth: int
    """Of its images."""

    @property
    def network(self) -> str:
        """Name of the architecture."""
        return str(self.config["network"])

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        return str(self.config["recipe"])

    @property
    def epochs(self) -> int:
        """Per fold."""
        return int(self.config["epochs"])


def load_calibration(folder: Path) -> Calibration:
    """Read temperature and threshold of a finished evaluation.

    Raises
    ------
    TrainingError
        If there is no finished evaluation, or one that cannot be read.
    """
    with reading_evaluation(folder) as path:
        data = read_small_file(path)
        head = _Schema.model_validate_json(data)
        if head.schema_ != SCHEMA:
            raise TrainingError(
                f"{path} has schema {head.schema_}, and this version knows {SCHEMA} alone",
                hint="Run hcc-scope evaluate again.",
            )
        if head.kind != KIND:
            raise TrainingError(
                f"{folder} judges a finished model on other animals, and no network and recipe for a training",
                hint="Run hcc-scope evaluate without --model on the images to train on.",
            )
        content = _Content.model_validate_json(data)
    return Calibration(
        temperature=content.calibration.temperature,
        threshold=content.calibration.threshold,
        calibrated_on=content.calibration.calibrated_on,
        evaluation=content.card,
        config=content.config.model_dump(),
        fingerprint=content.data.fingerprint,
        bit_depth=content.data.bit_depth,
    )


class _Part(StrictRecord):
    model_config = pydantic.ConfigDict(extra="ignore")


class _Schema(_Part):
    schema_: int = pydantic.Field(alias="schema")
    kind: str = KIND


class _Chosen(_Part):
    temperature: float = pydantic.Field(gt=0, le=100)
    threshold: float = pydantic.Field(gt=0, lt=1)
    calibrated_on: str


class _Config(_Part):
    """What all folds were trained with: everything is decided."""

    network: NetworkName
    recipe: RecipeName
    seed: int = pydantic.Field(ge=0)
    steps: int | None = pydantic.Field(ge=1)
    epochs: int | None = pydantic.Field(ge=1)
    batch: int = pydantic.Field(ge=1)
    learning_rate: float = pydantic.Field(gt=0)
    augment_od: bool = False
    precision: Precision


class _Data(_Part):
    fingerprint: str = pydantic.Field(pattern="^[0-9a-f]{64}$")
    bit_depth: int = pydantic.Field(ge=8, le=16)


class _Content(_Part):
    calibration: _Chosen
    config: _Config
    data: _Data
    card: EvaluationRecord
