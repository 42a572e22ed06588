"""The parts of a section that was continued in its own store: one after the first ends, and another goes on.

The attribute ``hcc_scope`` has a list ``parts`` then, the first part included. All but the last hold how they ended
(``n_frames``, ``ended_utc``, ``outcome``), as it stood in the attribute itself before the next one began; the last
one's end is that of the run. A store that was never continued has no such key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import RunSpec

__all__ = ["LEFT_OUT", "PARTS", "RESUMED_AT", "begun_part", "n_parts"]

PARTS = "parts"
"""Key of the attribute ``hcc_scope``."""
RESUMED_AT = "resumed_at_field"
"""Key of a part's provenance: the place in the plan, from 0, of the field at which the plan goes on."""
LEFT_OUT = "fields_left_out"
"""Key of its provenance: how many fields before that one have no frame."""

_OF_THE_END = ("n_frames", "finished_utc", "outcome", "recovered", "outcome_before_recovery")
"""Keys that the end of a run adds."""


def n_parts(attributes: Mapping[str, Any]) -> int:
    """Return how many parts a store has."""
    return len(attributes.get(PARTS, ())) or 1


def begun_part(
    attributes: Mapping[str, Any], spec: RunSpec, *, n_frames: int, began_utc: str, software: Mapping[str, str]
) -> dict[str, Any]:
    """Return the attribute ``hcc_scope`` of a store whose run has ended and goes on: it is unfinished again.

    Parameters
    ----------
    attributes : mapping
        The attribute as it is.
    spec : RunSpec
        Of the part that begins. Its provenance is recorded where it differs from the store's.
    n_frames : int
        Frames that are there.
    began_utc : str
        ISO 8601.
    software : mapping
        Versions of this program and its libraries.
    """
    first: dict[str, Any] = {
        "first_frame": 0,
        "began_utc": attributes["created_utc"],
        "software": dict(attributes.get("software", {})),
    }
    *before, last = attributes.get(PARTS) or [first]
    ended: dict[str, Any] = {**last, "n_frames": max(0, n_frames - last["first_frame"])}
    for key in _OF_THE_END[1:]:
        if key in attributes:
            ended["ended_utc" if key == "finished_utc" else key] = attributes[key]
    recorded = attributes["spec"]["provenance"]
    begun = {
        "first_frame": n_frames,
        "began_utc": began_utc,
        "software": {**software, **spec.software},
        "rig_sha256": spec.rig_sha256,
        "provenance": {key: value for key, value in spec.provenance.items() if recorded.get(key) != value},
    }
    kept = {key: value for key, value in attributes.items() if key not in _OF_THE_END}
    return {**kept, "complete": False, PARTS: [*before, ended, begun]}
