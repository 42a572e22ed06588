"""One row of a library: what is known of a stored section from its manifest and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.flag_texts import describe_reason_counts
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hcc_scope.storage.section_labels import SectionLabel
    from hcc_scope.types import SectionScore

__all__ = ["ListedSection", "SectionState"]

SectionState = Literal["complete", "under way", "unfinished", "unreadable"]
"""Whether a run has ended in order (or was recovered), writes to the store now, was cut off, or cannot be read."""


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
    noted_utc: datetime | None = None
    """When the last note was written; None without one."""
    can_recover: bool = False
    """Whether the section is one for `hcc_scope.storage.recover`."""
    statement: str | None = None
    """What a verdict of the model was worth, as JSON (`hcc_scope.inference.card_evaluation.StatementRecord`)."""
    stamp: tuple[int, ...] = ()
    """Times and sizes of the files that the row rests on: a row with the same stamp is the same.

    Empty: it is to be read again."""

    @property
    def name(self) -> str:
        """Animal and section, or the name of the folder where they are not known."""
        return f"{self.animal_id}, section {self.section_id}" if self.animal_id else self.path.name

    @property
    def is_ended(self) -> bool:
        """Whether its run has ended in order, or was recovered."""
        return self.state == "complete"

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
