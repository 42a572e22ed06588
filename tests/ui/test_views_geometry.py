from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRectF

from hcc_scope.tiling import TileGrid
from ui.canvas.overlays import ScaleBarLayer, cell_edges, length_text
from ui.canvas.viewport import Viewport, nice_length
from ui.live.roi_tool import region_inside

NUMBERS = st.floats(-1e4, 1e4)
VIEWS = st.builds(
    Viewport,
    st.floats(1e-3, 50),
    st.tuples(NUMBERS, NUMBERS),
    st.tuples(st.floats(50, 4000), st.floats(50, 4000)),
)


@given(VIEWS, NUMBERS, NUMBERS)
def test_screen_and_world_are_inverse(view: Viewport, x: float, y: float):
    assert view.to_world(*view.to_screen(x, y)) == pytest.approx((x, y), abs=1e-5)


@given(VIEWS, st.floats(0.1, 10), st.floats(0, 4000), st.floats(0, 4000))
def test_zoom_keeps_what_is_under_the_cursor(view: Viewport, factor: float, x_px: float, y_px: float):
    zoomed = view.zoomed(factor, x_px, y_px)
    assert zoomed.scale == pytest.approx(view.scale * factor)
    assert zoomed.to_screen(*view.to_world(x_px, y_px)) == pytest.approx((x_px, y_px), abs=1e-3)


@given(VIEWS, st.floats(-500, 500), st.floats(-500, 500))
def test_pan_moves_the_content_with_the_hand(view: Viewport, dx: float, dy: float):
    x, y = view.panned(dx, dy).to_screen(*view.centre)
    assert (x - view.size[0] / 2, y - view.size[1] / 2) == pytest.approx((dx, dy), abs=1e-3)


@given(
    st.tuples(NUMBERS, NUMBERS, st.floats(1, 1e4), st.floats(1, 1e4)), st.tuples(st.floats(50, 4e3), st.floats(50, 4e3))
)
def test_fit_shows_the_whole_box(box: tuple[float, float, float, float], size: tuple[float, float]):
    left, top, width, height = Viewport.fitted(box, size).visible()
    assert left <= box[0] + 1e-6
    assert top <= box[1] + 1e-6
    assert left + width >= box[0] + box[2] - 1e-6
    assert top + height >= box[1] + box[3] - 1e-6


def test_a_view_never_gets_lost():
    view = Viewport(1000.0, (-500.0, 9999.0), (100.0, 100.0)).limited((0.0, 0.0, 10.0, 20.0), (0.1, 64.0))
    assert (view.scale, view.centre) == (64.0, (0.0, 20.0))


@given(st.floats(1e-3, 1e6))
def test_scale_bars_are_round_and_long_enough(longest: float):
    length = nice_length(longest)
    assert 0.39 * longest <= length <= longest * (1 + 1e-6)
    assert f"{length:.0e}"[0] in "125"


@pytest.mark.parametrize("longest", [0.0, -1.0, float("inf"), float("nan")])
def test_no_scale_bar_without_a_length(longest: float):
    with pytest.raises(ValueError, match="positive length"):
        nice_length(longest)


@pytest.mark.parametrize(
    ("um_per_unit", "scale", "text", "length_px"),
    [
        (0.325, 0.5, "100 µm", 100 / 0.325 * 0.5),
        (0.325, 8.0, "5 µm", 5 / 0.325 * 8),
        (None, 0.5, "200 px", 100.0),
        (1.0, 0.1, "1 mm", 100.0),
    ],
)
def test_the_scale_bar_adapts(um_per_unit: float | None, scale: float, text: str, length_px: float):
    bar = ScaleBarLayer()
    bar.um_per_unit = um_per_unit
    assert bar.bar(Viewport(scale, (0.0, 0.0), (800.0, 600.0))) == (pytest.approx(length_px), text)
    assert length_text(1500.0) == "1.5 mm"


def test_cells_of_tiles_side_by_side_are_the_tiles():
    ys, xs = cell_edges(TileGrid.for_frame((1024, 2048)))
    assert ys.tolist() == [0, 512, 1024]
    assert xs.tolist() == [0, 512, 1024, 1536, 2048]


def test_cells_of_overlapping_tiles_meet_in_the_middle():
    ys, _ = cell_edges(TileGrid.for_frame((1200, 512)))  # the third row is anchored: it begins at 688, not 1024
    assert ys.tolist() == [0, 512, (1024 + 688) / 2, 1200]
    assert (np.diff(ys) > 0).all()


@pytest.mark.parametrize(
    ("drawn", "region"),
    [
        ((10.4, 20.6, 30.0, 20.0), (10, 21, 30, 20)),
        ((-5.0, -5.0, 20.0, 20.0), (0, 0, 15, 15)),
        ((90.0, 40.0, 50.0, 50.0), (90, 40, 10, 10)),
        ((0.2, 0.2, 1.2, 1.2), (0, 0, 1, 1)),
        ((99.5, 10.0, 20.0, 20.0), None),
        ((200.0, 200.0, 20.0, 20.0), None),
    ],
)
def test_a_drawn_region_is_whole_pixels_inside_the_frame(
    drawn: tuple[float, float, float, float], region: tuple[int, int, int, int] | None
):
    assert region_inside(QRectF(*drawn), (50, 100)) == region
