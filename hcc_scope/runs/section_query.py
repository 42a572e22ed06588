"""Which sections of a list, and in which order: conditions and orders that a person writes.

A condition is ``COLUMN OPERATOR VALUE``, as in ``score > 0.6``, ``animal = M7`` or ``note ~ fold``, or a column of
yes and no alone, as in ``complete`` or ``not complete``. The columns are those of `hcc_scope.runs.section_columns`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError
from hcc_scope.number_text import plain_number
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library import SectionLister, existing_folders
from hcc_scope.runs.section_columns import COLUMNS, Cell, Column, SectionRow, natural_order, section_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = [
    "OTHER_NAMES",
    "Condition",
    "Order",
    "QueryResult",
    "parse_condition",
    "parse_order",
    "query_sections",
    "sort_rows",
]

OTHER_NAMES = {
    "animal": "animal_id",
    "section": "section_id",
    "date": "acquired_utc",
    "excluded": "fields_excluded_by_operator",
}
"""Short names of columns, for conditions and orders."""
_NONE = "none"
"""The value of a cell that is not known."""
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|==|=|<|>|!~|~)\s*(.*?)\s*", re.DOTALL)
_FLAG = re.compile(r"\s*(not\s+)?(\w+)\s*", re.IGNORECASE)
_SECOND = re.compile(r"\s(?:and|or)\s+(?:not\s+)?(\w+)\s*(?:[<>=~]|!=|!~|$)", re.IGNORECASE)
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_HINTS = {
    "number": "Write a number with a decimal point, for example 0.6.",
    "date": "Write a date as 2026-11-30, or with a time as 2026-11-30T14:05.",
    "yes or no": "Write yes or no.",
}
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
_COMPARE: dict[str, Callable[[object, object], bool]] = {
    "<": lambda cell, value: cell < value,  # type: ignore[operator]
    "<=": lambda cell, value: cell <= value,  # type: ignore[operator]
    ">": lambda cell, value: cell > value,  # type: ignore[operator]
    ">=": lambda cell, value: cell >= value,  # type: ignore[operator]
    "=": lambda cell, value: cell == value,
    "~": lambda cell, value: str(value) in str(cell),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a section needs to be listed."""

    column: Column
    operator: str
    value: Cell | date
    is_negated: bool = False
    """Whether the opposite is needed; a cell that is not known meets the opposite of every comparison."""

    def holds(self, row: SectionRow) -> bool:
        """Return whether a section meets the condition."""
        return self._compared(self.column.of(row)) is not self.is_negated

    def _compared(self, cell: Cell) -> bool:
        if cell is None or self.value is None:
            return cell is None and self.value is None
        if isinstance(cell, datetime):
            cell = cell.astimezone(UTC)
            return _COMPARE[self.operator](cell if isinstance(self.value, datetime) else cell.date(), self.value)
        return _COMPARE[self.operator](cell.casefold() if isinstance(cell, str) else cell, self.value)


def parse_condition(text: str) -> Condition:
    """Return the condition that a person wrote.

    Parameters
    ----------
    text : str
        ``COLUMN OPERATOR VALUE`` with one of ``= != < <= > >= ~ !~``, where ``~`` is *contains*; capitals make no
        difference.
        A value ``none`` is that of cells that are not known; quotation marks around a value are left out.
        Or ``COLUMN`` or ``not COLUMN``, of yes and no.

    Raises
    ------
    UsageError
        If it is none.

    Examples
    --------
    >>> condition = parse_condition("score >= 0.5")
    >>> condition.column.name, condition.operator, condition.value
    ('score', '>=', 0.5)
    """
    found = _CONDITION.fullmatch(text)
    if found is None:
        return _flag(text)
    name, operator, value = found.groups()
    column = _column(name)
    if text[found.end(2) :][:1] in tuple("=<>~"):
        raise UsageError(
            f"The operator '{operator}{value[0]}' in the condition '{text}' is unknown",
            hint=f"For {column.name} use {' '.join(_operators(column))}.",
        )
    if quoted := _QUOTED.fullmatch(value):
        value = quoted[2]
    elif (second := _SECOND.search(value)) and _is_column(second[1]):
        raise UsageError(
            f"'{text}' is more than one condition",
            hint="Give each its own --where: all of them have to hold. Put a text of this form in quotation marks.",
        )
    is_negated = operator.startswith("!")
    operator = {"==": "=", "!=": "=", "!~": "~"}.get(operator, operator)
    if operator not in _operators(column):
        raise UsageError(
            f"In the condition '{text}', {column.name} cannot be compared by {operator}",
            hint=f"It holds {_holds(column)}: use {' '.join(_operators(column))}.",
        )
    return Condition(column, operator, _value(column, operator, value, text), is_negated)


def _flag(text: str) -> Condition:
    found = _FLAG.fullmatch(text)
    if found is None:
        raise UsageError(
            f"The condition '{text}' cannot be read", hint="Write COLUMN OPERATOR VALUE, for example 'score > 0.6'."
        )
    negated, name = found.groups()
    column = _column(name)
    if column.kind != "yes or no":
        raise UsageError(
            f"The condition '{text}' lacks an operator and a value",
            hint=f"{column.name} holds {_holds(column)}: write for example '{column.name} {_example(column)}'.",
        )
    return Condition(column, "=", True, negated is not None)


def _is_column(name: str) -> bool:
    known = name.casefold()
    return OTHER_NAMES.get(known, known) in COLUMNS


def _column(name: str) -> Column:
    known = name.casefold()
    column = COLUMNS.get(OTHER_NAMES.get(known, known))
    if column is None:
        names = (*OTHER_NAMES, *COLUMNS)
        near = difflib.get_close_matches(known, names, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f"There is no column '{name}'", hint=hint)
    return column


def _operators(column: Column) -> tuple[str, ...]:
    match column.kind:
        case "text":
            return ("=", "!=", "~", "!~")
        case "yes or no":
            return ("=", "!=")
        case _:
            return ("=", "!=", "<", "<=", ">", ">=")


def _holds(column: Column) -> str:
    return {"text": "text", "number": "numbers", "date": "dates", "yes or no": "yes and no"}[column.kind]


def _example(column: Column) -> str:
    return {"number": "> 0.5", "date": ">= 2026-11-30"}.get(column.kind, "~ WORD")


def _value(column: Column, operator: str, value: str, text: str) -> Cell | date:
    if value.casefold() == _NONE and operator == "=":
        return None
    wrong = UsageError(
        f"In the condition '{text}', '{value}' is no value of {column.name}, which holds {_holds(column)}",
        hint=_HINTS.get(column.kind),
    )
    try:
        match column.kind:
            case "number":
                number = plain_number(value)
                if number is None:
                    raise wrong
                return number
            case "date":
                return _date(value)
            case "yes or no":
                if value.casefold() not in _YES | _NO:
                    raise wrong
                return value.casefold() in _YES
            case _:
                return value.casefold()
    except ValueError:
        raise wrong from None


def _date(value: str) -> date:
    """Return a day, or a time in UTC where none states another zone."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        time = datetime.fromisoformat(value)
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Order:
    """By which column sections are sorted."""

    column: Column
    is_falling: bool = False


def parse_order(text: str) -> Order:
    """Return the order that a person wrote: a column, with a minus before it for the largest first.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    name = text.strip()
    return Order(_column(name.removeprefix("-").strip()), name.startswith("-"))


def sort_rows(rows: Iterable[SectionRow], orders: Iterable[Order] = ()) -> list[SectionRow]:
    """Return sections in an order: the first of `orders`, then the next, then animal, section and path.

    Cells that are not known come last, in both directions.
    """
    found = sorted(rows, key=lambda row: str(row.section.path))
    for order in reversed([*orders, Order(COLUMNS["animal_id"]), Order(COLUMNS["section_id"])]):
        cells = [(order.column.of(row), row) for row in found]
        known = [(natural_order(one) if isinstance(one, str) else one, row) for one, row in cells if one is not None]
        known.sort(key=itemgetter(0), reverse=order.is_falling)
        found = [row for _, row in known] + [row for one, row in cells if one is None]
    return found


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query found."""

    rows: list[SectionRow]
    n_sections: int
    """In the folders, those that meet no condition included."""
    n_unread: int
    """Folders that cannot be opened."""


def query_sections(
    folders: Iterable[Path], conditions: Sequence[Condition] = (), orders: Sequence[Order] = ()
) -> QueryResult:
    """Return the sections of some folders, and of those below, that meet all of some conditions, in an order.

    Parameters
    ----------
    folders : iterable of Path
    conditions : sequence of Condition
    orders : sequence of Order
        As for `sort_rows`.

    Raises
    ------
    StoreError
        If a folder is not there, or cannot be opened.
    """
    lister = SectionLister.of_user()
    listed = list(lister.each(existing_folders(folders)))
    sections = list(lister.with_present_scores(listed))
    rows = section_rows(sections, animal_scores(sections))
    met = [row for row in rows if all(one.holds(row) for one in conditions)]
    return QueryResult(sort_rows(met, orders), len(sections), lister.n_unread)
