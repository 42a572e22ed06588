"""Read the row of one section from its store: the manifest and the notes, or all results for its present score."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError, StoreDamagedError, StoreError
from hcc_scope.formatting import full_stop, sentence
from hcc_scope.report.acquired_text import describe_ended
from hcc_scope.research_use import phantom_alarm
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.storage.facts import copied_facts, recorded_facts
from hcc_scope.storage.files import read_plain
from hcc_scope.storage.naming import JOURNAL, PREDICTIONS, ROOT
from hcc_scope.storage.notes import read_notes_log, stored_retakes
from hcc_scope.storage.place import place_of
from hcc_scope.storage.place_files import exists
from hcc_scope.storage.present_score import holds_present_score, present_score
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.section_labels import label_of

if TYPE_CHECKING:
    from hcc_scope.storage.facts import Facts
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.place import StorePlace

__all__ = ["read_row", "with_present_score"]

_MOST_JOURNAL_BYTES = 16 * 2**20
"""Of a run that has not ended, whose fields are counted in its journal."""


def read_row(path: Path, stamp: tuple[int, ...]) -> ListedSection:
    """Return the row of a store; of one that cannot be read, one that states why.

    A row has no stamp if something could not be read for a reason that may pass, as on a share that goes away.

    Parameters
    ----------
    path : Path
    stamp : tuple of int
        Of its files, taken before.
    """
    place = place_of(path)
    try:
        facts = recorded_facts(place)
    except FileNotFoundError:
        if isinstance(place, Path) and not os.path.lexists(path):
            return ListedSection(path, "unreadable", f"{path} is no longer there.")
        return _damaged(path, stamp, f"{place} is not an OME-Zarr 0.5 store: it has no {ROOT}.")
    except StoreDamagedError as error:
        return _damaged(path, stamp, full_stop(error.message))
    except StoreError as error:
        return ListedSection(path, "unreadable", full_stop(error.message))
    except OSError as error:
        return ListedSection(path, "unreadable", f"{path} cannot be read: {error.strerror or error}.")
    return _row(path, stamp, facts)


def _damaged(path: Path, stamp: tuple[int, ...], why: str) -> ListedSection:
    """Return the row of a store whose manifest is damaged or lost, with what its copy states."""
    try:
        copy = copied_facts(place_of(path))
    except (StoreError, OSError):
        return ListedSection(path, "unreadable", why, stamp=stamp)
    return ListedSection(
        path,
        "unreadable",
        f"{why} It can be recovered.",
        copy.spec.animal_id,
        copy.spec.section_id,
        copy.run.created_utc,
        n_planned=copy.spec.expected_frames,
        model=copy.run.provenance.model,
        model_sha256=copy.spec.model_sha256,
        can_recover=True,
        stamp=stamp,
    )


def _row(path: Path, stamp: tuple[int, ...], facts: Facts) -> ListedSection:
    spec, run, place = facts.spec, facts.run, place_of(path)
    notes: tuple[Note, ...] = ()
    problem = ""
    try:
        log = read_notes_log(place)
        notes = log.notes
        problem = sentence("; ".join(log.problems)) if log.problems else ""
    except StoreError as error:
        problem = full_stop(error.message)
        stamp = stamp if isinstance(error, StoreDamagedError) else ()
    n_frames = run.frames if run.complete else _n_journalled(place)
    n_retakes = len(stored_retakes(notes, n_frames or 0))
    remarks = [note for note in notes if note.kind == "note"]
    score = None if run.outcome is None or not run.complete else run.outcome.section_score
    return ListedSection(
        path,
        "complete" if run.complete else "unfinished",
        problem,
        spec.animal_id,
        spec.section_id,
        run.created_utc,
        describe_ended(run, (n_frames or 0) - n_retakes, None if n_frames is None else spec.expected_frames),
        n_frames,
        n_retakes,
        spec.expected_frames,
        max(1, len(run.parts)),
        run.provenance.model,
        spec.model_sha256,
        phantom_alarm(run.provenance.model_trained_on, spec.provenance),
        score,
        # a run that was not classified has neither score nor results, and needs no reading
        not (run.complete and holds_present_score(run, notes)) and (score is not None or _has_results(place)),
        len(remarks),
        next((note.text for note in reversed(remarks) if note.seq is None), ""),
        label_of(notes),
        noted_utc=notes[-1].t_utc if notes else None,
        is_by_hand=spec.sampling in ("guided", "chosen"),
        can_recover=not run.complete,
        statement=run.provenance.statement,
        stamp=stamp,
    )


def _has_results(place: StorePlace) -> bool:
    """Return whether a store has results; also where its storage does not answer, so that the reason is found there."""
    try:
        return exists(place / f"{PREDICTIONS}.jsonl")
    except StoreError:
        return True


def _n_journalled(path: StorePlace) -> int | None:
    """Return how many lines the journal of a run that has not ended has; None if that cannot be found out."""
    try:
        return read_plain(path / JOURNAL, _MOST_JOURNAL_BYTES).count(b"\n")
    except (OSError, StoreError):  # too long, or no file
        return None


def with_present_score(section: ListedSection) -> ListedSection:
    """Return a row with the score of the results that its store has now; reads all of them, at the cost of some ms.

    Where they cannot be read, the row has no score, and the reason as its problem; no stamp either, if that may pass.
    """
    stamp = section.stamp
    try:
        score, problem = present_score(open_store(section.path)), section.problem
    except HccScopeError as error:
        score, problem = None, full_stop(error.message)
        stamp = stamp if isinstance(error, StoreDamagedError) else ()
    return replace(section, score=score, problem=problem, has_old_score=False, stamp=stamp)
