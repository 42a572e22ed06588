"""Absolute paths without ``..``, from paths in files of unknown origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["without_dots"]


def without_dots(path: Path) -> Path:
    """Return an absolute path without ``..``, which not everything that opens files understands.

    Links are followed up to the last ``..`` alone, for what lies above a link is known only then; a path without one
    stays unchanged.
    """
    path = path.absolute()
    if ".." not in path.parts:
        return path
    last = len(path.parts) - path.parts[::-1].index("..")
    try:
        return type(path)(*path.parts[:last]).resolve().joinpath(*path.parts[last:])
    except (OSError, RuntimeError):  # links in a circle: the open call reports them
        return path
