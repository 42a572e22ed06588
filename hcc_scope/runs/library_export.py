"""The list of a library as data for other programs: JSON, a CSV table, and the tables of tiles."""

from __future__ import annotations

import csv
import io
import shutil
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file, replacing
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.report.summary import score_account
from hcc_scope.runs.section_columns import COLUMNS, csv_cells, section_rows
from hcc_scope.storage.naming import PREDICTIONS, STORE_SUFFIX
from hcc_scope.storage.place import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.runs.section_columns import SectionRow

__all__ = ["LIST_NAME", "csv_table", "export_sections", "library_account"]

LIST_NAME = "sections"
"""Of the exported lists, without an ending."""


def library_account(sections: Sequence[ListedSection], animals: Sequence[AnimalScore]) -> dict[str, Any]:
    """Return a list of sections and the scores of their animals as JSON values."""
    return {"sections": [_section(one) for one in sections], "animals": [_animal(one) for one in animals]}


def _section(one: ListedSection) -> dict[str, Any]:
    return {
        "store": str(place_of(one.path)),
        "animal_id": one.animal_id or None,
        "section_id": one.section_id or None,
        "acquired_utc": None if one.created_utc is None else one.created_utc.isoformat(),
        "state": one.state,
        "ended": one.ended,
        "problem": one.problem or None,
        "frames": one.n_frames,
        "planned": one.n_planned,
        "parts": one.n_parts,
        "model": one.model,
        "model_sha256": one.model_sha256,
        "label": one.label,
        "notes": one.n_notes,
        "score": None if one.score is None else score_account(one.score),
    }


def _animal(one: AnimalScore) -> dict[str, Any]:
    return {
        "animal_id": one.animal_id,
        "model": one.model,
        "model_sha256": one.model_sha256,
        "sections": [section.section_id for section in one.sections],
        "stores": [str(place_of(section.path)) for section in one.sections],
        "left_out": [{"store": str(place_of(out.section.path)), "why": out.describe()} for out in one.left_out],
        "score": one.score,
        "interval": None if one.interval is None else list(one.interval),
        "why_no_interval": one.why_no_interval or None,
    }


def export_sections(sections: Sequence[ListedSection], animals: Sequence[AnimalScore], folder: Path) -> list[Path]:
    """Write the lists of some sections into a folder, and copy the table of tiles of each that has one.

    Parameters
    ----------
    sections : sequence of ListedSection
        With their present scores.
    animals : sequence of AnimalScore
        Of these sections, over all sections of the animals.
    folder : Path
        Made if it is not there. Files of an earlier export are replaced.

    Returns
    -------
    list of Path
        ``sections.json``, ``sections.csv``, and ``<animal>_<section>-tiles.parquet`` for each; of several with one
        name (in two folders, or in other case), each after the first has a number before ``-tiles``.

    Raises
    ------
    StoreUnwritableError
        If the folder cannot be written to, or a table cannot be read.
    """
    account = library_account(sections, animals)
    written = [folder / f"{LIST_NAME}.json", folder / f"{LIST_NAME}.csv"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(written[0], json_bytes(account), shared=True)
        table = csv_table(section_rows(sections, animals))
        replace_file(written[1], table.encode(errors="backslashreplace"), shared=True)
        for one, name in zip(sections, _distinct_names(sections), strict=True):
            tiles, copy = one.path / f"{PREDICTIONS}.parquet", folder / f"{name}-tiles.parquet"
            if tiles.is_file():
                with replacing(copy, shared=True) as part:
                    shutil.copyfile(tiles, part)
                written.append(copy)
    except OSError as error:
        raise StoreUnwritableError(
            f"The sections cannot be exported to {folder}: {error.strerror or error}", hint="Choose another folder."
        ) from error
    return written


def _distinct_names(sections: Sequence[ListedSection]) -> list[str]:
    """Return a name for each section that no other has, whatever case its file system keeps."""
    names: list[str] = []
    taken: set[str] = set()
    for one in sections:
        plain = name = one.path.name.removesuffix(STORE_SUFFIX)
        n = 1
        while name.casefold() in taken:
            n += 1
            name = f"{plain}-{n}"
        taken.add(name.casefold())
        names.append(name)
    return names


def csv_table(rows: Iterable[SectionRow]) -> str:
    """Return a CSV table with a row for each section and the columns of `hcc_scope.runs.section_columns`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(map(csv_cells, rows))
    return text.getvalue()
