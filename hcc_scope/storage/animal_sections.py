"""The other sections of an animal, with the scores that their stores record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.storage.naming import STORE_SUFFIX

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
    from hcc_scope.storage.reader import read_facts

    try:
        paths = sorted(folder.glob(f"*{STORE_SUFFIX}"))
    except OSError:
        return []
    found = []
    for path in paths:
        try:
            facts = read_facts(path)[0]
        except (StoreError, OSError):
            continue
        outcome = facts.run.outcome
        if outcome is None or outcome.animal_id != animal_id or outcome.section_score is None:
            continue
        if outcome.section_id is not None and outcome.section_id != but:
            found.append(OtherSection(outcome.section_id, outcome.section_score, facts.spec.model_sha256))
    return found
