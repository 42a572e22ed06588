"""What a source holds, without its pixels and the tags of its images: what a person chooses from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection, Plane

__all__ = ["Described", "described"]


@dataclass(frozen=True, slots=True)
class Described:
    """What an `ImageCollection` holds."""

    path: Path
    format: str
    channel_names: tuple[str, ...]
    planes: tuple[Plane, ...]
    """All, without their tags: a dataset may have a hundred thousand images, each with hundreds."""
    problems: tuple[str, ...]


def described(images: ImageCollection) -> Described:
    """Return what a source holds; its headers are read once."""
    planes = tuple(replace(plane, tags={}) for plane in images.planes)
    return Described(images.path, images.format, tuple(images.channel_names), planes, tuple(images.problems))
