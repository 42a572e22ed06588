"""Frames and specs for the tests of the store. Pixels carry their own index, so that a read-back proves what it is."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.storage.metadata import sealed
from hcc_scope.types import Frame, FrameResult, RunSpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = (70, 90)


def make_spec(shape_yx: tuple[int, int] = SMALL, **changes: object) -> RunSpec:
    fields = {
        "frame_shape_yx": shape_yx,
        "bit_depth": 14,
        "pixel_size_um": 0.325,
        "animal_id": "M1",
        "section_id": "S2",
        "software": {"camera driver": "75"},
        "provenance": {"specimen": "phantom", "seed": 3},
    }
    return RunSpec(**{**fields, **changes})


def make_pixels(seq: int, shape_yx: tuple[int, int] = SMALL) -> NDArray[np.uint16]:
    y, x = np.indices(shape_yx, dtype=np.uint32)
    pixels = (seq * 7919 + y * 131 + x * 17).astype(np.uint16)
    pixels.flags.writeable = False
    return pixels


def make_frame(seq: int, shape_yx: tuple[int, int] = SMALL, **changes: object) -> Frame:
    fields = {
        "seq": seq,
        "pixels": make_pixels(seq, shape_yx),
        "t_mono_ns": 10**15 + seq,
        "t_utc": datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC) + timedelta(milliseconds=38 * seq),
        "exposure_ms": 10.1 + seq / 3,
        "section_id": "S2",
        "em_gain": 300.0,
        "stage_um": (100.1 * seq, -1 / 3, None),
        "camera_frame": 1000 + seq,
        "pixel_size_um": 0.325,
        "bit_depth": 14,
        "temperature_c": -70.5,
        "objective": "HC PL 20x/0.40 \u00b5",
        "tags": {"ImageNumber": str(seq), "roi": None, "hot": True, "line\nend": "\u2028 \udc80"},
    }
    return Frame(**{**fields, **changes})


def make_result(seq: int, n: int, **changes: object) -> FrameResult:
    rng = np.random.default_rng(seq)
    logits = rng.normal(0, 3, n).astype(np.float32)
    flags = np.where(np.arange(n) % 3 == 2, 5, 0).astype(np.uint8)
    logits[flags != 0] = np.nan
    fields = {
        "seq": seq,
        "outcome": "classified",
        "logits": logits,
        "probabilities": (1 / (1 + np.exp(-logits))).astype(np.float32),
        "flags": flags,
        "engine": "torchscript",
        "latency_ms": {"quality": 0.1 + seq, "total": 31.25 + 1 / 3},
    }
    return FrameResult(**{**fields, **changes})


def assert_same_frame(read: Frame, written: Frame) -> None:
    np.testing.assert_array_equal(read.pixels, written.pixels)
    assert read.pixels.dtype == np.uint16
    assert not read.pixels.flags.writeable
    for name in Frame.__slots__:
        if name != "pixels":
            assert getattr(read, name) == getattr(written, name), name


def shard(store: Path, seq: int) -> Path:
    return store / "frames" / "0" / "c" / str(seq) / "0" / "0"


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def change_facts(store: Path, **changes: object) -> None:
    """Write other facts of our own, with the hash that belongs to them."""
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["hcc_scope"] = sealed({**root["attributes"]["hcc_scope"], **changes})
    (store / "zarr.json").write_text(json.dumps(root))


def change_spec(store: Path, **changes: object) -> None:
    """Write another spec into both files that state it, with the hashes that belong to them."""
    copy = json.loads((store / "hcc_scope.json").read_text())
    copy["spec"] = {**copy["spec"], **changes}
    (store / "hcc_scope.json").write_text(json.dumps(sealed(copy)))
    change_facts(store, spec=copy["spec"])
