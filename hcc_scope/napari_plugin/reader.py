"""What napari calls with the path of a section's store: its layers.

>>> from hcc_scope.napari_plugin.reader import get_reader
>>> get_reader("runs/M7_S1.tif") is None  # nothing of ours: napari asks the next plugin
True
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.exports.section_tiles import read_section_tiles
from hcc_scope.napari_plugin.picture import picture_levels
from hcc_scope.printable import printable
from hcc_scope.research_use import research_use
from hcc_scope.score_text import decision, describe_named_score
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.reader import open_store
from hcc_scope.theme_colours import colours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.exports.section_tiles import SectionTiles
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import SectionScore

    LayerData = tuple[Any, dict[str, Any], str]
    """Data of a layer, the keywords that it is made with, and its kind."""
    Reader = Callable[[Any], list[LayerData]]

__all__ = ["get_reader", "section_layers"]

_PALE = "#f7f7f7"
_TILE_OPACITY = 0.5


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what reads `path`, one store or several; None unless all are stores of ours."""
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    if paths and all(one.name.endswith(STORE_SUFFIX) and (one / JOURNAL).is_file() for one in paths):
        return lambda _path: [layer for one in paths for layer in section_layers(one)]
    return None


def section_layers(path: Path) -> list[LayerData]:
    """Return the layers of a section: its fields, and the tiles that its run classified.

    Coordinates are um, y before x, those of the stage where the camera is not tilted; islands lie side by side.
    The metadata of both layers hold the score by the present notes, under ``hcc_scope``.

    Raises
    ------
    StoreError
        If there is no store, or it is damaged.
    """
    store = open_store(path)
    geometry = lay_out_section(store)
    if not geometry.fields:
        raise StoreError(f"{store.path} has no field to show", hint="Its journal lists no frame that can be read.")
    tiles, why_none = _tiles(store)
    facts = {"hcc_scope": _facts(store, geometry, None if tiles is None else tiles.score, why_none)}
    pixel = store.spec.pixel_size_um
    name = f"{store.spec.animal_id} {store.spec.section_id}"
    x_um, y_um = (corner + pixel / 2 for corner in geometry.corner_um)  # napari places centres of pixels
    fields: LayerData = (
        picture_levels(store, geometry),
        {
            "name": f"{name} fields",
            "multiscale": True,
            "scale": (pixel, pixel),
            "translate": (y_um, x_um),
            "units": ("um", "um"),
            "contrast_limits": (0, 2**store.spec.bit_depth - 1),
            "metadata": facts,
        },
        "image",
    )
    return [fields] if tiles is None else [fields, _tile_layer(tiles, geometry, f"{name} tiles", facts)]


def _tiles(store: SectionStore) -> tuple[SectionTiles | None, str]:
    """Return the tiles with results, or why there are none."""
    try:
        return read_section_tiles(store), ""
    except StoreError as error:
        return None, str(error)


def _facts(store: SectionStore, geometry: SectionGeometry, score: SectionScore | None, why_none: str) -> dict[str, Any]:
    """Return what the layers' metadata hold. An interval that is not valid is not among it."""
    facts: dict[str, Any] = {
        "store": str(store.path),
        "animal_id": store.spec.animal_id,
        "section_id": store.spec.section_id,
        "frames": store.n_frames,
        "pixel_size_um": store.spec.pixel_size_um,
        "positions": geometry.positions,
        "left_out": [*geometry.left_out, *geometry.caveats],
        "problems": list(store.problems),
        "model": store.recorded.provenance.model,
        "score": None,
        "score_in_words": f"No score: {why_none}" if score is None else describe_named_score(score),
        "research_use": research_use(store.recorded.provenance.model_trained_on),
    }
    if score is not None:
        facts |= {
            "score": score.score,
            "interval": list(score.interval) if score.interval_valid and score.score is not None else None,
            "interval_valid": score.interval_valid,
            "confidence": score.confidence,
            "threshold": score.threshold,
            "decision": decision(score),
            "frames_in_score": score.frames,
            "tiles_in_score": score.tiles,
        }
    return facts


def _tile_layer(tiles: SectionTiles, geometry: SectionGeometry, name: str, facts: dict[str, Any]) -> LayerData:
    """Return the tiles that were classified, as squares in the colours of their probabilities."""
    columns, origins = tiles.columns, {field.seq: field.origin_px for field in geometry.fields}
    side_px, pixel = tiles.grid.tile_px, geometry.pixel_size_um
    rows = [row for row, seq in enumerate(columns.seqs.tolist()) if seq in origins]
    known = np.isfinite(columns.probabilities[rows])
    row_of, tile = np.nonzero(known)
    frames = columns.seqs[rows][row_of]
    corners_px = geometry.tile_corners_px(tiles.grid)[tile] + np.array(
        [origins[seq] for seq in frames.tolist()], dtype=np.intp
    ).reshape(-1, 2)
    centres_um = np.array(geometry.corner_um) + (corners_px + side_px / 2) * pixel
    included = tiles.included()[rows]
    reasons = [tiles.reasons_of_tiles(row, included[at]) for at, row in enumerate(rows)]
    features = {
        "probability": columns.probabilities[rows][known],
        "in_score": included[known],
        "why_not": [printable(reasons[at][one]) for at, one in zip(row_of.tolist(), tile.tolist(), strict=True)],
        "frame": frames,
        "tile_row": tiles.grid.rows_cols[tile, 0],
        "tile_column": tiles.grid.rows_cols[tile, 1],
    }
    theme = colours("light")
    return (
        centres_um[:, ::-1],
        {
            "name": name,
            "features": features,
            "symbol": "square",
            "size": side_px * pixel,
            "face_color": "probability",
            "face_colormap": {"name": "low to high", "colors": [_rgba(c) for c in (theme.low, _PALE, theme.high)]},
            "face_contrast_limits": (0.0, 1.0),
            "border_width": 0,
            "opacity": _TILE_OPACITY,
            "units": ("um", "um"),
            "metadata": facts,
        },
        "points",
    )


def _rgba(colour: str) -> tuple[float, float, float, float]:
    """Return a colour such as ``#0072b2`` as shares of red, green and blue, opaque."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue, 1.0
