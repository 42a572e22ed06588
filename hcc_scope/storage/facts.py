"""The facts of a store, read and checked: what its JSON files state, and whether it is possible.

They stand twice: in the attribute ``hcc_scope`` of ``zarr.json``, and, as they were at the start, in
``hcc_scope.json``. Each carries a hash. What follows from them for other programs is checked in
`hcc_scope.storage.metadata_check`.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage import values
from hcc_scope.storage.drawn_sample import SAMPLE
from hcc_scope.storage.files import check_plain, read_plain
from hcc_scope.storage.layout import LIVE, MAX_LEVELS, PACKED, PACKED_FOLDER, SCHEMA_VERSION_PACKED, Layout
from hcc_scope.storage.lines import parse_object
from hcc_scope.storage.metadata import (
    ATTRIBUTE,
    FACTS_HASH,
    JOURNAL,
    MANIFEST_COPY,
    SCHEMA_VERSIONS,
    START_FACTS,
    facts_hash,
    spec_from_json,
    start_facts,
)
from hcc_scope.storage.naming import ROOT, STORE_SUFFIX
from hcc_scope.storage.notes import NOTES
from hcc_scope.storage.place import RemotePath, local_place, place_of
from hcc_scope.storage.place_files import exists
from hcc_scope.storage.prediction_log import PREDICTIONS
from hcc_scope.storage.recorded_run import RecordedRun
from hcc_scope.storage.run_log import RUN_LOG
from hcc_scope.storage.shading_copy import SHADING_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import RunSpec

__all__ = [
    "ROOT",
    "Facts",
    "check_folders",
    "check_is_store",
    "contradicted_key",
    "copied_facts",
    "object_in",
    "read_array_metadata",
    "read_packed_group",
    "recorded_attributes",
    "recorded_facts",
]

MAX_METADATA_BYTES = 64 * 2**20
"""Of one JSON file; a plan with its outline has some kilobytes."""

_FILES = (ROOT, MANIFEST_COPY, JOURNAL, NOTES, SAMPLE, PREDICTIONS, RUN_LOG, *SHADING_FILES.values())
"""How the names of our files start."""
_LAYOUTS = (LIVE, Layout.packed(1, MAX_LEVELS))


@dataclass(frozen=True, slots=True)
class Facts:
    """What one of the two files states."""

    attributes: dict[str, Any]
    spec: RunSpec
    run: RecordedRun
    file: dict[str, Any]
    """The whole file's content."""
    layout: Layout = LIVE
    """Where the frames are."""

    @classmethod
    def parse(cls, attributes: dict[str, Any], file: dict[str, Any]) -> Facts:
        """Return the facts that the attribute ``hcc_scope`` of a file holds.

        Raises
        ------
        ValueError
            If a value cannot stand there; the message names the key.
        """
        spec = spec_from_json(values.member(attributes, "spec"))
        for key, of_spec in (("animal_id", spec.animal_id), ("section_id", spec.section_id)):
            if values.text(values.member(attributes, key), key) != of_spec:
                raise ValueError(f"{key} and spec.{key} differ")
        if attributes.get("interval_s") is not None:
            values.number(attributes["interval_s"], "interval_s", 0, 1e9)
        values.scalars(attributes.get("software", {}), "software")
        if "finished_utc" in attributes:
            values.time_of(attributes["finished_utc"], "finished_utc")
        run = RecordedRun.parse(attributes, spec.provenance)
        return cls(attributes, spec, run, file, Layout.parse(attributes))


def check_is_store(path: StorePlace) -> None:
    """Refuse what is no store's folder, with a message about what it is.

    Raises
    ------
    StoreError
        If there is nothing, a file, a folder of stores, or a part of a store; if object storage does not answer.
    """
    if isinstance(path, RemotePath):
        _check_is_remote_store(path)
        return
    local_place(place_of(path), "this command changes stores, or needs their folder")
    try:
        status = path.stat()
        names = os.listdir(path) if stat.S_ISDIR(status.st_mode) else []  # noqa: PTH208 - names are enough
        whole = path.resolve()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"There is no store at {path}", hint=f"Give the path of a folder that ends in {STORE_SUFFIX}."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(f"{path} cannot be looked into: {reason}") from error
    within = next((folder for folder in whole.parents if folder.name.endswith(STORE_SUFFIX)), None)
    if not stat.S_ISDIR(status.st_mode):
        what = "a file" if stat.S_ISREG(status.st_mode) else "no folder"
        hint = f"Give the path of a folder that ends in {STORE_SUFFIX}."
        raise StoreError(f"{path} is {what}; a store is a folder", hint=hint if within is None else f"Give {within}.")
    if JOURNAL in names or MANIFEST_COPY in names:
        return
    if within is not None:
        raise StoreError(f"{path} is a part of the store {within}", hint=f"Give {within}.")
    stores = sorted(name for name in names if name.endswith(STORE_SUFFIX))
    if ROOT not in names and stores:
        raise StoreError(
            f"{path} is a folder of {len(stores)} section{'' if len(stores) == 1 else 's'}, not a store",
            hint=f"Give one of them, for example {path / stores[0]}.",
        )
    if not names:
        raise StoreError(
            f"{path} is an empty folder and holds no frames", hint=f"Choose a folder that ends in {STORE_SUFFIX}."
        )


def _check_is_remote_store(path: RemotePath) -> None:
    if any(exists(path / name) for name in (MANIFEST_COPY, JOURNAL)):
        return
    within = next((folder for folder in path.parents if folder.name.endswith(STORE_SUFFIX)), None)
    if within is not None:
        raise StoreError(f"{path} is a part of the store {within}", hint=f"Give {within}.")
    if exists(path / ROOT):
        return
    raise StoreError(f"There is no store at {path}", hint=f"Give an address that ends in {STORE_SUFFIX}.")


def check_folders(path: StorePlace) -> None:
    """Refuse a store in which something else is in the place of a folder or file of ours; one may be missing.

    Object storage has neither folders nor links.

    Raises
    ------
    StoreError
        If something else is in the place of one.
    OSError
        If one cannot be asked.
    """
    if isinstance(path, RemotePath):
        return
    names = sorted(os.listdir(path))  # noqa: PTH208 - names are enough
    wanted = dict.fromkeys([name for name in names if name.startswith(_FILES)], "a file")
    for layout in _LAYOUTS:
        if layout.folder in names:
            arrays = [layout.array_path(level) for level in range(layout.n_levels)]
            wanted |= dict.fromkeys((layout.folder, *arrays, *(f"{array}/c" for array in arrays)), "a folder")
            wanted |= dict.fromkeys([f"{folder}/{ROOT}" for folder in (layout.folder, *arrays)], "a file")
    for name, kind in wanted.items():
        with suppress(FileNotFoundError):
            check_plain(path / name, kind)


def recorded_facts(path: StorePlace) -> Facts:
    """Return what ``zarr.json`` of the store at `path` states.

    Raises
    ------
    StoreDamagedError
        If it is damaged, or states what no store can have.
    StoreError
        If it is not ours, of a later version, or cannot be read.
    FileNotFoundError
        If it is not there.
    """
    file = path / ROOT
    root = object_in(file)
    try:
        attributes = values.object_of(values.member(root, "attributes"), "attributes").get(ATTRIBUTE)
    except ValueError as error:
        raise StoreDamagedError(f"{file} cannot be read: {error}") from error
    if not isinstance(attributes, dict):
        raise StoreError(f"{path} was not written by HCC-Scope: {file.name} has no attribute {ATTRIBUTE!r}")
    return _checked(file, attributes, root, f"attributes.{ATTRIBUTE}")


def recorded_attributes(path: StorePlace) -> dict[str, Any]:
    """Return the attribute ``hcc_scope`` of the store at `path`, its version and checksum checked, and nothing else.

    For looking at many stores at once; the caller checks the values that it takes. Raises like `recorded_facts`.
    """
    file = path / ROOT
    root = object_in(file)
    try:
        attributes = values.object_of(values.member(root, "attributes"), "attributes").get(ATTRIBUTE)
        attributes = values.object_of(attributes, f"attributes.{ATTRIBUTE}")
        values.integer(values.member(attributes, "schema_version"), "schema_version", 1, max(SCHEMA_VERSIONS))
        _check_hash(attributes)
    except ValueError as error:
        raise StoreDamagedError(f"{file} cannot be read: {error}") from error
    return attributes


def copied_facts(path: StorePlace) -> Facts:
    """Return what ``hcc_scope.json`` of the store at `path` states; raises like `recorded_facts`."""
    file = path / MANIFEST_COPY
    attributes = object_in(file)
    return _checked(file, attributes, attributes, ATTRIBUTE)


def object_in(file: StorePlace) -> dict[str, Any]:
    """Return the JSON object that a metadata file of a store holds.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    StoreDamagedError
        If it holds none.
    StoreError
        If something else is in its place, or it cannot be read.
    """
    try:
        return parse_object(read_plain(file, MAX_METADATA_BYTES))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise StoreDamagedError(f"{file} cannot be read: {error}") from error


def _checked(file: StorePlace, attributes: dict[str, Any], content: dict[str, Any], where: str) -> Facts:
    version = attributes.get("schema_version")
    if type(version) is int and version > max(SCHEMA_VERSIONS):
        raise StoreError(
            f"{file.parent} has store version {version}, this program reads versions up to {max(SCHEMA_VERSIONS)}",
            hint="Update HCC-Scope.",
        )
    try:
        values.integer(
            values.member(attributes, "schema_version", f"{where}."), f"{where}.schema_version", 1, max(SCHEMA_VERSIONS)
        )
        _check_hash(attributes)
        return Facts.parse(attributes, content)
    except ValueError as error:
        raise StoreDamagedError(f"{file} is damaged: {error}") from error


def _check_hash(attributes: Mapping[str, Any]) -> None:
    stated = attributes.get(FACTS_HASH)
    if stated is None and attributes["schema_version"] == 1:
        return
    if stated != facts_hash(attributes):
        raise ValueError(f"its facts do not have the checksum that it states ({FACTS_HASH})")


def contradicted_key(recorded: Facts, copied: Facts) -> str | None:
    """Return the first fact that the two files state differently, as text; None if they agree."""
    start, copy = start_facts(recorded.attributes), start_facts(copied.attributes)
    for key in START_FACTS:
        one, other = start.get(key), copy.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            inner = next(name for name in sorted({*one, *other}) if one.get(name) != other.get(name))
            key, one, other = f"{key}.{inner}", one.get(inner), other.get(inner)
        shown = [text if len(text := ascii(value)) <= 60 else f"{text[:57]}..." for value in (one, other)]
        return f"{key} is {shown[0]} in {ROOT} and {shown[1]} in {MANIFEST_COPY}"
    return None


def read_array_metadata(path: StorePlace) -> dict[str, Any] | None:
    """Return the metadata of the array ``frames/0`` if it is sound enough to name a shape (t, y, x), else None.

    Raises
    ------
    StoreError
        If something else is in the file's place, or it cannot be read.
    """
    try:
        metadata = object_in(path / LIVE.array_path() / ROOT)
        for side in values.numbers(metadata.get("shape"), "shape", 3):
            values.integer(side, "shape", 0, 1 << 40)
    except (FileNotFoundError, StoreDamagedError, ValueError):
        return None
    return metadata


def read_packed_group(path: StorePlace) -> dict[str, Any] | None:
    """Return what the group of a packed store's arrays states about them, checked; None if it is damaged, or missing.

    Raises
    ------
    StoreError
        If something else is in the file's place, or it cannot be read.
    """
    try:
        root = object_in(path / PACKED_FOLDER / ROOT)
        attributes = values.object_of(values.member(root, "attributes"), "attributes")
        found = values.object_of(attributes.get(ATTRIBUTE), ATTRIBUTE)
        values.integer(values.member(found, "n_frames"), "n_frames", 0, 1 << 40)
        if values.member(found, "schema_version") != SCHEMA_VERSION_PACKED:
            return None
        _check_hash(found)
        Layout.parse(found)
    except (FileNotFoundError, StoreDamagedError, ValueError):
        return None
    return found if PACKED in found else None
