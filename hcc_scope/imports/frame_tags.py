"""The tags of a frame that was imported: where it comes from, and everything else that its file states.

They are part of the frame's line in the store's journal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from hcc_scope.datasets.ome import CAMERA_AXES_KEY
from hcc_scope.position_tags import DRAWN_TAG, FORCED_TAG, ISLAND_TAG, POSITION_TAG, SE_TAG
from hcc_scope.retakes import REASON_TAG, RETAKE_TAG
from hcc_scope.time_tags import TIME_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.imports.collection import Plane
    from hcc_scope.types import TagValue

__all__ = ["FROM_TAG", "INDEX_TAG", "import_index", "imported_tags"]

FROM_TAG: Final = "imported_from"
"""File and page, array and index ... of the image."""
INDEX_TAG: Final = "import_index"
"""Place of the image among those that were chosen, from 0; gaps are images that could not be read."""
_FROM_FILE: Final = "file_"
"""Put before a tag of the file whose name means something to this program."""
_WITH_MEANING: Final = frozenset(
    {RETAKE_TAG, REASON_TAG, DRAWN_TAG, FORCED_TAG, INDEX_TAG, FROM_TAG, TIME_TAG, CAMERA_AXES_KEY}
    | {"preview", "focus_seq"}
)
"""Tags by which this program finds other frames of the same store, or knows this one: others would mislead it."""
_OF_POSITION: Final = frozenset({POSITION_TAG, ISLAND_TAG, SE_TAG})
_ORIGINS = ("stage", "request", "translation")
"""Of a position that is not tracked: read back from the stage, asked of it, or the place of an image of OME-Zarr."""
_MOST = 1000
_LONGEST_NAME, _LONGEST_TEXT = 200, 4096


def imported_tags(plane: Plane, index: int, *, has_position: bool, has_time: bool) -> dict[str, TagValue]:
    """Return the tags of the frame that a plane becomes.

    Parameters
    ----------
    plane : Plane
    index : int
        Its place among the images that were chosen.
    has_position : bool
        Whether it has a place on the stage.
    has_time : bool
        Whether its file states when it was exposed.
    """
    tags: dict[str, TagValue] = {}
    for name, value in list(plane.tags.items())[:_MOST]:
        if name in _OF_POSITION:
            continue
        tags[f"{_FROM_FILE}{name}" if name in _WITH_MEANING else name[:_LONGEST_NAME]] = _kept(value)
    if len(plane.tags) > _MOST:
        tags["file_tags_left_out"] = len(plane.tags) - _MOST
    tags |= _position_tags(plane.tags, has_position=has_position)
    tags[TIME_TAG] = "file" if has_time else "import"
    tags[FROM_TAG] = _kept(plane.where)
    tags[INDEX_TAG] = index
    return tags


def import_index(tags: Mapping[str, TagValue]) -> int | None:
    """Return the place of an imported frame among the images that were chosen; None if it was not imported.

    Examples
    --------
    >>> import_index({"import_index": 3}), import_index({})
    (3, None)
    """
    index = tags.get(INDEX_TAG)
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def _position_tags(tags: Mapping[str, TagValue], *, has_position: bool) -> dict[str, TagValue]:
    """Return how the position was obtained: as the file or its reader states it, or ``file``."""
    if not has_position:
        return {POSITION_TAG: "unknown"}
    origin = tags.get(POSITION_TAG)
    if origin == "tracked":
        return {name: tags[name] for name in _OF_POSITION if name in tags}
    return {POSITION_TAG: origin if origin in _ORIGINS else "file"}


def _kept(value: TagValue) -> TagValue:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[: _LONGEST_TEXT - 1]}…"
    return None if isinstance(value, float) and not math.isfinite(value) else value
