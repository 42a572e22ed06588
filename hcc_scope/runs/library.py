"""The sections of a folder, as a list: from their manifests and notes alone, one small file or two for each.

`SectionLister.each` is the one way to that list, for command line and window alike. It yields a row for everything
that has the name of a store: what cannot be read is a row with one sentence. A lister remembers what it has read, so
to list the same folder again costs a look at the times of its files.

Design notes
------------
- A store records the score at the end of its run. Where that is not the present one (fields were excluded later, or the
  run never ended), `ListedSection.has_old_score` is true, and `with_present_score` reads the results.
- `each` may run beside runs that make, fill and end stores, and beside other programs that move and delete them.
- An index on disk can stand behind `SectionLister.each` without a change to what calls it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from hcc_scope.errors import HccScopeError, StoreDamagedError, StoreError
from hcc_scope.formatting import counted, full_stop, sentence
from hcc_scope.quality import describe_reason_counts
from hcc_scope.report.acquired_text import describe_ended
from hcc_scope.research_use import phantom_alarm
from hcc_scope.runs.unfinished import is_written_to
from hcc_scope.score_text import describe_animal_interval, describe_animal_mean
from hcc_scope.scoring import animal_interval, animal_score, share_of_confidence
from hcc_scope.storage.facts import ROOT, copied_facts, recorded_facts
from hcc_scope.storage.files import files_stamp, read_plain
from hcc_scope.storage.find_stores import each_store
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import NOTES, read_notes_log, stored_retakes
from hcc_scope.storage.prediction_log import PREDICTIONS
from hcc_scope.storage.present_score import holds_present_score, present_score
from hcc_scope.storage.section_labels import label_of
from hcc_scope.validation_text import describe_animal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hcc_scope.storage.facts import Facts
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.section_labels import SectionLabel
    from hcc_scope.types import SectionScore

__all__ = ["AnimalScore", "ListedSection", "SectionLister", "SectionState", "animal_scores", "with_present_score"]

SectionState = Literal["complete", "under way", "unfinished", "unreadable"]
"""Whether a run has ended in order (or was recovered), writes to the store now, was cut off, or cannot be read."""

_MOST_JOURNAL_BYTES = 16 * 2**20
"""Of a run that has not ended, whose fields are counted in its journal."""


@dataclass(frozen=True, slots=True)
class ListedSection:
    """One row."""

    path: Path
    state: SectionState
    problem: str = ""
    """Why the section cannot be read, or what is wrong with its notes, as a sentence; empty if nothing is known."""
    animal_id: str = ""
    """Empty where the manifest cannot be read."""
    section_id: str = ""
    created_utc: datetime | None = None
    ended: str = ""
    """How the run ended, in a few words."""
    n_frames: int | None = None
    """None where that is not known."""
    n_retakes: int = 0
    """How many of them take a field again."""
    n_planned: int | None = None
    """None for an open end."""
    n_parts: int = 1
    """More than 1 if the section was continued."""
    model: str | None = None
    model_sha256: str | None = None
    alarm: str = ""
    """That the model knows nothing but a phantom, and this may be tissue, as a sentence; else empty."""
    score: SectionScore | None = None
    """None if none is known."""
    has_old_score: bool = False
    """Whether `score` is not the present one: `with_present_score` returns that, and until then none is shown."""
    n_notes: int = 0
    """Remarks of a person on the section and its fields."""
    note: str = ""
    """The last remark on the section."""
    label: SectionLabel | None = None
    """For training."""
    is_by_hand: bool = False
    """Whether its stage was moved by hand."""
    can_recover: bool = False
    """Whether the section is one for `hcc_scope.storage.recover`."""
    statement: str | None = None
    """What a verdict of the model was worth, as JSON (`hcc_scope.inference.card_evaluation.StatementRecord`)."""
    stamp: tuple[int, ...] = ()
    """Times and sizes of the files that the row rests on: a row with the same stamp is the same."""

    @property
    def name(self) -> str:
        """Animal and section, or the name of the folder where they are not known."""
        return f"{self.animal_id}, section {self.section_id}" if self.animal_id else self.path.name

    @property
    def can_open(self) -> bool:
        """Whether its frames can be looked at."""
        return self.state != "unreadable"

    @property
    def shown_score(self) -> SectionScore | None:
        """Its present score; None if it has none, or as long as that is not read."""
        return None if self.has_old_score else self.score

    @property
    def n_fields(self) -> int | None:
        """Fields that are stored; None where that is not known."""
        return None if self.n_frames is None else self.n_frames - self.n_retakes

    def describe_fields(self) -> str:
        """Return how many fields are stored, and of how many."""
        if self.n_fields is None:
            return ""
        if self.n_planned is None or self.n_planned <= self.n_fields:
            return f"{self.n_fields:,}"
        return f"{self.n_fields:,} of {self.n_planned:,}"

    def describe_quality(self) -> str:
        """Return what was left out of the score and why, as text; empty without a score."""
        score = self.shown_score
        if score is None:
            return ""
        left_out = [f"tiles: {', '.join(reasons)}"] if (reasons := describe_reason_counts(score.tiles_excluded)) else []
        if n := score.fields_excluded_by_operator:
            left_out.append(f"{counted(n, 'field')} by the operator")
        return "; ".join(left_out) or "all tiles scored"

    def matches(self, search: str) -> bool:
        """Return whether all words of a search occur in the texts of the row, in any case."""
        words = self._words()
        return all(word in words for word in search.casefold().split())

    def _words(self) -> str:
        texts = (
            self.animal_id,
            self.section_id,
            self.path.name,
            self.model or "",
            self.note,
            self.label or "",
            self.ended,
            self.problem,
            "" if self.created_utc is None else self.created_utc.date().isoformat(),
        )
        return "\n".join(texts).casefold()


class _Remembered(NamedTuple):
    stamp: tuple[int, ...]
    section: ListedSection


class SectionLister:
    """Lists the sections of folders again and again. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[Path, _Remembered] = {}
        self.n_unread = 0
        """Folders below that could not be opened the last time."""

    def each(self, folders: Iterable[Path], deepest: int | None = None) -> Iterator[ListedSection]:
        """Yield a row for each store in some folders and those below, as they are found.

        Parameters
        ----------
        folders : iterable of Path
        deepest : int, optional
            How many folders below them are looked through; as in `hcc_scope.storage.find_stores` by default.

        Raises
        ------
        StoreError
            If one of the folders themselves is there and cannot be opened; one that is not there holds nothing.
        """
        folders = list(folders)
        unread: list[Path] = []
        known, self._known = self._known, {}
        stores = (
            each_store(folders, unread=unread.append)
            if deepest is None
            else each_store(folders, deepest, unread.append)
        )
        for path in stores:
            stamp = _stamp(path)
            before = known.get(path)
            section = before.section if before is not None and before.stamp == stamp else _read(path, stamp)
            section = _with_state(section)
            self._known[path] = _Remembered(stamp, section)
            yield section
        self.n_unread = len(unread)
        for folder in folders:
            if folder in unread and os.path.lexists(folder):
                raise StoreError(
                    f"The folder {folder} cannot be opened", hint="Check its permissions, or choose another."
                )

    def remember(self, section: ListedSection) -> None:
        """Keep what `with_present_score` returned, until a file of the section changes."""
        if section.path in self._known:
            self._known[section.path] = _Remembered(section.stamp, section)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return times and sizes of what a row rests on, without reading any of it."""
    return files_stamp(path / name for name in (ROOT, NOTES, JOURNAL, f"{PREDICTIONS}.jsonl"))


def _read(path: Path, stamp: tuple[int, ...]) -> ListedSection:
    try:
        facts = recorded_facts(path)
    except FileNotFoundError:
        if not os.path.lexists(path):
            return ListedSection(path, "unreadable", f"{path} is no longer there.", stamp=stamp)
        return _damaged(path, stamp, f"{path} is not an OME-Zarr 0.5 store: it has no {ROOT}.")
    except StoreDamagedError as error:
        return _damaged(path, stamp, full_stop(error.message))
    except StoreError as error:
        return ListedSection(path, "unreadable", full_stop(error.message), stamp=stamp)
    except OSError as error:
        return ListedSection(path, "unreadable", f"{path} cannot be read: {error.strerror or error}.", stamp=stamp)
    return _row(path, stamp, facts)


def _damaged(path: Path, stamp: tuple[int, ...], why: str) -> ListedSection:
    """Return the row of a store whose manifest is damaged or lost, with what its copy states."""
    try:
        copy = copied_facts(path)
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
    spec, run = facts.spec, facts.run
    notes: tuple[Note, ...] = ()
    problem = ""
    try:
        log = read_notes_log(path)
        notes = log.notes
        problem = sentence("; ".join(log.problems)) if log.problems else ""
    except StoreError as error:
        problem = full_stop(error.message)
    n_frames = run.frames if run.complete else _n_journalled(path)
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
        not (run.complete and holds_present_score(run, notes))
        and (score is not None or (path / f"{PREDICTIONS}.jsonl").is_file()),
        len(remarks),
        next((note.text for note in reversed(remarks) if note.seq is None), ""),
        label_of(notes),
        is_by_hand=spec.sampling in ("guided", "chosen"),
        can_recover=not run.complete,
        statement=run.provenance.statement,
        stamp=stamp,
    )


def _n_journalled(path: Path) -> int | None:
    """Return how many lines the journal of a run that has not ended has; None if that cannot be found out."""
    try:
        return read_plain(path / JOURNAL, _MOST_JOURNAL_BYTES).count(b"\n")
    except (OSError, StoreError):  # too long, or no file
        return None


def _with_state(section: ListedSection) -> ListedSection:
    """Return a row with the state of now: whether a run writes to a store, no file of it shows."""
    if section.state not in ("under way", "unfinished"):
        return section
    try:
        written = is_written_to(section.path)
    except OSError:  # on a disk that is read only nothing is written
        written = False
    if written:
        return replace(section, state="under way", ended="its run is under way", can_recover=False, has_old_score=False)
    was = section.state == "under way" and (section.path / f"{PREDICTIONS}.jsonl").is_file()
    old = section.has_old_score or was  # of a run that was cut off meanwhile
    return replace(section, state="unfinished", ended="not ended in order", can_recover=True, has_old_score=old)


def with_present_score(section: ListedSection) -> ListedSection:
    """Return a row with the score of the results that its store has now; reads all of them, at the cost of some ms.

    Where they cannot be read, the row has no score, and the reason as its problem.
    """
    from hcc_scope.storage.reader import open_store

    try:
        score, problem = present_score(open_store(section.path)), section.problem
    except HccScopeError as error:
        score, problem = None, full_stop(error.message)
    return replace(section, score=score, problem=problem, has_old_score=False)


# -- animals -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnimalScore:
    """The score of an animal over those of its sections that one model scored: the mean of their scores."""

    animal_id: str
    model: str | None
    model_sha256: str | None
    sections: tuple[ListedSection, ...]
    """Those with a score."""
    score: float
    interval: tuple[float, float] | None = None
    """About the mean over these sections, not over others of the animal; from `with_interval`."""
    why_no_interval: str = ""
    """Half a sentence; empty with an interval, and before `with_interval`."""

    def describe(self) -> str:
        """Return the score, with its interval or why there is none as far as that is known."""
        return describe_animal_mean(len(self.sections), self.score, self.interval, why_no_interval=self.why_no_interval)

    def describe_interval(self) -> str:
        """Return its interval, or why there is none; empty before `with_interval`."""
        if self.interval is None:
            return f"no interval: {self.why_no_interval}" if self.why_no_interval else ""
        return describe_animal_interval(self.interval)

    def evidence(self) -> str:
        """Return what the score is evidence of, by the model's unseen animals; empty if its card has none."""
        from hcc_scope.inference.card_evaluation import StatementRecord

        return describe_animal(StatementRecord.from_json(self.sections[0].statement), self.score)

    def with_interval(self) -> AnimalScore:
        """Return the same with its interval; reads the results of all sections, some ms for each."""
        from hcc_scope.storage.reader import open_store

        invalid = [one for one in self.sections if one.score is None or not one.score.interval_valid]
        if invalid:
            which = ", ".join(one.section_id for one in invalid[:3]) + (" ..." if len(invalid) > 3 else "")
            of = f"section {which} has" if len(invalid) == 1 else f"sections {which} have"
            return replace(self, why_no_interval=f"{of} no valid interval")
        confidence = share_of_confidence(len(self.sections))
        try:
            scores = [present_score(open_store(one.path), confidence) for one in self.sections]
        except HccScopeError as error:
            return replace(self, why_no_interval=error.message)
        interval = animal_interval(scores)
        return replace(self, interval=interval, why_no_interval="" if interval else "a section has no valid interval")


def animal_scores(sections: Sequence[ListedSection]) -> list[AnimalScore]:
    """Return the scores of animals over their sections, by animal and model: scores of two models do not compare.

    Sections without a present score are left out.
    """
    groups: dict[tuple[str, str | None], list[ListedSection]] = {}
    for section in sections:
        if (
            section.animal_id
            and section.score is not None
            and section.score.score is not None
            and not section.has_old_score
        ):
            groups.setdefault((section.animal_id, section.model_sha256), []).append(section)
    found = []
    for (animal_id, sha256), scored in groups.items():
        mean = animal_score(one.score for one in scored if one.score is not None)
        if mean is not None:
            found.append(AnimalScore(animal_id, scored[0].model, sha256, tuple(scored), mean))
    return sorted(found, key=lambda one: (one.animal_id, -len(one.sections), one.model or ""))
