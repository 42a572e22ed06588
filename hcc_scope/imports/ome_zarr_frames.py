"""What ome-writers keeps about each frame beside an OME-Zarr image: OME-Zarr itself has no field for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hcc_scope.imports.facts import Facts, finite, plain_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FRAMES_KEY", "facts_of_frame", "frames_by_place"]

FRAMES_KEY: Final = "ome_writers"
"""Of a group's attributes."""
_ALONG: Final = ("t", "z", "c")

Place = tuple[int, int, int]
"""Index along time, z and channel."""


def frames_by_place(stored: object, axes: Sequence[str]) -> dict[Place, Mapping[str, Any]]:
    """Return what is kept about each frame, by its place; frames without a place are left out.

    Parameters
    ----------
    stored : object
        The attribute `FRAMES_KEY`, any JSON.
    axes : sequence of str
        Of the array; a frame's ``storage_index`` counts along those before y and x.
    """
    frames = stored.get("frame_metadata") if isinstance(stored, dict) else None
    before = [name for name in axes if name not in {"y", "x"}]
    found: dict[Place, Mapping[str, Any]] = {}
    for one in frames if isinstance(frames, list) else ():
        index = one.get("storage_index") if isinstance(one, dict) else None
        if not isinstance(index, list) or len(index) != len(before) or not all(isinstance(at, int) for at in index):
            continue
        at = dict(zip(before, index, strict=True))
        time, z, channel = (int(at.get(name, 0)) for name in _ALONG)
        found[time, z, channel] = one
    return found


def facts_of_frame(stored: Mapping[str, Any]) -> Facts:
    """Return the facts about a frame; its position is in um, its times are in seconds."""
    x, y, z = (finite(stored.get(f"position_{axis}")) for axis in "xyz")
    exposure_s = finite(stored.get("exposure_time"))
    facts = Facts(tags=plain_tags({key: value for key, value in stored.items() if key != "storage_index"}))
    if x is not None and y is not None:
        facts["stage_um"] = (x, y, z)
    if exposure_s is not None and exposure_s > 0:
        facts["exposure_ms"] = 1e3 * exposure_s
    return facts
