"""Find sections whose run never ended (a crash, a power cut) and make their stores valid again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError, StoreError
from hcc_scope.formatting import counted
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.under_way import is_written_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.storage.recover import RecoverReport

__all__ = [
    "Recovery",
    "Unfinished",
    "describe_unfinished",
    "find_unfinished",
    "is_written_to",
    "recover_all",
    "recover_each",
]

_NAMED = 3
"""Sections that a sentence names; of more it gives the number."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A store whose run did not end in order, and that no run writes to."""

    path: Path
    animal_id: str
    section_id: str
    n_left: int = 0
    """Fields of its plan that are still to come; 0 for a section that cannot be resumed."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the recovery of one store came to."""

    path: Path
    report: RecoverReport | None
    """None with an `error`."""
    error: HccScopeError | None
    """Why the store cannot be recovered."""


def find_unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """Return the unfinished stores in some folders, by name, without those that a run writes to now.

    A store that cannot be read is left out: opening it reports why.

    Parameters
    ----------
    folders : iterable of Path
        One that is missing, or cannot be read, holds none.
    """
    found: dict[Path, Unfinished] = {}
    for folder in folders:
        try:
            paths = sorted(path for path in folder.iterdir() if path.name.endswith(STORE_SUFFIX))
        except OSError:
            continue
        for path in paths:
            one = _unfinished(path)
            if one is not None:
                found[path.resolve()] = one
    return list(found.values())


def _unfinished(path: Path) -> Unfinished | None:
    from hcc_scope.runs.resumed_section import rest_of
    from hcc_scope.storage.reader import open_store, read_facts

    try:
        facts, _ = read_facts(path)
        if facts.run.complete or is_written_to(path):
            return None
        rest = rest_of(open_store(path))
    except (StoreError, OSError):
        return None
    return Unfinished(path, facts.spec.animal_id, facts.spec.section_id, 0 if rest is None else rest.n_left)


def describe_unfinished(found: Sequence[Unfinished]) -> str:
    """Return what was found in a sentence, with what can be done."""
    names = ", ".join(f"{one.animal_id} {one.section_id}" for one in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    what = "it" if len(found) == 1 else "them"
    stored = f"Not ended in order: {names}{more}. Every stored frame is there"
    if len(found) == 1 and found[0].n_left:
        n = found[0].n_left
        return f"{stored}, and {counted(n, 'field')} of its plan {'is' if n == 1 else 'are'} left; resume it to go on."
    return f"{stored}; recover {what} to go on."


def recover_each(paths: Iterable[Path]) -> Iterator[Recovery]:
    """Recover stores one after the other; one that cannot be recovered does not keep the others from it.

    Yields
    ------
    Recovery
        As soon as its store is done, in the order of `paths`.
    """
    from hcc_scope.storage.recover import recover

    for path in paths:
        try:
            yield Recovery(path, recover(path), None)
        except HccScopeError as error:
            yield Recovery(path, None, error)


def recover_all(paths: Iterable[Path]) -> list[str]:
    """Recover stores (`recover_each`) and return one sentence for each.

    Raises
    ------
    StoreError
        After all of them, if one cannot be recovered; the others are.
    """
    sentences: list[str] = []
    errors: list[HccScopeError] = []
    for recovery in recover_each(paths):
        if recovery.error is not None:
            errors.append(recovery.error)
        elif recovery.report is not None:
            sentences.append(_describe(recovery.report))
    if errors:
        others = [f"{counted(len(sentences), 'other section')} recovered"] if sentences else []
        words = "; ".join([*(error.message for error in errors), *others])
        raise StoreError(words, hint=errors[0].hint if len(errors) == 1 else None)
    return sentences


def _describe(report: RecoverReport) -> str:
    n = report.n_frames
    words = f"{report.path.name}: {counted(n, 'frame')} {'is' if n == 1 else 'are'} valid again"
    if report.damaged:
        words += f", {len(report.damaged)} of them damaged"
    return f"{'; '.join((words, *report.problems))}."
