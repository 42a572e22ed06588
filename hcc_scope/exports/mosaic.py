"""One picture of a section, with smaller levels for viewers: of its frames, or of the probabilities of its tiles.

Both have the same size and lie at the same place, so that programs show one over the other. They are an OME-TIFF, which
QuPath, Fiji and most others read, or OME-Zarr.

No pixel is interpolated: fields are turned by quarters and placed to the whole pixel (`hcc_scope.exports.geometry`).
Where no field lies a mosaic has 0, and the heatmap NaN. Which pixels these are is stated exactly, as the rectangles of
all fields; and as a camera may count 0 as well, so is the number of such pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from hcc_scope import __version__
from hcc_scope.atomic_file import json_bytes
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.exports.blocks import BLOCK_PX
from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.exports.mosaic_metadata import field_rectangles, mosaic_ngff, mosaic_ome_xml
from hcc_scope.exports.mosaic_pictures import FramePictures, TileProbabilities
from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.pyramid import level_shapes, write_pyramid
from hcc_scope.exports.pyramid_tiff import TILE_PX, PyramidTiff, TiffFacts
from hcc_scope.exports.section_tiles import read_section_tiles
from hcc_scope.exports.target import export_name, exported
from hcc_scope.formatting import counted
from hcc_scope.progress import ignore_progress
from hcc_scope.research_use import research_use
from hcc_scope.storage.pyramid_array import PyramidArrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.exports.blocks import Block
    from hcc_scope.exports.geometry import FieldPlace, SectionGeometry
    from hcc_scope.exports.pyramid import LevelSink, Pictures, PyramidCounts
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.storage.reader import SectionStore

__all__ = ["MOST_MEGAPIXELS", "Form", "check_size", "export_heatmap", "export_mosaic"]

Form = Literal["ome-tiff", "ome-zarr"]

MOST_MEGAPIXELS = 150_000
"""Of a mosaic, covered or not: a microscope slide has 18,000 at 0.325 um a pixel. Beyond it a position is wrong."""
_TILE_BYTES = 64
"""Of the tables of a file for one tile."""
_FIELD_BYTES = 1024
"""Of the description of one field."""
_REST_BYTES = 2**20
_ALL_LEVELS = 1.36
"""Pixels of all levels for one of the first, and what compression may add to noise."""
_HEAT_SHARE = 1 / 16
"""What the probabilities take of their size at most: a tile has one value."""


def export_mosaic(
    store: SectionStore,
    target: Path,
    *,
    form: Form = "ome-tiff",
    feather: bool = False,
    raw: bool = False,
    compressed: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ExportOutcome:
    """Write a section's fields as one picture. Every frame that shows is compared with its checksum.

    Parameters
    ----------
    store : SectionStore
    target : Path
        The file, or the folder of OME-Zarr, to make.
    form : {"ome-tiff", "ome-zarr"}
    feather : bool
        Whether fields are blended where they overlap; otherwise the latest one lies on top, and every pixel is that of
        one frame.
    raw : bool
        Whether a section that was corrected by dark and flat fields is drawn without that correction.
    compressed : bool
        Whether the tiles of an OME-TIFF are compressed by deflate, which loses nothing.
    on_progress : callable

    Raises
    ------
    StoreError
        If there is nothing to draw, or the dark and flat fields cannot be read.
    UsageError
        If the fields lie too far apart.
    StoreExistsError, StoreUnwritableError, DiskFullError
        If it cannot be written.
    """
    geometry = _checked(lay_out_section(store), store)
    shading = None if raw else store.shading
    pictures = FramePictures(store, geometry, shading)
    facts: dict[str, Any] = {
        "content": "camera counts",
        "pixels": "as stored" if shading is None else "corrected by the run's dark and flat fields",
        "overlap": "blended by the distance from the edge" if feather else "the latest field on top",
    }
    manner = _Manner(form, feather, compressed)
    return _export(store, geometry, pictures, target, manner, facts, on_progress)


def export_heatmap(
    store: SectionStore,
    target: Path,
    *,
    form: Form = "ome-tiff",
    predictions: str = "",
    on_progress: OnProgress = ignore_progress,
) -> ExportOutcome:
    """Write the probabilities of a section's tiles as a picture of the same size as its mosaic, in 32-bit floats.

    It is NaN where no tile enters the score, by the present notes; on top is the field that is on top in the mosaic.
    Both leave out the fields whose frames are damaged.

    Parameters
    ----------
    store : SectionStore
    target : Path
        The file, or the folder of OME-Zarr, to make.
    form : {"ome-tiff", "ome-zarr"}
    predictions : str
        As for `hcc_scope.exports.section_tiles.read_section_tiles`.
    on_progress : callable

    Raises
    ------
    StoreError
        If there is nothing to draw, the section was not classified, or its predictions cannot be read.
    UsageError
        If the fields lie too far apart.
    StoreExistsError, StoreUnwritableError, DiskFullError
        If it cannot be written.
    """
    tiles = read_section_tiles(store, on_progress, predictions)
    geometry = _checked(tiles.layout(), store)
    facts: dict[str, Any] = {
        "content": "probability of high of each tile that enters the score, NaN elsewhere",
        "model_sha256": tiles.columns.header.get("model_sha256"),
        "tile_px": tiles.grid.tile_px,
        "predictions": predictions or None,
        "use": research_use(tiles.model.trained_on),
    }
    return _export(store, geometry, TileProbabilities(geometry, tiles), target, _Manner(form), facts, on_progress)


def check_size(geometry: SectionGeometry, store: StorePlace) -> None:
    """Refuse a mosaic beyond any sense, before anything is written.

    Raises
    ------
    UsageError
        If the fields lie too far apart.
    """
    height, width = geometry.mosaic_shape_yx
    if height * width <= MOST_MEGAPIXELS * 10**6:
        return
    one = geometry.field_shape_yx[0] * geometry.field_shape_yx[1]
    share = min(1.0, len(geometry.fields) * one / (height * width))
    across = max(height, width) * geometry.pixel_size_um / 1000
    raise UsageError(
        f"The fields of {store} lie up to {across:,.0f} mm apart: a mosaic would have {width:,} x {height:,} pixels, "
        f"and fields in at most {100 * share:.2g} % of them",
        hint="Export its fields (--as fields): each is an image at its place.",
    )


def _checked(geometry: SectionGeometry, store: SectionStore) -> SectionGeometry:
    if not geometry.fields:
        raise StoreError(f"{store.place} has no field to draw", hint="Its journal lists no frame that can be read.")
    geometry.refuse_without_positions(
        store.place, "Export its frames (--as frames), or its fields (--as fields), which then lie in rows."
    )
    check_size(geometry, store.place)
    return geometry


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a picture is written."""

    form: Form
    feather: bool = False
    compressed: bool = True


class _HidesOthers(Exception):  # noqa: N818 - a signal, not an error
    """A damaged field lies over others that were therefore not drawn."""


def _export(
    store: SectionStore,
    geometry: SectionGeometry,
    pictures: Pictures,
    target: Path,
    manner: _Manner,
    facts: Mapping[str, Any],
    on_progress: OnProgress,
) -> ExportOutcome:
    while True:
        try:
            return _write(store, geometry, pictures, target, manner, facts, on_progress)
        except _HidesOthers:
            fields = tuple(field for field in geometry.fields if field.seq not in pictures.damaged)
            geometry = replace(geometry, fields=fields)


def _write(
    store: SectionStore,
    geometry: SectionGeometry,
    pictures: Pictures,
    target: Path,
    manner: _Manner,
    facts: Mapping[str, Any],
    on_progress: OnProgress,
) -> ExportOutcome:
    shapes = level_shapes(geometry.mosaic_shape_yx)
    kind = pictures.kind
    name, heat = f"{export_name(store.place, '')} {kind}", kind == "heatmap"
    hidden: list[FieldPlace] = []

    def draw(sink: LevelSink) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Write all levels; return all facts, and the fields that are there."""
        counts = write_pyramid(geometry, pictures, sink, feather=manner.feather, stage=kind, on_progress=on_progress)
        unseen = [field for field in geometry.fields if field.seq not in counts.drawn]
        hidden.extend(field for field in unseen if field.seq not in pictures.damaged)
        _refuse_hidden(geometry, hidden, [field for field in unseen if field.seq in pictures.damaged])
        if not counts.covered_px:
            raise StoreError(f"{store.place} has no field to draw: every frame is damaged or missing")
        all_facts = {**_general_facts(store, geometry), **facts, **_coverage(counts, pictures.fill)}
        return all_facts, field_rectangles(geometry, counts.drawn)

    with exported(target, _need_bytes(geometry, pictures, shapes, manner)) as part:
        if manner.form == "ome-tiff":
            with PyramidTiff(part, shapes, pictures.dtype, pictures.fill, compressed=manner.compressed) as tiff:
                found, fields = draw(tiff)
                xml = mosaic_ome_xml(geometry, store.spec, name, found, fields, heat=heat)
                tiff.close(TiffFacts(xml, geometry.pixel_size_um, geometry.corner_um, f"HCC-Scope {__version__}"))
        else:
            part.mkdir()
            with PyramidArrays(part, shapes, pictures.dtype, pictures.fill, BLOCK_PX) as arrays:
                found, fields = draw(_ArraySink(arrays))
                arrays.finish()
            root = mosaic_ngff(geometry, store.spec, name, found, fields, heat=heat, n_levels=len(shapes))
            (part / "zarr.json").write_bytes(json_bytes(root))
    height, width = shapes[0]
    what = (
        f"{counted(len(fields), 'field')} in {width:,} x {height:,} pixels, of which they cover "
        f"{100 * found['covered_px'] / (height * width):.3g} %"
    )
    left_out = [*geometry.left_out, *geometry.caveats, *pictures.damaged.values()]
    if hidden:
        left_out.append(f"{counted(len(hidden), 'field')} not seen, as later ones lie over all of it")
    return ExportOutcome(target, what, tuple(left_out))


def _refuse_hidden(geometry: SectionGeometry, hidden: Sequence[FieldPlace], damaged: Sequence[FieldPlace]) -> None:
    """Raise if a damaged field lies over a hidden one: without it, that one may be seen."""
    height, width = geometry.field_shape_yx
    for one in damaged:
        for other in hidden:
            dx, dy = (abs(a - b) for a, b in zip(one.origin_px, other.origin_px, strict=True))
            if dx < width and dy < height:
                raise _HidesOthers


class _ArraySink:
    """Gives blocks to the arrays as they are: those compress them in threads of their own."""

    def __init__(self, arrays: PyramidArrays) -> None:
        self._arrays = arrays

    def encode(self, level: int, row: int, column: int, block: Block) -> tuple[int, int, int, NDArray[Any]]:
        return level, row, column, block.pixels

    def put(self, encoded: tuple[int, int, int, NDArray[Any]]) -> None:
        self._arrays.write(*encoded)


def _general_facts(store: SectionStore, geometry: SectionGeometry) -> dict[str, Any]:
    """Return what a mosaic and a heatmap state alike."""
    provenance, matrix = store.recorded.provenance, geometry.stage_from_px
    return {
        "animal_id": store.spec.animal_id,
        "section_id": store.spec.section_id,
        "created_utc": datetime.now(UTC).isoformat(),
        "software": f"HCC-Scope {__version__}",
        "specimen": provenance.specimen,
        "use": research_use(provenance.model_trained_on),
        "pixel_size_um": geometry.pixel_size_um,
        "corner_x_um": geometry.corner_um[0],
        "corner_y_um": geometry.corner_um[1],
        "positions": geometry.positions,
        "stage_um_from_px": None if matrix is None else matrix.tolist(),
    }


def _coverage(counts: PyramidCounts, fill: float) -> dict[str, Any]:
    """Return how many pixels are covered, and how an uncovered one is known."""
    return {
        "fill_value": "NaN" if math.isnan(fill) else int(fill),
        "covered_px": counts.covered_px,
        "covered_px_with_fill_value": counts.fill_in_fields_px,
    }


def _need_bytes(
    geometry: SectionGeometry, pictures: Pictures, shapes: Sequence[tuple[int, int]], manner: _Manner
) -> int:
    """Return what an export takes at most."""
    (height, width), one = shapes[0], geometry.field_shape_yx
    if pictures.kind == "heatmap":
        drawn_px = min(height * width, len(geometry.fields) * one[0] * one[1]) * _ALL_LEVELS * _HEAT_SHARE
    elif manner.form == "ome-tiff" and not manner.compressed:
        drawn_px = float(_n_tiles(geometry, len(shapes)) * TILE_PX**2)
    else:
        drawn_px = min(height * width, len(geometry.fields) * one[0] * one[1]) * _ALL_LEVELS
    tables = _TILE_BYTES * _ALL_LEVELS * (height * width / TILE_PX**2) + _FIELD_BYTES * len(geometry.fields)
    return math.ceil(drawn_px * pictures.dtype.itemsize + tables) + _REST_BYTES


def _n_tiles(geometry: SectionGeometry, n_levels: int) -> int:
    """Return how many tiles of a TIFF have a part of a field, on all levels."""
    height, width = geometry.field_shape_yx
    n = 0
    for level in range(n_levels):
        side = TILE_PX << level
        tiles: set[tuple[int, int]] = set()
        for x, y in {field.origin_px for field in geometry.fields}:
            rows, columns = (
                range(y // side, (y + height - 1) // side + 1),
                range(x // side, (x + width - 1) // side + 1),
            )
            tiles.update(product(rows, columns))
        n += len(tiles)
    return n
