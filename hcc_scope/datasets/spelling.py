"""Ids, days, sites and batches that may be the same, spelled in two ways: by two people, or by a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from hcc_scope.datasets.dataset_report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcc_scope.datasets.labelled_image import LabelledImage

__all__ = ["spelling_problems"]

_DATE = re.compile(
    r"\d{1,2}[-. ]{1,2}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mrz|mär|mai|okt|dez)"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mrz|mär|mai|okt|dez)[-. ]{1,2}\d{2}",
    re.IGNORECASE,
)
"""What spreadsheets make of 3-5 or MAR1: 3-May, 01. Mrz, Mar-01."""
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E[+-]\d{2}")
"""What they make of 1E5: 1.00E+05."""


def spelling_problems(images: Sequence[LabelledImage]) -> list[Problem]:
    """Warn of ids, days, sites and batches that may be one in two spellings, and of ids changed by a spreadsheet."""
    animals = {image.animal_id for image in images}
    problems = [
        _warning(
            f"The animal ids {' and '.join(ids)} differ only in {_differ_in(ids)}",
            "If they are one animal, give them one id: with two, a split by animal can have it on both sides.",
        )
        for ids in _alike(animals)
    ]
    sections: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        sections[image.animal_id].add(image.section_id)
    problems += [
        _warning(
            f"The section ids {' and '.join(ids)} of animal {animal} differ only in {_differ_in(ids)}",
            "If they are one section, give them one id: with two, it counts as two sections.",
        )
        for animal in sorted(sections)
        for ids in _alike(sections[animal])
    ]
    problems += [
        _warning(
            f"The days {' and '.join(days)} differ only in {_differ_in(days)}",
            "If they are one day, write them alike: if not, the control that predicts the day has two.",
        )
        for days in _alike({image.day for image in images})
    ]
    optional = {"sites": {image.site for image in images}, "batches": {image.batch for image in images}}
    problems += [
        _warning(
            f"The {what} {' and '.join(names)} differ only in {_differ_in(names)}",
            "If they are one, write them alike: if not, they count as two.",
        )
        for what, groups in optional.items()
        for names in _alike(name for name in groups if name is not None)
    ]
    ids = animals | {section for one in sections.values() for section in one}
    problems += [
        _warning(
            f"The id {one} looks like {what}"
            + ("" if one.startswith("=") else " that a spreadsheet made of another id"),
            "Look into the original list; format the column as text before ids are typed.",
        )
        for one in sorted(ids)
        if (what := _made_by_spreadsheet(one)) is not None
    ]
    return problems


def _warning(what: str, hint: str) -> Problem:
    return Problem("warning", "spelling", what, hint)


def _differ_in(ids: Sequence[str]) -> str:
    letters = {re.sub(r"[\s_-]+", "", one.casefold()) for one in ids}
    if len({one.removeprefix("'") for one in letters}) < len(letters):
        return "an apostrophe before them"
    return "case, spaces, hyphens or underscores" if len(letters) == 1 else "how a number is written"


def _alike(ids: Iterable[str]) -> list[list[str]]:
    """Return the groups of ids that may be one.

    What parts two numbers counts: 1-11 and 11-1 are animals of two cages.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for one in sorted(ids):
        groups[_key(one)].append(one)
    return [group for group in groups.values() if len(group) > 1]


def _key(one: str) -> str:
    """Return the same for ids that may be one."""
    plain = unicodedata.normalize("NFKC", one).casefold().strip()
    plain = plain.removeprefix("'")  # marks text in a spreadsheet
    if (number := _number(plain)) is not None:
        return number
    parted = re.sub(r"(?<=\d)[\s_-]+(?=\d)", ".", plain)
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\s_-]+", "", parted))


def _number(text: str) -> str | None:
    if re.fullmatch(r"[+-]?\d+([.,]\d+)?(e[+-]?\d{1,3})?", text, re.ASCII) is None:
        return None
    try:
        return f"number {Decimal(text.replace(',', '.')).normalize():f}"
    except (InvalidOperation, OverflowError):
        return None


def _made_by_spreadsheet(one: str) -> str | None:
    if _SCIENTIFIC.fullmatch(one) is not None:
        return "a number"
    if one.startswith("="):
        return "a formula"
    return "a date" if _DATE.fullmatch(one) is not None else None
