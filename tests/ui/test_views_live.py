from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find, layers_of, names_of
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QAction, QHelpEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QFrame,
    QSlider,
    QToolTip,
    QWidget,
)
from view_parts import (
    THRESHOLD,
    about,
    colour_at,
    drag,
    failed,
    frame_of,
    grid_of,
    on_screen,
    phantom_pixels,
    result_of,
    under_cursor,
)

from hcc_scope.errors import StoreUnwritableError
from ui.canvas.canvas import MouseMode
from ui.kit.controls import ElidedLabel
from ui.live.feed import Feed
from ui.live.live_tab import LiveTab
from ui.live.recent_frames import MOST_FRAMES, MOST_RESULTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from ui.kit.theme import ThemeName

SIDE_PX = 256
GRID = grid_of(SIDE_PX, 128)


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint16]:
    return phantom_pixels(SIDE_PX)


@pytest.fixture
def tab(qtbot: QtBot) -> LiveTab:
    tab = LiveTab()
    qtbot.addWidget(tab)
    tab.resize(900, 760)
    tab.show()
    return tab


def test_it_shows_what_to_do_before_the_first_frame(tab: LiveTab):
    assert "press Live or Snap" in about(tab)
    assert tab.shown_frame is None
    tab.grab()
    tab.set_section("S1")
    assert about(tab).startswith("Waiting for the first field")


def test_a_result_is_drawn_only_over_its_own_frame(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels, seq=3))
    tab.set_result(result_of(2, [0.9] * 4), GRID, THRESHOLD)
    assert tab.tiles.result is None
    assert "not classified yet" in about(tab)
    tab.set_result(result_of(3, [0.9] * 4, [0, 1, 0, 0]), GRID, THRESHOLD)
    assert tab.tiles.result is not None
    assert "3 of 4 tiles classified" in about(tab)
    tab.set_frame(frame_of(pixels, seq=4))
    assert tab.tiles.result is None


def test_a_result_may_come_before_its_frame_is_shown(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_result(result_of(7, [0.1] * 4), GRID, THRESHOLD)
    tab.set_frame(frame_of(pixels, seq=7))
    assert tab.tiles.result is not None


def test_another_section_does_not_inherit_results(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels, seq=0))
    tab.set_result(result_of(0, [0.9] * 4), GRID, THRESHOLD)
    tab.set_frame(frame_of(pixels, seq=0, section="S2"))
    assert tab.tiles.result is None


def test_newest_classified_waits_for_the_model(tab: LiveTab, pixels: NDArray[np.uint16]):
    find(tab, QComboBox, "Which frame is shown").setCurrentText("Newest classified")
    tab.set_frame(frame_of(pixels, seq=0))
    tab.set_frame(frame_of(pixels, seq=1))
    tab.set_frame(frame_of(pixels, seq=2))
    assert tab.shown_frame is not None
    assert tab.shown_frame.seq == 0
    tab.set_result(result_of(1, [0.9] * 4), GRID, THRESHOLD)
    assert tab.shown_frame.seq == 1
    assert tab.tiles.result is not None


def test_few_frames_are_kept(tab: LiveTab, pixels: NDArray[np.uint16]):
    frames: list[weakref.ref] = []
    results: list[weakref.ref] = []
    for seq in range(50):
        frame, result = frame_of(pixels.copy(), seq=seq), result_of(seq, [0.5] * 4)
        frames.append(weakref.ref(frame.pixels))
        results.append(weakref.ref(result.flags))
        tab.set_frame(frame)
        tab.set_result(result, GRID, THRESHOLD)
    del frame, result
    assert 1 <= sum(one() is not None for one in frames) <= MOST_FRAMES
    assert 1 <= sum(one() is not None for one in results) <= MOST_RESULTS


def test_tiles_are_coloured_by_side_and_hatched_when_excluded(tab: LiveTab):
    grey = np.full((SIDE_PX, SIDE_PX), 30_000, np.uint16)
    tab.set_contrast(0.0, 60_000.0, False)
    tab.tiles.shows_values = tab.tiles.shows_grid = False
    tab.set_frame(frame_of(grey))
    plain = tab.view.grab().toImage()
    tab.set_result(result_of(0, [0.99, 0.01, 0.5, 0.5], [0, 0, 1, 4]), GRID, THRESHOLD)
    high, low = colour_at(tab.view, 64, 64), colour_at(tab.view, 192, 64)
    assert high.red() > high.blue() + 40
    assert low.blue() > low.red() + 40
    shown = tab.view.grab().toImage()
    for x in (64, 192):  # hatched tiles keep no hue, but are no longer flat
        corner = on_screen(tab.view, x - 30, 192 - 30)
        patch = shown.copy(corner.x(), corner.y(), 60, 60)
        values = {patch.pixelColor(i, j).getRgb() for i in range(60) for j in range(60)}
        assert len(values) >= 3
        assert all(max(c[:3]) - min(c[:3]) <= 2 for c in values)
    tab.tiles.shows_heat = False
    tab.view.update()
    assert tab.view.grab().toImage() == plain


def test_opacity_and_least_probability_are_obeyed(tab: LiveTab):
    tab.set_contrast(0.0, 60_000.0, False)
    tab.tiles.shows_values = tab.tiles.shows_grid = False
    tab.set_frame(frame_of(np.full((SIDE_PX, SIDE_PX), 30_000, np.uint16)))
    tab.set_result(result_of(0, [0.99, 0.6, 0.01, 0.5]), GRID, THRESHOLD)
    layers = layers_of(tab)
    opacity = find(layers, QSlider, "Opacity")
    opacity.setValue(100)
    strong = colour_at(tab.view, 64, 64)
    opacity.setValue(20)
    weak = colour_at(tab.view, 64, 64)
    assert strong.red() - strong.blue() > weak.red() - weak.blue() > 5
    find(layers, QSlider, "Least probability").setValue(90)
    low = colour_at(tab.view, 64, 192)
    assert low.red() == low.blue()
    assert colour_at(tab.view, 64, 64).red() > colour_at(tab.view, 64, 64).blue()


def test_each_tile_states_the_reason(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    assert tab.view.tooltip_of(10, 10) == ""
    tab.set_result(result_of(0, [0.91, 0.2, 0.5, 0.5], [0, 0, 5, 2]), GRID, THRESHOLD)
    assert (
        tab.view.tooltip_of(10, 10) == "Tile row 1, column 1: probability of high 0.91, at or above the threshold 0.45"
    )
    assert tab.view.tooltip_of(200, 10).endswith("0.20, below the threshold 0.45")
    assert tab.view.tooltip_of(10, 200) == "Tile row 2, column 1: excluded: no tissue, saturated"
    assert tab.view.tooltip_of(200, 200) == "Tile row 2, column 2: excluded: out of focus"
    assert tab.view.tooltip_of(SIDE_PX + 1, 5) == ""
    numbers = [name for name in names_of(tab, QWidget) if " excluded: " in name]
    assert [n[0] for n in numbers] == ["1", "1", "1", "0", "0"]


def test_a_tile_unlike_training_is_marked_and_not_coloured(tab: LiveTab):
    tab.tiles.shows_values = tab.tiles.shows_grid = False
    tab.set_frame(frame_of(np.full((SIDE_PX, SIDE_PX), 30_000, np.uint16)))
    tab.set_result(result_of(0, [0.9] * 4, [16, 0, 1, 16 | 1]), GRID, THRESHOLD)
    assert tab.view.tooltip_of(10, 10) == "Tile row 1, column 1: excluded: unlike training"
    assert "1 of 4 tiles scored, 2 unlike training" in about(tab)
    line, brief = find(tab, ElidedLabel, "Shown frame"), "Stored field 0, 1 of 4 tiles scored, 2 unlike training"
    line.resize(line.fontMetrics().horizontalAdvance(brief) + 4, line.height())  # as in Operator mode: whole facts
    assert line.text() == brief
    assert about(tab) in line.toolTip()
    swatch = find(tab, QWidget, "2 tiles excluded: unlike training")
    assert "such tiles are not scored" in swatch.toolTip()
    shown = tab.view.grab().toImage()
    patches = []
    for x, y in ((64, 64), (64, 192), (192, 192)):  # circles, lines, both: three patterns
        corner = on_screen(tab.view, x - 30, y - 30)
        patches.append(shown.copy(corner.x(), corner.y(), 60, 60))
    assert patches[0] != patches[1] != patches[2] != patches[0]


def test_the_tooltip_is_shown(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    tab.set_frame(frame_of(pixels))
    tab.set_result(result_of(0, [0.91] * 4), GRID, THRESHOLD)
    at = on_screen(tab.view, 10, 10)
    QApplication.sendEvent(tab.view, QHelpEvent(QEvent.Type.ToolTip, at, tab.view.mapToGlobal(at)))
    assert "0.91" in QToolTip.text()
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_a_failed_frame_is_marked(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    tab.set_result(failed(0, 4), GRID, THRESHOLD)
    assert "could not be classified: out of memory" in about(tab)
    assert "out of memory" in tab.view.tooltip_of(5, 5)
    tab.grab()


def test_the_line_below_shows_px_um_and_counts_under_the_cursor(tab: LiveTab, pixels: NDArray[np.uint16]):
    frame = pixels.copy()
    frame[50, 100] = 65535
    tab.set_frame(frame_of(frame))
    QTest.mouseMove(tab.view, QPoint(2, 2))
    QTest.mouseMove(tab.view, on_screen(tab.view, 100.5, 50.5))
    assert under_cursor(tab) == "65,535 counts, saturated at x 100 px, y 50 px = 32.5 µm, 16.2 µm"
    tab.set_frame(frame_of(pixels, seq=1, um=None))  # the counts follow the frame, the cursor stands still
    assert under_cursor(tab) == f"{pixels[50, 100]:,} counts at x 100 px, y 50 px"


def test_the_pixel_size_may_come_from_the_rig(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels, um=None))
    assert re.search(r"Scale bar [\d,.]+ px", tab.view.describe())
    tab.set_pixel_size_um(0.5)
    assert re.search(r"Scale bar [\d,.]+ µm", tab.view.describe())


def test_a_region_is_drawn_inside_the_frame(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    tab.set_frame(frame_of(pixels))
    draw = find(tab, QAbstractButton, "Draw ROI")
    draw.click()
    with qtbot.waitSignal(tab.roi_drawn) as drawn:
        drag(tab.view, on_screen(tab.view, 200, 100), on_screen(tab.view, 300, 180))
    x, y, width, height = drawn.args
    assert (x, y) == (pytest.approx(200, abs=1), pytest.approx(100, abs=1))
    assert x + width == SIDE_PX
    assert height == pytest.approx(80, abs=2)
    assert not draw.isChecked()
    assert re.search(rf"Region {width} x {height} px, \d+ x \d+ µm", tab.view.describe())
    tab.set_frame(frame_of(pixels[:128, :128]))  # the camera has taken it
    assert "Region" not in tab.view.describe()


def test_escape_ends_drawing(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    tab.set_frame(frame_of(pixels))
    draw = find(tab, QAbstractButton, "Draw ROI")
    draw.click()
    QTest.keyClick(tab.view, Qt.Key.Key_Escape)
    assert not draw.isChecked()
    with qtbot.assertNotEmitted(tab.roi_drawn):
        drag(tab.view, on_screen(tab.view, 20, 20), on_screen(tab.view, 200, 200))


def test_contrast_is_remembered_and_reported(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    tab.set_frame(frame_of(pixels))
    assert tab.contrast()[2]
    with qtbot.assertNotEmitted(tab.contrast_changed):
        tab.set_contrast(10.0, 500.0, False)
    assert tab.contrast() == (10.0, 500.0, False)
    assert tab.view.frame_layer.limits == (10.0, 500.0)
    with qtbot.waitSignal(tab.contrast_changed):
        tab.contrast_panel.full_range()


def test_a_hidden_tab_does_no_work_and_catches_up(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    tab.hide()
    bright = np.full_like(pixels, 60_000)
    tab.set_frame(frame_of(bright, seq=1))
    assert tab.view.pixels is pixels
    tab.show()
    assert tab.view.pixels is bright


def test_a_frame_of_another_size_fits_again(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    scale = tab.view.viewport.scale
    tab.set_result(result_of(0, [0.9] * 4), GRID, THRESHOLD)
    tab.set_frame(frame_of(pixels[:128, :128], seq=0, section="S3"))
    assert tab.view.viewport.scale > scale
    assert tab.tiles.grid is None
    tab.set_result(result_of(0, [0.9] * 4), GRID, THRESHOLD)  # of the old shape: not shown over the new one
    assert tab.tiles.result is None


def test_clear_forgets_everything(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    tab.set_result(result_of(0, [0.9] * 4), GRID, THRESHOLD)
    tab.clear()
    assert tab.shown_frame is None
    assert tab.view.pixels is None
    tab.set_frame(frame_of(pixels))
    assert tab.tiles.result is None


def test_the_picture_is_saved_with_a_caption(tab: LiveTab, pixels: NDArray[np.uint16], tmp_path: Path):
    tab.set_frame(frame_of(pixels))
    tab.export_png(tmp_path / "view.png")
    image = QImage(str(tmp_path / "view.png"))
    assert image.width() == tab.view.width()
    assert image.height() > tab.view.height()
    with pytest.raises(StoreUnwritableError, match="Choose a folder"):
        tab.export_png(tmp_path / "nowhere" / "view.png")


def test_every_action_does_something_visible_and_nothing_breaks(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_frame(frame_of(pixels))
    tab.set_result(result_of(0, [0.9, 0.1, 0.5, 0.5], [0, 0, 1, 8]), GRID, THRESHOLD)
    actions = tab.findChildren(QAction)
    keys = [action.shortcut().toString() for action in actions]
    assert len(set(keys)) == len(keys)
    for action in actions:
        before = tab.grab().toImage()
        action.trigger()
        if action.text() in ("Tile grid", "Heatmap", "Values", "Histogram", "Draw ROI"):
            assert tab.grab().toImage() != before, action.text()
        action.trigger()
        tab.grab()
    popover = next(one for one in tab.findChildren(QFrame) if one.accessibleName() == "Layers")
    assert not popover.isHidden()
    QTest.keyClick(popover, Qt.Key.Key_Escape)
    assert popover.isHidden()


def test_a_key_and_the_pop_over_switch_the_same_layer(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    assert not [one for one in tab.findChildren(QFrame) if one.accessibleName() == "Layers"]  # made when it opens
    tab.set_frame(frame_of(pixels))
    layers = layers_of(tab)
    box = find(layers, QCheckBox, "Tile grid")
    assert box.isChecked()
    tab.activateWindow()
    tab.view.setFocus()
    qtbot.waitUntil(tab.view.hasFocus)
    QTest.keyClick(tab.view, Qt.Key.Key_G)
    assert (tab.tiles.shows_grid, box.isChecked()) == (False, False)
    box.click()
    assert (tab.tiles.shows_grid, box.isChecked()) == (True, True)


def test_a_live_picture_with_coloured_tiles_waits_for_them(tab: LiveTab, pixels: NDArray[np.uint16]):
    tab.set_live(True)
    wanted: list[bool] = []
    tab.prediction_wanted.connect(wanted.append)
    next(action for action in tab.actions() if action.text() == "Live prediction").trigger()
    assert wanted == [True]
    first, second = frame_of(pixels, 0, section=""), frame_of(pixels, 0, section="")  # another preview counts anew
    tab.set_frame(first)
    tab.await_prediction(True)
    tab.set_frame(second)
    assert tab.shown_frame is first
    assert tab.tiles.result is None
    result = result_of(0, [0.9] * 4)
    tab.show_predicted(second, result, GRID, THRESHOLD)
    assert (tab.shown_frame is second, tab.tiles.result is result) == (True, True)
    tab.await_prediction(False, "No model is loaded")
    assert tab.tiles.result is None
    assert "tiles not coloured: No model is loaded" in about(tab)
    tab.set_frame(first)
    assert tab.shown_frame is first


def test_keys_reach_the_actions(tab: LiveTab, pixels: NDArray[np.uint16], qtbot: QtBot):
    tab.set_frame(frame_of(pixels))
    tab.activateWindow()
    tab.view.setFocus()
    qtbot.waitUntil(tab.view.hasFocus)
    QTest.keyClick(tab.view, Qt.Key.Key_G)
    assert not tab.tiles.shows_grid
    QTest.keyClick(tab.view, Qt.Key.Key_1)
    assert tab.view.viewport.scale == pytest.approx(1.0)
    QTest.keyClick(tab.view, Qt.Key.Key_F)
    assert tab.view.fits


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [600, 900, 1400])
def test_nothing_is_cut_off(tab: LiveTab, pixels: NDArray[np.uint16], theme: ThemeName, width: int):
    tab.set_theme(theme)
    tab.resize(width, 620)
    tab.set_frame(frame_of(pixels))
    tab.set_result(result_of(0, [0.9, 0.1, 0.5, 0.5], [0, 0, 1, 8]), GRID, THRESHOLD)
    tab.grab()
    for control in tab.findChildren(QAbstractButton):
        if control.isVisible():
            assert control.width() >= control.minimumSizeHint().width(), control.text()
            assert tab.rect().contains(control.rect().translated(control.mapTo(tab, QPoint(0, 0)))), control.text()


def test_every_control_has_a_name_and_a_tooltip(tab: LiveTab):
    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox, QSlider):
        for control in tab.findChildren(kind):
            assert control.accessibleName() or control.text(), control
            assert control.toolTip() or control.parentWidget().toolTip(), control


def test_a_stored_field_stays_until_the_operator_goes_back(qtbot: QtBot, tab: LiveTab, pixels: NDArray[np.uint16]):
    pinned: list[int | None] = []
    tab.field_pinned.connect(pinned.append)
    tab.field_unpinned.connect(lambda: pinned.append(None))
    tab.set_section("S1")
    tab.set_frame(frame_of(pixels, seq=7))
    assert about(tab).startswith("Field 7,")
    tab.show_stored(frame_of(pixels, seq=2), (result_of(2, [0.9] * 4), GRID, THRESHOLD))
    assert about(tab).startswith("Stored field 2, 4 of 4 tiles classified")
    for seq in range(8, 40):  # more than are kept
        tab.set_frame(frame_of(pixels, seq=seq))
        tab.set_result(result_of(seq, [0.1] * 4), GRID, THRESHOLD)
    assert tab.shown_frame.seq == 2
    tab.hide()
    tab.show()
    assert "4 of 4 tiles" in about(tab)  # its result was not forgotten for newer ones
    back = find(tab, QAbstractButton, "Back to the newest")
    assert back.isVisible()
    qtbot.mouseClick(back, Qt.MouseButton.LeftButton)
    assert tab.shown_frame.seq == 39
    assert not back.isVisible()
    assert pinned == [2, None]


def test_what_is_not_painted_yet_is_not_on_the_screen(qtbot: QtBot, tab: LiveTab, pixels: NDArray[np.uint16]):
    with qtbot.waitExposed(tab):
        tab.set_frame(frame_of(pixels, seq=1))
    tab.view.repaint()
    tab.set_frame(frame_of(pixels, seq=2))
    assert (tab.shown_frame.seq, tab.frame_on_screen.seq) == (2, 1)
    tab.view.repaint()
    assert tab.frame_on_screen.seq == 2


def test_an_old_picture_is_never_called_live(qtbot: QtBot, pixels: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.live.live_tab.LOOK_MS", 2)
    tab = LiveTab()
    qtbot.addWidget(tab)
    tab.show()
    now_s = [100.0]
    tab.feed = Feed(lambda: now_s[0])
    tab.set_frame(frame_of(pixels, section=""))
    assert about(tab).startswith("Still picture of ")
    tab.set_live(True)
    assert tab.shown_frame is None  # the picture of before is gone until the first live one comes
    assert about(tab) == "Waiting for the first live picture …"
    now_s[0] += 7
    qtbot.waitUntil(lambda: about(tab) == "Waiting for the first live picture (7 s) …")
    tab.set_frame(frame_of(pixels, section=""))
    assert about(tab).startswith("Live,")
    now_s[0] += 1.9
    qtbot.wait(10)  # time for a look
    assert about(tab).startswith("Live,")
    now_s[0] += 1.1
    qtbot.waitUntil(lambda: about(tab).startswith("Not live: no new picture for 3 s"))
    tab.set_live(False)
    assert about(tab).startswith("Still picture of ")


def test_a_region_is_begun_and_the_histogram_hidden_from_outside_the_tab(tab: LiveTab):
    draw, histogram = find(tab, QAbstractButton, "Draw ROI"), find(tab, QAbstractButton, "Histogram")
    for _ in range(2):  # as often as one likes
        tab.begin_roi()
        assert draw.isChecked()
        assert tab.view.mouse_mode is MouseMode.RECTANGLE
        tab.hide_histogram()
        assert not histogram.isChecked()
        assert not tab.contrast_panel.isVisible()
