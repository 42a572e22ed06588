"""Tiles cover every frame, whatever its size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.errors import FrameSizeError
from hcc_scope.tiling import TileGrid

tile_sides = st.integers(1, 12)


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    tile_px = draw(tile_sides)
    height = draw(st.integers(tile_px, 6 * tile_px))
    width = draw(st.integers(tile_px, 6 * tile_px))
    return TileGrid.for_frame((height, width), tile_px)


@pytest.mark.parametrize(
    ("shape_yx", "shape_rc"),
    [
        ((2048, 2048), (4, 4)),
        ((1024, 1024), (2, 2)),
        ((512, 512), (1, 1)),
        ((513, 512), (2, 1)),
        ((1000, 2049), (2, 5)),
    ],
)
def test_number_of_tiles(shape_yx: tuple[int, int], shape_rc: tuple[int, int]):
    grid = TileGrid.for_frame(shape_yx)
    assert grid.shape_rc == shape_rc
    assert grid.n == shape_rc[0] * shape_rc[1] == len(grid.rows_cols)


@given(grids())
def test_every_pixel_is_covered(grid: TileGrid):
    covered = np.zeros(grid.frame_shape_yx, dtype=np.uint16)
    for view in grid.views(covered):
        assert view.shape == (grid.tile_px, grid.tile_px)
        view += 1
    assert covered.min() >= 1


@given(grids())
def test_origins_are_inside_and_numbered_row_by_row(grid: TileGrid):
    last_yx = np.array(grid.frame_shape_yx) - grid.tile_px
    assert (grid.origins_yx >= 0).all()
    assert (grid.origins_yx <= last_yx).all()
    assert grid.rows_cols.tolist() == [[r, c] for r in range(grid.shape_rc[0]) for c in range(grid.shape_rc[1])]
    assert len(np.unique(grid.origins_yx, axis=0)) == grid.n


@given(grids())
def test_no_needless_overlap(grid: TileGrid):
    for side_px, n_tiles in zip(grid.frame_shape_yx, grid.shape_rc, strict=True):
        assert (n_tiles - 1) * grid.tile_px < side_px  # one tile fewer would leave pixels out
    inner = (grid.rows_cols < np.array(grid.shape_rc) - 1).all(axis=1)
    assert (grid.origins_yx[inner] == grid.rows_cols[inner] * grid.tile_px).all()


@given(grids(), st.data())
def test_cut_copies_the_tiles_asked_for(grid: TileGrid, data: st.DataObject):
    pixels = np.arange(np.prod(grid.frame_shape_yx), dtype=np.uint16).reshape(grid.frame_shape_yx)
    indices = data.draw(st.lists(st.integers(0, grid.n - 1), max_size=5))
    tiles = grid.cut(pixels, indices)
    assert tiles.shape == (len(indices), grid.tile_px, grid.tile_px)
    assert tiles.dtype == np.uint16
    assert tiles.flags.c_contiguous
    assert not np.shares_memory(tiles, pixels)
    views = grid.views(pixels)
    for tile, index in zip(tiles, indices, strict=True):
        np.testing.assert_array_equal(tile, views[index])


def test_views_share_memory_and_cut_takes_all_by_default():
    grid = TileGrid.for_frame((5, 7), 3)
    pixels = np.arange(35, dtype=np.uint16).reshape(5, 7)
    pixels.flags.writeable = False
    assert all(np.shares_memory(view, pixels) for view in grid.views(pixels))
    np.testing.assert_array_equal(grid.cut(pixels), np.stack(grid.views(pixels)))
    np.testing.assert_array_equal(grid.cut(pixels, np.array([5]))[0], pixels[2:5, 4:7])


def test_arrays_are_read_only():
    grid = TileGrid.for_frame((4, 4), 2)
    for array in (grid.origins_yx, grid.rows_cols):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


@pytest.mark.parametrize("shape_yx", [(511, 2048), (2048, 511), (1, 1)])
def test_a_frame_smaller_than_a_tile_is_refused_with_both_sizes(shape_yx: tuple[int, int]):
    with pytest.raises(FrameSizeError, match=rf"{shape_yx[0]} x {shape_yx[1]} px .*512 x 512 px"):
        TileGrid.for_frame(shape_yx)


def test_a_frame_of_another_shape_is_refused():
    grid = TileGrid.for_frame((4, 4), 2)
    with pytest.raises(FrameSizeError, match=r"4 x 6 px .* 4 x 4 px"):
        grid.views(np.zeros((4, 6), dtype=np.uint16))


def test_a_tile_without_a_size_is_refused():
    with pytest.raises(ValueError, match="tile_px"):
        TileGrid.for_frame((4, 4), 0)


def test_a_missing_tile_is_an_index_error():
    with pytest.raises(IndexError):
        TileGrid.for_frame((4, 4), 2).cut(np.zeros((4, 4), dtype=np.uint16), [4])


def test_equal_layouts_are_equal():
    assert TileGrid.for_frame((4, 6), 2) == TileGrid.for_frame((4, 6), 2)
    assert TileGrid.for_frame((4, 6), 2) != TileGrid.for_frame((6, 4), 2)
    assert len({TileGrid.for_frame((4, 6), 2), TileGrid.for_frame((4, 6), 2)}) == 1
