"""The fingerprint of a source: by it an import that goes on recognises its own files, wherever they lie now.

Not every byte is read, which would take as long as the import itself: names and sizes of all files, both ends of files
that were given by name, and what the headers state about every image. An import that goes on compares pixels of frames
that are stored besides (`hcc_scope.runs.import_section`).
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hcc_scope.imports.collection import Plane
    from hcc_scope.imports.source_facts import SourceFacts

__all__ = ["fingerprint"]

_END_BYTES = 1 << 16
"""Read at the beginning and at the end of a file that was given."""
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
        for piece in _of_files(source.files) if source.files else _of_folder(source.path):
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


def _of_folder(path: Path) -> Iterator[bytes]:
    for folder, folders, names in os.walk(path, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            if name.lower() in _OF_SYSTEMS or name.startswith("._"):
                continue
            file_path = os.path.join(folder, name)  # noqa: PTH118 - a dataset may have a million files
            place = os.path.relpath(file_path, path).replace(os.sep, "/")
            yield json.dumps([place, os.lstat(file_path).st_size]).encode("ascii")


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
