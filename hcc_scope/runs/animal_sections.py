"""The other sections of an animal, as their stores tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import StoreError
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.types import SectionScore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["OtherSection", "sections_of"]


@dataclass(frozen=True, slots=True)
class OtherSection:
    """A finished section of the same animal."""

    section_id: str
    score: SectionScore


def sections_of(folder: Path, animal_id: str, but: str) -> list[OtherSection]:
    """Return the finished sections of an animal in a folder, by id, without the section `but`."""
    from hcc_scope.storage.reader import read_attributes

    found = []
    try:
        paths = sorted(folder.glob(f"*{STORE_SUFFIX}"))
    except OSError:
        return []
    for path in paths:
        try:
            outcome = read_attributes(path).get("outcome")
        except (StoreError, OSError):
            continue
        if not isinstance(outcome, dict) or outcome.get("animal_id") != animal_id:
            continue
        section_id, score = outcome.get("section_id"), _score(outcome)
        if isinstance(section_id, str) and section_id != but and score is not None:
            found.append(OtherSection(section_id, score))
    return found


def _score(outcome: Mapping[str, Any]) -> SectionScore | None:
    """Return the score in a store's account of its run; None if there is none, or it is of another make."""
    if outcome.get("score") is None:
        return None
    try:
        low, high = outcome["interval"]
        return SectionScore(
            score=float(outcome["score"]),
            interval=(float(low), float(high)),
            interval_frames=int(outcome["interval_frames"]),
            interval_valid=bool(outcome["interval_valid"]),
            confidence=float(outcome["confidence"]),
            threshold=float(outcome["threshold"]),
            stabilised=bool(outcome["stabilised"]),
            stabilised_reason=str(outcome["stabilised_reason"]),
            frames=int(outcome["frames"]),
            tiles=int(outcome["tiles"]),
            tiles_excluded=dict(outcome["tiles_excluded"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
