"""How the fields of a section by hand were captured: one account for ``summary.json``, the report and the terminal.

It is read from the journal and the notes of the store, so that it is the same live, after a crash and years later.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.by_hand.words import UNDONE
from hcc_scope.errors import StoreError
from hcc_scope.formatting import counted, format_number
from hcc_scope.position_tags import FORCED_TAG, position_origin
from hcc_scope.storage.notes import excluded_fields, read_notes
from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import Sampling

__all__ = ["HandAccount", "hand_account", "stored_hand_account"]

_BY_HAND: frozenset[Sampling] = frozenset(("guided", "chosen"))


@dataclass(frozen=True, slots=True)
class HandAccount:
    """What is known of the captures of one section."""

    positions: Mapping[str, int]
    """Fields by how their position was obtained: ``stage``, ``tracked``, ``unknown``."""
    islands: int
    """Coordinate frames of the tracked positions."""
    largest_se_um: float | None
    """Largest standard error of a tracked position; None without one."""
    kept_anyway: Mapping[str, int]
    """Fields that the operator kept although a rule spoke against it, by the rule's word."""
    undone: int
    """Captures that were undone: stored, and out of the score."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "positions": dict(self.positions),
            "islands": self.islands,
            "largest_position_se_um": self.largest_se_um,
            "kept_anyway": dict(self.kept_anyway),
            "undone": self.undone,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return it as names and values, for people; what did not happen is left out."""
        rows = [(f"position: {_ORIGINS[name]}", str(n)) for name, n in self.positions.items() if n]
        if self.islands > 1:
            rows.append(("islands, whose positions cannot be compared", str(self.islands)))
        if self.largest_se_um is not None:
            rows.append(("largest standard error of a position", f"{format_number(self.largest_se_um, 3)} um"))
        rows += [(f"kept all the same, although: {word}", str(n)) for word, n in self.kept_anyway.items()]
        if self.undone:
            rows.append(("captures undone", str(self.undone)))
        return rows

    def remarks(self) -> list[str]:
        """Return what a reader of the score must know, as sentences without a full stop."""
        found = []
        if n := sum(self.kept_anyway.values()):
            words = ", ".join(f"{count} {word}" for word, count in self.kept_anyway.items())
            found.append(f"{counted(n, 'field')} kept all the same, against a rule of capture ({words})")
        if n := self.positions.get("unknown", 0):
            found.append(f"{counted(n, 'field')} without a known position")
        return found


_ORIGINS = {
    "stage": "read from the stage",
    "tracked": "tracked from the pictures",
    "unknown": "not known",
}


def hand_account(
    sampling: Sampling, entries: Iterable[JournalEntry | None], notes: Iterable[Note]
) -> HandAccount | None:
    """Return how the fields of a section were captured; None for a section that was not made by hand.

    Parameters
    ----------
    sampling : Sampling
        Of the section.
    entries : iterable of JournalEntry or None
        Its journal; unreadable lines are left out.
    notes : iterable of Note
        Its notes, which hold the captures that were undone.
    """
    if sampling not in _BY_HAND:
        return None
    positions = dict.fromkeys(_ORIGINS, 0)
    islands: set[int] = set()
    errors_um: list[float] = []
    kept = Counter[str]()
    frames = list(entries)
    for entry in frames:
        if entry is None:
            continue
        origin = position_origin(entry.tags, has_position=entry.stage_um is not None)
        positions[origin.source] += 1
        if origin.source == "tracked":
            islands.add(origin.island)
            if origin.se_um is not None and math.isfinite(origin.se_um):
                errors_um.append(origin.se_um)
        word = entry.tags.get(FORCED_TAG)
        if word:
            kept[str(word)] += 1
    undone = sum(why == UNDONE for seq, why in excluded_fields(notes).items() if seq < len(frames))
    return HandAccount(
        positions=positions,
        islands=len(islands),
        largest_se_um=max(errors_um, default=None),
        kept_anyway=dict(sorted(kept.items(), key=lambda item: (-item[1], item[0]))),
        undone=undone,
    )


def stored_hand_account(store: StorePlace, sampling: Sampling) -> HandAccount | None:
    """Return how the fields of a stored section were captured; None if not by hand, or if the store cannot be read.

    Parameters
    ----------
    store : Path
        It may still be written.
    sampling : Sampling
        Of the section.
    """
    if sampling not in _BY_HAND:
        return None
    try:
        return hand_account(sampling, open_store(store).journal, read_notes(store))
    except StoreError:  # how the run ended matters more, and reading the store reports it
        return None
