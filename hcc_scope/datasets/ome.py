"""The facts that the OME-XML in a TIFF states about the images in that file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CAMERA_AXES_KEY",
    "FRAME_NAMESPACE",
    "SECTION_NAMESPACE",
    "UM",
    "OmeXml",
    "channels_of",
    "pixel_size_yx_um",
    "read_ome",
    "size_of",
    "tag_of",
    "whole",
]

T = TypeVar("T")

FRAME_NAMESPACE = "hcc-scope/frame"
"""Of the annotations in which this program states the facts about a frame that OME-XML has no place for."""
SECTION_NAMESPACE = "hcc-scope/section"
"""Of the annotation in which it states what holds for all frames of a section."""
CAMERA_AXES_KEY = "hcc_scope_camera_axes"
"""In that annotation: how the camera lay over the stage, the matrix of `hcc_scope.orientation.Orientation`, its four
numbers with semicolons between."""
UM = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
"""Micrometres in OME's units of length; without a unit it is µm."""


@dataclass(frozen=True, slots=True)
class OmeXml:
    """The facts in which all images of a file agree."""

    channels: int
    """Most of any image; the three numbers of a colour pixel are one."""
    focal_planes: int
    planes_here: int | None
    """Images that lie in this file; None if it does not state which."""
    pixel_size_yx_um: tuple[float, float] | None
    significant_bits: int | None
    image_name: str | None = None
    acquired: str | None = None
    """Day of acquisition, ``YYYY-MM-DD``."""


def read_ome(xml: str | None, file_name: str) -> OmeXml | None:
    """Return the facts of OME-XML; None if it is none, or unreadable.

    Parameters
    ----------
    xml : str or None
        Of the first page's description.
    file_name : str
        The file's own: images in others are not counted.
    """
    try:
        root = ElementTree.fromstring(xml or "")
    except (ElementTree.ParseError, ValueError):
        return None
    every = [one for one in root.iter() if tag_of(one) == "Pixels"]
    if not every:
        return None
    return OmeXml(
        channels=max(map(channels_of, every)),
        focal_planes=max(size_of(one, "SizeZ") for one in every),
        planes_here=_planes_here(every, file_name),
        pixel_size_yx_um=_agreed(map(pixel_size_yx_um, every)),
        significant_bits=_agreed(whole(one.get("SignificantBits")) for one in every),
        image_name=_agreed(one.get("Name") for one in root.iter() if tag_of(one) == "Image"),
        acquired=_agreed(_day(one.text) for one in root.iter() if tag_of(one) == "AcquisitionDate"),
    )


def tag_of(element: ElementTree.Element) -> str:
    """Return an element's name without its namespace, which has a date of its own in each version."""
    return str(element.tag).rpartition("}")[2]


def whole(text: str | None) -> int | None:
    """Return an attribute that is a whole number, not negative and of sensible size."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _day(text: str | None) -> str | None:
    try:
        return datetime.fromisoformat((text or "").strip()).date().isoformat()
    except ValueError:
        return None


def size_of(pixels: ElementTree.Element, name: str) -> int:
    """Return one of the sizes of `Pixels`; 1 where it is not stated."""
    return whole(pixels.get(name)) or 1


def channels_of(pixels: ElementTree.Element) -> int:
    """Return the channels that are planes of their own: OME counts the numbers of a colour pixel as channels too."""
    samples = max((size_of(one, "SamplesPerPixel") for one in pixels if tag_of(one) == "Channel"), default=1)
    return max(1, size_of(pixels, "SizeC") // samples)


def _planes_here(every: list[ElementTree.Element], file_name: str) -> int | None:
    """Return the planes that lie in this file, from the blocks of `TiffData`."""
    n = 0
    for pixels in every:
        planes = channels_of(pixels) * math.prod(size_of(pixels, name) for name in ("SizeZ", "SizeT"))
        blocks = [one for one in pixels if tag_of(one) == "TiffData"]
        named = [(block, uuid) for block in blocks for uuid in block if tag_of(uuid) == "UUID"]
        if any(uuid.get("FileName", file_name) != file_name for _, uuid in named):
            return None  # spread over files, which may have been renamed
        if len(blocks) == 1:
            planes = whole(blocks[0].get("PlaneCount")) or (planes if blocks[0].get("IFD") is None else 1)
        elif blocks:
            planes = sum(whole(block.get("PlaneCount")) or 1 for block in blocks)
        n += planes
    return n


def pixel_size_yx_um(pixels: ElementTree.Element) -> tuple[float, float] | None:
    """Return the size (y, x) that `Pixels` state in a unit of length."""
    sizes = []
    for axis in ("Y", "X"):
        unit_um = UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        try:
            size_um = float(pixels.get(f"PhysicalSize{axis}", "nan")) * (unit_um or math.nan)
        except ValueError:
            return None
        if not 0 < size_um < math.inf:  # not for NaN either
            return None
        sizes.append(size_um)
    return sizes[0], sizes[1]


def _agreed(values: Iterable[T | None]) -> T | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None
