"""What a store records about images that were imported: which files, and how their numbers became counts.

The keys stand in the provenance of the store's spec, as JSON; `hcc_scope.runs.import_section` writes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import TagValue

__all__ = [
    "CONVERSION_KEY",
    "PIXEL_SIZE_KEY",
    "SELECTION_KEY",
    "SOURCES_KEY",
    "ImportRecord",
    "ImportedSource",
    "import_record",
]

SOURCES_KEY = "import_sources"
SELECTION_KEY = "import_selection"
CONVERSION_KEY = "import_conversion"
PIXEL_SIZE_KEY = "import_pixel_size"
"""``given`` by a person, or ``stated`` by the images."""


@dataclass(frozen=True, slots=True)
class ImportedSource:
    """One file or folder."""

    path: str
    format: str
    n_images: int


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One import, as its store records it."""

    sources: tuple[ImportedSource, ...]
    colour: str | None
    """How colour became grey (`hcc_scope.colour.ColourConversion`); None: the images are grey."""
    float_range: tuple[float, float] | None
    """Which floating-point numbers became no light and full scale."""
    pixel_size_given: bool


def import_record(provenance: Mapping[str, TagValue]) -> ImportRecord | None:
    """Return what the provenance of a store records of its import; None if that is nothing, or damaged."""
    try:
        sources = json.loads(str(provenance[SOURCES_KEY]))
        conversion = json.loads(str(provenance[CONVERSION_KEY]))
        ends = conversion.get("float_range")
        colour = conversion.get("colour")
        return ImportRecord(
            tuple(ImportedSource(str(one["path"]), str(one["format"]), int(one["images"])) for one in sources),
            None if colour is None else str(colour),
            None if ends is None else (float(ends[0]), float(ends[1])),
            provenance.get(PIXEL_SIZE_KEY) == "given",
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        return None
