"""OME-XML, image by image: where each plane lies, and the facts about it.

Unlike `hcc_scope.datasets.ome`, which finds what all images of a file agree in, this keeps every plane apart.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from hcc_scope.datasets.ome import FRAME_NAMESPACE, UM, channels_of, pixel_size_yx_um, size_of, tag_of, whole
from hcc_scope.errors import ImageError
from hcc_scope.imports.facts import Facts, finite, later, number, plain, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hcc_scope.types import TagValue

__all__ = ["OmeImage", "OmePlane", "Within", "companion_of", "own_uuid", "read_ome_images"]

_MS = {"s": 1e3, "ms": 1.0, "µs": 1e-3, "μs": 1e-3, "us": 1e-3, "ns": 1e-6, "min": 6e4, "h": 3.6e6}
"""Milliseconds in OME's units of time; without a unit it is s."""
_MOST_PLANES = 400_000
"""Of all images of a dataset."""
_PLANE_AXES = ("TheC", "TheZ", "TheT")


class Within(NamedTuple):
    """Where a plane belongs in its image, 0-based."""

    channel: int = 0
    z: int = 0
    time: int = 0


class OmePlane(NamedTuple):
    """A plane, and the page that holds it."""

    within: Within
    page: int
    file_name: str | None = None
    """None: the file with the XML."""
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class OmeImage:
    """An image: a field, a position, or a stack."""

    name: str
    size_czt: tuple[int, int, int]
    """Planes along the axes; the three numbers of a colour pixel are one channel."""
    planes: tuple[OmePlane, ...]
    """As `TiffData` lists them; empty where there is none, as for pixels outside of a TIFF."""
    channel_names: tuple[str, ...]
    significant_bits: int | None
    pixel_size_yx_um: tuple[float, float] | None
    acquired_utc: datetime | None
    tags: dict[str, TagValue]
    plane_facts: dict[Within, Facts] = field(default_factory=dict)
    samples: int = 1
    """Numbers of a pixel of one channel: 3 in colour."""

    def facts(self, within: Within) -> Facts:
        """Return the facts about a plane; those about its image are among its tags."""
        own = self.plane_facts.get(within, Facts(tags={}))
        facts: Facts = {**own, "tags": {**self.tags, **own["tags"]}, "pixel_size_yx_um": self.pixel_size_yx_um}
        if facts.get("t_utc") is None and self.size_czt == (1, 1, 1):
            facts["t_utc"] = self.acquired_utc
        if self.channel_names and within.channel < len(self.channel_names):
            facts["tags"]["Channel"] = self.channel_names[within.channel]
        return facts


def read_ome_images(xml: str | None) -> list[OmeImage]:
    """Return the images that OME-XML describes; none if it is none, or unreadable.

    Raises
    ------
    ImageError
        If it claims more planes than can be.
    """
    root = _root(xml)
    if root is None:
        return []
    annotations = dict(_annotations(root))
    objectives = {one.get("ID"): one for one in root.iter() if tag_of(one) == "Objective"}
    images = [one for one in root if tag_of(one) == "Image"]
    pixels = [one for image in images for one in image if tag_of(one) == "Pixels"]
    n = sum(channels_of(one) * size_of(one, "SizeZ") * size_of(one, "SizeT") for one in pixels)
    if n > _MOST_PLANES:
        raise ImageError(f"its OME-XML claims {n} planes, more than the {_MOST_PLANES} that are read")
    found = (_image(one, annotations, objectives) for one in images)
    return [image for image in found if image is not None]


def own_uuid(xml: str | None) -> str | None:
    """Return the identity of the file that holds this OME-XML."""
    root = _root(xml)
    return None if root is None else root.get("UUID")


def companion_of(xml: str | None) -> str | None:
    """Return the name of the file that holds the OME-XML of this one's images, where it only points to it."""
    root = _root(xml)
    for one in root if root is not None else ():
        if tag_of(one) == "BinaryOnly":
            return one.get("MetadataFile")
    return None


def _root(xml: str | None) -> ElementTree.Element | None:
    try:
        root = ElementTree.fromstring((xml or "").strip().rstrip("\0"))
    except (ElementTree.ParseError, ValueError):
        return None
    return root if tag_of(root) == "OME" else None


def _image(
    image: ElementTree.Element,
    annotations: dict[str | None, dict[str, TagValue]],
    objectives: dict[str | None, ElementTree.Element],
) -> OmeImage | None:
    pixels = next((one for one in image if tag_of(one) == "Pixels"), None)
    if pixels is None:
        return None
    name = image.get("Name", "")
    tags: dict[str, TagValue] = {"Image": plain(name)} if name else {}
    acquired = next((one.text for one in image if tag_of(one) == "AcquisitionDate"), None)
    if acquired is not None:
        tags["AcquisitionDate"] = plain(acquired)
    for one in image:
        if tag_of(one) == "Description" and one.text and one.text.strip():
            tags["Description"] = plain(one.text)
        if tag_of(one) == "StageLabel":
            tags |= {f"StageLabel.{key}": plain(value) for key, value in one.attrib.items()}
        if tag_of(one) == "ObjectiveSettings" and (objective := objectives.get(one.get("ID"))) is not None:
            tags |= {f"Objective.{key}": plain(value) for key, value in objective.attrib.items() if key != "ID"}
    tags |= _annotated(image, annotations)
    size_czt = (channels_of(pixels), size_of(pixels, "SizeZ"), size_of(pixels, "SizeT"))
    acquired_utc = utc(acquired)
    channels = [one for one in pixels if tag_of(one) == "Channel"]
    names = tuple(one.get("Name", "") for one in channels)
    facts = {}
    for one in pixels:
        if tag_of(one) == "Plane":
            c, z, t = (whole(one.get(axis)) or 0 for axis in _PLANE_AXES)
            facts[Within(c, z, t)] = _plane_facts(one, acquired_utc, annotations)
    return OmeImage(
        name,
        size_czt,
        tuple(_planes(pixels, size_czt)),
        names if any(names) else (),
        whole(pixels.get("SignificantBits")),
        pixel_size_yx_um(pixels),
        acquired_utc,
        tags,
        facts,
        max((size_of(one, "SamplesPerPixel") for one in channels), default=1),
    )


# ---- where planes lie -----------------------------------------------------------------------------------------------


def _planes(pixels: ElementTree.Element, size_czt: tuple[int, int, int]) -> Iterator[OmePlane]:
    """Yield the planes that the blocks of `TiffData` list, each block as long as it states.

    One with a page and no number of planes is one plane; one with neither goes on to where the next block begins.
    """
    order = [axis for axis in pixels.get("DimensionOrder", "XYCZT")[2:] if axis in "CZT"]
    sizes = dict(zip("CZT", size_czt, strict=True))
    if sorted(order) != ["C", "T", "Z"]:
        order = ["C", "Z", "T"]
    n = size_czt[0] * size_czt[1] * size_czt[2]
    blocks = [one for one in pixels if tag_of(one) == "TiffData"]
    starts = [_position({axis: whole(one.get(f"First{axis}")) or 0 for axis in "CZT"}, order, sizes) for one in blocks]
    in_order = sorted({*starts, n})
    n_listed = 0
    for block, start in zip(blocks, starts, strict=True):
        ifd, count = whole(block.get("IFD")), whole(block.get("PlaneCount"))
        if count is None:
            count = in_order[bisect_right(in_order, start)] - start if ifd is None and start < n else 1
        uuid = next((one for one in block if tag_of(one) == "UUID"), None)
        file_name = None if uuid is None else uuid.get("FileName")
        identity = None if uuid is None or uuid.text is None else uuid.text.strip()
        for i in range(min(count, max(0, n - start))):
            n_listed += 1
            if n_listed > 2 * n:  # each may be listed once
                return
            yield OmePlane(_within(start + i, order, sizes), (ifd or 0) + i, file_name, identity)


def _position(index: dict[str, int], order: list[str], sizes: dict[str, int]) -> int:
    at, step = 0, 1
    for axis in order:
        at += index[axis] * step
        step *= sizes[axis]
    return at


def _within(at: int, order: list[str], sizes: dict[str, int]) -> Within:
    index = {}
    for axis in order:
        at, index[axis] = divmod(at, sizes[axis])
    return Within(index["C"], index["Z"], index["T"])


# ---- facts ----------------------------------------------------------------------------------------------------------


def _plane_facts(
    plane: ElementTree.Element, acquired_utc: datetime | None, annotations: dict[str | None, dict[str, TagValue]]
) -> Facts:
    facts = Facts(tags={})
    used = set(_PLANE_AXES)
    x, y, z = (_in(plane, f"Position{axis}", UM, None) for axis in "XYZ")
    if x is not None and y is not None:
        facts["stage_um"] = (x, y, z)
        used |= {"PositionX", "PositionXUnit", "PositionY", "PositionYUnit"}
        used |= {"PositionZ", "PositionZUnit"} if z is not None else set()
    exposure_ms = _in(plane, "ExposureTime", _MS, "s")
    if exposure_ms is not None and exposure_ms > 0:
        facts["exposure_ms"] = exposure_ms
        used |= {"ExposureTime", "ExposureTimeUnit"}
    since_ms = _in(plane, "DeltaT", _MS, "s")
    t_utc = None if acquired_utc is None or since_ms is None else later(acquired_utc, since_ms)
    if t_utc is not None:
        facts["t_utc"] = t_utc
        used |= {"DeltaT", "DeltaTUnit"}
    facts["tags"] |= {f"Plane.{key}": plain(value) for key, value in plane.attrib.items() if key not in used}
    notes = _annotated(plane, annotations)
    facts["tags"] |= notes
    if FRAME_NAMESPACE in notes:
        del facts["tags"][FRAME_NAMESPACE]
        _of_own_frame(facts)
    return facts


def _of_own_frame(facts: Facts) -> None:
    """Move what this program stated about a frame from the tags to the facts."""
    tags = facts["tags"]
    if (t_utc := utc(tags.pop("t_utc", None))) is not None:
        facts["t_utc"] = t_utc
    facts["em_gain"] = finite(tags.pop("em_gain", None))
    facts["temperature_c"] = finite(tags.pop("temperature_c", None))
    facts["camera_frame"] = number(tags.pop("camera_frame", None))
    objective = tags.pop("objective", None)
    facts["objective"] = None if objective is None else str(objective)


def _in(plane: ElementTree.Element, name: str, units: dict[str, float], unit: str | None) -> float | None:
    """Return an attribute in um or ms; None without a unit of length: OME's own then is a frame of no known scale."""
    value, scale = finite(plane.get(name)), units.get(plane.get(f"{name}Unit") or unit or "")
    return None if value is None or scale is None else value * scale


def _annotations(root: ElementTree.Element) -> Iterator[tuple[str | None, dict[str, TagValue]]]:
    """Yield each annotation of keys and values, or of one value, by its identity."""
    for one in root.iter():
        kind = tag_of(one)
        if kind == "MapAnnotation":
            texts = {entry.get("K", ""): entry.text or "" for entry in one.iter() if tag_of(entry) == "M"}
            if one.get("Namespace") == FRAME_NAMESPACE:
                yield one.get("ID"), {FRAME_NAMESPACE: True} | {key: _value(text) for key, text in texts.items()}
            else:
                yield one.get("ID"), {key: plain(text) for key, text in texts.items()}
        elif kind.endswith("Annotation") and kind not in {"XMLAnnotation", "FileAnnotation", "ListAnnotation"}:
            value = next((child.text for child in one if tag_of(child) == "Value"), None)
            if value is not None:
                yield one.get("ID"), {f"{kind}:{one.get('ID', '')}": plain(value)}


def _value(text: str) -> TagValue:
    """Return a value of an annotation of this program: JSON, or else a text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return plain(text)
    return plain(value) if isinstance(value, bool | int | float | str) or value is None else plain(text)


def _annotated(element: ElementTree.Element, annotations: dict[str | None, dict[str, TagValue]]) -> dict[str, TagValue]:
    tags: dict[str, TagValue] = {}
    for one in element:
        if tag_of(one) == "AnnotationRef":
            tags |= annotations.get(one.get("ID"), {})
    return tags
