from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find, layers_of
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QAction, QContextMenuEvent, QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QProgressBar
from view_parts import (
    THRESHOLD,
    colour_at,
    failed,
    grid_of,
    on_screen,
    phantom_pixels,
    result_of,
    under_cursor,
)

from hcc_scope.orientation import Orientation
from hcc_scope.plans import PositionList
from hcc_scope.runs.planned_fields import PlanSite, planned_fields
from hcc_scope.thumbnails import thumbnail
from hcc_scope.tracking import Place
from hcc_scope.tracking.mosaic import SeenMosaic
from hcc_scope.types import StageLimits
from ui.kit.controls import ElidedLabel
from ui.kit.theme import colours
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

FIELD_UM = (100.0, 100.0)
OUTLINE = [(0.0, 0.0), (1000.0, 0.0), (1000.0, 800.0), (0.0, 800.0)]
PLACES = [(200.0, 200.0), (500.0, 200.0), (800.0, 600.0), (200.0, 600.0)]
GRID = grid_of(256, 128)
SITE = PlanSite(
    Orientation(), (100, 100), 1.0, 16, (0.0, 0.0), StageLimits((-500, 1500), (-500, 1500)), 10.0, 0.0, demo=True
)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint16]:
    return thumbnail(phantom_pixels(256))


@pytest.fixture
def tab(qtbot: QtBot) -> SectionMapTab:
    tab = SectionMapTab()
    qtbot.addWidget(tab)
    tab.resize(900, 700)
    tab.show()
    tab.set_plan(PLACES, OUTLINE, FIELD_UM)
    return tab


def about(tab: SectionMapTab) -> str:
    return find(tab, ElidedLabel, "Progress of the section").whole_text()


def fields_alone(tab: SectionMapTab) -> None:
    """Switch off what is drawn over the fields and where they are planned."""
    layers = layers_of(tab)
    for name in ("Labels", "Plan"):
        find(layers, QAbstractButton, name).click()


def click(tab: SectionMapTab, x_um: float, y_um: float) -> None:
    QTest.mouseClick(
        tab.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, on_screen(tab.view, x_um, y_um)
    )


def test_the_whole_section_is_in_sight(tab: SectionMapTab):
    left, top, width, height = tab.view.viewport.visible()
    assert left <= 0
    assert top <= 0
    assert left + width >= 1000
    assert top + height >= 800
    assert about(tab) == "0 of 4 fields acquired"
    assert "4 planned fields to come" in tab.view.describe()


def test_progress_counts_planned_places(tab: SectionMapTab, picture: NDArray[np.uint16]):
    tab.add_field(0, picture, (*PLACES[0], 3.0))
    tab.add_field(1, picture, (PLACES[1][0] + 2.0, PLACES[1][1] - 2.0, None))  # where the stage really went
    tab.add_field(2, picture, (300.0, 400.0, 0.0))  # not planned
    assert about(tab) == "2 of 4 fields acquired"
    tab.add_field(0, picture, (*PLACES[0], 3.0))  # the same again
    assert about(tab) == "2 of 4 fields acquired"
    assert find(tab, QProgressBar, "Planned fields acquired").value() == 2
    tab.set_plan(PLACES, None, FIELD_UM)
    assert about(tab) == "2 of 4 fields acquired"


def test_a_place_planned_several_times_is_done_as_often_as_it_was_visited(
    tab: SectionMapTab, picture: NDArray[np.uint16]
):
    tab.set_plan([PLACES[0]] * 3, None, FIELD_UM)
    for seq in range(2):
        tab.add_field(seq, picture, (*PLACES[0], 0.0))
    assert about(tab) == "2 of 3 fields acquired"


def test_fields_lie_where_the_stage_was(tab: SectionMapTab, picture: NDArray[np.uint16]):
    fields_alone(tab)
    background = colour_at(tab.view, 500, 200)
    white = np.full((64, 64), 255, np.uint8)
    tab.add_field(0, white, (500.0, 200.0, None))
    assert colour_at(tab.view, 500, 200).getRgb()[:3] == (255, 255, 255)
    assert colour_at(tab.view, 455, 155).getRgb()[:3] == (255, 255, 255)
    assert colour_at(tab.view, 560, 200) == background


def test_the_heatmap_lies_over_the_right_tiles(tab: SectionMapTab):
    grey = np.full((64, 64), 128, np.uint8)
    fields_alone(tab)
    tab.add_field(0, grey, (500.0, 400.0))
    tab.set_result(result_of(0, [0.99, 0.01, 0.99, 0.01]), GRID, THRESHOLD)
    left, right = colour_at(tab.view, 475, 425), colour_at(tab.view, 525, 375)
    assert left.red() > left.blue() + 30
    assert right.blue() > right.red() + 30
    tab.fields.shows_heat = False
    assert colour_at(tab.view, 475, 425).red() == 128


def test_all_fields_share_one_contrast(tab: SectionMapTab):
    ramp = np.tile(np.linspace(1000, 2000, 64).astype(np.uint16), (64, 1))
    tab.add_field(0, ramp, (500.0, 200.0))
    fields_alone(tab)
    bright = colour_at(tab.view, 545, 200).red()
    assert bright > 230
    tab.add_field(1, np.full((64, 64), 4000, np.uint16), (200.0, 200.0))
    assert colour_at(tab.view, 545, 200).red() < bright / 2


def test_a_click_chooses_the_uppermost_field(tab: SectionMapTab, picture: NDArray[np.uint16], qtbot: QtBot):
    tab.add_field(4, picture, (500.0, 400.0))
    tab.add_field(9, picture, (540.0, 400.0))
    with qtbot.waitSignal(tab.field_chosen) as chosen:
        click(tab, 530, 400)
    assert chosen.args == [9]
    with qtbot.waitSignal(tab.field_chosen) as chosen:
        click(tab, 460, 400)
    assert chosen.args == [4]
    with qtbot.waitSignal(tab.field_chosen) as chosen:
        click(tab, 530, 400)  # the chosen one lies uppermost
    assert chosen.args == [4]
    with qtbot.assertNotEmitted(tab.field_chosen):
        click(tab, 800, 100)


def test_keys_go_from_field_to_field(tab: SectionMapTab, picture: NDArray[np.uint16], qtbot: QtBot):
    for seq in (3, 1, 2):
        tab.add_field(seq, picture, (*PLACES[seq], 0.0))
    tab.activateWindow()
    tab.view.setFocus()
    qtbot.waitUntil(tab.view.hasFocus)
    seen: list[int] = []
    tab.field_chosen.connect(seen.append)
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp, Qt.Key.Key_PageUp):
        QTest.keyClick(tab.view, key)
    assert seen == [1, 2, 1, 1]
    assert "field 1" in under_cursor(tab)


def test_excluded_fields_are_crossed_out_and_named(tab: SectionMapTab, qtbot: QtBot):
    tab.add_field(0, np.full((64, 64), 200, np.uint8), (*PLACES[0], 0.0), result_of(0, [0.9] * 4), GRID)
    before = tab.view.grab().toImage()
    tab.set_excluded(0, True)
    assert tab.view.grab().toImage() != before
    assert "1 excluded" in about(tab)
    assert "excluded by the operator" in tab.view.tooltip_of(*PLACES[0])
    tab.set_excluded(0, False)
    assert tab.view.grab().toImage() == before
    tab.set_excluded(77, True)
    assert "excluded" not in about(tab)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "not classified yet"),
        (result_of(0, [0.8, 0.6, 0.5, 0.5], [0, 0, 1, 1]), "score 0.70 from 2 of 4 tiles"),
        (result_of(0, [0.5] * 4, [1] * 4), "no tile could be used"),
        (failed(0, 4), "could not be classified (out of memory)"),
    ],
)
def test_a_field_shows_what_became_of_it(tab: SectionMapTab, picture: NDArray[np.uint16], result, words: str):  # noqa: ANN001
    tab.add_field(0, picture, (500.0, 400.0), result, GRID)
    assert tab.view.tooltip_of(500, 400) == f"Field 0, centre at x 500.0 µm, y 400.0 µm, {words}"
    tab.view.zoom_to(3.0)
    tab.view.centre_on(500, 400)
    tab.grab()


def send_mouse(tab: SectionMapTab, kind: QEvent.Type, at: QPointF, t_ms: int) -> None:
    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(kind, at, tab.view.mapToGlobal(at), left, left, Qt.KeyboardModifier.NoModifier)
    event.setTimestamp(t_ms)
    QApplication.sendEvent(tab.view, event)


def test_a_double_click_asks_for_the_stage_and_one_that_began_elsewhere_does_not(tab: SectionMapTab):
    asked: list[tuple[float, float]] = []
    tab.move_requested.connect(lambda x, y: asked.append((x, y)))
    press, release, second = (
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseButtonRelease,
        QEvent.Type.MouseButtonDblClick,
    )
    at = QPointF(on_screen(tab.view, 300, 350))
    send_mouse(tab, press, at, 1000)
    send_mouse(tab, release, at, 1080)
    assert asked == []
    send_mouse(tab, second, at, 1200)
    send_mouse(tab, release, at, 1250)
    assert asked == [(pytest.approx(300, abs=2), pytest.approx(350, abs=2))]
    # the first click hit another widget, which has made room for this one since: Qt reports a double click all the same
    send_mouse(tab, second, at, 9000)
    assert len(asked) == 1


def test_the_plan_is_shown_before_start_with_what_lies_beyond_the_limits(tab: SectionMapTab):
    tab.clear()
    assert not tab.next.shown
    tab.next.set_limits(SITE.limits)
    before = tab.grab().toImage()
    tab.next.show(planned_fields(lambda: PositionList(positions_um=((0, 0), (300, 0), (1700, 0))), SITE))
    assert tab.grab().toImage() != before
    assert about(tab).startswith("A list of 3 fields cannot be taken: position 3 of the plan is at x = 1700 um")
    assert "3 planned fields to come, 1 beyond the stage's limits" in tab.view.describe()
    assert "The stage may go from x -500 to 1,500 µm" in tab.view.describe()
    tab.set_plan(PLACES, None, (100.0, 100.0))  # the section begins
    assert not tab.next.shown
    assert "beyond" not in tab.view.describe()


def test_a_stage_far_away_can_be_reached_and_does_not_shrink_the_section(tab: SectionMapTab):
    tab.set_stage(50_000.0, -20_000.0)
    assert tab.view.viewport.scale > 0.5
    find(tab, QAbstractButton, "Centre on stage").click()
    assert tab.view.viewport.centre == (50_000.0, -20_000.0)


def test_without_positions_fields_are_laid_out_and_nothing_false_is_shown(
    tab: SectionMapTab, picture: NDArray[np.uint16], qtbot: QtBot
):
    for seq in range(8):
        tab.add_field(seq, picture, None)
    assert "no stage positions" in about(tab)
    boxes = [box for _, box in tab.fields.boxes()]
    assert len(set(boxes)) == 8
    assert "Outline of the section" not in tab.view.describe()
    left, top, width, height = boxes[7]
    with qtbot.waitSignal(tab.field_chosen) as chosen:
        click(tab, left + width / 2, top + height / 2)
    assert chosen.args == [7]
    tab.add_field(8, picture, (*PLACES[0], 0.0))  # now some places are known: the others are not invented
    assert len(tab.fields.boxes()) == 1
    assert "8 without a position are not shown" in about(tab)
    assert "Outline of the section" in tab.view.describe()


def test_clear_forgets_the_section(tab: SectionMapTab, picture: NDArray[np.uint16]):
    tab.add_field(0, picture, (*PLACES[0], 0.0))
    tab.choose(0)
    tab.clear()
    assert about(tab) == "No field yet"
    with pytest.raises(ValueError, match="set_plan"):
        tab.add_field(0, picture, None)
    with pytest.raises(ValueError, match="a size in µm"):
        tab.set_plan(None, None, (0.0, 10.0))
    tab.set_plan(None, None, FIELD_UM)
    tab.add_field(0, picture, (0.0, 0.0))
    assert about(tab) == "1 field"


def test_the_map_is_saved(tab: SectionMapTab, picture: NDArray[np.uint16], tmp_path: Path):
    tab.add_field(0, picture, (*PLACES[0], 0.0))
    tab.export_png(tmp_path / "map.png")
    assert QImage(str(tmp_path / "map.png")).width() == tab.view.width()


def test_every_action_does_something_visible(tab: SectionMapTab, picture: NDArray[np.uint16]):
    tab.set_stage(100.0, 100.0)
    tab.add_field(0, picture, (*PLACES[0], 0.0), result_of(0, [0.9, 0.1, 0.5, 0.5], [0, 0, 1, 8]), GRID)
    seen = SeenMosaic((256, 256), 1.0, bit_depth=16)
    seen.add(Place(0, 600.0, 400.0, 0.0), phantom_pixels(256))
    tab.next.show_overview([seen])
    listed = PositionList(positions_um=((0, 0), (300, 700)))
    tab.next.show(planned_fields(lambda: listed, SITE, section_um=np.array(OUTLINE)))
    tab.next.offer(listed, "")
    actions = tab.findChildren(QAction)
    keys = [action.shortcut().toString() for action in actions]
    assert len(set(keys)) == len(keys)
    for action in actions:
        before = tab.grab().toImage()
        action.trigger()
        if action.isCheckable() and action.isVisible():  # those of a section by hand are not
            assert tab.grab().toImage() != before, action.text()
        action.trigger()
    for button in tab.findChildren(QAbstractButton):
        assert button.accessibleName()
        assert button.toolTip()


def test_both_themes_look_different_even_before_the_tab_is_shown(qtbot: QtBot):
    pictures = []
    for theme in ("dark", "light"):
        tab = SectionMapTab()
        qtbot.addWidget(tab)
        tab.set_theme("light")
        tab.set_theme("dark")
        tab.set_theme(theme)
        tab.resize(700, 500)
        tab.show()
        button = find(tab, QAbstractButton, "Edit outline")
        button.click()
        picture = button.grab().toImage()
        pictures.append(picture.pixelColor(picture.width() // 2, picture.height() - 2).name())  # the bar of one down
    assert pictures == [colours("dark").accent, colours("light").accent]


def test_fields_that_are_not_drawn_are_counted(tab: SectionMapTab, picture: NDArray[np.uint16]):
    tab.add_field(0, picture, PLACES[0])
    tab.set_not_shown(1)
    assert "1 more field at the same places, not drawn" in about(tab)
    tab.clear()
    assert "more field" not in about(tab)


def test_fields_that_were_not_stored_after_all_are_taken_away(tab: SectionMapTab, picture: NDArray[np.uint16]):
    for seq in range(3):
        tab.add_field(seq, picture, PLACES[seq])
    tab.choose(2)
    tab.keep_below(2)
    assert set(tab.fields.fields) == {0, 1}
    assert tab.fields.chosen is None


def test_a_field_that_was_taken_again_is_shown_once(tab: SectionMapTab, picture: NDArray[np.uint16]):
    for seq, place in ((0, PLACES[0]), (1, PLACES[1])):
        tab.add_field(seq, picture, place, result_of(seq, [0.9] * 4), GRID)
    tab.choose(0)
    tab.set_retakes({0: 2}, (0,))  # its result is there before it is on the map
    assert [one.seq for one in tab.fields.shown] == [0, 1]
    tab.add_field(2, picture, PLACES[0], result_of(2, [0.1] * 4), GRID, retake=True)
    tab.set_retakes({0: 2}, (0,))
    assert [one.seq for one in tab.fields.shown] == [1, 2]
    assert tab.fields.chosen == 2
    assert "2 of 4 fields acquired; 1 taken again" in about(tab)
    assert tab.view.tooltip_of(*PLACES[0]).startswith("Field 2, taken again, in the place of field 0, centre at")
    marked = tab.view.grab().toImage()
    tab.set_retakes({}, (2,))  # the retake failed: the first one counts
    assert [one.seq for one in tab.fields.shown] == [0, 1]
    assert tab.view.grab().toImage() != marked


def test_words_hide_where_a_field_is_small(tab: SectionMapTab, picture: NDArray[np.uint16]):
    tab.add_field(0, picture, PLACES[0], result_of(0, [0.9] * 4), GRID)
    words = find(layers_of(tab), QAbstractButton, "Labels")
    for scale, shown in ((0.2, False), (1.5, True)):
        tab.view.zoom_to(scale)
        tab.view.centre_on(*PLACES[0])
        with_words = tab.view.grab().toImage()
        words.click()
        assert (tab.view.grab().toImage() != with_words) == shown
        words.click()


def test_a_right_click_and_the_menu_key_ask_for_a_menu(tab: SectionMapTab, qtbot: QtBot):
    point = on_screen(tab.view, 500, 400)
    for reason, at in (
        (QContextMenuEvent.Reason.Mouse, pytest.approx((500.0, 400.0), abs=2.0)),
        (QContextMenuEvent.Reason.Keyboard, None),
    ):
        with qtbot.waitSignal(tab.view.menu_asked) as asked:
            QApplication.sendEvent(tab.view, QContextMenuEvent(reason, point, tab.view.mapToGlobal(point)))
        assert asked.args[0] == at
