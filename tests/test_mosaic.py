"""The mosaic of everything seen: its bound, its tiles, its islands, and which picture of a place stays."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hcc_scope.orientation import Orientation
from hcc_scope.tracking import Place, TrackView
from hcc_scope.tracking.course import Course
from hcc_scope.tracking.mosaic import TILE_PX, MosaicTile, SeenMosaic
from hcc_scope.tracking.mosaic_pictures import NOT_SEEN, halved

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (512, 512)
UM = 1.0
"""Of a frame's pixel: a field is 512 um, and 2 um per px in the mosaic."""
BYTES = 20 * (TILE_PX**2 + 1024)
"""Room for 20 tiles."""

_RNG = np.random.default_rng(7)
SECTION = ndimage.gaussian_filter(_RNG.uniform(0, 4000, (2048, 2048)), 1.0)
"""(y, x) light at 2 um per px, around the origin of the stage."""


def seen_from(x_um: float, y_um: float, side_px: int = 256, blur_px: float = 0.0) -> NDArray[np.float64]:
    """Return the reduced picture of the field whose centre is there."""
    row, column = (round(v / 2.0) + 1024 - side_px // 2 for v in (y_um, x_um))
    picture = SECTION[row : row + side_px, column : column + side_px]
    return ndimage.gaussian_filter(picture, blur_px) if blur_px else picture


def mosaic_of(**kwargs: object) -> SeenMosaic:
    return SeenMosaic(SHAPE, UM, bit_depth=12, **kwargs)  # type: ignore[arg-type]


def assembled(mosaic: SeenMosaic, island: int, box_um: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Return the counts that the tiles of an island show inside a box; NaN where nothing was seen."""
    change = mosaic.changes()
    left, top, width, height = (round(v / change.um_per_px) for v in box_um)
    ys, xs = np.arange(top, top + height), np.arange(left, left + width)
    canvas = np.zeros((height, width), np.uint8)
    for tile in change.tiles:
        if tile.island == island:
            rows = np.flatnonzero(ys // TILE_PX == tile.row)
            columns = np.flatnonzero(xs // TILE_PX == tile.column)
            canvas[np.ix_(rows, columns)] = tile.pixels[np.ix_(ys[rows] % TILE_PX, xs[columns] % TILE_PX)]
    return mosaic.counts()[canvas]


def light_in(box_um: tuple[float, float, float, float]) -> NDArray[np.float64]:
    left, top, width, height = (round(v / 2.0) for v in box_um)
    return SECTION[top + 1024 : top + 1024 + height, left + 1024 : left + 1024 + width]


def box_of(place: Place, side_um: float = 512.0) -> tuple[float, float, float, float]:
    return place.x_um - side_um / 2, place.y_um - side_um / 2, side_um, side_um


# -- what is where ---------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(-300, 300)), min_size=1, max_size=4))
def test_every_seen_place_shows_the_light_that_was_there(steps: list[tuple[int, int]]):
    mosaic = mosaic_of()
    places = [Place(0, 2.0 * x, 2.0 * y, 0.3) for x, y in steps]
    for place in places:
        mosaic.add(place, seen_from(place.x_um, place.y_um))
    for place in places:
        shown = assembled(mosaic, 0, box_of(place))
        # a step of the coded light is 2 sqrt(4095 light) / 254 counts
        assert np.abs(shown - light_in(box_of(place))).max() < 40


def test_ground_that_was_not_seen_is_marked():
    mosaic = mosaic_of()
    place = Place(0, 0.0, 0.0, 0.3)
    mosaic.add(place, np.zeros((256, 256)))  # black is not the same as not seen
    shown = assembled(mosaic, 0, (-600.0, -600.0, 1200.0, 1200.0))
    assert np.isfinite(shown).sum() == 256**2
    assert (shown[np.isfinite(shown)] == 0).all()


def test_whole_frames_give_the_same_mosaic_as_reduced_ones():
    frame = _RNG.integers(0, 4095, SHAPE).astype(np.uint16)
    small = frame.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    one, other = mosaic_of(), mosaic_of()
    place = Place(0, 10.0, 20.0, 0.3)
    one.add(place, frame)
    other.add(place, small)
    (a, *_), (b, *_) = one.changes().tiles, other.changes().tiles
    assert np.abs(a.pixels.astype(int) - b.pixels).max() <= 1


@pytest.mark.parametrize("matrix", [(0.0, -1.0, 1.0, 0.0), (-1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 1.0, 0.0)])
def test_pictures_of_a_turned_or_mirrored_camera_lie_as_on_the_stage(matrix: tuple[float, float, float, float]):
    orientation = Orientation(matrix)
    mosaic = mosaic_of(orientation=orientation)
    place = Place(0, 100.0, -60.0, 0.3)
    mosaic.add(place, orientation.as_seen(seen_from(100.0, -60.0)))
    assert np.abs(assembled(mosaic, 0, box_of(place)) - light_in(box_of(place))).max() < 40


def test_a_tilted_camera_is_turned_back():
    angle = math.radians(6.0)
    cos, sin = math.cos(angle), math.sin(angle)
    mosaic = mosaic_of(orientation=Orientation((cos, -sin, sin, cos)))
    # a smooth light, so that the nearest pixel is near enough
    y, x = np.mgrid[:256, :256] - 127.5
    light = 2000 + 8.0 * (cos * x - sin * y)  # grows along the stage's x alone
    mosaic.add(Place(0, 0.0, 0.0, 0.3), light)
    shown = assembled(mosaic, 0, (-300.0, -300.0, 600.0, 600.0))
    columns = (np.arange(300) - 149.5)[np.newaxis]
    assert np.nanmax(np.abs(shown - (2000 + 8.0 * columns))) < 45
    assert np.isnan(shown[0, 0])
    assert np.isfinite(shown).sum() == pytest.approx(256**2, rel=0.01)


# -- which picture stays ---------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.floats(1.5, 6.0), st.integers(-40, 40), st.integers(-40, 40))
def test_a_blurred_picture_never_replaces_a_sharp_one(blur_px: float, dx: int, dy: int):
    mosaic = mosaic_of()
    sharp, blurred = Place(0, 0.0, 0.0, 0.3), Place(0, 2.0 * dx, 2.0 * dy, 0.3)
    mosaic.add(sharp, seen_from(0.0, 0.0))
    before = assembled(mosaic, 0, box_of(sharp))
    mosaic.add(blurred, seen_from(2.0 * dx, 2.0 * dy, blur_px=blur_px))
    # at its rim, cells of which the sharp picture shows less than a quarter may be blurred
    inside = slice(4, -4)
    assert np.array_equal(assembled(mosaic, 0, box_of(sharp))[inside, inside], before[inside, inside])
    assert np.isfinite(assembled(mosaic, 0, box_of(blurred))).all()  # what is new is shown, blurred as it is


def test_a_sharp_picture_replaces_a_blurred_one():
    mosaic = mosaic_of()
    place = Place(0, 0.0, 0.0, 0.3)
    mosaic.add(place, seen_from(0.0, 0.0, blur_px=3.0))
    mosaic.add(place, seen_from(0.0, 0.0))
    assert np.abs(assembled(mosaic, 0, box_of(place)) - light_in(box_of(place))).max() < 40


def test_of_two_sharp_pictures_the_newer_one_is_shown():
    mosaic = mosaic_of()
    place = Place(0, 0.0, 0.0, 0.3)
    older, newer = (seen_from(0.0, 0.0) + _RNG.normal(0.0, 60.0, (256, 256)) for _ in range(2))
    mosaic.add(place, older)
    mosaic.add(place, newer)
    assert np.abs(assembled(mosaic, 0, box_of(place)) - newer).max() < 40


def test_less_light_does_not_count_as_less_sharp():
    mosaic = mosaic_of()
    place = Place(0, 0.0, 0.0, 0.3)
    mosaic.add(place, seen_from(0.0, 0.0))
    mosaic.add(place, 0.3 * seen_from(0.0, 0.0))
    assert np.abs(assembled(mosaic, 0, box_of(place)) - 0.3 * light_in(box_of(place))).max() < 40


def test_sharp_ground_stays_sharp_after_the_mosaic_became_coarser():
    mosaic = mosaic_of(max_bytes=BYTES)
    place = Place(0, 0.0, 0.0, 0.3)
    mosaic.add(place, seen_from(0.0, 0.0))
    for i in range(12):
        mosaic.add(Place(0, 600.0 * i, 4000.0, 0.3), seen_from(0.0, 0.0))
    assert mosaic.changes().um_per_px > 2.0
    before = assembled(mosaic, 0, box_of(place))
    mosaic.add(place, seen_from(0.0, 0.0, blur_px=6.0))
    rim = 4
    assert np.array_equal(assembled(mosaic, 0, box_of(place))[rim:-rim, rim:-rim], before[rim:-rim, rim:-rim])


# -- islands ---------------------------------------------------------------------------------------------------------


def test_islands_are_kept_apart():
    mosaic = mosaic_of()
    first, second = Place(0, 0.0, 0.0, 0.3), Place(3, 0.0, 0.0, 0.3)
    mosaic.add(first, np.full((256, 256), 500.0))
    mosaic.add(second, np.full((256, 256), 3000.0))
    assert np.abs(assembled(mosaic, 0, box_of(first)) - 500).max() < 20
    assert np.abs(assembled(mosaic, 3, box_of(second)) - 3000).max() < 40
    assert set(mosaic.boxes_um()) == {0, 3}


def test_a_frame_without_a_place_is_laid_nowhere_and_interrupts_the_course():
    mosaic = mosaic_of()
    picture = np.full((256, 256), 500.0)
    for x in (0.0, 200.0):
        mosaic.see(TrackView("tracking", Place(0, x, 0.0, 0.3)), picture)
    version = mosaic.version
    mosaic.see(TrackView("lost"), picture)
    assert mosaic.version == version
    mosaic.see(TrackView("tracking", Place(0, 900.0, 0.0, 0.3)), picture)
    assert [points.tolist() for _, points in mosaic.course_um()] == [[[0.0, 0.0], [200.0, 0.0]], [[900.0, 0.0]]]


# -- the bound -------------------------------------------------------------------------------------------------------


def test_memory_stays_within_the_bound_and_all_that_was_seen_stays_in_sight():
    mosaic = mosaic_of(max_bytes=BYTES)
    flat = np.full((256, 256), 1500.0)
    for row in range(8):
        for column in range(8):
            mosaic.add(Place(0, 500.0 * column, 500.0 * row, 0.3), flat)
            assert mosaic.n_bytes <= BYTES
    assert mosaic.changes().um_per_px == 8.0
    assert np.isfinite(assembled(mosaic, 0, (-256.0, -256.0, 4000.0, 4000.0))).all()


def test_many_islands_stay_within_the_bound_too():
    mosaic = mosaic_of(max_bytes=BYTES)
    flat = np.full((256, 256), 1500.0)
    for island in range(40):
        mosaic.add(Place(island, 256.0, 256.0, 0.3), flat)
        assert mosaic.n_bytes <= BYTES
    assert 39 in mosaic.boxes_um()
    assert set(mosaic.boxes_um()) == {tile.island for tile in mosaic.changes().tiles}
    assert mosaic.changes().um_per_px == 2.0  # a coarser mosaic would take as many tiles


def test_a_reader_fetches_only_what_changed_and_sees_when_all_is_void():
    mosaic = mosaic_of(max_bytes=BYTES)
    mosaic.add(Place(0, 256.0, 256.0, 0.3), np.full((256, 256), 500.0))
    first = mosaic.changes()
    assert mosaic.changes(first.version).tiles == ()
    mosaic.add(Place(0, 5000.0, 256.0, 0.3), np.full((256, 256), 500.0))
    second = mosaic.changes(first.version)
    assert not second.anew
    assert second.tiles
    assert not {tile.key for tile in second.tiles} & {tile.key for tile in first.tiles}
    kept: MosaicTile = first.tiles[0]
    before = kept.pixels.copy()
    for i in range(12):
        mosaic.add(Place(0, 1000.0 * i, 3000.0, 0.3), np.full((256, 256), 3000.0))
    third = mosaic.changes(second.version)
    assert third.anew
    assert {tile.key for tile in third.tiles} == {tile.key for tile in mosaic.changes().tiles}
    assert np.array_equal(kept.pixels, before)  # what a reader holds does not change below it
    assert not kept.pixels.flags.writeable


def test_pictures_that_are_no_reduced_frames_are_refused():
    mosaic = mosaic_of()
    with pytest.raises(ValueError, match="no reduced frame"):
        mosaic.add(Place(0, 0.0, 0.0, 0.3), np.zeros((200, 256)))
    mosaic.add(Place(0, 0.0, 0.0, 0.3), np.zeros((256, 256)))
    with pytest.raises(ValueError, match="made of pictures of"):
        mosaic.add(Place(0, 0.0, 0.0, 0.3), np.zeros((128, 128)))


def test_halving_keeps_what_was_seen_at_its_brightness():
    pixels = np.full((4, 4), NOT_SEEN, np.uint8)
    pixels[:2, :2] = [[10, 20], [30, 41]]
    pixels[0, 2] = 200
    assert halved(pixels).tolist() == [[25, 200], [NOT_SEEN, NOT_SEEN]]


# -- the course ------------------------------------------------------------------------------------------------------


def test_a_long_course_stays_within_its_bound_and_keeps_its_ends():
    course = Course(100.0, max_points=1000)
    for i in range(20_000):
        course.move(Place(0, 11.0 * i, 0.0, 0.3))
    parts = [points for _, points in course.stretches()]
    assert sum(len(points) for points in parts) <= 1000
    assert all(np.array_equal(one[-1], other[0]) for one, other in pairwise(parts))
    assert parts[-1][-1, 0] == pytest.approx(11.0 * 19_999, abs=0.2 * 100 * 64)
