"""Folders in which Micro-Manager stored each image as a file of its own, with ``metadata.txt`` beside them.

Version 1.4 names the files ``img_<time>_<channel>_<z>.tif``, and their entries in ``metadata.txt``
``FrameKey-<time>-<channel>-<z>``. Version 2.0 names files ``img_channel000_position000_time000000000_z000.tif`` and has
two entries for each, ``Coords-<file>`` and ``Metadata-<file>``; its first versions left the metadata to the files. Each
stage position has its folder, with a ``metadata.txt`` of its own. Names in ``metadata.txt`` are compared with those of
the files that are there, and never followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hcc_scope.datasets.header import COPY_AGAIN
from hcc_scope.errors import ImageError
from hcc_scope.imports.described import Described
from hcc_scope.imports.image_files import ImageFiles, describe_file, image_files_in, natural_order
from hcc_scope.imports.micromanager_tags import (
    Coords,
    bit_depth_of,
    channel_name_of,
    coords_of,
    facts_of,
    names_of_channels,
)
from hcc_scope.imports.salvaged_json import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["METADATA", "open_positions", "positions_in"]

METADATA = "metadata.txt"
_LARGEST_METADATA_BYTES = 1 << 29
_NAME_1 = re.compile(r"img_(\d{9})_(.*)_(\d{3,})\.tiff?", re.IGNORECASE)
_NAME_2 = re.compile(r"img((?:_(?:channel|position|time|z)\d+)+)\.tiff?", re.IGNORECASE)
_AXIS_2 = re.compile(r"_(channel|position|time|z)(\d+)", re.IGNORECASE)
_KEY_1 = re.compile(r"FrameKey-(\d+)-(\d+)-(\d+)")
_MOST_NAMED = 3


def positions_in(folder: Path) -> list[Path]:
    """Return the folders that hold such images: this one, or those within if it holds no images itself."""
    if _is_position(folder):
        return [folder]
    if image_files_in(folder):
        return []
    return [one for one in sorted(_folders_in(folder), key=natural_order) if _is_position(one)]


def open_positions(folder: Path, positions: Sequence[Path]) -> ImageFiles:
    """Open a dataset of single images.

    Parameters
    ----------
    folder : Path
        What was named.
    positions : sequence of Path
        As `positions_in` returns them.

    Raises
    ------
    ImageError
        If no image can be read.
    """
    problems: list[str] = []
    known: dict[Path, _Known] = {}
    for number, position in enumerate(positions):
        dataset = _Position(position, number)
        problems += dataset.problems
        known |= dataset.images
    return ImageFiles(folder, list(known), lambda file: _described(known[file]), problems)


@dataclass(frozen=True)
class _Known:
    """A file, and what its position's metadata state about it."""

    file: Path
    coords: Coords
    position: int
    """Counted over the folders: several datasets may count from 0 on."""
    channel_names: tuple[str, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


def _described(known: _Known) -> Described:
    """Return the one image of a file, with the facts of its metadata."""
    described = describe_file(known.file)
    facts = facts_of(known.metadata, known.summary)
    found = described.found[0]
    plane = found.plane
    stated = {key: value for key, value in facts.items() if key != "tags" and value is not None}
    plane = replace(
        plane,
        where=f"{known.file.parent.name}/{plane.where}",
        channel=known.coords.channel,
        z=known.coords.z,
        time=known.coords.time,
        bit_depth=None if plane.bit_depth is None else bit_depth_of(known.metadata, plane.bit_depth),
        tags={**plane.tags, **facts["tags"]},
        **stated,  # type: ignore[arg-type]
    )
    return Described(
        "Micro-Manager images",
        [found._replace(plane=plane, series=(known.position, known.coords.position))],
        known.channel_names,
        described.problems,
    )


class _Position:
    """The images in the folder of one stage position."""

    def __init__(self, folder: Path, number: int) -> None:
        self.problems: list[str] = []
        self.images: dict[Path, _Known] = {}
        entries = self._entries(folder / METADATA)
        summary = _object(entries.pop("Summary", None))
        listed = dict(_listed(entries))
        files = {file.name: file for file in image_files_in(folder)}
        names = list(names_of_channels(summary)) or sorted(
            {match[2] for name in files if (match := _NAME_1.fullmatch(name))}
        )
        rows = []
        for name, file in files.items():
            metadata, stated = listed.pop(name, ({}, None))
            coords = stated or coords_of(metadata) or _coords_in(name, names)
            if coords is None:
                continue  # a picture that the dataset does not know
            channel = channel_name_of(metadata)
            if channel is not None and coords.channel < 1000:
                names += [""] * (coords.channel + 1 - len(names))
                names[coords.channel] = names[coords.channel] or channel
            rows.append((file, coords, metadata))
        for file, coords, metadata in rows:
            self.images[file] = _Known(file, coords, number, tuple(names) if any(names) else (), metadata, summary)
        if listed:
            missing = sorted(listed)
            self.problems.append(
                f"{folder / METADATA} lists {len(missing)} images that are not there: "
                f"{', '.join(missing[:_MOST_NAMED])}{' ...' * (len(missing) > _MOST_NAMED)}"
            )
        without = [file.name for file, _, metadata in rows if not metadata]
        if without and entries:
            self.problems.append(
                f"{folder / METADATA} does not list {len(without)} images that are there, so that their positions and "
                f"times are not known: {', '.join(without[:_MOST_NAMED])}{' ...' * (len(without) > _MOST_NAMED)}"
            )

    def _entries(self, path: Path) -> dict[str, Any]:
        """Return the entries of ``metadata.txt``: as many as there are, where the acquisition ended early."""
        try:
            if path.stat().st_size > _LARGEST_METADATA_BYTES:
                raise ImageError(f"{path} has more than {_LARGEST_METADATA_BYTES >> 20} MiB", hint="Split the dataset.")
            data = path.read_bytes()
        except OSError as error:
            self.problems.append(
                f"{path} cannot be read ({error.strerror or error}), so that only the names of the files state what "
                "each image is"
            )
            return {}
        entries, whole = entries_of(data)
        if not whole:
            self.problems.append(f"{path} ends early or is damaged, and its first {len(entries)} entries are read")
        return entries


def _listed(entries: dict[str, Any]) -> Iterator[tuple[str, tuple[dict[str, Any], Coords | None]]]:
    """Yield the name of each file that has an entry, with its metadata, and where it belongs if that is stated."""
    for key, value in entries.items():
        entry = _object(value)
        if match := _KEY_1.fullmatch(key):
            time, channel, z = (int(part[:9]) for part in match.groups())
            name = entry.get("FileName")
            if isinstance(name, str) and name:
                position = coords_of(entry) or Coords()
                yield _base(name), (entry, Coords(position.position, time, z, channel))
        elif key.startswith("Metadata-"):
            name = _base(key.removeprefix("Metadata-"))
            axes = _object(entries.get("Coords-" + key.removeprefix("Metadata-")))
            yield name, (entry, coords_of({"Axes": axes}) if axes else None)
        elif key.startswith("Coords-") and "Metadata-" + key.removeprefix("Coords-") not in entries:
            yield _base(key.removeprefix("Coords-")), ({}, coords_of({"Axes": entry}))


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _coords_in(name: str, channels: list[str]) -> Coords | None:
    """Return where an image belongs, by the name of its file."""
    if match := _NAME_2.fullmatch(name):
        axes = {axis.lower(): int(index[:9]) for axis, index in _AXIS_2.findall(match[1])}
        return Coords(**axes)
    if match := _NAME_1.fullmatch(name):
        return Coords(0, int(match[1]), int(match[3][:9]), channels.index(match[2]) if match[2] in channels else 0)
    return None


def _is_position(folder: Path) -> bool:
    try:
        names = [one.name for one in folder.iterdir()]
    except OSError:
        return False
    return any(_NAME_1.fullmatch(name) or _NAME_2.fullmatch(name) for name in names)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError as error:
        raise ImageError(f"{folder} cannot be listed: {error.strerror or error}", hint=COPY_AGAIN) from error
