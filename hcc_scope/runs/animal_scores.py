"""The scores of animals over their stored sections, and the one rule for which stores they rest on.

The rule (`choose_sections`) is the same for the library, reports, the live panel and every command:

- The stores of one model alone: scores of two models have no common mean.
- Stores whose present score is known (`hcc_scope.storage.present_score`), also those of a run that never ended.
- Each section counts once. Of several stores of one section, the newest run that has ended counts; a run that never
  ended counts where there is no other. Copies of one run count once as well: the one with the most frames and the
  last note, and else the one in the least deep folder.

A store that does not count is listed beside the score, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import animal_interval, animal_score, share_of_confidence
from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted
from hcc_scope.score_text import describe_animal_interval, describe_animal_mean
from hcc_scope.storage.place import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.runs.listed_section import ListedSection

__all__ = ["AnimalScore", "LeftOut", "animal_scores", "choose_sections", "describe_left_out"]

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A store of a section for which another store counts."""

    section: ListedSection
    counts: ListedSection
    """The store that counts."""

    @property
    def is_copy(self) -> bool:
        """Whether both are one run."""
        return self.section.created_utc == self.counts.created_utc

    @property
    def title(self) -> str:
        """Why it does not count, in a few words."""
        return "a copy, does not count" if self.is_copy else "another run counts"

    def describe(self) -> str:
        """Return why it does not count, as half a sentence."""
        counts = place_of(self.counts.path)  # a path merges the slashes of an address
        if self.is_copy:
            return f"a copy of {counts}"
        if self.section.is_ended and self.counts.is_ended:
            return f"the section was acquired again: {counts}"
        return f"its run never ended, and there is another of the section: {counts}"


def choose_sections(stores: Iterable[ListedSection]) -> tuple[list[ListedSection], list[LeftOut]]:
    """Return which stores count, and which do not: each section of an animal counts once.

    Parameters
    ----------
    stores : iterable of ListedSection
        With ids, and scored by one model.

    Returns
    -------
    counting : list of ListedSection
        By animal and section id.
    left_out : list of LeftOut
        By animal and section id, then by path.
    """
    by_section: dict[tuple[str, str], list[ListedSection]] = {}
    for one in stores:
        by_section.setdefault((one.animal_id, one.section_id), []).append(one)
    counting: list[ListedSection] = []
    left_out: list[LeftOut] = []
    for _, several in sorted(by_section.items()):
        if len(several) > 1:
            several.sort(key=_place)
        best = several[0] if len(several) == 1 else min(several, key=_preference)
        counting.append(best)
        left_out += [LeftOut(one, best) for one in several if one is not best]
    return counting, left_out


def _place(one: ListedSection) -> tuple[int, str]:
    return len(one.path.parts), str(one.path)


def _preference(one: ListedSection) -> tuple[object, ...]:
    """Return a key that is the smallest of the store that counts."""
    created_s, noted_s = ((time or _NEVER).timestamp() for time in (one.created_utc, one.noted_utc))
    return (not one.is_ended, -created_s, -(one.n_frames or 0), -noted_s)


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """Return how many stores do not count, and why, as half a sentence; empty if all count."""
    left_out = list(left_out)
    copies = sum(one.is_copy for one in left_out)
    parts = [(copies, "copy", "copies"), (len(left_out) - copies, "other run of a section", "other runs of sections")]
    words = " and ".join(counted(n, one, several) for n, one, several in parts if n)
    return f"without {words}" if words else ""


@dataclass(frozen=True, slots=True)
class AnimalScore:
    """The score of an animal over those of its sections that one model scored: the mean of their scores."""

    animal_id: str
    model: str | None
    model_sha256: str | None
    sections: tuple[ListedSection, ...]
    """Those that count, by section id."""
    score: float
    interval: tuple[float, float] | None = None
    """About the mean over these sections, not over others of the animal; from `with_interval`."""
    why_no_interval: str = ""
    """Half a sentence; empty with an interval, and before `with_interval`."""
    left_out: tuple[LeftOut, ...] = ()
    """Stores of these sections that do not count."""

    def describe(self) -> str:
        """Return the score, with its interval or why there is none as far as that is known."""
        text = describe_animal_mean(len(self.sections), self.score, self.interval, why_no_interval=self.why_no_interval)
        return ", ".join(filter(None, (text, describe_left_out(self.left_out))))

    def describe_interval(self) -> str:
        """Return its interval, or why there is none; empty before `with_interval`."""
        if self.interval is None:
            return f"no interval: {self.why_no_interval}" if self.why_no_interval else ""
        return describe_animal_interval(self.interval)

    def evidence(self) -> str:
        """Return what the score is evidence of, by the model's unseen animals; empty if its card has none."""
        from hcc_scope.inference.card_evaluation import StatementRecord
        from hcc_scope.validation_text import describe_animal

        return describe_animal(StatementRecord.from_json(self.sections[0].statement), self.score)

    def with_interval(self) -> AnimalScore:
        """Return the same with its interval; reads the results of all sections, some ms for each."""
        from hcc_scope.storage.present_score import present_score
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


def animal_scores(sections: Iterable[ListedSection]) -> list[AnimalScore]:
    """Return the scores of animals over their sections, by animal and model.

    Parameters
    ----------
    sections : iterable of ListedSection
        All of a folder: the mean over a selection of an animal's sections is no score of the animal. Those without a
        present score are left out.
    """
    groups: dict[tuple[str, str | None], list[ListedSection]] = {}
    for section in sections:
        score = section.shown_score
        if section.animal_id and score is not None and score.score is not None:
            groups.setdefault((section.animal_id, section.model_sha256), []).append(section)
    found = []
    for (animal_id, sha256), stores in groups.items():
        scored, left_out = choose_sections(stores)
        mean = animal_score(one.score for one in scored if one.score is not None)
        if mean is not None:
            model = next((one.model for one in scored if one.model), None)
            found.append(AnimalScore(animal_id, model, sha256, tuple(scored), mean, left_out=tuple(left_out)))
    return sorted(found, key=lambda one: (one.animal_id, -len(one.sections), one.model or "", one.model_sha256 or ""))
