"""The tables of a batch: a row for each section and each animal, as Parquet and as CSV, beside the previous model.

The tables are made of the result files alone and in one order, so the same results give the same bytes, whoever made
them and however often the batch was ended. Rows are written in blocks: a million sections never stand in memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hcc_scope.animal_scoring import animal_interval, animal_score, share_of_confidence
from hcc_scope.errors import StoreError
from hcc_scope.memory import no_collection
from hcc_scope.runs.animal_scores import choose_sections
from hcc_scope.runs.batch_agreement import Agreement, side
from hcc_scope.runs.batch_result import MOST_SECTIONS, engine_build
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.runs.table_files import open_tables, table_paths
from hcc_scope.score_text import decision
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.place import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.runs.batch import BatchFailure, ScoredStore
    from hcc_scope.runs.batch_result import ResultFolder, SectionResult
    from hcc_scope.types import SectionScore

__all__ = ["ANIMALS", "FAILURES", "SECTIONS", "write_failures", "write_tables"]

SECTIONS, ANIMALS, FAILURES = "sections", "animals", "failures"
"""Names of the tables, without their endings."""

_PLACE = [("animal_id", pa.string()), ("section_id", pa.string()), ("store", pa.string())]
_SCORE = [
    ("score", pa.float64()),
    ("interval_low", pa.float64()),
    ("interval_high", pa.float64()),
    ("threshold", pa.float64()),
    ("side", pa.string()),
    ("decision", pa.string()),
]
_MODEL = [("model", pa.string()), ("model_sha256", pa.string())]
_BESIDE = [("score_difference", pa.float64()), ("flip", pa.bool_())]


def _previous(columns: Sequence[tuple[str, pa.DataType]]) -> list[tuple[str, pa.DataType]]:
    return [(f"previous_{name}", kind) for name, kind in columns]


SECTION_SCHEMA = pa.schema([
    *_PLACE,
    ("acquired_utc", pa.timestamp("us", "UTC")),
    ("complete", pa.bool_()),
    ("frames", pa.int64()),
    *_SCORE,
    ("scored_frames", pa.int64()),
    ("scored_tiles", pa.int64()),
    ("fields_excluded_by_operator", pa.int64()),
    *_MODEL,
    ("engine", pa.string()),
    *_previous([*_SCORE, *_MODEL, ("engine", pa.string())]),
    *_BESIDE,
    ("tiles_compared", pa.int64()),
    ("tiles_on_other_side", pa.int64()),
    ("largest_tile_difference", pa.float64()),
    ("counts_for_animal", pa.bool_()),
    ("remarks", pa.string()),
    ("store_hash", pa.string()),
])  # fmt: skip
"""An interval that is not valid is left out. ``side``: of the threshold on which the score lies; ``decision``: the side
on which its whole interval lies. ``flip``: whether the previous score lies on the other side of its own threshold."""
ANIMAL_SCHEMA = pa.schema([
    ("animal_id", pa.string()),
    ("sections", pa.int64()),
    ("score", pa.float64()),
    ("interval_low", pa.float64()),
    ("interval_high", pa.float64()),
    ("why_no_interval", pa.string()),
    ("threshold", pa.float64()),
    ("side", pa.string()),
    *_MODEL,
    ("previous_score", pa.float64()),
    *_previous(_MODEL),
    *_BESIDE,
])  # fmt: skip
FAILURE_SCHEMA = pa.schema([("store", pa.string()), ("attempts", pa.int64()), ("reason", pa.string())])


# -- sections and animals ----------------------------------------------------------------------------------------------


def write_tables(results: ResultFolder, scored: Sequence[ScoredStore], folder: Path) -> tuple[Agreement, list[Path]]:
    """Write the tables of sections and animals.

    Parameters
    ----------
    results : ResultFolder
        Holds the results.
    scored : sequence of ScoredStore
        By animal, section and store.
    folder : Path

    Returns
    -------
    agreement : Agreement
        With what the stores record.
    written : list of Path

    Raises
    ------
    StoreDamagedError
        If a result cannot be read.
    StoreUnwritableError
        If they cannot be written.
    """
    agreement = Agreement()
    schemas = (SECTIONS, SECTION_SCHEMA), (ANIMALS, ANIMAL_SCHEMA)
    with no_collection(), open_tables(folder, *schemas) as (sections, animals):
        for _, group in groupby(scored, key=lambda one: one.animal_id):
            found = [(one.store, results.read(one.key)) for one in group]
            counting = _counting(found)
            for store, result in found:
                counts = store in counting
                sections.add(_section_row(store, result, counts=counts))
                agreement.check(result, store)
                if counts:
                    agreement.add(result, store)
            row = _animal_row([result for store, result in found if store in counting])
            if row is not None:
                animals.add(row)
    return agreement, [*table_paths(folder, SECTIONS), *table_paths(folder, ANIMALS)]


def _counting(found: Sequence[tuple[str, SectionResult]]) -> set[str]:
    """Return the stores that count for their animal, by the one rule (`choose_sections`)."""
    n_stores = Counter(result.section_id for _, result in found)
    paths = [Path(store) for store, _ in found]
    given = {path: store for path, (store, _) in zip(paths, found, strict=True)}  # a path merges slashes of an address
    listed = [
        ListedSection(
            path,
            "complete" if result.complete else "unfinished",
            animal_id=result.animal_id,
            section_id=result.section_id,
            created_utc=_time(result.acquired_utc),
            n_frames=result.n_frames,
            score=result.score,
            noted_utc=_noted_utc(store) if n_stores[result.section_id] > 1 else None,
        )
        for path, (store, result) in zip(paths, found, strict=True)
        if result.score.score is not None
    ]
    return {given[one.path] for one in choose_sections(listed)[0]}


def _noted_utc(store: str) -> datetime | None:
    """Return when the last note was written; of several stores of one section, the last noted one may count."""
    try:
        notes = read_notes(place_of(store))
    except StoreError:
        return None
    return notes[-1].t_utc if notes else None


def _section_row(store: str, result: SectionResult, *, counts: bool) -> dict[str, Any]:
    before, new = result.previous, result.score
    row: dict[str, Any] = {
        "animal_id": result.animal_id,
        "section_id": result.section_id,
        "store": store,
        "acquired_utc": _time(result.acquired_utc),
        "complete": result.complete,
        "frames": result.n_frames,
        **_score_cells(new),
        "scored_frames": new.frames,
        "scored_tiles": new.tiles,
        "fields_excluded_by_operator": new.fields_excluded_by_operator,
        "model": result.model,
        "model_sha256": result.model_sha256,
        "engine": engine_build(result.engine),
        "counts_for_animal": counts,
        "remarks": " ".join(result.remarks) or None,
        "store_hash": result.key.store_hash,
    }
    if before is not None:
        row |= {f"previous_{name}": value for name, value in _score_cells(before.score).items()}
        row |= {
            "previous_model": before.model,
            "previous_model_sha256": before.model_sha256,
            "previous_engine": before.engine,
            "tiles_compared": before.tiles,
            "tiles_on_other_side": before.tiles_on_other_side,
            "largest_tile_difference": before.largest_difference,
        }
        if new.score is not None and before.score.score is not None:
            row["score_difference"] = new.score - before.score.score
            row["flip"] = side(new) != side(before.score)
    return row


def _score_cells(score: SectionScore) -> dict[str, Any]:
    has_interval = score.score is not None and score.interval_valid
    low, high = score.interval if has_interval else (None, None)
    return {
        "score": score.score,
        "interval_low": low,
        "interval_high": high,
        "threshold": score.threshold,
        "side": side(score),
        "decision": decision(score),
    }


def _animal_row(sections: Sequence[SectionResult]) -> dict[str, Any] | None:
    mean = animal_score(one.score for one in sections)
    if mean is None:
        return None
    first = sections[0]
    interval, why = _animal_interval(sections)
    threshold = first.score.threshold
    row: dict[str, Any] = {
        "animal_id": first.animal_id,
        "sections": len(sections),
        "score": mean,
        "interval_low": None if interval is None else interval[0],
        "interval_high": None if interval is None else interval[1],
        "why_no_interval": why or None,
        "threshold": threshold,
        "side": "high" if mean >= threshold else "low",
        "model": first.model,
        "model_sha256": first.model_sha256,
    }
    previous = [one.previous for one in sections if one.previous is not None and one.previous.score.score is not None]
    if len(previous) == len(sections) and len({one.model_sha256 for one in previous}) == 1:
        before = animal_score(one.score for one in previous)
        if before is not None:
            side_before = "high" if before >= previous[0].score.threshold else "low"
            row |= {
                "previous_score": before,
                "previous_model": previous[0].model,
                "previous_model_sha256": previous[0].model_sha256,
                "score_difference": mean - before,
                "flip": row["side"] != side_before,
            }
    return row


def _animal_interval(sections: Sequence[SectionResult]) -> tuple[tuple[float, float] | None, str]:
    n = len(sections)
    if n > MOST_SECTIONS:
        return None, f"it is known for up to {MOST_SECTIONS} sections of an animal"
    invalid = [one.section_id for one in sections if len(one.intervals) < n]
    if invalid:
        which = ", ".join(invalid[:3]) + (" ..." if len(invalid) > 3 else "")
        return None, f"section {which} has no valid interval" if n == 1 else f"no valid interval of {which}"
    confidence = share_of_confidence(n)
    scores = [replace(one.score, interval=one.intervals[n - 1], confidence=confidence) for one in sections]
    interval = animal_interval(scores)
    return interval, "" if interval else "a section has no valid interval"


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def write_failures(failures: Sequence[BatchFailure], folder: Path) -> list[Path]:
    """Write the table of the stores that have no result; without a row, if all have one.

    Raises
    ------
    StoreUnwritableError
        If it cannot be written.
    """
    with open_tables(folder, (FAILURES, FAILURE_SCHEMA)) as (table,):
        for one in failures:
            table.add({"store": one.store, "attempts": one.attempts, "reason": one.reason})
    return table_paths(folder, FAILURES)
