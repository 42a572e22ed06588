"""The content of a store's JSON files: zarr v3 and OME-Zarr 0.5 metadata, and our own attribute ``hcc_scope``.

Everything here is a pure function of the `RunSpec` and the number of frames, so that `recover` can write it anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from hcc_scope.errors import IdError, StoreError
from hcc_scope.orientation import NOT_TURNED
from hcc_scope.score_rule import ScoreRule
from hcc_scope.storage import values
from hcc_scope.storage.layout import ARRAY_PATH, CHUNK_PX, LIVE, PACKED, SCHEMA_VERSION_PACKED, Layout, start_version
from hcc_scope.storage.naming import JOURNAL, check_id
from hcc_scope.storage.shading_copy import is_corrected
from hcc_scope.types import RunSpec, Sampling

__all__ = [
    "ARRAY_PATH",
    "ATTRIBUTE",
    "CHANNEL_NAME",
    "CHUNK_PX",
    "FACTS_HASH",
    "JOURNAL",
    "MANIFEST_COPY",
    "MAX_FRAME_BYTES",
    "MAX_SIDE_PX",
    "MAX_TILES",
    "SCHEMA_VERSION",
    "SCHEMA_VERSIONS",
    "SCHEMA_VERSION_BY_HAND",
    "SCHEMA_VERSION_CORRECTED",
    "SCHEMA_VERSION_IMPORTED",
    "SCHEMA_VERSION_RULED",
    "START_FACTS",
    "array_metadata",
    "axes_from_json",
    "check_spec",
    "facts_hash",
    "frames_group_metadata",
    "group_metadata",
    "initial_attributes",
    "omero_metadata",
    "packed_group_metadata",
    "sealed",
    "shard_shape_yx",
    "spec_from_json",
    "spec_to_json",
    "stack_metadata",
    "start_facts",
    "tiles_of",
]

SCHEMA_VERSION = 2
"""Of the attribute `ATTRIBUTE` and the journal. A reader refuses what is newer than itself."""
SCHEMA_VERSION_CORRECTED = 3
"""Of a store whose run corrected its frames by a dark and a flat field: a program that does not know of it would
classify them as they are, and show another score than the run's."""
SCHEMA_VERSION_BY_HAND = 4
"""Of a section by hand, corrected or not: a program that does not know how its fields were chosen would take it for
damaged."""
SCHEMA_VERSION_RULED = 5
"""Of a section whose score follows a recorded rule (`hcc_scope.score_rule`): a program that does not know it would show
another interval, or another score, than the run's."""
SCHEMA_VERSION_IMPORTED = 6
"""Of a section whose images were imported: a program that does not know this sampling would take it for damaged."""
SCHEMA_VERSIONS = frozenset({1, 2, 3, 4, 5, SCHEMA_VERSION_IMPORTED, SCHEMA_VERSION_PACKED})
"""What this program reads. Version 1 has no checksums but those of the frames."""

FACTS_HASH = "facts_sha256"
"""Key of the attribute `ATTRIBUTE`: `facts_hash` of all its other keys."""

MAX_SIDE_PX = 1 << 16
MAX_FRAME_BYTES = 1 << 31
"""No camera has larger frames: a store that claims one is damaged, and is refused before any memory is taken."""
MAX_TILES = 1 << 16
"""Tiles of one frame."""

ATTRIBUTE = "hcc_scope"
CHANNEL_NAME = "transmitted light"
MANIFEST_COPY = "hcc_scope.json"
"""The attribute `ATTRIBUTE` as at the start, never changed: `recover` makes a lost ``zarr.json`` from it."""
START_FACTS = (
    "schema_version",
    "animal_id",
    "section_id",
    "created_utc",
    "interval_s",
    "spec",
    "software",
)
"""Keys of the attribute `ATTRIBUTE` that are the same from the start to the end, so they stand in both files."""


def check_spec(spec: RunSpec) -> None:
    """Refuse what cannot be stored, before anything is created.

    Raises
    ------
    StoreError
        If the frame shape, dtype, bit depth or pixel size makes no sense.
    """
    shape = spec.frame_shape_yx
    if len(shape) != 2 or min(shape) < 1:
        raise StoreError(f"A frame of {shape} pixels (y, x) cannot be stored")
    if max(shape) > MAX_SIDE_PX or 2 * shape[0] * shape[1] > MAX_FRAME_BYTES:
        raise StoreError(f"A frame of {shape[0]} x {shape[1]} pixels is larger than any that can be stored")
    if not 1 <= spec.tile_px <= MAX_SIDE_PX or tiles_of(shape, spec.tile_px) > MAX_TILES:
        raise StoreError(f"Tiles of {spec.tile_px} px on frames of {shape[0]} x {shape[1]} px cannot be stored")
    if spec.dtype != "uint16":
        raise StoreError(f"Frames of type {spec.dtype} cannot be stored", hint="Widen the pixels to uint16 first.")
    if not 1 <= spec.bit_depth <= 16:
        raise StoreError(f"A bit depth of {spec.bit_depth} does not fit into uint16 pixels")
    if not (math.isfinite(spec.pixel_size_um) and spec.pixel_size_um > 0):
        raise StoreError(f"A pixel size of {spec.pixel_size_um} um cannot be stored", hint="Calibrate the objective.")


def tiles_of(shape_yx: tuple[int, int], tile_px: int) -> int:
    """Return how many tiles cover a frame (`hcc_scope.tiling.TileGrid`), without laying them out."""
    return math.ceil(shape_yx[0] / tile_px) * math.ceil(shape_yx[1] / tile_px)


def facts_hash(attributes: Mapping[str, Any]) -> str:
    """Return the sha256 of the attribute `ATTRIBUTE` without its own hash.

    It is that of the values, not of the file: a program that writes the same JSON in another way changes nothing.
    """
    facts = _plain_numbers({key: value for key, value in attributes.items() if key != FACTS_HASH})
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain_numbers(value: object) -> object:
    """Return `value` with 2.0 as 2: JSON knows no difference, and not every program keeps it."""
    if isinstance(value, dict):
        return {str(key): _plain_numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_numbers(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def sealed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attribute `ATTRIBUTE` with its hash; one of version 1 has none."""
    facts = {key: value for key, value in attributes.items() if key != FACTS_HASH}
    if facts.get("schema_version") == 1:
        return facts
    return {**facts, FACTS_HASH: facts_hash(facts)}


def shard_shape_yx(shape_yx: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest multiple of `CHUNK_PX` that covers a frame: one shard, one file, per frame."""
    height, width = (math.ceil(n / CHUNK_PX) * CHUNK_PX for n in shape_yx)
    return height, width


def array_metadata(shape_yx: tuple[int, int], n_frames: int, layout: Layout = LIVE, level: int = 0) -> dict[str, Any]:
    """Return the ``zarr.json`` of an array of frames: (t, y, x) uint16, in shards of 512 x 512 inner chunks.

    ``frames/0`` has one shard per frame. All arrays of a packed store have the same shards, chunks and codecs:
    viewers show levels that differ in these wrongly. Each of its chunks has a checksum, for programs that do not know
    the journal.

    Blosc's lz4 with bit shuffling: 1.5 to 1.7 times smaller for photon noise at more than 100 frames a second, where
    zstd is slower and no smaller. ``typesize`` 2 and ``blocksize`` 0 are what tensorstore writes; they are spelled out
    because the writer opens the array by these very words.
    """
    shape = (n_frames, *layout.shape_yx(shape_yx, level))
    shard = (layout.shard_frames, *shard_shape_yx(shape_yx))
    return stack_metadata(shape, shard, CHUNK_PX, "t", checksums=layout.is_packed)


def stack_metadata(
    shape: tuple[int, int, int],
    shard_shape: tuple[int, int, int],
    chunk_px: int,
    axis: str,
    *,
    checksums: bool = False,
    separator: Literal["/", "."] = "/",
) -> dict[str, Any]:
    """Return the ``zarr.json`` of a stack (n, y, x) of uint16 images in shards, compressed as in `array_metadata`.

    Parameters
    ----------
    shape : (int, int, int)
    shard_shape : (int, int, int)
        Of one file.
    chunk_px : int
        Side of the inner chunks, each of one image.
    axis : str
        Name of the first axis.
    checksums : bool
        Whether each chunk ends with its CRC-32C; frames have theirs in the journal.
    separator : {"/", "."}
        Between the numbers in a shard's name: ``c/0/0/0``, in a folder for each number, or the file ``c.0.0.0``.
    """
    codecs: list[dict[str, Any]] = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {
            "name": "blosc",
            "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 2, "blocksize": 0},
        },
    ]
    if checksums:
        codecs.append({"name": "crc32c"})
    sharding = {
        "chunk_shape": [1, chunk_px, chunk_px],
        "codecs": codecs,
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": [axis, "y", "x"],
        "attributes": {},
    }


def frames_group_metadata() -> dict[str, Any]:
    """Return the ``zarr.json`` of the group ``frames``, which only holds the array."""
    return {"zarr_format": 3, "node_type": "group", "attributes": {}}


def packed_group_metadata(attributes: Mapping[str, Any], n_frames: int) -> dict[str, Any]:
    """Return the ``zarr.json`` of the group that holds the arrays of a packed store.

    It repeats how they are laid out, with a checksum: the last file that is written before they take effect, and what a
    lost root ``zarr.json`` is made from, beside ``hcc_scope.json``.
    """
    facts = {PACKED: attributes[PACKED], "n_frames": n_frames, "schema_version": attributes["schema_version"]}
    return {**frames_group_metadata(), "attributes": {ATTRIBUTE: sealed(facts)}}


def _datasets(layout: Layout, time_scale: float, pixel_um: float) -> list[dict[str, Any]]:
    """Return the arrays of the image: the centre of a reduced pixel is that of the pixels it is the mean of."""
    datasets: list[dict[str, Any]] = []
    for level in range(layout.n_levels):
        step = 1 << level
        moves: list[dict[str, Any]] = [{"type": "scale", "scale": [time_scale, step * pixel_um, step * pixel_um]}]
        if level:
            shift = (step - 1) / 2 * pixel_um
            moves.append({"type": "translation", "translation": [0.0, shift, shift]})
        datasets.append({"path": layout.array_path(level), "coordinateTransformations": moves})
    return datasets


def group_metadata(spec: RunSpec, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the root ``zarr.json``.

    Parameters
    ----------
    spec : RunSpec
        Gives the scale (um per pixel) and the display window.
    attributes : mapping
        The content of the attribute `ATTRIBUTE`. Its ``interval_s`` is the scale of the time axis. Without one the axis
        has no unit, and its scale of 1.0, which OME-Zarr asks for, is that of a frame's number: the true times are in
        the journal. Its ``packed`` names the arrays.
    """
    pixel = spec.pixel_size_um
    outcome = attributes.get("outcome")
    measured_s = outcome.get("interval_s") if isinstance(outcome, Mapping) else None
    interval_s = measured_s or attributes.get("interval_s") or None  # 0: as fast as it goes, which is no interval
    time = {"name": "t", "type": "time"} | ({} if interval_s is None else {"unit": "second"})
    multiscale = {
        "name": f"{spec.animal_id}_{spec.section_id}",
        "axes": [
            time,
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "datasets": _datasets(Layout.parse(attributes), 1.0 if interval_s is None else interval_s, pixel),
    }
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "ome": {"version": "0.5", "multiscales": [multiscale], "omero": omero_metadata(spec)},
            ATTRIBUTE: sealed(attributes),
        },
    }


def omero_metadata(spec: RunSpec) -> dict[str, Any]:
    """Return the value of ``omero``: one channel, shown grey from black to the camera's full scale."""
    top = 2**spec.bit_depth - 1
    return {
        "channels": [
            {
                "label": CHANNEL_NAME,
                "color": "FFFFFF",
                "active": True,
                "window": {"min": 0, "max": top, "start": 0, "end": top},
            }
        ],
        "rdefs": {"model": "greyscale"},
    }


def initial_attributes(
    spec: RunSpec, *, created_utc: str, interval_s: float | None, software: Mapping[str, str]
) -> dict[str, Any]:
    """Return the attribute `ATTRIBUTE` of a run that has just begun."""
    return {
        "schema_version": _version_for(spec),
        "complete": False,
        "animal_id": spec.animal_id,
        "section_id": spec.section_id,
        "created_utc": created_utc,
        "interval_s": interval_s,
        "spec": spec_to_json(spec),
        "software": {**software, **spec.software},
    }


def start_facts(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that stand in both files, as they were at the start: those of `START_FACTS` that are there."""
    facts = {key: attributes[key] for key in START_FACTS if key in attributes}
    return facts | ({"schema_version": start_version(attributes)} if "schema_version" in facts else {})


def _version_for(spec: RunSpec) -> int:
    """Return the oldest version whose programs read such a store as it is meant."""
    if spec.sampling == "imported":
        return SCHEMA_VERSION_IMPORTED
    if ScoreRule.of(spec).interval > 1:
        return SCHEMA_VERSION_RULED
    if spec.sampling in ("guided", "chosen"):
        return SCHEMA_VERSION_BY_HAND
    return SCHEMA_VERSION_CORRECTED if is_corrected(spec.provenance) else SCHEMA_VERSION


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    """Return `spec` as JSON values; `spec_from_json` gives the same spec back."""
    return {
        "frame_shape_yx": list(spec.frame_shape_yx),
        "bit_depth": spec.bit_depth,
        "pixel_size_um": spec.pixel_size_um,
        "camera_axes": list(spec.camera_axes),
        "animal_id": spec.animal_id,
        "section_id": spec.section_id,
        "tile_px": spec.tile_px,
        "dtype": spec.dtype,
        "sampling": spec.sampling,
        "expected_frames": spec.expected_frames,
        "model_sha256": spec.model_sha256,
        "rig_sha256": spec.rig_sha256,
        "software": dict(spec.software),
        "provenance": dict(spec.provenance),
    }


def axes_from_json(value: object) -> tuple[float, float, float, float]:
    """Return how the camera lay over the stage; a store without that is of a camera that was not turned.

    Raises
    ------
    ValueError
        If it is no turn.
    """
    if value is None:
        return NOT_TURNED
    a, b, c, d = values.numbers(value, "camera_axes", 4)
    if max(abs(a), abs(b), abs(c), abs(d)) >= 2 or abs(a * d - b * c) < 0.5:
        raise ValueError("camera_axes is no turn")
    return a, b, c, d


def spec_from_json(value: object) -> RunSpec:
    """Return the spec that `spec_to_json` wrote.

    Raises
    ------
    ValueError
        If it is not one; the message names the key.
    """
    found = values.object_of(value, "spec")

    def get(key: str) -> Any:  # noqa: ANN401 - any JSON value
        return values.member(found, key, "spec.")

    shape = values.numbers(get("frame_shape_yx"), "spec.frame_shape_yx", 2)
    height, width = (values.integer(side, "spec.frame_shape_yx", 1, MAX_SIDE_PX) for side in shape)
    expected = get("expected_frames")
    spec = RunSpec(
        frame_shape_yx=(height, width),
        bit_depth=values.integer(get("bit_depth"), "spec.bit_depth", 1, 16),
        pixel_size_um=float(values.number(get("pixel_size_um"), "spec.pixel_size_um", 1e-9, 1e6)),
        animal_id=_id_of(get("animal_id"), "spec.animal_id"),
        section_id=_id_of(get("section_id"), "spec.section_id"),
        tile_px=values.integer(get("tile_px"), "spec.tile_px", 1, MAX_SIDE_PX),
        camera_axes=axes_from_json(found.get("camera_axes")),
        dtype=values.text(get("dtype"), "spec.dtype"),
        sampling=cast("Sampling", values.choice(get("sampling"), "spec.sampling", get_args(Sampling))),
        expected_frames=None if expected is None else values.integer(expected, "spec.expected_frames", 0, 1 << 40),
        model_sha256=_text_or_none(get("model_sha256"), "spec.model_sha256"),
        rig_sha256=_text_or_none(get("rig_sha256"), "spec.rig_sha256"),
        software={name: str(one) for name, one in values.scalars(get("software"), "spec.software").items()},
        provenance=values.scalars(get("provenance"), "spec.provenance"),
    )
    try:
        check_spec(spec)
    except StoreError as error:
        raise ValueError(error.message) from error
    return spec


def _text_or_none(value: object, key: str) -> str | None:
    return None if value is None else values.text(value, key)


def _id_of(value: object, key: str) -> str:
    try:
        return check_id(values.text(value, key), key)
    except IdError as error:
        raise ValueError(error.message) from error
