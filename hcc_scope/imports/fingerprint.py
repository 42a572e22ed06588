"""The fingerprint of a source: by it an import that goes on recognises its own files, wherever they lie now.

Not every byte is read, which would take as long as the import itself: names and sizes of the files, both ends of those
that were given by name, and what the headers state about every image. What an import writes beside its sources is none
of them. An import that goes on compares pixels of frames
that are stored besides (`hcc_scope.runs.import_section`).
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ImageError
from hcc_scope.imports.image_files import ENDINGS
from hcc_scope.imports.ome_zarr_metadata import is_ome_zarr
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.naming import STORE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hcc_scope.imports.collection import Plane
    from hcc_scope.imports.source_facts import SourceFacts

__all__ = ["fingerprint"]

_END_BYTES = 1 << 16
"""Read at the beginning and at the end of a file that was given."""
_OF_IMAGES = (*ENDINGS, ".index", ".txt", ".ome", ".xml")
"""Of the files in a folder that a reader may look at, but for a folder of zarr, where each may be a chunk."""
_OF_SYSTEMS = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
"""Files that a system adds to a folder by looking into it."""


def fingerprint(source: SourceFacts) -> str:
    """Return the sha256 of what identifies a source, in hexadecimal; its path and its files' times are not part of it.

    Parameters
    ----------
    source : SourceFacts

    Raises
    ------
    ImageError
        If its files cannot be listed.
    """
    digest = hashlib.sha256()
    try:
        for piece in _of_files(source.files) if source.files else _of_folder(source):
            digest.update(piece)
    except OSError as error:
        raise ImageError(f"{source.path} cannot be read: {error.strerror or error}") from error
    for plane in source.planes:
        digest.update(json.dumps(_of_plane(plane)).encode("ascii"))
    return digest.hexdigest()


def _of_files(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        size = path.stat().st_size
        yield json.dumps([path.name, size]).encode("ascii")
        with path.open("rb") as file:
            yield file.read(_END_BYTES)
            file.seek(max(0, size - _END_BYTES))
            yield file.read(_END_BYTES)


def _of_folder(source: SourceFacts) -> Iterator[bytes]:
    is_zarr = is_ome_zarr(source.path)
    for folder, folders, names in os.walk(source.path, onerror=_raise):
        if folder != str(source.path) and not is_zarr:
            folders.clear()  # positions lie one level below, and nothing is read from deeper
        folders[:] = sorted(one for one in folders if not _is_store(os.path.join(folder, one)))  # noqa: PTH118 - as below
        for name in sorted(names):
            if name.lower() in _OF_SYSTEMS or name.startswith("._"):
                continue
            if not is_zarr and not name.lower().endswith(_OF_IMAGES):
                continue
            file_path = os.path.join(folder, name)  # noqa: PTH118 - a dataset may have a million files
            place = os.path.relpath(file_path, source.path).replace(os.sep, "/")
            yield json.dumps([place, os.lstat(file_path).st_size]).encode("ascii")


def _is_store(folder: str) -> bool:
    """Return whether a folder is a section of this program, as an import makes one where it is asked to."""
    return folder.endswith(STORE_SUFFIX) and os.path.exists(f"{folder}/{JOURNAL}")  # noqa: PTH110 - as above


def _raise(error: OSError) -> None:
    raise error


def _of_plane(plane: Plane) -> list[Any]:
    return [
        plane.shape_yx,
        plane.dtype,
        plane.bit_depth,
        plane.colour,
        plane.channel,
        plane.z,
        plane.time,
        plane.series,
        plane.pixel_size_yx_um,
        plane.stage_um,
        plane.exposure_ms,
        None if plane.t_utc is None else plane.t_utc.isoformat(),
    ]
