"""What a source holds, without its pixels and the tags of its images: what a person chooses from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.imports.camera_axes import camera_axes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection, Plane
    from hcc_scope.orientation import Matrix

__all__ = ["SourceFacts", "source_facts"]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What an `ImageCollection` holds."""

    path: Path
    files: tuple[Path, ...]
    """Those that were given; none of a folder, whose files are all that lie in it."""
    format: str
    channel_names: tuple[str, ...]
    planes: tuple[Plane, ...]
    """All, without their tags: a dataset may have a hundred thousand images, each with hundreds."""
    problems: tuple[str, ...]
    camera_axes: tuple[Matrix | None, ...] = ()
    """How the camera lay over the stage, of each plane; None where it is not stated."""


def source_facts(images: ImageCollection, files: Sequence[Path] = ()) -> SourceFacts:
    """Return what a source holds; its headers are read once.

    Parameters
    ----------
    images : ImageCollection
    files : sequence of Path
        Those that were given; none for a folder.
    """
    planes, axes = [], []
    for plane in images.planes:
        planes.append(replace(plane, tags={}))
        axes.append(camera_axes(plane.tags))
    return SourceFacts(
        images.path,
        tuple(files),
        images.format,
        tuple(images.channel_names),
        tuple(planes),
        tuple(images.problems),
        tuple(axes),
    )
