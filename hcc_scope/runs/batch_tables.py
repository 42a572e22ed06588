"""The tables of a batch: a row for each section and each animal, as Parquet and as CSV, beside the previous model.

The tables are made of the result files alone and in one order, so the same results give the same bytes, whoever made
them and however often the batch was ended. Rows are written in blocks: a million sections never stand in memory.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from hcc_scope.atomic_file import replacing
from hcc_scope.errors import StoreError, StoreUnwritableError
from hcc_scope.exact_sum import ExactSum
from hcc_scope.formatting import sentence
from hcc_scope.printable import printable, spreadsheet_text
from hcc_scope.runs.animal_scores import choose_sections
from hcc_scope.runs.batch_result import MOST_SECTIONS, engine_build
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.score_text import decision
from hcc_scope.scoring import animal_interval, animal_score, share_of_confidence
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.place import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hcc_scope.runs.batch import BatchFailure, ScoredStore
    from hcc_scope.runs.batch_result import ResultFolder, SectionResult
    from hcc_scope.types import SectionScore

__all__ = ["ANIMALS", "FAILURES", "SECTIONS", "Agreement", "Flip", "write_failures", "write_tables"]

SECTIONS, ANIMALS, FAILURES = "sections", "animals", "failures"
"""Names of the tables, without their endings."""
_ENDINGS = ("parquet", "csv")
_BLOCK = 4096
"""Rows that are written together."""
_MOST_FLIPS = 1000
"""That are kept for the account; the table has them all."""
_MOST_POINTS = 5000
"""Pairs of scores that are kept for the plot."""

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


@dataclass(frozen=True, slots=True)
class Flip:
    """A section whose score lies on another side of the threshold than the previous model's."""

    animal_id: str
    section_id: str
    store: str
    previous_score: float
    score: float
    side: str
    """Where it lies now: ``low`` or ``high``."""
    decided: bool
    """Whether both scores decide: the whole interval lies on one side."""


@dataclass(slots=True)
class Agreement:
    """How the scores of a batch lie beside those that the stores record, over the sections that count."""

    sections: int = 0
    """That count for their animals."""
    compared: int = 0
    """Of them: with both scores."""
    n_flips: int = 0
    n_flips_decided: int = 0
    decisions_compared: int = 0
    """Sections in which both scores decide."""
    largest_difference: float = 0.0
    flips: list[Flip] = field(default_factory=list)
    """The first ones."""
    points: list[tuple[float, float, bool]] = field(default_factory=list)
    """Previous and new score, and whether it is a flip; evenly from all sections compared."""
    n_empty: int = 0
    """Of all sections: without a tile that could be scored."""
    n_same: int = 0
    """Of all sections: whose results are those that the store records, by the rule of `hcc_scope.runs.comparison`."""
    differences: list[str] = field(default_factory=list)
    """Of the first sections that the same model scored otherwise: where, as a sentence."""
    n_different: int = 0
    previous_models: dict[str, int] = field(default_factory=dict)
    """Name of each previous model: sections compared with it."""
    previous_thresholds: set[float] = field(default_factory=set)
    _differences: ExactSum = field(default_factory=ExactSum)
    _step: int = 1

    @property
    def previous_threshold(self) -> float | None:
        """Of the previous model; None if there are several."""
        return next(iter(self.previous_thresholds)) if len(self.previous_thresholds) == 1 else None

    @property
    def mean_difference(self) -> float | None:
        """New less previous score; None without a pair."""
        return self._differences.value() / self.compared if self.compared else None

    @property
    def share(self) -> float | None:
        """Of the compared sections: those that lie on the same side."""
        return 1 - self.n_flips / self.compared if self.compared else None

    def add(self, result: SectionResult, store: str) -> None:
        """Take a section that counts."""
        self.sections += 1
        before, new = result.previous, result.score
        if before is None or before.score.score is None or new.score is None:
            return
        difference = new.score - before.score.score
        self._differences.add(difference)
        self.largest_difference = max(self.largest_difference, abs(difference))
        self.previous_models[before.model] = self.previous_models.get(before.model, 0) + 1
        self.previous_thresholds.add(before.score.threshold)
        self.compared += 1
        decided = None not in (decision(before.score), decision(new))
        self.decisions_compared += decided
        flip = side(before.score) != side(new)
        self._keep_point(before.score.score, new.score, flip=flip)
        if flip:
            self.n_flips += 1
            self.n_flips_decided += decided
            if len(self.flips) < _MOST_FLIPS:
                ids = result.animal_id, result.section_id
                self.flips.append(Flip(*ids, store, before.score.score, new.score, str(side(new)), decided))

    def check(self, result: SectionResult, store: str) -> None:
        """Take a section, whether it counts or not, and whether its results are those that its store records."""
        self.n_empty += result.score.score is None
        before = result.previous
        if before is None or before.model_sha256 != result.model_sha256:
            return
        if before.differs:
            self.n_different += 1
            if len(self.differences) < _MOST_FLIPS:
                self.differences.append(sentence(f"{store}: {before.answer}"))
        else:
            self.n_same += before.differs is not None

    def _keep_point(self, previous: float, new: float, *, flip: bool) -> None:
        if self.compared % self._step:
            return
        self.points.append((previous, new, flip))
        if len(self.points) > _MOST_POINTS:
            self.points = self.points[::2]
            self._step *= 2


def side(score: SectionScore) -> str | None:
    """Return the side of the threshold on which a score lies, whatever its interval; one on it is *high*."""
    if score.score is None:
        return None
    return "high" if score.score >= score.threshold else "low"


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
    with _tables(folder, (SECTIONS, SECTION_SCHEMA), (ANIMALS, ANIMAL_SCHEMA)) as (sections, animals):
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
    return agreement, [folder / f"{name}.{ending}" for name in (SECTIONS, ANIMALS) for ending in _ENDINGS]


def _counting(found: Sequence[tuple[str, SectionResult]]) -> set[str]:
    """Return the stores that count for their animal, by the one rule (`choose_sections`)."""
    n_stores = Counter(result.section_id for _, result in found)
    listed = [
        ListedSection(
            Path(store),
            "complete" if result.complete else "unfinished",
            animal_id=result.animal_id,
            section_id=result.section_id,
            created_utc=_time(result.acquired_utc),
            n_frames=result.n_frames,
            score=result.score,
            noted_utc=_noted_utc(store) if n_stores[result.section_id] > 1 else None,
        )
        for store, result in found
        if result.score.score is not None
    ]
    given = {Path(store): store for store, _ in found}  # a path merges the slashes of an address
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


# -- files -------------------------------------------------------------------------------------------------------------


def write_failures(failures: Sequence[BatchFailure], folder: Path) -> list[Path]:
    """Write the table of the stores that have no result; without a row, if all have one.

    Raises
    ------
    StoreUnwritableError
        If it cannot be written.
    """
    with _tables(folder, (FAILURES, FAILURE_SCHEMA)) as (table,):
        for one in failures:
            table.add({"store": one.store, "attempts": one.attempts, "reason": one.reason})
    return [folder / f"{FAILURES}.{ending}" for ending in _ENDINGS]


class _Table:
    """One table as Parquet and as CSV, in blocks of rows."""

    def __init__(self, schema: pa.Schema, parquet: Path, csv: Path, within: ExitStack) -> None:
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._parquet = within.enter_context(pq.ParquetWriter(parquet, schema, compression="zstd"))
        file = within.enter_context(csv.open("wb"))
        file.write((",".join(schema.names) + "\n").encode("ascii"))
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
        self._csv = within.enter_context(pyarrow.csv.CSVWriter(file, _as_text(schema), write_options=options))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; a column that it lacks has no value."""
        self._rows.append(row)
        if len(self._rows) >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if not self._rows:
            return
        columns = {name: [row.get(name) for row in self._rows] for name in self._schema.names}
        self._parquet.write_batch(pa.RecordBatch.from_pydict(columns, self._schema))
        plain = {
            one.name: [_cell(value) for value in columns[one.name]] if _is_worded(one) else columns[one.name]
            for one in self._schema
        }
        self._csv.write_batch(pa.RecordBatch.from_pydict(plain, _as_text(self._schema)))
        self._rows.clear()


def _is_worded(column: pa.Field) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_timestamp(column.type))


def _as_text(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the CSV table: what is no number is text that no spreadsheet computes."""
    return pa.schema([(one.name, pa.string() if _is_worded(one) else one.type) for one in schema])


def _cell(value: str | datetime | None) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else spreadsheet_text(printable(value))


@contextmanager
def _tables(folder: Path, *named: tuple[str, pa.Schema]) -> Iterator[list[_Table]]:
    """Yield tables that replace those of their names once all are whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as renamed, ExitStack() as written:
            tables = []
            for name, schema in named:
                parquet, csv = (
                    renamed.enter_context(replacing(folder / f"{name}.{ending}", shared=True)) for ending in _ENDINGS
                )
                tables.append(_Table(schema, parquet, csv, written))
            yield tables
            for table in tables:
                table.flush()
    except OSError as error:
        raise StoreUnwritableError(
            f"The tables cannot be written to {folder}: {error.strerror or error}",
            hint="The results are kept; give the command again.",
        ) from error
