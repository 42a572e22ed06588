"""Find sections whose run never ended (a crash, a power cut) and make their stores valid again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.formatting import counted
from hcc_scope.storage.naming import STORE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Unfinished", "describe_unfinished", "find_unfinished", "is_written_to", "recover_all"]

_NAMED = 3
"""Sections that a sentence names; of more it gives the number."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A store that was not ended in order, and that nobody writes to."""

    path: Path
    animal_id: str
    section_id: str


def find_unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """Return the unfinished stores in some folders, by name; those that are being written now are left out.

    What cannot be read as a store is passed over: it is told when somebody opens it.
    """
    found: dict[Path, Unfinished] = {}
    for folder in folders:
        try:
            paths = sorted(path for path in folder.iterdir() if path.name.endswith(STORE_SUFFIX))
        except OSError:
            continue  # not there, or not to be looked into
        for path in paths:
            one = _unfinished(path)
            if one is not None:
                found[path.resolve()] = one
    return list(found.values())


def _unfinished(path: Path) -> Unfinished | None:
    from hcc_scope.storage.metadata import spec_from_json
    from hcc_scope.storage.reader import read_attributes

    try:
        attributes = read_attributes(path)
        if attributes.get("complete") is True or is_written_to(path):
            return None
        spec = spec_from_json(attributes["spec"])
    except (StoreError, OSError, KeyError, TypeError, ValueError):
        return None
    return Unfinished(path, spec.animal_id, spec.section_id)


def describe_unfinished(found: Sequence[Unfinished]) -> str:
    """Return what was found in a sentence, with what can be done."""
    names = ", ".join(f"{one.animal_id} {one.section_id}" for one in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"Not ended in order: {names}{more}. Every frame that was acknowledged is there; recover them to go on."


def is_written_to(store: Path) -> bool:
    """Return whether a run writes to a store now, as far as can be told.

    Raises
    ------
    OSError
        If its journal cannot be opened for writing.
    """
    from hcc_scope.storage.files import lock
    from hcc_scope.storage.metadata import JOURNAL

    with (store / JOURNAL).open("rb+") as file:
        return not lock(file.fileno())


def recover_all(paths: Iterable[Path]) -> list[str]:
    """Recover stores one after the other; return one sentence for each.

    Raises
    ------
    StoreError
        After all of them, if one cannot be recovered; the others are.
    """
    from hcc_scope.storage.recover import recover

    told: list[str] = []
    troubles: list[StoreError] = []
    for path in paths:
        try:
            report = recover(path)
        except StoreError as error:
            troubles.append(error)
            continue
        sentence = (
            f"{path.name}: {counted(report.n_frames, 'frame')} {'is' if report.n_frames == 1 else 'are'} valid again"
        )
        if report.damaged:
            sentence += f", {len(report.damaged)} of them damaged"
        told.append(f"{'; '.join((sentence, *report.problems))}.")
    if troubles:
        others = [f"{counted(len(told), 'other section')} recovered"] if told else []
        words = "; ".join([*(error.message for error in troubles), *others])
        raise StoreError(words, hint=troubles[0].hint if len(troubles) == 1 else None)
    return told
