"""Folders in which Micro-Manager stored each image as a file of its own, with ``metadata.txt`` beside them.

Version 1.4 names the files ``img_<time>_<channel>_<z>.tif``, and their entries in ``metadata.txt``
``FrameKey-<time>-<channel>-<z>``. Version 2.0 names files ``img_channel000_position000_time000000000_z000.tif`` and has
two entries for each, ``Coords-<file>`` and ``Metadata-<file>``; its first versions left the metadata to the files. Each
stage position has its folder, with a ``metadata.txt`` of its own. Names in ``metadata.txt`` are compared with those of
the files that are there, and never followed.
"""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hcc_scope.datasets.header import COPY_AGAIN
from hcc_scope.errors import ImageError
from hcc_scope.formatting import counted
from hcc_scope.imports.described import Described, few
from hcc_scope.imports.facts import Facts, number
from hcc_scope.imports.image_files import ImageFiles, describe_file, image_files_in, natural_order
from hcc_scope.imports.micromanager_tags import (
    Coords,
    channel_name_of,
    coords_of,
    names_of_channels,
    thin_facts,
)
from hcc_scope.imports.salvaged_json import Entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.types import TagValue

__all__ = ["METADATA", "open_of_position", "open_positions", "positions_in"]

METADATA = "metadata.txt"
_LARGEST_METADATA_BYTES = 1 << 28
_MOST_CHANNELS = 1000
_NAME_1 = re.compile(r"img_(\d{9})_(.*)_(\d{3,})\.tiff?", re.IGNORECASE)
_NAME_2 = re.compile(r"img((?:_(?:channel|position|time|z)\d+)+)\.tiff?", re.IGNORECASE)
_AXIS_2 = re.compile(r"_(channel|position|time|z)(\d+)", re.IGNORECASE)
_KEY_1 = re.compile(r"FrameKey-(\d+)-(\d+)-(\d+)")


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
    for i, one in enumerate(positions):
        position = _Position(one, i)
        problems += position.problems
        known |= position.images
    return ImageFiles(folder, list(known), lambda file: _described(known[file]), problems)


def open_of_position(files: Sequence[Path]) -> ImageFiles | None:
    """Open some images of one position; None if they are none, or of several.

    Raises
    ------
    ImageError
        If none can be read.
    """
    folder = files[0].parent
    if any(file.parent != folder or not _is_image(file.name) for file in files):
        return None
    position = _Position(folder, 0, {file.name for file in files})
    known = position.images
    if any(file not in known for file in files):
        return None
    return ImageFiles(
        files[0] if len(files) == 1 else folder, files, lambda file: _described(known[file]), position.problems
    )


@dataclass(frozen=True)
class _Stated:
    """What ``metadata.txt`` states about an image."""

    coords: Coords | None = None
    facts: Facts | None = None
    """None if it has no metadata."""
    bit_depth: int | None = None
    channel: str | None = None


@dataclass(frozen=True)
class _Known:
    """A file, and what is known about its image."""

    file: Path
    coords: Coords
    position: int
    """Counted over the folders: several datasets may count from 0 on."""
    channel_names: tuple[str, ...]
    stated: _Stated


def _described(known: _Known) -> Described:
    """Return the one image of a file, with the facts of its metadata."""
    described = describe_file(known.file)
    found = described.found[0]
    if more := len(described.found) - 1:
        described.problems.append(f"{known.file.name} holds {counted(more, 'image')} more than the one that is read")
    plane, bit_depth = found.plane, known.stated.bit_depth
    facts = known.stated.facts or Facts(tags={})
    stated = {key: value for key, value in facts.items() if key != "tags" and value is not None}
    if plane.bit_depth is not None and bit_depth is not None and 8 <= bit_depth < plane.bit_depth:
        stated["bit_depth"] = bit_depth
    plane = replace(
        plane,
        where=f"{known.file.parent.name}/{plane.where}",
        channel=known.coords.channel,
        z=known.coords.z,
        time=known.coords.time,
        tags=ChainMap(facts["tags"], plane.tags) if plane.tags else facts["tags"],  # type: ignore[arg-type]
        **stated,  # type: ignore[arg-type]
    )
    return Described(
        "Micro-Manager images",
        [found._replace(plane=plane, series=(known.position, known.coords.position))],
        known.channel_names,
        described.problems,
    )


class _Position:
    """The images in the folder of one stage position.

    Parameters
    ----------
    folder : Path
    number : int
        Of the position, among those that are read.
    only : set of str, optional
        Names of the files that are wanted; all by default.
    """

    def __init__(self, folder: Path, number: int, only: set[str] | None = None) -> None:
        self.problems: list[str] = []
        self.images: dict[Path, _Known] = {}
        self._summary: dict[str, Any] = {}
        self._first: dict[str, TagValue] = {}
        stated = self._stated(folder / METADATA)
        files = {file.name: file for file in image_files_in(folder) if only is None or file.name in only}
        names = list(names_of_channels(self._summary)) or sorted(
            {match[2] for name in files if (match := _NAME_1.fullmatch(name))}
        )
        rows, others = [], []
        for name, file in files.items():
            one = stated.get(name, _Stated())
            coords = one.coords or _coords_in(name, names)
            if coords is None:
                others.append(name)
                continue
            if one.channel is not None and coords.channel < _MOST_CHANNELS:
                names += [""] * (coords.channel + 1 - len(names))
                names[coords.channel] = names[coords.channel] or one.channel
            rows.append((file, coords, one))
        channels = tuple(names) if any(names) else ()
        self.images = {file: _Known(file, coords, number, channels, one) for file, coords, one in rows}
        if only is None and (missing := stated.keys() - files.keys()):
            self.problems.append(
                f"{folder / METADATA} lists {counted(len(missing), 'image')} without a file: {few(missing)}"
            )
        if others:
            self.problems.append(
                f"{folder} holds {counted(len(others), 'file')} that the dataset does not know, left out: {few(others)}"
            )
        without = [file.name for file, _, one in rows if one.facts is None]
        if without and stated:
            self.problems.append(
                f"{folder / METADATA} does not list {counted(len(without), 'image')}, so that positions and "
                f"times are not known: {few(without)}"
            )

    def _stated(self, path: Path) -> dict[str, _Stated]:
        """Return what ``metadata.txt`` states by the names of files: as much as there is, if it ends early."""
        try:
            if path.stat().st_size > _LARGEST_METADATA_BYTES:
                raise ImageError(f"{path} has more than {_LARGEST_METADATA_BYTES >> 20} MiB", hint="Split the dataset.")
            entries = Entries(path.read_bytes())
        except OSError as error:
            self.problems.append(
                f"{path} cannot be read ({error.strerror or error}), so that only the names of the files state what "
                "each image is"
            )
            return {}
        stated: dict[str, _Stated] = {}
        for key, value in entries:
            entry = value if isinstance(value, dict) else {}
            if key == "Summary":
                self._summary = entry
            elif match := _KEY_1.fullmatch(key):
                name = entry.get("FileName")
                if isinstance(name, str) and name:
                    time, channel, z = (int(part[:9]) for part in match.groups())
                    position = (coords_of(entry) or Coords()).position
                    stated[_base(name)] = self._of(entry, Coords(position, time, z, channel))
            elif key.startswith("Metadata-"):
                name = _base(key.removeprefix("Metadata-"))
                before = stated.get(name, _Stated())
                stated[name] = self._of(entry, before.coords or coords_of(entry))
            elif key.startswith("Coords-"):
                name = _base(key.removeprefix("Coords-"))
                stated[name] = replace(stated.get(name, _Stated()), coords=coords_of({"Axes": entry}))
        if not entries.whole:
            self.problems.append(
                f"{path} ends early or is damaged, and is read up to there ({counted(entries.n, 'entry', 'entries')})"
            )
        return stated

    def _of(self, entry: dict[str, Any], coords: Coords | None) -> _Stated:
        facts = thin_facts(entry, self._summary, self._first)
        return _Stated(coords, facts, number(entry.get("BitDepth")), channel_name_of(entry))


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


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
    return any(map(_is_image, names))


def _is_image(name: str) -> bool:
    return bool(_NAME_1.fullmatch(name) or _NAME_2.fullmatch(name))


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError as error:
        raise ImageError(f"{folder} cannot be listed: {error.strerror or error}", hint=COPY_AGAIN) from error
