"""The files of an external validation, ``report.md`` and ``evaluation.json``: their folder is complete or absent."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, patiently, replace_file
from hcc_scope.errors import StoreExistsError
from hcc_scope.evaluation.external import words
from hcc_scope.evaluation.filenames import EVALUATION_FILE
from hcc_scope.evaluation.record import SCHEMA
from hcc_scope.evaluation.report import animal_row, relative_pngs
from hcc_scope.evaluation.stored_evaluation import data_facts, image_rows, versions_used
from hcc_scope.evaluation.tables import figure_rows
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.storage.files import explain
from hcc_scope.templates import environment, markdown_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hcc_scope.evaluation.external.analysis import ExternalAnalysis

__all__ = ["KIND", "external_json", "report_markdown", "write_external"]

KIND = "external"
"""Of the evaluation, in its ``evaluation.json``."""


def external_json(analysis: ExternalAnalysis, command: str, figures: Sequence[str] = ()) -> dict[str, Any]:
    """Return everything as JSON values; docs/evaluation.md describes the keys."""
    result, data, card = analysis.result, analysis.result.data, analysis.result.card
    drift = analysis.drift
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "note": RESEARCH_USE_ONLY,
        "command": command,
        "headline": words.describe_external(analysis),
        "model": {
            "name": card.name,
            "sha256": card.sha256,
            "engine": result.engine,
            "temperature": card.temperature,
            "threshold": card.decision_threshold,
            "unlike_beyond": None if card.unlike_training is None else card.unlike_training.threshold,
            "trained_on": card.trained_on,
        },
        "leak_check": asdict(result.leak),
        "data": data_facts(data, result.tiles, analysis.n_animals),
        "levels": {level: asdict(figures) for level, figures in analysis.levels.items()},
        "card_levels": {
            level: None if (own := words.card_level(card, level)) is None else own.model_dump(mode="json")
            for level in analysis.levels
        },
        "test_tiles": len(result.tiles),
        "unlike_tiles": analysis.unlike_tiles,
        "unscored": analysis.unscored,
        "calibration": {
            "tile": asdict(analysis.tile_calibration),
            "section": asdict(analysis.section_calibration) | {"by_the_cards_map": analysis.mapped},
            "new_threshold": None if analysis.new_threshold is None else asdict(analysis.new_threshold),
        },
        "drift": {
            "training": None if card.inputs is None else card.inputs.model_dump(mode="json", exclude={"images"}),
            "new": drift.new.model_dump(mode="json", exclude={"images"}),
            "differences": {one.name: asdict(one.difference) | {"shifted": one.shifted} for one in drift.differences},
            "unlike": None if drift.unlike is None else asdict(drift.unlike),
            "expected_unlike": drift.expected_unlike,
            "sentence": words.describe_drift(analysis),
        },
        "baselines": words.NO_BASELINES,
        "sites": [asdict(group) for group in analysis.sites],
        "batches": [asdict(group) for group in analysis.batches],
        "animals": [asdict(animal) for animal in analysis.animals],
        "images": _images(analysis),
        "figures": list(figures),
        "versions": versions_used(),
    }


def _images(analysis: ExternalAnalysis) -> list[dict[str, Any]]:
    """Return each image with its score: enough to compute any other figure."""
    rows = image_rows(analysis.result.tiles.images)
    image = analysis.scored["image"]
    for (index,), score in zip(image.names, image.scores.tolist(), strict=True):
        rows[int(str(index))][KIND] = {"score": score}
    return rows


def report_markdown(analysis: ExternalAnalysis, command: str, figures: Sequence[str]) -> str:
    """Return the report.

    Parameters
    ----------
    analysis : ExternalAnalysis
    command : str
        That made it.
    figures : sequence of str
        Paths of PNGs, relative to the report.
    """
    result = analysis.result
    groups = [
        (title, words.group_rows(of, markdown_text))
        for title, of in (("site", analysis.sites), ("batch", analysis.batches))
        if of
    ]
    return (
        environment("hcc_scope.evaluation")
        .get_template("external.md.j2")
        .render(
            card=result.card,
            data=result.data,
            engine=result.engine,
            n_animals=result.animals,
            n_tiles=len(result.tiles),
            headline=words.describe_external(analysis, name=markdown_text),
            specimen=words.describe_specimen(analysis),
            colour=words.describe_colour(analysis),
            leak_check=words.describe_leak_check(analysis),
            left_out=words.describe_left_out(analysis, name=markdown_text),
            level_rows=figure_rows(analysis.levels),
            card_rows=words.card_rows(analysis),
            no_baselines=words.NO_BASELINES,
            groups=groups,
            animal_rows=[animal_row(animal) for animal in analysis.animals],
            calibration=words.describe_calibration(analysis),
            calibration_rows=words.calibration_rows(analysis),
            threshold=words.describe_threshold(analysis),
            drift=words.describe_drift(analysis),
            drift_rows=words.drift_rows(analysis),
            intervals=words.describe_intervals(),
            figures=figures,
            command=command,
            research_use_only=RESEARCH_USE_ONLY,
        )
    )


def write_external(
    analysis: ExternalAnalysis, folder: Path, command: str, draw: Callable[[Path], list[Path]] | None = None
) -> dict[str, Any]:
    """Write everything beside `folder`, give it that name when it is complete, and return ``evaluation.json``.

    Parameters
    ----------
    analysis : ExternalAnalysis
    folder : Path
        Must not exist.
    command : str
    draw : callable, optional
        Takes the folder of the figures and returns their files.

    Raises
    ------
    StoreError
        If it cannot be written, or is there already.
    """
    hidden = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        hidden.mkdir(parents=True)
        figures = [] if draw is None else draw(hidden / "figures")
        links = relative_pngs(figures, hidden)
        content = external_json(analysis, command, links)
        replace_file(hidden / "report.md", report_markdown(analysis, command, links).encode())
        replace_file(hidden / EVALUATION_FILE, json_bytes(content))
        if folder.is_dir():
            folder.rmdir()  # an empty one; nothing is ever overwritten
        patiently(lambda: hidden.rename(folder))
    except OSError as error:
        if folder.is_dir() and any(folder.iterdir()):
            raise StoreExistsError(f"{folder} exists", hint="Choose a new folder.") from error
        raise explain(error, f"the evaluation in {folder} could not be written") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return content
