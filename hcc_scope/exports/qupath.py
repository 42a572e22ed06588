"""Tiles for QuPath: GeoJSON in which every tile is a detection with its measurements, class and colour.

Design
------
- QuPath places objects by pixels of the image that is open. So a tile has the pixels of the section's mosaic
  (`hcc_scope.exports.geometry`), or those of its frame in the stack of frames, on the plane whose t is the frame.
- One feature a line, written as it is made and compressed: memory depends on the number of frames, not on that of the
  tiles' features. QuPath opens ``.geojson.gz`` as it is.
- A tile that does not enter the score has a class of its own and the reason in its metadata: its probability is there,
  and does not pass for a part of the score.
- A measurement that does not exist is left out: QuPath refuses a file in which one is not a number.
- Objects have the same ids in every export of an analysis, so that QuPath notices one that is imported twice.
"""

from __future__ import annotations

import gzip
import json
import math
import uuid
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.section_tiles import read_section_tiles
from hcc_scope.exports.target import exported
from hcc_scope.formatting import counted
from hcc_scope.position_tags import describe_island
from hcc_scope.printable import printable
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.score_text import (
    describe_assumed_threshold,
    describe_named_score,
    format_section_threshold,
)
from hcc_scope.theme_colours import colours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.exports.section_tiles import SectionTiles
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore

__all__ = ["CLASSES", "PlacedOn", "export_qupath"]

PlacedOn = Literal["mosaic", "frames"]
"""Which image the objects lie on: the mosaic, or the stack of frames."""

_THEME = colours("light")
CLASSES: Mapping[str, tuple[int, int, int]] = {
    name: (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
    for name, colour in (
        ("High", _THEME.high), ("Low", _THEME.low), ("Not scored", _THEME.text_muted), ("Section", _THEME.accent),
        ("Field not scored", _THEME.warning),
    )
}  # fmt: skip
"""QuPath's classes of the objects, and their colours as red, green and blue."""

_FRAMES_AT_ONCE = 256
_FEATURE_BYTES = 120
"""Of a tile in the compressed file, at most."""
_LEVEL = 5
"""Of the compression: more takes longer and saves next to nothing."""
_SPACE = uuid.UUID("6d8f6d0c-2c43-5d0e-9d43-5d8b2f1f0a67")
"""Namespace of the objects' ids."""
_FIRST_ANNOTATION = 1 << 47
"""Number in an id: those of tiles lie below."""


def export_qupath(
    store: SectionStore,
    target: Path,
    *,
    placed_on: PlacedOn = "mosaic",
    predictions: str = "",
    on_progress: OnProgress = ignore_progress,
) -> ExportOutcome:
    """Write a section's tiles, its outline and its fields without a score as GeoJSON for QuPath.

    Parameters
    ----------
    store : SectionStore
        With predictions.
    target : Path
        File to make: ``NAME.geojson.gz``.
    placed_on : {"mosaic", "frames"}
        The image that they are dropped on. Fields that the mosaic does not show are left out there.
    predictions : str
        As for `hcc_scope.exports.section_tiles.read_section_tiles`.
    on_progress : callable

    Raises
    ------
    StoreError
        If the store has no such predictions, or something that they rest on cannot be read; on the mosaic also if no
        field has a position.
    StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
        As `hcc_scope.exports.target.exported`.
    """
    tiles = read_section_tiles(store, on_progress, predictions)
    places = _MosaicPlaces(tiles) if placed_on == "mosaic" else _FramePlaces(tiles)
    n_rows = len(tiles.columns.seqs)
    n_tiles = n_annotations = 0
    need_bytes = tiles.n_tiles * _FEATURE_BYTES + (1 << 20)
    with exported(target, need_bytes) as part, part.open("wb") as raw, _compressed(raw) as file:
        head = json.dumps({"type": "FeatureCollection", "metadata": _facts(tiles, places)})
        file.write(f'{head[:-1]},"features":['.encode("ascii"))
        between = b"\n"
        for annotation in _annotations(tiles, places):
            file.write(between + annotation.encode("ascii"))
            between, n_annotations = b",\n", n_annotations + 1
        included = tiles.included()
        for begin in range(0, n_rows, _FRAMES_AT_ONCE):
            features = list(_tiles(tiles, places, included, begin, min(begin + _FRAMES_AT_ONCE, n_rows)))
            if features:
                file.write(between + ",\n".join(features).encode("ascii"))
                between, n_tiles = b",\n", n_tiles + len(features)
            on_progress(Progress("tiles", min(begin + _FRAMES_AT_ONCE, n_rows), n_rows))
        file.write(b"\n]}\n")
    what = f"{counted(n_tiles, 'tile')} and {counted(n_annotations, 'annotation')}, {places.described}"
    return ExportOutcome(target, what, places.left_out)


def _compressed(file: BinaryIO) -> gzip.GzipFile:
    """Return a file that compresses what is written to it; it has neither a name nor a time in it."""
    return gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)


class _MosaicPlaces:
    """Tiles and fields in the pixels of the section's mosaic."""

    described = "in pixels of the mosaic"

    def __init__(self, tiles: SectionTiles) -> None:
        self.geometry: SectionGeometry | None = tiles.layout()
        self.geometry.refuse_without_positions(
            tiles.store.place, "Place its tiles on the stack of frames (--placed-on frames)."
        )
        self._origins = {field.seq: field.origin_px for field in self.geometry.fields}
        self._corners = self.geometry.tile_corners_px(tiles.grid)
        self._tile_px = tiles.grid.tile_px
        self.left_out = self.geometry.left_out

    def plane(self, _seq: int) -> str:
        return ""

    def of_tiles(self, seq: int) -> NDArray[np.intp] | None:
        """Return left, top, right and bottom (t, 4) of a frame's tiles; None if it is not in the picture."""
        origin = self._origins.get(seq)
        if origin is None:
            return None
        corners = self._corners + np.array(origin)
        return np.concatenate([corners, corners + self._tile_px], axis=1)

    def of_field(self, seq: int) -> tuple[int, int, int, int] | None:
        assert self.geometry is not None
        origin, (height, width) = self._origins.get(seq), self.geometry.field_shape_yx
        return None if origin is None else (*origin, origin[0] + width, origin[1] + height)


class _FramePlaces:
    """Tiles and fields in the pixels of their own frame, on the plane t = number of the frame."""

    described = "in pixels of the frames, on the plane of each"
    geometry: SectionGeometry | None = None
    left_out: tuple[str, ...] = ()

    def __init__(self, tiles: SectionTiles) -> None:
        yx = tiles.grid.origins_yx
        self._boxes = np.concatenate([yx[:, ::-1], yx[:, ::-1] + tiles.grid.tile_px], axis=1)
        self._shape_yx = tiles.grid.frame_shape_yx

    def plane(self, seq: int) -> str:
        return f',"plane":{{"c":-1,"z":0,"t":{seq}}}'

    def of_tiles(self, _seq: int) -> NDArray[np.intp] | None:
        return self._boxes

    def of_field(self, _seq: int) -> tuple[int, int, int, int] | None:
        return (0, 0, self._shape_yx[1], self._shape_yx[0])


_Places = _MosaicPlaces | _FramePlaces


def _rectangle(left: float, top: float, right: float, bottom: float) -> str:
    """Return the coordinates of a polygon, corner by corner; the last one is the first."""
    return f"[[[{left},{top}],[{right},{top}],[{right},{bottom}],[{left},{bottom}],[{left},{top}]]]"


def _classification(name: str) -> str:
    return json.dumps({"name": name, "color": list(CLASSES[name])}, separators=(",", ":"))


_CLASSIFICATIONS = {name: _classification(name) for name in CLASSES}


def _ids(tiles: SectionTiles) -> str:
    """Return the first part of the objects' ids, which the analysis decides."""
    store, header = tiles.store, tiles.columns.header
    known = (store.spec.animal_id, store.spec.section_id, store.recorded.created_utc.isoformat(), header["run"])
    return str(uuid.uuid5(_SPACE, json.dumps([*known, header["model_sha256"]])))[:24]


def _texts(numbers: NDArray[np.float32]) -> list[str]:
    """Return the shortest texts that give the same float32 again; ``nan`` for NaN."""
    return [str(number) for number in numbers.ravel()]


def _tiles(tiles: SectionTiles, places: _Places, included: NDArray[np.bool_], begin: int, end: int) -> Iterator[str]:
    """Yield the features of the tiles of some frames."""
    columns, grid = tiles.columns, tiles.grid
    n = grid.n
    ids = _ids(tiles)
    measured = [_texts(one[begin:end]) for one in (columns.probabilities, columns.logits, columns.distances)]
    rows_cols = [f'"Tile row":{row},"Tile column":{column}' for row, column in grid.rows_cols.tolist()]
    centres_um, _ = tiles.centres_um(columns.seqs[begin:end])
    high = columns.probabilities[begin:end].astype(np.float64) >= tiles.score.threshold
    for row in range(begin, end):
        seq = int(columns.seqs[row])
        boxes = places.of_tiles(seq)
        if boxes is None or not columns.cut[row]:
            continue
        stage = [
            "" if math.isnan(x) else f',"Stage x um":{x:.3f},"Stage y um":{y:.3f}'
            for x, y in centres_um[row - begin].tolist()
        ]
        plane = places.plane(seq)
        reasons = tiles.reasons_of_tiles(row, included[row])
        first = (row - begin) * n
        for k, (left, top, right, bottom) in enumerate(boxes.tolist()):
            probability, log_odds, distance = (texts[first + k] for texts in measured)
            numbers = f'"Probability of high":{probability},' if probability != "nan" else ""
            if log_odds not in _NO_NUMBERS:
                numbers += f'"Log-odds of high":{log_odds},'
            if distance not in _NO_NUMBERS:
                numbers += f'"Distance from training":{distance},'
            reason = reasons[k]
            name = "Not scored" if reason else "High" if high[row - begin, k] else "Low"
            why = f',"metadata":{{"Not scored":{json.dumps(printable(reason))}}}' if reason else ""
            yield (
                f'{{"type":"Feature","id":"{ids}{seq * n + k:012x}","geometry":{{"type":"Polygon",'
                f'"coordinates":{_rectangle(left, top, right, bottom)}{plane}}},"properties":{{"objectType":'
                f'"detection","classification":{_CLASSIFICATIONS[name]},"measurements":{{{numbers}"In the score":'
                f'{0 if reason else 1},"Frame":{seq},{rows_cols[k]}{stage[k]}}}{why}}}}}'
            )


_NO_NUMBERS = frozenset({"nan", "inf", "-inf"})
"""Texts that JSON does not know as numbers."""


def _annotation(
    identity: str,
    coordinates: str,
    plane: str,
    name: str,
    kind: str,
    measurements: Mapping[str, float],
    metadata: Mapping[str, str],
) -> str:
    properties = {
        "objectType": "annotation",
        "name": name,
        "classification": {"name": kind, "color": list(CLASSES[kind])},
        "isLocked": True,  # a drag would move it by mistake
        **({"measurements": dict(measurements)} if measurements else {}),
        "metadata": dict(metadata),
    }
    return (
        f'{{"type":"Feature","id":"{identity}","geometry":{{"type":"Polygon","coordinates":{coordinates}{plane}}},'
        f'"properties":{json.dumps(properties, separators=(",", ":"))}}}'
    )


def _annotations(tiles: SectionTiles, places: _Places) -> Iterator[str]:
    """Yield the section's outline, and the fields that have no score."""
    ids = _ids(tiles)
    spec = tiles.store.spec
    if places.geometry is not None and places.geometry.mosaic_shape_yx != (0, 0):
        outline = places.geometry.outline_px.round(2).tolist()
        height, width = places.geometry.mosaic_shape_yx
        coordinates = json.dumps([[*outline, outline[0]]]) if len(outline) > 2 else _rectangle(0, 0, width, height)
        what = "outline" if len(outline) > 2 else "extent of the fields"
        name = f"Animal {spec.animal_id}, section {spec.section_id}: {what}"
        yield _annotation(
            f"{ids}{_FIRST_ANNOTATION:012x}",
            coordinates,
            "",
            name,
            "Section",
            _score_numbers(tiles),
            _facts(tiles, places),
        )
    for seq, why in tiles.fields_without_score():
        box = places.of_field(seq)
        if box is not None:
            identity = f"{ids}{_FIRST_ANNOTATION + 1 + seq:012x}"
            metadata = {"Not scored": printable(why), "Frame": str(seq)}
            yield _annotation(
                identity, _rectangle(*box), places.plane(seq), f"Field {seq}: {printable(why)}", "Field not scored",
                {"Frame": seq}, metadata,
            )  # fmt: skip


def _score_numbers(tiles: SectionTiles) -> dict[str, float]:
    """Return the score as measurements; an interval only if it is valid."""
    score = tiles.score
    if score.score is None:
        return {}
    ends = {"Interval low": score.interval[0], "Interval high": score.interval[1]} if score.interval_valid else {}
    counts = {"Frames in the score": float(score.frames), "Tiles in the score": float(score.tiles)}
    return {"Mean tile probability": score.score, "Threshold": score.threshold, **ends, **counts}


def _facts(tiles: SectionTiles, places: _Places) -> dict[str, str]:
    """Return what the file is about, as QuPath shows it beside the section's outline."""
    store, header = tiles.store, tiles.columns.header
    run, model = store.recorded, tiles.model
    engines = sorted(set(tiles.columns.engines))
    threshold = format_section_threshold(tiles.score)
    facts = {
        "Animal": store.spec.animal_id,
        "Section": store.spec.section_id,
        "Store": store.place.name,
        "Score": describe_named_score(tiles.score),
        "Classes": f"High: a tile's probability is at or above the section's threshold of {threshold}. Low: below.",
        "Model": model.name,
        "Model sha256": header["model_sha256"] or "unknown",
        "Engine": ", ".join(engines),
        "Pixel size": f"{store.spec.pixel_size_um} um",
        "Places": places.described,
        "Run": run.state or "not ended",
        "Research use": research_use(model.trained_on),
    }
    if tiles.predictions:
        facts["Predictions"] = tiles.predictions
    if model.card.decision_threshold is None:
        facts["Threshold"] = describe_assumed_threshold(tiles.score.threshold)
    if alarm := phantom_alarm(model.trained_on, store.spec.provenance):
        facts["Warning"] = alarm
    if places.geometry is not None and places.geometry.islands.apart:
        islands = ", ".join(describe_island(island) for island in places.geometry.islands.boxes_um)
        facts["Islands"] = f"{islands}, drawn apart: where they lie to each other is not known"
    if places.left_out:
        facts["Left out"] = "; ".join(places.left_out)
    return {key: printable(value) for key, value in facts.items()}
