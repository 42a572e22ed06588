"""The index of an NDTiff dataset: where each image and its metadata lie, and under which axes.

An entry is the image's axes as JSON, the name of its TIFF, and eight numbers of 32 bits, little-endian: offset of the
pixels, width, height, type of the pixels, their compression, offset and length of the metadata, their compression. Both
texts come after their length. A length of 0 ends the index.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hcc_scope.datasets.header import LARGEST_PX

if TYPE_CHECKING:
    from hcc_scope.imports.lazy_planes import Problems

__all__ = ["AxisValue", "Entry", "axes_words", "parse_index"]

AxisValue = int | str
"""The place of an image along an axis: a number, or since NDTiff 3.2 a name."""

_NUMBERS: Final = struct.Struct("<8I")
_LENGTH: Final = struct.Struct("<I")
_MOST_AXES_BYTES: Final = 65_536
_MOST_NAME_BYTES: Final = 1024
_PIXELS: Final[dict[int, tuple[str, int, bool]]] = {
    0: ("uint8", 8, False),
    1: ("uint16", 16, False),
    2: ("uint8", 8, True),
    3: ("uint16", 10, False),
    4: ("uint16", 12, False),
    5: ("uint16", 14, False),
    6: ("uint16", 11, False),
}
"""Numbers, bits of the counts and whether in colour, by the type of the pixels."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of the index."""

    axes: tuple[tuple[str, AxisValue], ...]
    """Names and places, in order of the names."""
    file: str
    """A plain name within the dataset's folder."""
    offset: int
    """Of the first pixel, in bytes."""
    shape_yx: tuple[int, int]
    dtype: str
    bit_depth: int
    colour: bool
    metadata_offset: int
    metadata_bytes: int

    @property
    def pixel_bytes(self) -> int:
        """How many bytes the pixels take."""
        height, width = self.shape_yx
        return height * width * (2 if self.dtype == "uint16" else 1) * (3 if self.colour else 1)


def parse_index(data: bytes, where: str, problems: Problems) -> list[Entry]:
    """Return the images of an index; what cannot be is left out and reported.

    Parameters
    ----------
    data : bytes
        Of the file ``NDTiff.index``.
    where : str
        Its path, for the sentences.
    problems : Problems
        Takes what is damaged.

    Returns
    -------
    list of Entry
        In the file's order. Of images with the same axes, the last one: it replaced the others.
    """
    entries: dict[tuple[tuple[str, AxisValue], ...], Entry] = {}
    at, n = 0, 0
    while at + _LENGTH.size <= len(data):
        [axes_bytes] = _LENGTH.unpack_from(data, at)
        if axes_bytes == 0:
            return list(entries.values())
        name_at = at + _LENGTH.size + axes_bytes
        name_bytes = _LENGTH.unpack_from(data, name_at)[0] if name_at + _LENGTH.size <= len(data) else 0
        numbers_at = name_at + _LENGTH.size + name_bytes
        end = numbers_at + _NUMBERS.size
        if axes_bytes > _MOST_AXES_BYTES or name_bytes > _MOST_NAME_BYTES or end > len(data):
            problems.add(f"{where} breaks off or is damaged after {n} images: those behind are left out")
            return list(entries.values())
        axes = _axes(data[at + _LENGTH.size : name_at])
        name = data[name_at + _LENGTH.size : numbers_at].decode("utf-8", errors="replace")
        n += 1
        at = end
        numbers = _NUMBERS.unpack_from(data, numbers_at)
        found = "its axes cannot be read" if axes is None else _entry(axes, name, numbers)
        if isinstance(found, str):
            problems.add(f"{where}, image {n - 1} is left out: {found}")
            continue
        if found.axes in entries:
            del entries[found.axes]
            problems.add(f"{where} lists an image at {axes_words(found.axes)} again: the last one counts")
        entries[found.axes] = found
    if at < len(data):
        problems.add(f"{where} breaks off after {n} images")
    return list(entries.values())


def axes_words(axes: tuple[tuple[str, AxisValue], ...]) -> str:
    """Return where an image lies, for messages.

    Examples
    --------
    >>> axes_words((("channel", "BF"), ("position", 3)))
    'channel BF, position 3'
    """
    words = ", ".join(f"{name} {value}" for name, value in axes) or "no axis"
    return words if words.isprintable() else ascii(words)


def _axes(data: bytes) -> tuple[tuple[str, AxisValue], ...] | None:
    try:
        axes = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(axes, dict):
        return None
    if not all(isinstance(value, (int, str)) and not isinstance(value, bool) for value in axes.values()):
        return None
    return tuple(sorted(axes.items()))


def _entry(axes: tuple[tuple[str, AxisValue], ...], name: str, numbers: tuple[int, ...]) -> Entry | str:
    """Return an image, or why it cannot be one."""
    offset, width, height, pixel_type, compression, metadata_offset, metadata_bytes, metadata_compression = numbers
    if name in {"", ".", ".."} or not name.isprintable() or any(mark in name for mark in "/\\:"):
        return f"{name!a} is no name of a file in this folder"
    if pixel_type not in _PIXELS:
        return f"its pixels are of type {pixel_type}, which is unknown"
    if compression or metadata_compression:
        return "it is compressed in a way that is unknown"
    dtype, bits, colour = _PIXELS[pixel_type]
    entry = Entry(axes, name, offset, (height, width), dtype, bits, colour, metadata_offset, metadata_bytes)
    samples = 3 if colour else 1
    if height < 1 or width < 1 or height * width * samples > LARGEST_PX:
        return f"it claims {height} x {width} px"
    if metadata_offset != offset + entry.pixel_bytes:
        # every writer puts the metadata behind the pixels, so this is the index's own check
        return "the places of its pixels and of its metadata contradict its size"
    return entry
