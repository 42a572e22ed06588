"""Paths that someone else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["without_dots"]


def without_dots(path: Path) -> Path:
    """Return an absolute path without ``..``, which not everything that opens files understands.

    Links are followed up to the last ``..`` alone, for what lies above a link is known only then; a path without one
    stays as it was written.
    """
    path = path.absolute()
    if ".." not in path.parts:
        return path
    last = len(path.parts) - path.parts[::-1].index("..")
    try:
        return type(path)(*path.parts[:last]).resolve().joinpath(*path.parts[last:])
    except (OSError, RuntimeError):  # links in a circle: who opens it says so
        return path
