"""The metadata of a store for other programs, which follows from its facts: written, and checked against them.

A difference is a problem of the store and no reason to refuse its frames, since another program may have made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes
from hcc_scope.errors import StoreDamagedError
from hcc_scope.storage import values
from hcc_scope.storage.facts import object_in
from hcc_scope.storage.metadata import (
    array_metadata,
    frames_group_metadata,
    group_metadata,
    packed_group_metadata,
)
from hcc_scope.storage.naming import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.storage.facts import Facts
    from hcc_scope.storage.place import StorePlace

__all__ = [
    "CONSOLIDATED",
    "array_files",
    "describes_image",
    "hides_array",
    "is_group",
    "metadata_problems",
    "root_bytes",
    "unknown_keys",
]

CONSOLIDATED = "consolidated_metadata"
"""Key of ``zarr.json`` under which zarr-python keeps copies of the metadata below, if requested."""


def array_files(facts: Facts, n_frames: int) -> dict[str, dict[str, Any]]:
    """Return the metadata files of the frames' group and arrays, by their paths below the store."""
    layout = facts.layout
    group = packed_group_metadata(facts.attributes, n_frames) if layout.is_packed else frames_group_metadata()
    arrays = {
        f"{layout.array_path(level)}/{ROOT}": array_metadata(facts.spec.frame_shape_yx, n_frames, layout, level)
        for level in range(layout.n_levels)
    }
    return {f"{layout.folder}/{ROOT}": group, **arrays}


def metadata_problems(path: StorePlace, facts: Facts, n_frames: int) -> list[str]:
    """Return where the metadata for other programs differs from the facts: another program's doing, or damage.

    Raises
    ------
    StoreError
        If something else is in a file's place.
    """
    hint = "hcc-scope recover writes it again"
    problems = []
    if not describes_image(facts):
        problems.append(f"{path / ROOT} describes the image (axes, scale, display) not as its facts do: {hint}")
    if not is_group(facts):
        problems.append(f"{path / ROOT} is no group of zarr format 3 any more: {hint}")
    complete = facts.run.complete
    if complete and hides_array(facts, n_frames):
        problems.append(f"{path / ROOT} has a copy of the array's metadata ({CONSOLIDATED}) that is wrong: {hint}")
    for name, wanted in array_files(facts, n_frames).items():
        file = path / name
        try:
            found = object_in(file)
        except FileNotFoundError:
            problems.append(f"{file} is missing, so other programs see no frames: {hint}")
            continue
        except StoreDamagedError as error:
            problems.append(f"{error.message}: {hint}")
            continue
        changed = [
            key
            for key in wanted
            if key != "attributes" and not _same(key, found.get(key), wanted[key], complete=complete)
        ]
        changed += unknown_keys(found, wanted)
        added = found.get("attributes")  # any program may add to its content
        if not isinstance(added, dict) or any(added.get(key) != one for key, one in wanted["attributes"].items()):
            changed.append("attributes")
        if changed:
            problems.append(f"{file} was changed ({', '.join(changed)}), by another program or by damage: {hint}")
    return problems


def is_group(facts: Facts) -> bool:
    """Return whether ``zarr.json`` is one of a group, for other programs; they refuse a key that they do not know."""
    same = all(facts.file.get(key) == value for key, value in frames_group_metadata().items() if key != "attributes")
    return same and not unknown_keys(facts.file, frames_group_metadata())


def hides_array(facts: Facts, n_frames: int) -> bool:
    """Return whether ``zarr.json`` holds a wrong copy of the array's metadata, made by another program.

    Programs that read zarr go by such a copy (`CONSOLIDATED`) and not by the array's own metadata.
    """
    copy = facts.file.get(CONSOLIDATED)
    if copy is None:
        return False
    for name, wanted in array_files(facts, n_frames).items():
        if wanted["node_type"] != "array":
            continue
        try:
            copies = values.object_of(copy["metadata"], CONSOLIDATED)
            found = values.object_of(copies[name.removesuffix(f"/{ROOT}")], CONSOLIDATED)
        except (KeyError, TypeError, ValueError):
            return True
        if any(
            not _same(key, found.get(key), one, complete=True) for key, one in wanted.items() if key != "attributes"
        ):
            return True
    return False


def unknown_keys(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the keys of metadata that zarr does not let a program add: it has to mark them as not needed."""
    return [
        key
        for key, value in found.items()
        if key not in wanted
        and value not in (None, {}, [])
        and not (isinstance(value, dict) and value.get("must_understand") is False)
    ]


def root_bytes(facts: Facts, attributes: Mapping[str, Any]) -> bytes:
    """Return ``zarr.json`` with these attributes of ours; what other programs added to it stays."""
    wanted = group_metadata(facts.spec, attributes)
    found = facts.file if "attributes" in facts.file else {}
    unknown = [*unknown_keys(found, wanted), CONSOLIDATED]  # a program that wants such a copy can make it again
    found = {key: value for key, value in found.items() if key not in unknown}
    return json_bytes({**found, **wanted, "attributes": {**found.get("attributes", {}), **wanted["attributes"]}})


def describes_image(facts: Facts) -> bool:
    """Return whether ``zarr.json`` describes the image to other programs as its facts are."""
    found = facts.file["attributes"].get("ome")
    expected = group_metadata(facts.spec, facts.attributes)["attributes"]["ome"]
    if found == expected:
        return True
    if facts.attributes["schema_version"] != 1 or facts.attributes.get("interval_s"):
        return False
    # version 1 called the frame's number a second where the interval was unknown
    expected["multiscales"][0]["axes"][0]["unit"] = "second"
    return bool(found == expected)


def _same(key: str, found: object, wanted: object, *, complete: bool) -> bool:
    if key == "shape" and not complete and isinstance(found, list) and isinstance(wanted, list):
        # a run under way is ahead of its journal, or behind
        return found[1:] == wanted[1:] and len(found) == len(wanted) and type(found[0]) is int and found[0] >= 0
    return _plain(found) == _plain(wanted)


def _plain(value: object) -> object:
    """Return metadata without what programs leave out or add as they like: empty configurations and lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one not in ({}, [])}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
