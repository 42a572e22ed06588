"""The layout of a section's fields, which every export shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from storage_cases import make_frame, make_result, make_spec

from hcc_scope.exports.geometry import lay_out_fields, lay_out_section
from hcc_scope.field_layout import StagePlace
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.retakes import retake_tags
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import Frame

SHAPE = (70, 90)
TURNS = {
    "not turned": (1.0, 0.0, 0.0, 1.0),
    "half a turn": (-1.0, 0.0, 0.0, -1.0),
    "a quarter": (0.0, -1.0, 1.0, 0.0),
    "mirrored": (-1.0, 0.0, 0.0, 1.0),
    "a quarter, mirrored": (0.0, 1.0, 1.0, 0.0),
}


def store_of(folder: Path, frames: list[Frame], **spec: object) -> Path:
    with create_store(folder, make_spec(SHAPE, **spec)) as writer:
        for frame in frames:
            writer.append(frame)
    return writer.path


@pytest.mark.parametrize("axes", TURNS.values(), ids=TURNS)
def test_a_pixel_seen_by_two_fields_lies_at_one_place(axes: tuple[float, float, float, float]) -> None:
    specimen = np.random.default_rng(1).integers(0, 65536, (300, 400), dtype=np.uint16)
    orientation, pixel_um = Orientation(axes), 0.5
    height, width = SHAPE[::-1] if orientation.swaps_axes else SHAPE
    corners = {0: (20, 30), 1: (20 + width - 13, 34), 2: (25, 30 + height - 9)}
    places, seen = {}, {}
    for seq, (x, y) in corners.items():
        places[seq] = StagePlace(0, 1000.0 + (x + width / 2) * pixel_um, -70.0 + (y + height / 2) * pixel_um)
        seen[seq] = orientation.as_seen(specimen[y : y + height, x : x + width])
        assert seen[seq].shape == SHAPE
    geometry = lay_out_fields(places, SHAPE, pixel_um, orientation)
    mosaic = np.zeros(geometry.mosaic_shape_yx, np.uint16)
    covered = np.zeros(geometry.mosaic_shape_yx, bool)
    for field in geometry.fields:
        x, y = field.origin_px
        mosaic[y : y + height, x : x + width] = geometry.upright(seen[field.seq])
        covered[y : y + height, x : x + width] = True
    truth = specimen[30 : 30 + mosaic.shape[0], 20 : 20 + mosaic.shape[1]]
    np.testing.assert_array_equal(mosaic[covered], truth[covered])
    assert geometry.corner_um == (1000.0 + 20 * pixel_um, -70.0 + 30 * pixel_um)
    assert mosaic.shape == (30 - 30 + height - 9 + height, 20 - 20 + width - 13 + width)


@pytest.mark.parametrize("axes", TURNS.values(), ids=TURNS)
def test_tiles_lie_where_their_pixels_are_drawn(axes: tuple[float, float, float, float]) -> None:
    geometry = lay_out_fields({0: StagePlace(0, 0.0, 0.0)}, SHAPE, 1.0, Orientation(axes))
    grid = TileGrid.for_frame(SHAPE, 32)
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE)
    picture = geometry.upright(pixels)
    for (x, y), tile in zip(geometry.tile_corners_px(grid), grid.views(pixels), strict=True):
        assert set(picture[y : y + 32, x : x + 32].ravel()) == set(tile.ravel())


def test_fields_of_a_tilted_camera_join_in_its_own_axes() -> None:
    angle = np.radians(6.0)
    tilted = Orientation((np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)))
    pixel_um = 0.25
    step_px = np.array([(0, 0), (80, 0), (0, 60), (80, 60)], dtype=np.float64)
    stage = tilted.to_stage_um(step_px, pixel_um) + np.array([5000.0, -300.0])
    places = {seq: StagePlace(0, *xy) for seq, xy in enumerate(stage.tolist())}
    geometry = lay_out_fields(places, SHAPE, pixel_um, tilted)
    assert [field.origin_px for field in geometry.fields] == [(0, 0), (80, 0), (0, 60), (80, 60)]
    assert geometry.layout.to_picture_um(places[0]) == (5000.0, -300.0)
    assert [words.partition(":")[0] for words in geometry.caveats] == ["the camera is tilted by 6 degrees to the stage"]
    back = geometry.to_stage(*geometry.to_mosaic_px(places[3]))
    assert back is not None
    np.testing.assert_allclose((back.x_um, back.y_um), stage[3])
    assert geometry.stage_from_px is not None
    np.testing.assert_allclose(geometry.stage_from_px @ [*geometry.to_mosaic_px(places[3]), 1.0], stage[3])


def test_islands_lie_side_by_side_with_their_outline() -> None:
    places = {0: StagePlace(0, 0.0, 0.0), 1: StagePlace(2, 10.0, 5.0), 2: StagePlace(0, 50.0, 0.0)}
    outline = [StagePlace(2, x, y) for x, y in ((-100.0, -100.0), (100.0, -100.0), (0.0, 100.0))]
    geometry = lay_out_fields(places, SHAPE, 1.0, Orientation(), tracked=True, outline=outline)
    rights = geometry.outline_px[:, 0]
    boxes = list(geometry.islands.boxes_um.values())
    assert boxes[0][0] + boxes[0][2] < boxes[1][0]
    assert rights.min() > geometry.fields[2].origin_px[0] + SHAPE[1]
    for place in places.values():
        assert geometry.to_stage(*geometry.to_mosaic_px(place)) == place
    assert geometry.stage_from_px is None
    between = geometry.islands.boxes_um[0]
    assert geometry.to_stage(between[0] + between[2] - geometry.corner_um[0] + 1, 10) is None


def test_where_no_field_has_a_position_they_lie_in_rows() -> None:
    geometry = lay_out_fields(dict.fromkeys(range(5)), SHAPE, 1.0, Orientation())
    assert geometry.positions == "none"
    assert [field.origin_px for field in geometry.fields] == [(0, 0), (99, 0), (198, 0), (0, 77), (99, 77)]
    assert geometry.left_out == ()
    assert geometry.to_stage(3, 3) is None


def test_no_field_makes_an_empty_mosaic() -> None:
    assert lay_out_fields({}, SHAPE, 1.0, Orientation()).mosaic_shape_yx == (0, 0)


def test_what_is_not_drawn_of_a_store_is_named(tmp_path: Path) -> None:
    at = [(0.0, 0.0, None), (20.0, 0.0, None), None, (0.0, 0.0, 1.0), (40.0, 9.0, 2.0)]
    frames = [
        make_frame(seq, stage_um=stage, tags=retake_tags(0, "") if seq == 3 else {}) for seq, stage in enumerate(at)
    ]
    path = store_of(tmp_path, frames, pixel_size_um=0.5, tile_px=32)
    NotesWriter(path).add("retake", "out of focus", 3, replaces=0)
    geometry = lay_out_section(open_store(path))  # no result at all: the latest frame
    assert [field.seq for field in geometry.fields] == [1, 3, 4]
    assert (geometry.replaced, geometry.layout.without_position) == ((0,), (2,))
    assert geometry.left_out == (
        "1 frame not drawn, as a retake of the field counts",
        "1 field without a position not drawn: any place would be a false one",
    )
    assert geometry.corner_um == (-22.5, -17.5)
    assert geometry.fields[0].origin_px == (40, 0)

    n = TileGrid.for_frame(SHAPE, 32).n
    results = PredictionWriter(path, open_store(path).spec, run="one")
    results.append(make_result(0, n))  # the retake has no result, so the first frame counts
    results.close()
    assert [field.seq for field in lay_out_section(open_store(path)).fields] == [0, 1, 4]


def test_tracked_positions_keep_their_island(tmp_path: Path) -> None:
    frames = [
        make_frame(seq, stage_um=(5.0 * seq, 0.0, None), tags=position_tags(PositionOrigin("tracked", seq, 0.2)))
        for seq in range(2)
    ]
    geometry = lay_out_section(open_store(store_of(tmp_path, frames)))
    assert geometry.positions == "tracked"
    assert [field.stage for field in geometry.fields] == [StagePlace(0, 0.0, 0.0), StagePlace(1, 5.0, 0.0)]
    assert geometry.fields[1].origin_px[0] >= SHAPE[1]
