"""The columns of a list of sections: the same names in every table, in conditions and in orders.

`hcc-scope query` and the lists that the library exports have these columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from hcc_scope.flag_texts import FLAG_TEXTS
from hcc_scope.printable import spreadsheet_text
from hcc_scope.score_text import decision, verdict
from hcc_scope.storage.place import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.types import SectionScore

__all__ = ["COLUMNS", "Cell", "Column", "SectionRow", "csv_cells", "json_cells", "natural_order", "section_rows"]

Kind: TypeAlias = Literal["text", "number", "date", "yes or no"]
Cell: TypeAlias = str | float | bool | datetime | None
"""Of one section in one column; None where it is not known."""


class SectionRow(NamedTuple):
    """A section, and the score of its animal that it belongs to."""

    section: ListedSection
    animal: AnimalScore | None = None
    """By the model that scored the section; None if the section has no score."""
    why_not_counted: str = ""
    """Why the animal's score is without this store, as half a sentence; empty if it counts, or has no score."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    words: str
    """What it holds."""
    of: Callable[[SectionRow], Cell]
    """Return its cell in a row."""


def _section(name: str, kind: Kind, words: str, attribute: str) -> Column:
    def of(row: SectionRow) -> Cell:
        cell: Cell = getattr(row.section, attribute)
        return None if cell == "" else cell

    return Column(name, kind, words, of)


def _score(name: str, kind: Kind, words: str, take: Callable[[SectionScore], Cell]) -> Column:
    def of(row: SectionRow) -> Cell:
        score = row.section.shown_score
        return None if score is None else take(score)

    return Column(name, kind, words, of)


def _animal(name: str, kind: Kind, words: str, take: Callable[[AnimalScore], Cell]) -> Column:
    return Column(name, kind, words, lambda row: None if row.animal is None else take(row.animal))


def _counts(row: SectionRow) -> bool | None:
    return None if row.animal is None else not row.why_not_counted


def _tiles(key: str, words: str) -> Column:
    return _score(f"tiles_{key}", "number", f"tiles left out: {words}", lambda score: score.tiles_excluded.get(key, 0))


COLUMNS: dict[str, Column] = {
    one.name: one
    for one in (
        _section("animal_id", "text", "the animal", "animal_id"),
        _section("section_id", "text", "the section", "section_id"),
        _section("acquired_utc", "date", "when its run began", "created_utc"),
        _section("state", "text", "complete, under way, unfinished, or unreadable", "state"),
        _section("ended", "text", "how its run ended", "ended"),
        _section("frames", "number", "frames that are stored", "n_frames"),
        _section("planned", "number", "frames that were planned", "n_planned"),
        _score("score", "number", "the mean tile probability of high", lambda score: score.score),
        _score("interval_low", "number", "low end of its interval, if valid", lambda score: _end(score, 0)),
        _score("interval_high", "number", "high end of its interval, if valid", lambda score: _end(score, 1)),
        _score("interval_valid", "yes or no", "whether the interval is valid", lambda score: score.interval_valid),
        _score("threshold", "number", "the model's decision threshold", lambda score: score.threshold),
        _score("verdict", "text", "the side of the threshold, in words", lambda score: verdict(score).title),
        _score("scored_frames", "number", "frames in the score", lambda score: score.frames),
        _score("scored_tiles", "number", "tiles in the score", lambda score: score.tiles),
        _score(
            "fields_excluded_by_operator",
            "number",
            "fields that a person excluded",
            lambda score: score.fields_excluded_by_operator,
        ),
        _section("model", "text", "the model that scored it", "model"),
        _section("model_sha256", "text", "its sha256", "model_sha256"),
        _section("label", "text", "its label for training", "label"),
        _section("notes", "number", "remarks of a person", "n_notes"),
        _section("note", "text", "the last remark on the section", "note"),
        _section("problem", "text", "what is wrong with the store", "problem"),
        Column("store", "text", "the path of the store", lambda row: str(place_of(row.section.path))),
        Column("complete", "yes or no", "whether its run has ended", lambda row: row.section.is_ended),
        _score("decision", "text", "low or high, once its interval is on that side", decision),
        Column("quality", "text", "what is left out of the score", lambda row: row.section.describe_quality() or None),
        *(_tiles(one.key, one.name) for one in FLAG_TEXTS.values()),
        _animal("animal_score", "number", "the animal's score by this model", lambda one: one.score),
        _animal("animal_sections", "number", "sections in the animal's score", lambda one: len(one.sections)),
        Column("in_animal_score", "yes or no", "whether this store counts in the animal's score", _counts),
        Column("not_counted", "text", "why it does not count", lambda row: row.why_not_counted or None),
    )
}
"""All columns, by name, in their order."""


def _end(score: SectionScore, end: int) -> float | None:
    return score.interval[end] if score.interval_valid else None


def section_rows(sections: Iterable[ListedSection], animals: Iterable[AnimalScore]) -> list[SectionRow]:
    """Return sections with the scores of their animals.

    Parameters
    ----------
    sections : iterable of ListedSection
    animals : iterable of AnimalScore
        Over all sections of these animals, also those that are not in `sections`.
    """
    counting: dict[Path, AnimalScore] = {}
    why_not: dict[Path, str] = {}
    for animal in animals:
        counting |= dict.fromkeys((one.path for one in animal.sections), animal)
        for left_out in animal.left_out:
            counting[left_out.section.path] = animal
            why_not[left_out.section.path] = left_out.describe()
    return [SectionRow(one, counting.get(one.path), why_not.get(one.path, "")) for one in sections]


def json_cells(row: SectionRow) -> dict[str, Any]:
    """Return a row as JSON values by column."""
    cells = {name: column.of(row) for name, column in COLUMNS.items()}
    acquired = row.section.created_utc
    return cells if acquired is None else {**cells, "acquired_utc": acquired.isoformat()}


def csv_cells(row: SectionRow) -> list[object]:
    """Return a row as the cells of a CSV table that no spreadsheet takes for a formula."""
    return [spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in json_cells(row).values()]


_DIGITS = re.compile(r"(\d+)")


def natural_order(text: str) -> tuple[object, ...]:
    """Return a key by which S2 comes before S10.

    Examples
    --------
    >>> sorted(["S10", "s2", "S1b"], key=natural_order)
    ['S1b', 's2', 'S10']
    """
    words = _DIGITS.split(text.casefold())
    # text and digits alternate, and begin with text; digits are no int, as a note may have thousands of them
    return tuple((len(digits := word.lstrip("0")), digits) if k % 2 else word for k, word in enumerate(words))
