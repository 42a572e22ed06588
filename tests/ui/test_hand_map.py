"""The map of a section by hand: what was seen, where the field is, the drawn fields, and islands drawn apart."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from view_parts import THRESHOLD, colour_at, frame_of, grid_of, on_screen, result_of

from hcc_scope.by_hand import Guidance, HandView, Verdict
from hcc_scope.plans.drawn_sample import DrawnSample
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.tracking import Place, TrackView
from hcc_scope.tracking.mosaic import SeenMosaic
from hcc_scope.types import RunSpec
from ui.canvas.drawing import plate
from ui.kit.controls import ElidedLabel
from ui.kit.jobs import Jobs
from ui.map.hand_view import HandMapView
from ui.map.map_filler import MapFiller
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QImage
    from pytestqt.qtbot import QtBot

    from hcc_scope.by_hand import HandPhase

FIELD_UM = (512.0, 512.0)
OUTLINE = ((0.0, 0.0), (3000.0, 0.0), (3000.0, 2000.0), (0.0, 2000.0))
SAMPLE = DrawnSample(((400.0, 400.0), (1500.0, 500.0), (2500.0, 1500.0)), FIELD_UM, OUTLINE, 1)
GREY = np.full((256, 256), 1000.0)
LIGHT = np.full((256, 256), 3000.0)
FRAME = frame_of(np.zeros((4, 4), np.uint16))


def view_of(place: Place | None, phase: HandPhase = "free", guidance: Guidance | None = None) -> HandView:
    track = TrackView("lost" if place is None else "tracking", place, island=0 if place is None else place.island)
    return HandView(FRAME, track, Verdict("moving"), phase, True, 1, 0, 0, guidance=guidance)


def way_to(target: int) -> Guidance:
    return Guidance(target, SAMPLE.fields_um[target], 3, 0, 0, (1.0, 0.0), 500.0)


@pytest.fixture
def mosaic() -> SeenMosaic:
    seen = SeenMosaic((512, 512), 1.0, bit_depth=12)
    seen.add(Place(0, 256.0, 256.0, 0.3), GREY)
    seen.add(Place(0, 768.0, 256.0, 0.3), LIGHT)
    return seen


@pytest.fixture
def tab(qtbot: QtBot, mosaic: SeenMosaic) -> SectionMapTab:
    tab = SectionMapTab()
    qtbot.addWidget(tab)
    tab.resize(900, 700)
    tab.set_plan(None, None, FIELD_UM)
    tab.set_threshold(THRESHOLD)
    tab.begin_hand(mosaic)
    tab.show()
    return tab


def alone(tab: SectionMapTab, *layers: str) -> None:
    """Switch the layers of a section by hand off, besides those named."""
    for name in ("mosaic", "course", "targets"):
        getattr(tab.hand, name).visible = name in layers
    tab.hand.outline.visible = "outline" in layers


def rgb(tab: SectionMapTab, x_um: float, y_um: float) -> tuple[int, ...]:
    return colour_at(tab.view, x_um, y_um).getRgb()[:3]


def picture(tab: SectionMapTab) -> QImage:
    return tab.view.grab().toImage()


def about(tab: SectionMapTab) -> str:
    return find(tab, ElidedLabel, "Progress of the section").whole_text()


def test_what_was_seen_is_drawn_and_what_was_not_is_marked(tab: SectionMapTab, mosaic: SeenMosaic):
    mosaic.add(Place(0, 768.0, 1280.0, 0.3), LIGHT)  # leaves a hole at the left and in the middle
    tab.show_hand(view_of(Place(0, 5000.0, 5000.0, 0.3)))
    alone(tab, "mosaic")
    dark, light = rgb(tab, 200.0, 200.0), rgb(tab, 900.0, 200.0)
    assert max(dark) < 40
    assert min(light) > 215
    hole = [rgb(tab, x, 800.0) for x in range(100, 400, 7)]
    assert len(set(hole)) > 1  # hatched
    assert "0.79 mm² seen" in about(tab)


def test_only_what_changed_is_painted_anew(tab: SectionMapTab, mosaic: SeenMosaic):
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3)))
    tab.view.zoom_to(tab.view.viewport.scale)  # what is in sight stays as it is
    picture(tab)
    layer = tab.hand.mosaic
    before = {key: image[2].cacheKey() for key, image in layer._images.items()}
    assert set(before) == {(0, 0, 0), (0, 0, 1)}
    mosaic.add(Place(0, 768.0, 256.0, 0.3), LIGHT)
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3)))
    picture(tab)
    after = {key: image[2].cacheKey() for key, image in layer._images.items()}
    assert after[0, 0, 0] == before[0, 0, 0]
    assert after[0, 0, 1] != before[0, 0, 1]


def test_the_field_is_shown_where_it_is_and_dashed_where_it_was_last(tab: SectionMapTab):
    place = Place(0, 700.0, 300.0, 0.3)
    tab.show_hand(view_of(place))
    known = picture(tab)
    assert tab.hand.field.summary() == "Field at x 700 µm, y 300 µm"
    tab.show_hand(view_of(None))
    assert picture(tab) != known
    assert tab.hand.field.summary() == "Position not known; the last known place is x 700 µm, y 300 µm"
    tab.end_hand()
    assert tab.hand.field.summary() == ""
    assert tab.hand.mosaic.summary()  # what was seen stays in sight after the section
    tab.clear()
    assert tab.hand.mosaic.summary() == ""


def test_the_course_is_shown_in_stretches(tab: SectionMapTab, mosaic: SeenMosaic):
    mosaic.see(TrackView("lost"), GREY)
    mosaic.add(Place(0, 256.0, 900.0, 0.3), GREY)
    tab.show_hand(view_of(Place(0, 256.0, 900.0, 0.3)))
    assert [points.tolist() for _, points in tab.hand.course.stretches] == [
        [[256.0, 256.0], [768.0, 256.0]],
        [[256.0, 900.0]],
    ]
    alone(tab, "course")
    on, off = rgb(tab, 500.0, 256.0), rgb(tab, 500.0, 330.0)
    assert on != off


def test_drawn_fields_show_what_became_of_them(tab: SectionMapTab):
    sample = SAMPLE.with_reached(0, 7).with_skipped(1, "fold")
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3), "targets", guidance=way_to(2)), sample)
    assert "3 drawn fields: 1 reached, 1 skipped, 1 open, the present one is 2" in about(tab)
    words = [tab.describe_at(x, y) for x, y in SAMPLE.fields_um]
    assert words[0] == "Drawn field 0, reached by field 7"
    assert words[1] == "Drawn field 1, skipped: fold"
    assert words[2] == "Drawn field 2, the present target"
    alone(tab, "targets")
    x, y = SAMPLE.fields_um[2]
    with_way = picture(tab)
    blue = colour_at(tab.view, x, y)
    assert blue.blue() > blue.red() + 60  # the accent
    tab.show_hand(view_of(None, "targets", guidance=way_to(2)), sample)
    assert picture(tab) != with_way  # no way from an unknown place


def test_islands_are_drawn_apart_with_their_fields_and_coordinates(tab: SectionMapTab, mosaic: SeenMosaic):
    second = Place(1, 256.0, 256.0, 0.3)  # the coordinates of the first picture
    mosaic.add(second, LIGHT)
    tab.show_hand(view_of(second))
    thumbnail = np.full((64, 64), 1000, np.uint16)
    for seq, island in enumerate((0, 1)):
        origin = PositionOrigin("tracked", island, 0.4)
        tab.add_field(seq, thumbnail, (256.0, 256.0, None), origin=origin)
    one, other = (box for _, box in tab.fields.boxes())
    assert other[0] >= one[0] + 1024.0 + FIELD_UM[0]  # right of all that was seen of the first
    x, y = other[0] + 256.0, other[1] + 256.0
    assert tab.describe_at(x, y).startswith("Field 1, centre at x 256.0 µm, y 256.0 µm (tracked, ±0.4 µm, island 1)")
    at = on_screen(tab.view, x, y)
    QTest.mouseMove(tab.view, at)
    tab.view._hover((x, y))
    words = find(tab, ElidedLabel, "Under the cursor").whole_text()
    assert words.startswith("x 256.0 µm, y 256.0 µm of island 1")
    assert "2 islands, drawn apart" in about(tab)


def test_fields_without_a_position_are_counted_and_not_drawn(tab: SectionMapTab):
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3)))
    tab.add_field(0, np.full((64, 64), 1000, np.uint16), None, origin=PositionOrigin("unknown"))
    assert tab.fields.boxes() == []
    assert about(tab).startswith("1 field; 1 without a position is not shown; ")
    assert tab.fields.at(0.0, 0.0) is None


def test_captured_fields_keep_the_colours_of_their_results(tab: SectionMapTab):
    tab.show_hand(view_of(Place(0, 5000.0, 5000.0, 0.3)))
    grid = grid_of(256, 128)
    tab.add_field(
        0, np.full((64, 64), 2000, np.uint16), (256.0, 256.0, None), result_of(0, [0.99, 0.01, 0.99, 0.01]), grid
    )
    alone(tab, "mosaic")
    tab.fields.shows_words = False
    high, low = colour_at(tab.view, 128.0, 128.0), colour_at(tab.view, 384.0, 128.0)
    assert high.red() > high.blue()
    assert low.blue() > low.red()


def drag(tab: SectionMapTab | HandMapView, start: tuple[float, float], end: tuple[float, float]) -> None:
    tab.view.drag_tool.grab(*start)  # type: ignore[union-attr]
    tab.view.drag_tool.drag(*end)  # type: ignore[union-attr]
    tab.view.drag_tool.drop()  # type: ignore[union-attr]


def edit_button(widget: SectionMapTab | HandMapView) -> QToolButton:
    return next(one for one in widget.findChildren(QToolButton) if one.text() == "Edit outline")


@pytest.mark.parametrize("beside", [False, True])
def test_the_outline_is_mended_in_its_islands_coordinates(
    qtbot: QtBot, tab: SectionMapTab, mosaic: SeenMosaic, beside: bool
):
    mosaic.add(Place(1, 256.0, 256.0, 0.3), LIGHT)
    side = HandMapView(tab)
    qtbot.addWidget(side)
    side.resize(500, 400)
    side.show()
    drawn_plans: list[object] = []
    tab.outline_drawn.connect(drawn_plans.append)
    tab.show_hand(view_of(Place(1, 256.0, 256.0, 0.3), "outline"))
    widget = side if beside else tab
    assert not edit_button(widget).defaultAction().isEnabled()
    tab.show_hand_outline(OUTLINE)
    tab.show_hand(view_of(Place(1, 256.0, 256.0, 0.3), "mend"))
    action = edit_button(widget).defaultAction()
    assert action.isEnabled()
    action.trigger()
    dx, dy = tab.hand.layout.offsets_um[1]
    assert dx > 0
    before = dict(tab.hand.layout.offsets_um)
    mosaic.add(Place(0, 3000.0, 256.0, 0.3), LIGHT)  # the first island grows meanwhile
    tab.show_hand(view_of(Place(0, 3000.0, 256.0, 0.3), "mend"))
    assert tab.hand.layout.offsets_um == before  # nothing moves below the mouse
    drag(widget, (3000.0 + dx, 2000.0 + dy), (3300.0 + dx, 2100.0 + dy))
    with qtbot.waitSignal(tab.outline_mended) as mended:
        action.trigger()
    assert mended.args == [(*OUTLINE[:2], (3300.0, 2100.0), OUTLINE[3])]
    assert drawn_plans == []  # it is not the outline of the next plan
    assert tab.hand.layout.offsets_um != before
    tab.show_hand(view_of(Place(1, 256.0, 256.0, 0.3), "targets", guidance=way_to(0)), SAMPLE)
    assert not edit_button(widget).defaultAction().isEnabled()


def test_a_new_drive_takes_the_outline_away(tab: SectionMapTab):
    tab.show_hand_outline(OUTLINE)
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3), "mend"))
    assert tab.hand.outline.points_um is not None
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3), "outline"))
    assert tab.hand.outline.points_um is None


def test_the_map_beside_the_picture_shows_the_same_and_chooses_fields(qtbot: QtBot, tab: SectionMapTab):
    side = HandMapView(tab)
    qtbot.addWidget(side)
    side.resize(500, 400)
    side.show()
    tab.add_field(3, np.full((64, 64), 1000, np.uint16), (256.0, 256.0, None))
    tab.show_hand(view_of(Place(0, 768.0, 256.0, 0.3)))
    assert find(side, ElidedLabel, "State of the section by hand").whole_text() == about(tab)
    with qtbot.waitSignal(side.field_chosen) as chosen:
        QTest.mouseClick(
            side.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, on_screen(side.view, 300.0, 300.0)
        )
    assert chosen.args == [3]
    assert tab.fields.chosen == 3


def test_after_a_section_by_hand_the_map_is_that_of_a_plan_again(tab: SectionMapTab):
    tab.show_hand(view_of(Place(0, 256.0, 256.0, 0.3)))
    tab.clear()
    tab.set_plan([(0.0, 0.0)], OUTLINE, FIELD_UM)
    assert about(tab) == "0 of 1 field acquired"
    assert tab._outline.filled
    assert edit_button(tab).defaultAction().isEnabled()
    names = [one.text() for one in tab.actions() if one.isVisible()]
    assert "Plan" in names
    assert "Seen" not in names


def test_a_field_captured_again_where_one_was_undone_is_shown(qtbot: QtBot, tab: SectionMapTab, tmp_path: Path):
    jobs = Jobs()
    spec = RunSpec((256, 256), 16, 1.0, "M1", "S1", tile_px=128, sampling="guided")
    results = {seq: result_of(seq, [0.5] * 4) for seq in range(2)}
    running = SimpleNamespace(store_path=tmp_path, spec=spec, results=results, grid=grid_of(256, 128))
    filler = MapFiller(tab, jobs, SimpleNamespace(is_excluded=lambda seq: seq == 0))  # type: ignore[arg-type]
    filler.begin(running)  # type: ignore[arg-type]
    tags = position_tags(PositionOrigin("tracked", 0, 0.2))
    pixels = np.full((256, 256), 1000, np.uint16)
    for seq in range(2):
        filler.see(replace(frame_of(pixels, seq), stage_um=(100.0, 100.0, None), tags=tags))
    qtbot.waitUntil(lambda: len(tab.fields.fields) == 2)
    assert [one.excluded for one in tab.fields.fields.values()] == [True, False]
    uppermost = tab.fields.at(100.0, 100.0)
    assert uppermost is not None
    assert uppermost.seq == 1
    assert jobs.close() == ()


def test_beside_the_picture_fields_of_a_sequence_lie_in_rows_and_not_on_an_outline(qtbot: QtBot):
    tab = SectionMapTab()
    qtbot.addWidget(tab)
    tab.set_plan(None, np.array(OUTLINE), FIELD_UM)
    side = HandMapView(tab)
    qtbot.addWidget(side)
    assert tab.hand.outline in side.view.layers
    tab.add_field(0, np.full((64, 64), 2000, np.uint16), None)
    assert tab.hand.outline not in side.view.layers
    assert tab.fields in side.view.layers


def test_the_name_of_an_island_is_not_cut_off_at_the_upper_edge(
    tab: SectionMapTab, mosaic: SeenMosaic, monkeypatch: pytest.MonkeyPatch
):
    mosaic.add(Place(1, 256.0, 256.0, 0.3), LIGHT)
    tab.show_hand(view_of(Place(1, 256.0, 256.0, 0.3)))
    named: dict[str, float] = {}

    def note(painter: object, at: QPointF, text: str, *align: Qt.AlignmentFlag) -> QRectF:
        rect = plate(painter, at, text, *align)  # type: ignore[arg-type]
        named[text] = rect.top()
        return rect

    monkeypatch.setattr("ui.map.hand_layers.plate", note)
    tab.view.resize(800, 200)  # the islands fill its height
    tab.view.fit()
    tab.view.grab()
    assert len(named) >= 2
    assert min(named.values()) >= 0
