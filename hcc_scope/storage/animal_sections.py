"""The other sections of an animal, with their present scores."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.notes import read_notes

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.storage.facts import Facts
    from hcc_scope.types import SectionScore

__all__ = ["OtherSection", "sections_of"]


@dataclass(frozen=True, slots=True)
class OtherSection:
    """A section of the same animal that has a score."""

    section_id: str
    score: SectionScore
    model_sha256: str | None = None
    """Of the model that scored it; scores of two models do not compare."""


def sections_of(folder: Path, animal_id: str, but: str) -> list[OtherSection]:
    """Return the sections of an animal in a folder that have a score, by file name.

    Those are the sections that a list of the folder counts (`hcc_scope.runs.library.animal_scores`): also one whose run
    never ended, or was recovered, with the score of its results; none whose run is under way. A store that cannot be
    read is left out.

    Parameters
    ----------
    folder : Path
        Where the stores are.
    animal_id : str
    but : str
        Id of the section that is left out.
    """
    from hcc_scope.storage.facts import recorded_facts

    try:
        paths = sorted(folder.glob(f"*{STORE_SUFFIX}"))
    except OSError:
        return []
    found = []
    for path in paths:
        try:
            facts = recorded_facts(path)
            if facts.spec.animal_id != animal_id or facts.spec.section_id == but:
                continue
            score = _present_score(path, facts)
        except (HccScopeError, OSError):
            continue
        if score is not None and score.score is not None:
            found.append(OtherSection(facts.spec.section_id, score, facts.spec.model_sha256))
    return found


def _present_score(path: Path, facts: Facts) -> SectionScore | None:
    from hcc_scope.storage.present_score import holds_present_score, present_score
    from hcc_scope.storage.reader import open_store
    from hcc_scope.storage.under_way import is_written_to

    run = facts.run
    if run.complete and run.outcome is not None and holds_present_score(run, read_notes(path)):
        return run.outcome.section_score
    with suppress(OSError):  # on a disk that is read only nothing is written
        if not run.complete and is_written_to(path):
            return None
    return present_score(open_store(path))
