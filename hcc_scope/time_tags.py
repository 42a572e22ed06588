"""How the time of a frame was obtained: a tag of the frame, and so part of its line in a store's journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import TagValue

__all__ = ["TIME_TAG", "time_is_known"]

TIME_TAG: Final = "time_from"
"""Of an imported frame. ``file``: `hcc_scope.types.Frame.t_utc` is the end of the exposure as its file states it.
``import``: the file states none, and `t_utc` is when the image was read."""


def time_is_known(tags: Mapping[str, TagValue]) -> bool:
    """Return whether a frame's time is that of its exposure, from its tags.

    Examples
    --------
    >>> time_is_known({}), time_is_known({"time_from": "import"})
    (True, False)
    """
    return tags.get(TIME_TAG) != "import"
