"""NDTiff: what pycromanager and Micro-Manager write, a folder of TIFF files with an index beside them.

The index is read here and not by ndstorage, which opens every TIFF of the folder to begin with: one empty or damaged
file, as a failed acquisition leaves it, then costs all the others.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from hcc_scope.datasets.header import COPY_AGAIN
from hcc_scope.errors import ImageError
from hcc_scope.imports.collection import ImageCollection, Plane
from hcc_scope.imports.described import shared
from hcc_scope.imports.lazy_planes import LazyPlanes, Problems
from hcc_scope.imports.micromanager_tags import bit_depth_of, facts_of, names_of_channels
from hcc_scope.imports.ndtiff_index import AxisValue, Entry, axes_words, parse_index
from hcc_scope.imports.salvaged_json import entries_of
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

__all__ = ["INDEX", "NDTiff", "is_ndtiff"]

INDEX: Final = "NDTiff.index"
_FULL: Final = "Full resolution"
"""Folder of the images themselves, where a dataset has reduced copies beside them."""
_MOST_INDEX_BYTES: Final = 2**26
"""Some 500,000 images."""
_MOST_METADATA_BYTES: Final = 2**24
_MOST_OPEN_FILES: Final = 64
_SUMMARY_MARK: Final = 2_355_492
_CHANNEL, _Z, _TIME = "channel", "z", "time"
_READ_BACK: Final = frozenset({"XPositionUm", "XPosition_um"})
"""Positions that were read from the stage; pycromanager states those that it asked for alone."""
_OF_A_FIELD: Final = frozenset({_CHANNEL, _Z, _TIME})
"""Axes within one field; images that differ in any other are of different fields."""


def is_ndtiff(path: Path) -> bool:
    """Return whether a path is an NDTiff dataset: its folder, its index, or the folder above its full resolution."""
    return _index_of(path) is not None


def _index_of(path: Path) -> Path | None:
    try:
        candidates = [path] if path.name == INDEX else [path / INDEX, path / _FULL / INDEX]
        return next((one for one in candidates if one.is_file()), None)
    except (OSError, ValueError):
        return None


class NDTiff(ImageCollection):
    """One NDTiff dataset of version 2 or 3, open for reading.

    Not thread-safe: its files are open once.

    Parameters
    ----------
    path : Path
        As for `is_ndtiff`.

    Raises
    ------
    ImageError
        If it is none, or its index lists no image.
    """

    def __init__(self, path: Path) -> None:
        index = _index_of(path)
        if index is None:
            raise ImageError(
                f"{path} is no NDTiff dataset: it has no {INDEX}",
                hint=f"Copy {INDEX} beside the TIFF files, or import those by themselves.",
            )
        self.path = path
        self._folder = index.parent
        self._problems = Problems()
        self._files: dict[str, BinaryIO] = {}
        self._first_tags: dict[str, TagValue] | None = None
        try:
            data = read_small_file(index, _MOST_INDEX_BYTES)
        except OSError as error:
            raise ImageError(f"{index} cannot be read: {error.strerror or error}") from error
        entries = parse_index(data, str(index), self._problems)
        if not entries:
            reason = f": {self._problems[0]}" if self._problems else ""
            raise ImageError(f"{index} lists no image{reason}", hint=COPY_AGAIN)
        self._summary, version = self._header(entries)
        self.format = f"NDTiff {version}" if version else "NDTiff"
        self._places = {name: _places(entries, name) for name in (_CHANNEL, _Z, _TIME)}
        fields = sorted({_field(entry) for entry in entries}, key=_sort_key)
        self._series = {field: number for number, field in enumerate(fields)}
        self._entries = sorted(entries, key=self._order)

    def _order(self, entry: Entry) -> tuple[int, int, int, int]:
        time, z, channel = (self._place(entry, name) for name in (_TIME, _Z, _CHANNEL))
        return self._series[_field(entry)], time, z, channel

    def _place(self, entry: Entry, name: str) -> int:
        return self._places[name].get(dict(entry.axes).get(name, 0), 0)

    @property
    def planes(self) -> Sequence[Plane]:
        """Field by field, and in each by time, z and channel; described when they are asked for."""
        return LazyPlanes(len(self._entries), self._describe)

    @property
    def channel_names(self) -> Sequence[str]:
        """By index; empty where the dataset names none."""
        places = self._places[_CHANNEL]
        if any(isinstance(value, str) for value in places):
            return [str(value) for value in places]
        return names_of_channels(self._summary)

    @property
    def problems(self) -> Sequence[str]:
        """What is damaged or missing, a sentence each; that of metadata is known once a plane was asked for."""
        return self._problems

    def read(self, index: int) -> NDArray[Any]:
        """Return the pixels of ``planes[index]``: (y, x), or (y, x, 3) in colour.

        Raises
        ------
        ImageError
            If its file is missing, or ends before they do.
        """
        entry = self._entries[index]
        data = self._bytes(entry, entry.offset, entry.pixel_bytes)
        if len(data) < entry.pixel_bytes:
            raise ImageError(f"{self._where(entry)} ends before its pixels do", hint=COPY_AGAIN)
        shape = (*entry.shape_yx, 3) if entry.colour else entry.shape_yx
        return np.frombuffer(data, np.dtype(entry.dtype).newbyteorder("<")).reshape(shape).astype(entry.dtype)

    def close(self) -> None:
        """Close the files. Idempotent."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    # ---- files

    def _where(self, entry: Entry) -> str:
        return f"{self._folder / entry.file}, {axes_words(entry.axes)}"

    def _open(self, name: str) -> BinaryIO:
        """Return a file of the dataset, opened once.

        Raises
        ------
        OSError
            If it is missing or no regular file: reading a pipe may never end.
        """
        if name not in self._files:
            if len(self._files) >= _MOST_OPEN_FILES:
                self.close()
            path = self._folder / name
            if not stat.S_ISREG(path.stat().st_mode):
                raise OSError(f"{path} is no file")
            self._files[name] = path.open("rb")
        return self._files[name]

    def _bytes(self, entry: Entry, offset: int, length: int) -> bytes:
        """Return bytes of an image's file, fewer where it ends before.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        try:
            file = self._open(entry.file)
            if offset + length > file.seek(0, 2):
                return b""
            file.seek(offset)
            return file.read(length)
        except OSError as error:
            reason = "its file is missing" if isinstance(error, FileNotFoundError) else error.strerror or error
            raise ImageError(f"{self._where(entry)} cannot be read: {reason}", hint=COPY_AGAIN) from error

    def _header(self, entries: Iterable[Entry]) -> tuple[dict[str, Any], str]:
        """Return the summary metadata and the version, from the first file that states them."""
        for name in dict.fromkeys(entry.file for entry in entries):
            try:
                file = self._open(name)
                file.seek(0)
                start = file.read(28)
                if len(start) < 28 or start[:4] != b"II*\0":
                    continue
                major, minor, mark, length = struct.unpack_from("<4I", start, 12)
                version, at = f"{major}.{minor}", 28
                if mark != _SUMMARY_MARK:  # version 2 has no minor one
                    mark, length = struct.unpack_from("<2I", start, 16)
                    version, at = f"{major}", 24
                if mark != _SUMMARY_MARK or length > _MOST_METADATA_BYTES:
                    continue
                file.seek(at)
                summary, whole = entries_of(file.read(length))
            except OSError:
                continue
            if whole:
                return summary, version
        self._problems.add(f"{self._folder} has no summary of its acquisition that can be read")
        return {}, ""

    # ---- planes

    def _describe(self, index: int) -> Plane:
        entry = self._entries[index]
        where = self._where(entry)
        metadata = self._metadata(entry, where)
        facts = facts_of(metadata, self._summary)
        facts["tags"] |= {f"axis_{name}": value for name, value in entry.axes}
        if facts.get("stage_um") is not None and not _READ_BACK & metadata.keys():
            facts["tags"]["position_from"] = "request"
        if self._first_tags is None:
            self._first_tags = facts["tags"]
        plane = Plane(
            where=where,
            shape_yx=entry.shape_yx,
            dtype=entry.dtype,
            bit_depth=bit_depth_of(metadata, entry.bit_depth),
            colour=entry.colour,
            channel=self._place(entry, _CHANNEL),
            z=self._place(entry, _Z),
            time=self._place(entry, _TIME),
            series=self._series[_field(entry)],
            **facts,
        )
        return replace(plane, tags=shared(facts["tags"], self._first_tags))

    def _metadata(self, entry: Entry, where: str) -> dict[str, Any]:
        try:
            data = self._bytes(entry, entry.metadata_offset, min(entry.metadata_bytes, _MOST_METADATA_BYTES))
        except ImageError:
            return {}  # reported where its pixels are read
        metadata, whole = entries_of(data)
        if not whole:
            self._problems.add(f"{where}: its metadata are damaged, and what cannot be read of them is left out")
        return metadata


def _field(entry: Entry) -> tuple[tuple[str, AxisValue], ...]:
    return tuple(one for one in entry.axes if one[0] not in _OF_A_FIELD)


def _sort_key(field: tuple[tuple[str, AxisValue], ...]) -> tuple[tuple[str, bool, int, str], ...]:
    """Return what orders fields: whole numbers by size, before names."""
    return tuple(
        (name, isinstance(value, str), 0 if isinstance(value, str) else value, str(value)) for name, value in field
    )


def _places(entries: Sequence[Entry], name: str) -> dict[AxisValue, int]:
    """Return the 0-based index of each value of an axis: itself where it is one, else by size; names as they come."""
    values = list(dict.fromkeys(dict(entry.axes).get(name, 0) for entry in entries))
    numbers = sorted(value for value in values if isinstance(value, int))
    names = [value for value in values if isinstance(value, str)]
    if not names and numbers[0] >= 0:
        return {value: value for value in numbers}
    in_order: list[AxisValue] = [*numbers, *names]
    return {value: place for place, value in enumerate(in_order)}
