"""Turned and mirrored cameras: every consumer must agree on where a point of a frame lies on the stage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import PlanError
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.orientation import NOT_TURNED, Orientation
from hcc_scope.phantom import Specimen
from hcc_scope.plans import Grid, PositionList, field_of
from hcc_scope.report.pictures import field_picture
from hcc_scope.storage.metadata import spec_from_json, spec_to_json
from hcc_scope.storage.predictions import _rows
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult, RunSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

EIGHT = [
    (a, b, c, d)
    for p, q in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
    for a, b, c, d in ((p, 0.0, 0.0, q), (0.0, p, q, 0.0))
]
SHAPE_YX = (4, 6)


def turned(matrix: tuple[float, float, float, float], shape_yx: tuple[int, int] = SHAPE_YX) -> NDArray[np.float64]:
    """Return, for every pixel of a frame, where its centre lies on the stage: (rows, columns, 2) at 1 um per px."""
    rows, columns = shape_yx
    dx, dy = np.meshgrid(np.arange(columns) + 0.5 - columns / 2, np.arange(rows) + 0.5 - rows / 2)
    return Orientation(matrix).to_stage_um(np.stack([dx, dy], axis=-1), 1.0)


@pytest.mark.parametrize("matrix", EIGHT)
def test_an_upright_picture_lies_as_the_stage_does(matrix: tuple[float, float, float, float]):
    orientation = Orientation(matrix)
    places = orientation.upright(turned(matrix))
    assert (np.diff(places[:, :, 0], axis=1) == 1).all()  # x to the right
    assert (np.diff(places[:, :, 1], axis=0) == 1).all()  # y down
    width, height = orientation.extent_um(SHAPE_YX, 1.0)
    assert places.shape[:2] == (height, width)
    assert orientation.inside_um(SHAPE_YX, 1.0) == (width, height)
    frame = np.arange(24).reshape(SHAPE_YX)
    np.testing.assert_array_equal(orientation.as_seen(orientation.upright(frame)), frame)
    part = orientation.upright(frame)
    left, top, right, bottom = orientation.upright_box(0, 0, 1 / 6, 1 / 4)  # of the frame's first pixel
    row, column = round(top * part.shape[0]), round(left * part.shape[1])
    assert part[row, column] == frame[0, 0]
    assert (right - left, bottom - top) == pytest.approx((1 / part.shape[1], 1 / part.shape[0]))


@pytest.mark.parametrize("matrix", EIGHT)
def test_a_tilt_is_what_is_left_of_the_turn_in_an_upright_picture(matrix: tuple[float, float, float, float]):
    cos, sin = math.cos(0.05), math.sin(0.05)
    a, b, c, d = (np.array([[cos, -sin], [sin, cos]]) @ np.reshape(matrix, (2, 2))).ravel().tolist()
    tilted = Orientation((a, b, c, d))
    places = tilted.upright(turned(tilted.matrix))
    np.testing.assert_allclose(turned(tilted.of_upright.matrix, places.shape[:2]), places)
    assert Orientation(matrix).of_upright.matrix == NOT_TURNED


@pytest.mark.parametrize("matrix", EIGHT)
def test_an_affine_gives_turn_and_size(matrix: tuple[float, float, float, float]):
    a, b, c, d = (0.325 * value for value in matrix)
    orientation, um = Orientation.from_affine((a, b, c, d))
    assert (orientation.matrix, um, orientation.tilt_deg) == (matrix, pytest.approx(0.325), 0.0)


@pytest.mark.parametrize("degrees", [0.0, 1.0, -2.5, 9.0, 91.0, 180.5, 268.0])
@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_a_tilted_grid_has_no_gap_and_tilted_fields_stay_inside(degrees: float, mirror: float):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    orientation, _ = Orientation.from_affine((0.5 * cos * mirror, -0.5 * sin, 0.5 * sin * mirror, 0.5 * cos))
    assert orientation.tilt_deg == pytest.approx(abs((degrees + 45) % 90 - 45), abs=1e-6)
    width, height = orientation.inside_um(SHAPE_YX, 0.5)
    outer_width, outer_height = orientation.extent_um(SHAPE_YX, 0.5)
    for x, y in ((-width / 2, -height / 2), (width / 2, -height / 2)):  # corners of what a grid counts on
        back = np.linalg.solve(np.reshape(orientation.matrix, (2, 2)), np.array([x, y]) / 0.5)
        assert (np.abs(back) <= np.array(SHAPE_YX[::-1]) / 2 + 1e-9).all()
    for x_px, y_px in ((-3, -2), (3, -2)):  # corners of the frame
        x, y = orientation.to_stage_um(np.array([x_px, y_px]), 0.5)
        assert abs(x) <= outer_width / 2 + 1e-9
        assert abs(y) <= outer_height / 2 + 1e-9


def test_a_narrow_frame_that_is_tilted_makes_no_grid():
    cos, sin = math.cos(math.radians(9)), math.sin(math.radians(9))
    orientation = Orientation((cos, -sin, sin, cos))
    with pytest.raises(PlanError, match=r"tilted by 9\.0 degrees to the stage, too much for a grid"):
        field_of(Grid(rectangle_um=(0, 0, 100, 100)), orientation, (64, 2048), 0.5)
    assert min(field_of(PositionList(positions_um=[(0, 0)]), orientation, (64, 2048), 0.5)) > 0


# --- the use in a frame ---

TURN = (0.0, -1.0, 1.0, 0.0)
SPEC = RunSpec((4, 8), 16, 0.5, "m1", "s1", tile_px=4, camera_axes=TURN)
RESULT = FrameResult(
    0, "classified", np.array([1, -1], np.float32), np.array([0.9, 0.1], np.float32), np.zeros(2, np.uint8), "test"
)


def test_a_tiles_place_is_turned():
    header = {"run": "r", "model_sha256": "", "camera_axes": list(TURN)}
    grid = TileGrid.for_frame((4, 8), 4)
    rows = _rows(header, grid, RESULT, (0, 100.0, 200.0), 0.5, may_enter=True)
    assert rows is not None
    # the tiles lie side by side, 2 px to the left and right of the middle: on this stage one above the other
    assert (rows["x_um"].to_pylist(), rows["y_um"].to_pylist()) == ([100.0, 100.0], [199.0, 201.0])
    del header["camera_axes"]  # a table of a camera whose orientation was unknown
    rows = _rows(header, grid, RESULT, (0, 100.0, 200.0), 0.5, may_enter=True)
    assert rows is not None
    assert (rows["x_um"].to_pylist(), rows["y_um"].to_pylist()) == ([99.0, 101.0], [200.0, 200.0])


def test_the_overview_shows_a_field_as_it_lies():
    pixels = np.arange(32, dtype=np.uint16).reshape(4, 8)
    frame = Frame(0, pixels, 0, None, 1.0, "s1", stage_um=(0.0, 0.0, None))  # type: ignore[arg-type]  # no time needed
    picture = field_picture(frame, RESULT, TileGrid.for_frame((4, 8), 4), 0.5, orientation=Orientation(TURN))
    assert picture.size_um == (2.0, 4.0)
    assert picture.image.shape == (8, 4)
    assert picture.image[0].tolist() == [24, 16, 8, 0]  # x is minus the row
    assert picture.probabilities[:, 0] == pytest.approx([0.9, 0.1])


def test_a_store_keeps_how_the_camera_lay():
    kept = spec_to_json(SPEC)
    assert spec_from_json(kept) == SPEC
    del kept["camera_axes"]  # of an older version
    assert spec_from_json(kept) == replace(SPEC, camera_axes=NOT_TURNED)
    for wrong in ([1, 0, 0], [1, 0, 0, float("nan")], "abcd", 7, [9, 0, 0, 9]):
        with pytest.raises((ValueError, TypeError)):
            spec_from_json({**kept, "camera_axes": wrong})


def test_the_phantom_is_seen_by_a_turned_camera():
    specimen = Specimen(1, "m1", "s1", "high", day="test")
    scene = PhantomScene(specimen)
    seen = scene._seen((0.0, 0.0, None), (32, 64), 2.0, Orientation(TURN))
    upright = specimen.render(0.0, 0.0, 0.0, (64, 32), 2.0)
    np.testing.assert_array_equal(Orientation(TURN).upright(seen), upright)
