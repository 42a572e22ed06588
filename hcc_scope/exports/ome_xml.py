"""OME-XML of exported frames: size, pixel size, and of each plane its place, time, exposure and tags.

The schema, https://www.openmicroscopy.org/Schemas/OME/2016-06, has a place for the stage position, the exposure and the
time since the start of a plane; everything else that the journal has about a frame is a `MapAnnotation` of its plane,
whose keys are those of the journal (``docs/store.md``) and of the camera's tags.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC
from itertools import count
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from hcc_scope import __version__
from hcc_scope.datasets.ome import CAMERA_AXES_KEY, FRAME_NAMESPACE, SECTION_NAMESPACE
from hcc_scope.printable import printable
from hcc_scope.storage.metadata import CHANNEL_NAME
from hcc_scope.time_tags import time_is_known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from hcc_scope.orientation import Orientation
    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.types import RunSpec, TagValue

__all__ = ["OmeImage", "legal_text", "map_annotation", "ome_root", "ome_xml"]

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_OF_SECTION = "Annotation:Section"


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image: a stack of frames over time."""

    name: str
    shape_yx: tuple[int, int]
    planes: Sequence[JournalEntry | None]
    """By time; None where there is none."""
    pages: Sequence[int] | None = None
    """Which of `planes` a TIFF holds, page by page; None: the pixels lie elsewhere."""


def ome_root() -> ElementTree.Element:
    """Return an empty document."""
    return ElementTree.Element(
        "OME",
        {
            "xmlns": _SCHEMA,
            "xmlns:xsi": _XSI,
            "xsi:schemaLocation": f"{_SCHEMA} {_SCHEMA}/ome.xsd",
            "Creator": f"HCC-Scope {__version__}",
        },
    )


def ome_xml(spec: RunSpec, images: Sequence[OmeImage], orientation: Orientation) -> bytes:
    """Return the OME-XML of some images of one section, in UTF-8.

    Parameters
    ----------
    spec : RunSpec
        Of the section: pixel size and bit depth.
    images : sequence of OmeImage
        Numbered from 0, as their ids are.
    orientation : Orientation
        How the pixels lie over the stage.
    """
    root = ome_root()
    notes = ElementTree.Element("StructuredAnnotations")
    map_annotation(notes, _OF_SECTION, SECTION_NAMESPACE, {CAMERA_AXES_KEY: ";".join(map(repr, orientation.matrix))})
    numbers = count()
    for number, image in enumerate(images):
        _image(root, notes, numbers, number, image, spec)
    root.append(notes)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _image(
    root: ElementTree.Element,
    notes: ElementTree.Element,
    numbers: Iterator[int],
    number: int,
    image: OmeImage,
    spec: RunSpec,
) -> None:
    element = ElementTree.SubElement(root, "Image", {"ID": f"Image:{number}", "Name": printable(image.name)})
    times = (one.t_utc for one in image.planes if one is not None and time_is_known(one.tags))
    began_utc = next(times, None)
    if began_utc is not None:
        began = began_utc.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        ElementTree.SubElement(element, "AcquisitionDate").text = f"{began}Z"
    height, width = image.shape_yx
    size = repr(float(spec.pixel_size_um))
    pixels = ElementTree.SubElement(
        element,
        "Pixels",
        {
            "ID": f"Pixels:{number}",
            "DimensionOrder": "XYZCT",
            "Type": "uint16",
            "SignificantBits": str(spec.bit_depth),
            "BigEndian": "false",
            "SizeX": str(width),
            "SizeY": str(height),
            "SizeZ": "1",
            "SizeC": "1",
            "SizeT": str(len(image.planes)),
            "PhysicalSizeX": size,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": size,
            "PhysicalSizeYUnit": "µm",
        },
    )
    ElementTree.SubElement(
        pixels, "Channel", {"ID": f"Channel:{number}:0", "Name": CHANNEL_NAME, "SamplesPerPixel": "1"}
    )
    _data(pixels, image)
    for time, entry in enumerate(image.planes):
        if entry is not None:
            plane = ElementTree.SubElement(pixels, "Plane", _plane(time, entry, began_utc))
            note = f"Annotation:{next(numbers)}"
            ElementTree.SubElement(plane, "AnnotationRef", {"ID": note})
            map_annotation(notes, note, FRAME_NAMESPACE, _facts(entry))
    ElementTree.SubElement(element, "AnnotationRef", {"ID": _OF_SECTION})


def _data(pixels: ElementTree.Element, image: OmeImage) -> None:
    """State where the pixels are: a reader shows a plane that no page holds as missing."""
    if image.pages is None:
        ElementTree.SubElement(pixels, "MetadataOnly")
    elif list(image.pages) == list(range(len(image.planes))):
        ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(len(image.planes))})
    else:
        for page, time in enumerate(image.pages):
            where = {"FirstT": str(time), "FirstZ": "0", "FirstC": "0", "IFD": str(page), "PlaneCount": "1"}
            ElementTree.SubElement(pixels, "TiffData", where)


def _plane(time: int, entry: JournalEntry, began_utc: datetime | None) -> dict[str, str]:
    """Return the attributes of a plane; what is not known is left out."""
    facts = {"TheZ": "0", "TheC": "0", "TheT": str(time)}
    if began_utc is not None and time_is_known(entry.tags):
        facts |= {"DeltaT": repr((entry.t_utc - began_utc).total_seconds()), "DeltaTUnit": "s"}
    if math.isfinite(entry.exposure_ms):
        facts |= {"ExposureTime": repr(float(entry.exposure_ms)), "ExposureTimeUnit": "ms"}
    for axis, value in zip("XYZ", entry.stage_um or (), strict=False):
        if value is not None:
            facts |= {f"Position{axis}": repr(float(value)), f"Position{axis}Unit": "µm"}
    return facts


def _facts(entry: JournalEntry) -> dict[str, TagValue]:
    """Return what is known of a frame and has no place in a plane's attributes, and when exactly it was taken."""
    own: dict[str, TagValue] = {
        "seq": entry.seq,
        "t_utc": entry.t_utc.isoformat() if time_is_known(entry.tags) else None,
        "em_gain": entry.em_gain,
        "temperature_c": entry.temperature_c,
        "objective": entry.objective,
        "camera_frame": entry.camera_frame,
        "crc32": entry.crc32,
    }
    # a tag of the same name is none of these facts
    return {**entry.tags, **{key: value for key, value in own.items() if value is not None or key in entry.tags}}


def map_annotation(notes: ElementTree.Element, name: str, namespace: str, facts: Mapping[str, TagValue]) -> None:
    """Add facts as an annotation: texts as they are, others as JSON; so is a text that would read as a number."""
    annotation = ElementTree.SubElement(notes, "MapAnnotation", {"ID": name, "Namespace": namespace})
    value = ElementTree.SubElement(annotation, "Value")
    for key, fact in facts.items():
        text = fact if isinstance(fact, str) and not _is_json(fact) else json.dumps(fact)
        ElementTree.SubElement(value, "M", {"K": legal_text(key)}).text = legal_text(text)


def _is_json(text: str) -> bool:
    """Return whether a text reads as a value of JSON: a version ``1.10`` would come back as 1.1."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def legal_text(text: str) -> str:
    """Return a text that XML can hold: it has no place for control characters and halves of a pair."""
    return printable(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
