"""The list of a library as data for other programs: JSON, a CSV table, and the tables of tiles."""

from __future__ import annotations

import csv
import io
import shutil
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file, replacing
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.printable import spreadsheet_text
from hcc_scope.report.summary import score_account
from hcc_scope.score_text import verdict
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.prediction_log import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.runs.listed_section import ListedSection

__all__ = ["LIST_NAME", "export_sections", "library_account"]

LIST_NAME = "sections"
"""Of the exported lists, without an ending."""
_COLUMNS = (
    "animal_id", "section_id", "acquired_utc", "state", "ended", "frames", "planned", "score", "interval_low",
    "interval_high", "interval_valid", "threshold", "verdict", "scored_frames", "scored_tiles",
    "fields_excluded_by_operator", "model", "model_sha256", "label", "notes", "problem", "store",
)  # fmt: skip


def library_account(sections: Sequence[ListedSection], animals: Sequence[AnimalScore]) -> dict[str, Any]:
    """Return a list of sections and the scores of their animals as JSON values."""
    return {"sections": [_section(one) for one in sections], "animals": [_animal(one) for one in animals]}


def _section(one: ListedSection) -> dict[str, Any]:
    return {
        "store": str(one.path),
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
        replace_file(written[1], _table(sections, account["sections"]).encode(errors="backslashreplace"), shared=True)
        for one, name in zip(sections, _distinct_names(sections), strict=True):
            table, copy = one.path / f"{PREDICTIONS}.parquet", folder / f"{name}-tiles.parquet"
            if table.is_file():
                with replacing(copy, shared=True) as part:
                    shutil.copyfile(table, part)
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


def _table(sections: Sequence[ListedSection], accounts: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV table with a row for each section; an interval that is not valid is left out."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for one, account in zip(sections, accounts, strict=True):
        row = {**account, "score": None}
        if one.score is not None:
            low, high = one.score.interval if one.score.interval_valid else (None, None)
            row |= {
                "score": one.score.score,
                "interval_low": low,
                "interval_high": high,
                "interval_valid": one.score.interval_valid,
                "threshold": one.score.threshold,
                "verdict": verdict(one.score).title,
                "scored_frames": one.score.frames,
                "scored_tiles": one.score.tiles,
                "fields_excluded_by_operator": one.score.fields_excluded_by_operator,
            }
        table.writerow({key: spreadsheet_text(cell) if isinstance(cell, str) else cell for key, cell in row.items()})
    return text.getvalue()
