"""OME-XML of exported frames: size, pixel size, and of each plane its place, time, exposure and tags.

The schema, https://www.openmicroscopy.org/Schemas/OME/2016-06, has a place for the stage position, the exposure and the
time since the start of a plane; everything else that the journal has about a frame is a `MapAnnotation` of its plane,
whose keys are those of the journal (``docs/store.md``) and of the camera's tags.

The text comes in pieces, as a tree of 100,000 frames would take gigabytes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from hcc_scope import __version__
from hcc_scope.datasets.ome import CAMERA_AXES_KEY, FRAME_NAMESPACE, SECTION_NAMESPACE
from hcc_scope.printable import printable
from hcc_scope.storage.metadata import CHANNEL_NAME
from hcc_scope.time_tags import time_is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hcc_scope.orientation import Orientation
    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.types import RunSpec, TagValue

__all__ = ["OmeImage", "element", "legal_text", "map_annotation", "ome_document", "ome_xml"]

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_OF_SECTION = "Annotation:Section"
_PIECE_CHARACTERS = 1 << 16


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image: a stack of frames over time."""

    name: str
    shape_yx: tuple[int, int]
    planes: Sequence[JournalEntry | None]
    """By time; None where there is none."""
    pages: Sequence[int] | None = None
    """Which of `planes` a TIFF holds, page by page; None: the pixels lie elsewhere."""


def _start(name: str, attributes: Mapping[str, str]) -> str:
    """Return the start of an element; its values must be legal in XML (`legal_text`)."""
    return f"<{name}{''.join(f' {key}={quoteattr(value)}' for key, value in attributes.items())}>"


def element(name: str, attributes: Mapping[str, str], content: str = "") -> str:
    """Return an element; its content is XML."""
    start = _start(name, attributes)
    return f"{start}{content}</{name}>" if content else f"{start[:-1]}/>"


def ome_document(parts: Iterable[str]) -> Iterator[bytes]:
    """Yield a document with some content, in UTF-8, in pieces of some 64 KB."""
    root = {
        "xmlns": _SCHEMA,
        "xmlns:xsi": _XSI,
        "xsi:schemaLocation": f"{_SCHEMA} {_SCHEMA}/ome.xsd",
        "Creator": f"HCC-Scope {__version__}",
    }
    # Bio-Formats takes no character references, such as &#181; for the sign of micro, so the text is no plain ASCII
    held = ['<?xml version="1.0" encoding="UTF-8"?>\n', _start("OME", root)]
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length > _PIECE_CHARACTERS:
            yield "".join(held).encode()
            held, length = [], 0
    held.append("</OME>")
    yield "".join(held).encode()


def ome_xml(spec: RunSpec, images: Sequence[OmeImage], orientation: Orientation) -> Iterator[bytes]:
    """Yield the OME-XML of some images of one section, in UTF-8, piece by piece.

    Parameters
    ----------
    spec : RunSpec
        Of the section: pixel size and bit depth.
    images : sequence of OmeImage
        Numbered from 0, as their ids are.
    orientation : Orientation
        How the pixels lie over the stage.
    """
    return ome_document(_content(spec, images, orientation))


def _content(spec: RunSpec, images: Sequence[OmeImage], orientation: Orientation) -> Iterator[str]:
    note = 0
    for number, image in enumerate(images):
        yield from _image(number, image, spec, note)
        note += sum(entry is not None for entry in image.planes)
    yield "<StructuredAnnotations>"
    axes = {CAMERA_AXES_KEY: ";".join(map(repr, orientation.matrix))}
    yield map_annotation(_OF_SECTION, SECTION_NAMESPACE, axes)
    note = 0
    for image in images:
        for entry in image.planes:
            if entry is not None:
                yield map_annotation(f"Annotation:{note}", FRAME_NAMESPACE, _facts(entry))
                note += 1
    yield "</StructuredAnnotations>"


def _image(number: int, image: OmeImage, spec: RunSpec, note: int) -> Iterator[str]:
    """Yield an image, whose first plane has the annotation `note`."""
    yield _start("Image", {"ID": f"Image:{number}", "Name": legal_text(image.name)})
    times = (one.t_utc for one in image.planes if one is not None and time_is_known(one.tags))
    began_utc = next(times, None)
    if began_utc is not None:
        began = began_utc.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        yield element("AcquisitionDate", {}, f"{began}Z")
    height, width = image.shape_yx
    size = repr(float(spec.pixel_size_um))
    pixels = {
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
    }
    yield _start("Pixels", pixels)
    yield element("Channel", {"ID": f"Channel:{number}:0", "Name": CHANNEL_NAME, "SamplesPerPixel": "1"})
    yield from _data(image)
    for time, entry in enumerate(image.planes):
        if entry is not None:
            reference = element("AnnotationRef", {"ID": f"Annotation:{note}"})
            yield element("Plane", _plane(time, entry, began_utc), reference)
            note += 1
    yield "</Pixels>"
    yield element("AnnotationRef", {"ID": _OF_SECTION})
    yield "</Image>"


def _data(image: OmeImage) -> Iterator[str]:
    """State where the pixels are: a reader shows a plane that no page holds as missing."""
    if image.pages is None:
        yield element("MetadataOnly", {})
    elif list(image.pages) == list(range(len(image.planes))):
        yield element("TiffData", {"IFD": "0", "PlaneCount": str(len(image.planes))})
    else:
        for page, time in enumerate(image.pages):
            where = {"FirstT": str(time), "FirstZ": "0", "FirstC": "0", "IFD": str(page), "PlaneCount": "1"}
            yield element("TiffData", where)


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


def map_annotation(name: str, namespace: str, facts: Mapping[str, TagValue]) -> str:
    """Return facts as an annotation: texts as they are, others as JSON; so is a text that would read as a number."""
    pairs = "".join(
        _pair(key, fact) if isinstance(fact, str) else _map_entry(key, json.dumps(fact)) for key, fact in facts.items()
    )
    return element("MapAnnotation", {"ID": name, "Namespace": namespace}, f"<Value>{pairs}</Value>")


@lru_cache(maxsize=1024)
def _pair(key: str, text: str) -> str:
    """Return a text under a key; most tags of a camera are the same in every frame."""
    return _map_entry(key, json.dumps(text) if _is_json(text) else text)


def _map_entry(key: str, text: str) -> str:
    return element("M", {"K": legal_text(key)}, escape(legal_text(text)))


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
