"""Which format files and folders of images have, and their readers. The content decides, never the name.

Files that are given together are one source, as the parts of one dataset are; each folder is a source of its own.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.errors import ImageError, UsageError
from hcc_scope.imports.images import open_image_files, open_images
from hcc_scope.imports.ndtiff import INDEX, NDTiff, is_ndtiff
from hcc_scope.imports.ome_zarr import OmeZarr, is_ome_zarr
from hcc_scope.storage.place import RemotePath, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection

__all__ = ["OpenSource", "open_sources", "refuse_address"]

_OF_DATASETS = frozenset({INDEX, "zarr.json", ".zattrs", ".zgroup", "metadata.txt"})
"""Files that stand for the dataset in whose folder they lie."""


class OpenSource(NamedTuple):
    """A source, open for reading."""

    images: ImageCollection
    files: tuple[Path, ...]
    """The files that were given; none of a folder."""


def refuse_address(source: Path) -> None:
    """Refuse a source on object storage: an import reads files.

    Raises
    ------
    UsageError
    """
    place = place_of(source)
    if isinstance(place, RemotePath):
        raise UsageError(f"{place} is an address, which cannot be imported", hint="Copy it to this computer first.")


def open_sources(paths: Sequence[Path]) -> list[OpenSource]:
    """Open files, folders and datasets of images, in their order.

    Raises
    ------
    UsageError
        If there is none, or one is given twice.
    ImageError
        If one is missing, or is nothing that can be read. Nothing stays open then.
    """
    if not paths:
        raise UsageError("no source is given", hint="Give files, or folders, of images.")
    for path in paths:
        refuse_address(path)
    given = [path.parent if path.name in _OF_DATASETS else path for path in paths]
    seen: set[Path] = set()
    files: dict[Path, None] = {}
    for path in given:
        try:
            there, folder, own = path.exists(), path.is_dir(), path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
            raise ImageError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error
        if not there:
            raise ImageError(f"there is nothing at {path}", hint="Check the path.")
        if own in seen:
            raise UsageError(f"{path} is given twice", hint="Give each source once.")
        seen.add(own)
        if not folder:
            files[path] = None
    first = next(iter(files), None)
    opened: list[OpenSource] = []
    with ExitStack() as unused:
        for path in given:
            if path in files and path != first:
                continue  # opened with the first one
            images = open_image_files(tuple(files)) if path in files else _open_folder(path)
            unused.callback(images.close)
            opened.append(OpenSource(images, tuple(files) if path in files else ()))
        unused.pop_all()
    return opened


def _open_folder(path: Path) -> ImageCollection:
    if is_ndtiff(path):
        return NDTiff(path)
    if is_ome_zarr(path):
        return OmeZarr(path)
    return open_images(path)
