"""Islands of a section by hand are drawn apart, by one rule; what has no position is listed, and drawn nowhere."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from report_parts import page_text
from storage_cases import make_frame, make_result, make_spec

from hcc_scope.field_layout import FieldLayout
from hcc_scope.islands import IslandLayout, boxes_of_fields, lay_out_islands
from hcc_scope.orientation import Orientation
from hcc_scope.plans.drawn_sample import DrawnSample
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.report import overview
from hcc_scope.report.drawings import field_map
from hcc_scope.report.pictures import section_picture
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from pathlib import Path

Box = tuple[float, float, float, float]

_UM = st.floats(-1e5, 1e5, allow_nan=False)
_SIZE = st.floats(1.0, 1e5, allow_nan=False)
_BOXES = st.dictionaries(st.integers(0, 50), st.tuples(_UM, _UM, _SIZE, _SIZE), min_size=1, max_size=6)

SHAPE = (70, 90)
PLACES: list[tuple[tuple[float, float, None] | None, PositionOrigin]] = [
    ((0.0, 0.0, None), PositionOrigin("tracked", 0, 0.0)),
    ((40.0, 0.0, None), PositionOrigin("tracked", 0, 0.42)),
    ((0.0, 0.0, None), PositionOrigin("tracked", 1, 0.0)),  # not the place of the first field
    (None, PositionOrigin("unknown")),
]


@given(_BOXES, st.floats(1.0, 1e4))
def test_no_two_islands_are_drawn_over_each_other(boxes: dict[int, Box], gap_um: float):
    layout = lay_out_islands(boxes, gap_um)
    drawn = [layout.boxes_um[island] for island in sorted(boxes)]
    for (left, _, width, _), (other, *_rest) in pairwise(drawn):
        assert other - (left + width) >= gap_um * (1 - 1e-6)
    for island, (left, top, *_size) in boxes.items():
        assert layout.drawn_um(island, left, top) == layout.boxes_um[island][:2]
        assert layout.place_um(island, *layout.drawn_um(island, 3.0, 4.0)) == pytest.approx((3.0, 4.0), abs=1e-6)


@given(_BOXES, st.floats(1.0, 1e4))
def test_the_first_island_is_drawn_where_it_is(boxes: dict[int, Box], gap_um: float):
    first = min(boxes)
    assert lay_out_islands(boxes, gap_um).boxes_um[first] == boxes[first]


def test_an_island_that_grows_a_little_moves_no_other():
    before = lay_out_islands({0: (0.0, 0.0, 910.0, 500.0), 1: (0.0, 0.0, 100.0, 100.0)}, 100.0)
    after = lay_out_islands({0: (0.0, 0.0, 930.0, 500.0), 1: (0.0, 0.0, 100.0, 100.0)}, 100.0)
    assert before.offsets_um == after.offsets_um


def test_a_place_between_islands_belongs_to_none():
    layout = lay_out_islands({0: (0.0, 0.0, 100.0, 100.0), 4: (0.0, 0.0, 100.0, 100.0)}, 50.0)
    assert [layout.island_at(x, 50.0) for x in (50.0, 120.0, 160.0)] == [0, None, 4]
    assert IslandLayout().drawn_um(3, 1.0, 2.0) == (1.0, 2.0)


def test_boxes_hold_the_fields_of_each_island():
    fields = [(0, (0.0, 0.0)), (1, (500.0, 500.0)), (0, (100.0, -50.0))]
    assert boxes_of_fields(fields, (10.0, 20.0)) == {0: (-5.0, -60.0, 110.0, 70.0), 1: (495.0, 490.0, 10.0, 20.0)}


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of two islands and a field without a position."""
    spec = replace(make_spec(SHAPE, tile_px=40), sampling="chosen")
    with create_store(tmp_path_factory.mktemp("by_hand"), spec) as writer:
        for seq, (place, origin) in enumerate(PLACES):
            writer.append(make_frame(seq, SHAPE, stage_um=place, tags=position_tags(origin)))
    log = PredictionWriter(writer.path, spec, run="r")
    for seq in range(len(PLACES)):
        log.append(make_result(seq, TileGrid.for_frame(SHAPE, 40).n))
    log.close()
    return writer.path


def test_the_picture_of_a_report_draws_islands_apart_and_nothing_at_an_unknown_place(by_hand: Path):
    section = section_picture(by_hand, threshold=0.5)
    placed = overview.place_fields(section)
    assert placed.n_left_out == 1
    extents = np.array([extent for _, extent in placed.extents])
    assert len(extents) == 3
    left, right = extents[:, 0], extents[:, 1]
    assert left[2] > right[:2].max()  # the second island, right of the first
    assert placed.layout.islands.apart


def test_the_picture_of_a_report_joins_the_fields_of_a_tilted_camera():
    tilted = Orientation((math.cos(0.1), -math.sin(0.1), math.sin(0.1), math.cos(0.1)))
    image = np.zeros((3, 4), np.uint16)
    steps_px, centre = np.array([(0.0, 0.0), (40.0, 0.0), (0.0, 30.0)]), np.array((70.0, -9.0))
    fields = [
        overview.FieldPicture((x, y), (20.0, 15.0), image, image, np.full((1, 1), 0.5, np.float32), 0.5)
        for x, y in (tilted.to_stage_um(steps_px, 0.5) + centre).tolist()
    ]
    outline = tilted.to_stage_um(np.array([(-20.0, -15.0), (60.0, -15.0), (60.0, 45.0)]), 0.5) + centre
    section = overview.SectionPicture(
        "tilted", fields, np.empty((0, 4)), 0.5, interval_valid=False, outline_um=outline, orientation=tilted
    )
    placed = overview.place_fields(section)
    first = np.array([60.0, 80.0, -1.5, -16.5])
    expected = [first, first + np.array((20, 20, 0, 0)), first + np.array((0, 0, 15, 15))]
    np.testing.assert_allclose([extent for _, extent in placed.extents], expected)
    np.testing.assert_allclose(placed.drawn_um(0, *outline[1].tolist()), (100.0, -16.5))
    assert "The camera is tilted to the stage" in field_map(section)


def test_the_report_states_how_each_position_was_obtained(by_hand: Path):
    page = page_text(by_hand)
    for cell in (
        "0, 0 (tracked, ±0.0 um, island 0)",
        "40, 0 (tracked, ±0.4 um, island 0)",
        "0, 0 (tracked, ±0.0 um, island 1)",
        "not known",
    ):
        assert f'<td class="n">{cell}</td>' in page


def test_the_picture_marks_drawn_fields_that_no_frame_shows():
    square = ((0.0, 0.0), (900.0, 0.0), (900.0, 900.0), (0.0, 900.0))
    sample = DrawnSample(((100.0, 100.0), (300.0, 310.0), (500.0, 520.0)), (50.0, 50.0), square, 1, island=2)
    axes = Figure().add_subplot()
    layout = lay_out_islands({0: (0.0, 0.0, 400.0, 400.0), 2: (0.0, 0.0, 900.0, 900.0)}, 100.0)
    placed = overview.PlacedFields(FieldLayout(islands=layout, positions="tracked"), [])
    overview._draw_unreached(axes, sample.with_reached(0, 0).with_skipped(1, "fold"), placed)
    marked = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert marked == {"drawn, open": [[1000.0, 520.0]], "drawn, skipped": [[800.0, 310.0]]}
