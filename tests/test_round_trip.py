"""A section that goes out and comes in again is the same: pixels, positions, times, exposures, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from storage_cases import make_frame, make_spec

from hcc_scope.exports.fields import export_fields
from hcc_scope.exports.frames import export_frames
from hcc_scope.imports.selection import Selection
from hcc_scope.orientation import Orientation
from hcc_scope.runs.import_section import ImportRequest, open_import, start_import
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import TagValue

SHAPE_YX = (512, 600)
DAMAGED = 1


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None, allow_phantom_model=True)


@pytest.mark.parametrize("kind", ["frames", "fields"])
def test_what_goes_out_comes_in_again(
    tmp_path: Path, scoring_model: ScoringModel, kind: Literal["frames", "fields"]
) -> None:
    tags: dict[str, TagValue] = {"ImageNumber": "7", "driver": "1.10", "lamp_level": 128, "hot": True}
    places = [(100.1, -1 / 3, 2.5), (0.0, 0.0, 0.0), (-7.7, 1e-3, None), (50.0, 0.1 + 0.2, -1.0)]
    axes = Orientation.from_affine((0.01, -1.0, 1.0, 0.01))[0].matrix  # a quarter turn, and tilted
    writer = create_store(tmp_path, make_spec(SHAPE_YX, bit_depth=16, camera_axes=axes))
    with writer:
        for seq, place in enumerate(places):
            writer.append(
                make_frame(
                    seq, SHAPE_YX, bit_depth=16, stage_um=place, tags=tags | {"objective": "none"}, objective=None
                )
            )
    (writer.path / f"frames/0/c/{DAMAGED}/0/0").unlink()
    store = open_store(writer.path)
    if kind == "frames":
        made = export_frames(store, tmp_path / "M1_S2-frames.ome.tif")
    else:
        made = export_fields(store, tmp_path / "M1_S2-fields.zarr")
    assert sum("is missing" in sentence for sentence in made.left_out) == 1

    choice = Selection(time="all") if kind == "frames" else Selection(series="all")
    wanted = ImportRequest((made.path,), "M1", "again", tmp_path, choice)
    report = start_import(open_import(wanted), scoring_model, None).finish()
    assert report.outcome.state == "completed"
    again = open_store(tmp_path / "M1_again.ome.zarr")
    assert (again.spec.pixel_size_um, again.spec.bit_depth) == (store.spec.pixel_size_um, store.spec.bit_depth)
    turn = Orientation(axes)
    assert again.spec.camera_axes == (axes if kind == "frames" else turn.of_upright.matrix)
    originals = [store.read(seq) for seq in range(len(places)) if seq != DAMAGED]
    assert again.n_frames == len(originals)
    for seq, before in enumerate(originals):
        after = again.read(seq)
        np.testing.assert_array_equal(after.pixels, before.pixels if kind == "frames" else turn.upright(before.pixels))
        assert after.stage_um == before.stage_um
        assert (after.t_utc, after.exposure_ms) == (before.t_utc, before.exposure_ms)
        names = ("em_gain", "temperature_c", "objective", "camera_frame", "bit_depth")
        assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
        assert {name: after.tags.get(name) for name in tags} == tags


def test_fields_that_an_export_lays_out_have_no_position_when_they_come_in_again(tmp_path: Path) -> None:
    writer = create_store(tmp_path, make_spec(SHAPE_YX, bit_depth=16))
    with writer:
        for seq in range(3):
            writer.append(make_frame(seq, SHAPE_YX, bit_depth=16, stage_um=None))
    made = export_fields(open_store(writer.path), tmp_path / "M1_S2-fields.zarr")
    with open_import(ImportRequest((made.path,), "M1", "again", tmp_path)) as opened:
        assert [plane.stage_um for plane in opened.chosen[0].chosen] == [None] * 3
