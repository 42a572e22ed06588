"""What a mosaic states about itself, as OME-XML and as the attributes of OME-Zarr: one set of facts for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.exports.ome_xml import element, legal_text, map_annotation, ome_document
from hcc_scope.storage.metadata import CHANNEL_NAME, omero_metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.types import RunSpec

__all__ = ["ATTRIBUTE", "HEAT_CHANNEL", "field_rectangles", "mosaic_ngff", "mosaic_ome_xml"]

ATTRIBUTE = "hcc_scope_mosaic"
"""Key of the facts in ``zarr.json``."""
_NAMESPACE = "hcc-scope/mosaic"
HEAT_CHANNEL = "probability of high"


def field_rectangles(geometry: SectionGeometry, drawn: Collection[int]) -> list[dict[str, Any]]:
    """Return where each field of a mosaic lies: the union of the rectangles is what is covered.

    Parameters
    ----------
    geometry : SectionGeometry
    drawn : collection of int
        `seq` of the fields that show somewhere.
    """
    height, width = geometry.field_shape_yx
    return [
        {
            "seq": field.seq,
            "x_px": field.origin_px[0],
            "y_px": field.origin_px[1],
            "width_px": width,
            "height_px": height,
            "island": field.stage.island,
            "stage_um": [field.stage.x_um, field.stage.y_um],
        }
        for field in geometry.fields
        if field.seq in drawn and field.stage is not None
    ]


def mosaic_ome_xml(
    geometry: SectionGeometry,
    spec: RunSpec,
    name: str,
    facts: Mapping[str, Any],
    fields: Sequence[Mapping[str, Any]],
    *,
    heat: bool,
) -> bytes:
    """Return the OME-XML of a mosaic, in UTF-8.

    The position of its only plane is that of the upper left corner, as in TIFF's own tags. Each field is a region of
    interest with one rectangle.

    Parameters
    ----------
    geometry : SectionGeometry
    spec : RunSpec
    name : str
        Of the image.
    facts : mapping
        For an annotation: values of JSON.
    fields : sequence of mapping
        As `field_rectangles` returns them.
    heat : bool
        Whether it shows probabilities in place of counts.
    """
    height, width = geometry.mosaic_shape_yx
    size = repr(float(geometry.pixel_size_um))
    numbers = {"Type": "float"} if heat else {"Type": "uint16", "SignificantBits": str(spec.bit_depth)}
    pixels = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYZCT",
        **numbers,
        "BigEndian": "false",
        "SizeX": str(width),
        "SizeY": str(height),
        "SizeZ": "1",
        "SizeC": "1",
        "SizeT": "1",
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": size,
        "PhysicalSizeYUnit": "µm",
    }
    channel = {"ID": "Channel:0:0", "Name": HEAT_CHANNEL if heat else CHANNEL_NAME, "SamplesPerPixel": "1"}
    plane = {"TheZ": "0", "TheC": "0", "TheT": "0"}
    for axis, value in zip("XY", geometry.corner_um, strict=True):
        plane |= {f"Position{axis}": repr(float(value)), f"Position{axis}Unit": "µm"}
    image = (
        element(
            "Pixels",
            pixels,
            element("Channel", channel)
            + element("TiffData", {"IFD": "0", "PlaneCount": "1"})
            + element("Plane", plane),
        )
        + "".join(element("ROIRef", {"ID": f"ROI:{number}"}) for number in range(len(fields)))
        + element("AnnotationRef", {"ID": "Annotation:0"})
    )
    parts = [
        element("Image", {"ID": "Image:0", "Name": legal_text(name)}, image),
        element("StructuredAnnotations", {}, map_annotation("Annotation:0", _NAMESPACE, facts)),
        *(_region(number, field) for number, field in enumerate(fields)),
    ]
    return b"".join(ome_document(parts))


def _region(number: int, field: Mapping[str, Any]) -> str:
    rectangle = {
        "ID": f"Shape:{number}:0",
        "X": str(field["x_px"]),
        "Y": str(field["y_px"]),
        "Width": str(field["width_px"]),
        "Height": str(field["height_px"]),
    }
    union = element("Union", {}, element("Rectangle", rectangle))
    return element("ROI", {"ID": f"ROI:{number}", "Name": f"field {field['seq']}"}, union)


def mosaic_ngff(
    geometry: SectionGeometry,
    spec: RunSpec,
    name: str,
    facts: Mapping[str, Any],
    fields: Sequence[Mapping[str, Any]],
    *,
    heat: bool,
    n_levels: int,
) -> dict[str, Any]:
    """Return the ``zarr.json`` of a mosaic's group; parameters as `mosaic_ome_xml`.

    A translation is where the centre of a level's first pixel lies, as OME-Zarr counts. So it grows with the level.
    """
    pixel = geometry.pixel_size_um
    left, top = geometry.corner_um
    datasets = []
    for level in range(n_levels):
        step = pixel * 2**level
        # the first of four pixels stands for a tile's probability, and not their mean
        centre = pixel / 2 if heat else step / 2
        transformations = [
            {"type": "scale", "scale": [1.0, step, step]},
            {"type": "translation", "translation": [0.0, top + centre, left + centre]},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    multiscale = {
        "name": name,
        "axes": [
            {"name": "z", "type": "space"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "datasets": datasets,
        "type": "nearest" if heat else "mean",
    }
    omero = omero_metadata(spec)
    if heat:
        window = {"min": 0, "max": 1, "start": 0, "end": 1}
        omero["channels"][0] |= {"label": HEAT_CHANNEL, "window": window}
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "ome": {"version": "0.5", "multiscales": [multiscale], "omero": omero},
            ATTRIBUTE: {**facts, "fields": list(fields)},
        },
    }
