"""``hcc-scope query``: the sections of folders that meet conditions, in an order, as a table, JSON or CSV."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_data
from hcc_scope.errors import UsageError
from hcc_scope.formatting import counted
from hcc_scope.memory import no_collection
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.runs.section_query import parse_condition, parse_order, query_sections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.runs.section_columns import SectionRow

__all__ = ["run_query"]

_MOST_SHOWN = 200
"""Rows that a person is shown; a program gets all."""


def run_query(
    folders: Sequence[Path],
    *,
    where: Sequence[str],
    sort: Sequence[str],
    first: int | None,
    json_mode: bool,
    csv_mode: bool,
) -> None:
    """List sections.

    Parameters
    ----------
    folders : sequence of Path
    where : sequence of str
        Conditions that all have to hold (`hcc_scope.runs.section_query.parse_condition`).
    sort : sequence of str
        Columns, a minus before one for the largest first; several in one text are separated by commas.
    first : int or None
        Only so many, in that order.
    json_mode, csv_mode : bool
        Write the list to standard output as JSON, or as CSV.

    Raises
    ------
    UsageError
        If a condition or an order cannot be read.
    StoreError
        If a folder is not there, or cannot be opened.
    """
    if json_mode and csv_mode:
        raise UsageError("--json and --csv both state how the list is written", hint="Give one of them.")
    if first is not None and first < 1:
        raise UsageError(f"--first must be 1 or more, not {first}")
    conditions = [parse_condition(one) for one in where]
    orders = [parse_order(one) for several in sort for one in several.split(",")]
    with no_collection():
        found = query_sections(folders, conditions, orders)
    rows = found.rows[:first]
    console = people(json_mode=json_mode or csv_mode)
    if json_mode:
        print_data(_json(rows))
    elif csv_mode:
        from hcc_scope.runs.library_export import csv_table

        print_data(csv_table(rows))
    elif rows:
        from hcc_scope.cli.sections import sections_table

        console.show(sections_table([row.section for row in rows[:_MOST_SHOWN]]))
        if len(rows) > _MOST_SHOWN:
            console.note(f"The first {_MOST_SHOWN} are shown; --csv and --json list all, and --where fewer.")
    of_all = "" if len(found.rows) == found.n_sections else f" of {found.n_sections:,}"
    only = "" if len(rows) == len(found.rows) else f", of them the first {len(rows):,}"
    unread = f"; {counted(found.n_unread, 'folder')} cannot be opened" if found.n_unread else ""
    console.note(f"{len(found.rows):,}{of_all} {'section' if found.n_sections == 1 else 'sections'}{only}{unread}")
    console.note(RESEARCH_USE_ONLY, "italic")


def _json(rows: Sequence[SectionRow]) -> str:
    """Return the list with one line for each section."""
    from hcc_scope.runs.section_columns import json_cells

    lines = ",\n".join(json.dumps(json_cells(row), allow_nan=False) for row in rows)
    return f'{{"sections": [\n{lines}\n]}}\n' if rows else '{"sections": []}\n'
