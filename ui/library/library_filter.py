"""Which sections the library shows, and in which order."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hcc_scope.runs.section_columns import natural_order
from hcc_scope.score_text import VERDICT_TITLES, verdict_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.score_text import VerdictKind

__all__ = ["NO_LABEL", "Column", "LibraryFilter", "Since", "order_of", "order_of_animal", "side_of", "sides_of"]

NO_LABEL = "no label"
"""In place of a label, of sections without one."""


class Column(enum.IntEnum):
    """The columns of the library."""

    SECTION = 0
    SCORE = 1
    STATE = 2
    ACQUIRED = 3
    FIELDS = 4
    LABEL = 5
    MODEL = 6
    LEFT_OUT = 7
    NOTES = 8


class Since(enum.Enum):
    """How old a section may be, in days; None: of any age."""

    ANY = "Any date", None
    DAY = "Today", 1
    WEEK = "Last 7 days", 7
    MONTH = "Last 30 days", 30
    YEAR = "Last 365 days", 365

    def __init__(self, title: str, days: int | None) -> None:
        self.title = title
        """As a person reads it."""
        self.days = days
        """None: any age."""


@dataclass(frozen=True, slots=True)
class LibraryFilter:
    """What a section needs to be shown; as given, all are."""

    search: str = ""
    side: str | None = None
    """Title of a verdict (`hcc_scope.score_text.verdict`); None: any."""
    state: str | None = None
    """`hcc_scope.runs.listed_section.SectionState`; None: any."""
    model: str | None = None
    label: str | None = None
    """A label, or `NO_LABEL`; None: any."""
    since: Since = Since.ANY

    def lets_through(self, section: ListedSection, now: datetime | None = None) -> bool:
        """Return whether a section is shown."""
        days = self.since.days
        if days is not None:
            now = datetime.now(UTC) if now is None else now
            if section.created_utc is None or section.created_utc < now - timedelta(days=days):
                return False
        return (
            self.state in (None, section.state)
            and self.model in (None, section.model)
            and self.label in (None, section.label or NO_LABEL)
            and (self.side is None or self.side == side_of(section))
            and (not self.search or section.matches(self.search))
        )


def side_of(section: ListedSection) -> str:
    """Return the title of a section's verdict."""
    return VERDICT_TITLES[verdict_kind(section.shown_score)]


def sides_of(sections: Iterable[ListedSection]) -> list[str]:
    """Return the verdicts that some sections have, in the order in which they are offered."""
    order: tuple[VerdictKind, ...] = ("low", "high", "undecided", "not valid", "none")
    found = {side_of(one) for one in sections}
    return [title for kind in order if (title := VERDICT_TITLES[kind]) in found]


def order_of(column: Column, section: ListedSection) -> tuple[object, ...]:
    """Return what a section is sorted by in a column; sections without a value come first."""
    name = natural_order(section.section_id or section.path.name)
    match column:
        case Column.SCORE:
            score = None if section.shown_score is None else section.shown_score.score
            return (-1.0 if score is None else score, *name)
        case Column.ACQUIRED:
            return (0.0 if section.created_utc is None else section.created_utc.timestamp(), *name)
        case Column.MODEL:
            return (section.model or "", *name)
        case Column.FIELDS:
            return (section.n_fields or 0, *name)
        case Column.LEFT_OUT:
            return (section.describe_quality(), *name)
        case Column.LABEL:
            return (section.label or "", *name)
        case Column.NOTES:
            return (section.n_notes, *name)
        case Column.STATE:
            return (section.state, *name)
        case _:
            return name


def order_of_animal(
    column: Column, animal_id: str, sections: Iterable[ListedSection], scores: Iterable[AnimalScore]
) -> tuple[object, ...]:
    """Return what an animal is sorted by in a column: its score, its newest section, or its id."""
    if column is Column.SCORE:
        return (max((one.score for one in scores), default=-1.0), *natural_order(animal_id))
    if column is Column.ACQUIRED:
        times = [one.created_utc.timestamp() for one in sections if one.created_utc is not None]
        return (max(times, default=0.0), *natural_order(animal_id))
    return natural_order(animal_id)
