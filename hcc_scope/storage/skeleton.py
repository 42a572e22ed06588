"""A store without frames: it appears under its name in one step, and is removed in the same way if none comes."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import create_file, json_bytes, patiently, sync_folder
from hcc_scope.errors import StoreError
from hcc_scope.storage.drawn_sample import SAMPLE
from hcc_scope.storage.metadata import (
    ARRAY_PATH,
    JOURNAL,
    MANIFEST_COPY,
    array_metadata,
    frames_group_metadata,
    group_metadata,
    sealed,
)
from hcc_scope.storage.notes import NOTES, read_notes
from hcc_scope.storage.prediction_log import log_files, table_path
from hcc_scope.storage.run_log import RUN_LOG
from hcc_scope.storage.shading_copy import SHADING_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.types import RunSpec

__all__ = ["create_skeleton", "remove_empty"]


def remove_empty(path: Path) -> bool:
    """Remove a store that we made and that holds no frame: our own files only, and the folders that are empty then.

    Returns
    -------
    bool
        Whether it is gone. Not if its journal has a line, a person wrote a note, or anybody added a file.
    """
    try:
        logs = log_files(path)
        ours = {"frames", "zarr.json", MANIFEST_COPY, JOURNAL, RUN_LOG, SAMPLE, *(log.name for log in logs)}
        ours |= {table_path(log).name for log in logs} | set(SHADING_FILES.values())
        if all(note.kind == "spoilt" for note in read_notes(path)):  # by the run itself
            ours.add(NOTES)
        there = [(path, ours), (path / "frames", {"zarr.json", "0"}), (path / ARRAY_PATH, {"zarr.json", "c"})]
        if any({one.name for one in folder.iterdir()} - names for folder, names in there):
            return False
        if (path / JOURNAL).stat().st_size > 0:
            return False
        hidden = _hidden(path)
        patiently(lambda: path.rename(hidden))  # the name is free at once, whatever comes between
    except (OSError, StoreError):
        return False
    shutil.rmtree(hidden, ignore_errors=True)
    return True


def _hidden(path: Path) -> Path:
    """Return a name for a store that is about to appear, or to go."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def create_skeleton(
    path: Path, spec: RunSpec, attributes: Mapping[str, Any], length: int, files: Mapping[str, bytes] | None = None
) -> None:
    """Make an empty store, with further `files` by name, in a hidden folder, then give it its name in one step."""
    hidden = _hidden(path)
    array_folder = hidden / ARRAY_PATH
    try:
        (array_folder / "c").mkdir(parents=True)
        create_file(array_folder / "zarr.json", json_bytes(array_metadata(spec.frame_shape_yx, length)))
        create_file(hidden / "frames" / "zarr.json", json_bytes(frames_group_metadata()))
        create_file(hidden / "zarr.json", json_bytes(group_metadata(spec, attributes)))
        create_file(hidden / MANIFEST_COPY, json_bytes(sealed(attributes)))
        create_file(hidden / JOURNAL, b"")
        for name, data in (files or {}).items():
            create_file(hidden / name, data)
        for folder in (array_folder, hidden / "frames", hidden):
            sync_folder(folder)
        patiently(lambda: hidden.rename(path))
        sync_folder(path.parent)
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
