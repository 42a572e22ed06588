"""The other sections of an animal, with their present scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.notes import read_notes

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import SectionScore

__all__ = ["OtherSection", "sections_of"]


@dataclass(frozen=True, slots=True)
class OtherSection:
    """A finished section of the same animal."""

    section_id: str
    score: SectionScore
    model_sha256: str | None = None
    """Of the model that scored it; scores of two models do not compare."""


def sections_of(folder: Path, animal_id: str, but: str) -> list[OtherSection]:
    """Return the finished sections of an animal in a folder, by id; a store that cannot be read is left out.

    Parameters
    ----------
    folder : Path
        Where the stores are.
    animal_id : str
    but : str
        Id of the section that is left out.
    """
    from hcc_scope.storage.present_score import holds_present_score, present_score
    from hcc_scope.storage.reader import open_store, read_facts

    try:
        paths = sorted(folder.glob(f"*{STORE_SUFFIX}"))
    except OSError:
        return []
    found = []
    for path in paths:
        try:
            facts = read_facts(path)[0]
            outcome = facts.run.outcome
            if outcome is None or outcome.animal_id != animal_id or outcome.section_id in (None, but):
                continue
            score = outcome.section_score
            if score is not None and not holds_present_score(facts.run, read_notes(path)):
                score = present_score(open_store(path))
        except (StoreError, OSError):
            continue
        if score is not None and outcome.section_id is not None:
            found.append(OtherSection(outcome.section_id, score, facts.spec.model_sha256))
    return found
