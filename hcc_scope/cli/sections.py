"""``hcc-scope sections``: the sections of a folder by animal, with their scores, as in the window's library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import people, print_json
from hcc_scope.formatting import counted, format_utc, sentence
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library import SectionLister, existing_folders
from hcc_scope.runs.library_export import library_account
from hcc_scope.runs.section_columns import natural_order
from hcc_scope.score_text import SCORE_NAME, describe_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.runs.listed_section import ListedSection

__all__ = ["run_sections", "sections_table"]


def run_sections(folders: Sequence[Path], *, search: str, json_mode: bool) -> None:
    """List the sections in some folders, and the score of each animal over its sections.

    Parameters
    ----------
    folders : sequence of Path
    search : str
        Only sections with all of these words in a text of their row; empty: all.
    json_mode : bool
        Write the list to standard output.

    Raises
    ------
    StoreError
        If a folder is not there, or cannot be opened.
    """
    lister = SectionLister.of_user()
    listed = list(lister.with_present_scores(list(lister.each(existing_folders(folders)))))
    sections = sorted(
        (one for one in listed if one.matches(search)),
        key=lambda one: (not one.animal_id, natural_order(one.animal_id), natural_order(one.section_id), str(one.path)),
    )
    shown = {one.animal_id for one in sections}
    animals = [one.with_interval() for one in animal_scores(listed) if one.animal_id in shown]
    console = people(json_mode=json_mode)
    if sections:
        console.show(sections_table(sections))
    for animal in animals:
        words = sentence(f"animal {animal.animal_id}, {animal.model or 'unknown model'}: {animal.describe()}")
        console.note(f"{words} {animal.evidence()}".strip())
    unread = f"; {counted(lister.n_unread, 'folder')} cannot be opened" if lister.n_unread else ""
    console.note(f"{counted(len(sections), 'section')}{unread}")
    console.note(RESEARCH_USE_ONLY, "italic")
    if json_mode:
        print_json(library_account(sections, animals))


def sections_table(sections: Sequence[ListedSection]) -> Table:
    """Return the table of some sections."""
    table = Table(title="Sections", title_justify="left")
    for heading in (
        "animal",
        "section",
        "acquired",
        SCORE_NAME,
        "model",
        "fields",
        "left out",
        "label",
        "notes",
        "state",
    ):
        table.add_column(heading)
    for one in sections:
        cells = (
            one.animal_id or one.path.name,
            one.section_id,
            "" if one.created_utc is None else format_utc(one.created_utc, seconds=False),
            "" if one.score is None else describe_score(one.score),
            one.model or "",
            one.describe_fields(),
            one.describe_quality(),
            one.label or "",
            str(one.n_notes or ""),
            ". ".join(filter(None, (one.ended, one.problem))),
        )
        table.add_row(*map(Text, cells), style="" if one.state == "complete" and not one.problem else "yellow")
    return table
