from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from view_parts import colour_at, drag, on_screen

from ui.canvas.canvas import MouseMode
from ui.canvas.image_view import ImageView
from ui.canvas.luts import PALETTES, SATURATED_RGB, lookup_table, palette_rgb

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def view(qtbot: QtBot) -> ImageView:
    view = ImageView()
    qtbot.addWidget(view)
    view.resize(400, 400)
    view.show()
    return view


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_do_not_contain_the_saturation_mark(name: str):
    distance = np.abs(palette_rgb(name).astype(int) - SATURATED_RGB).sum(axis=1)
    assert distance.min() > 100


def test_an_unknown_palette_is_named():
    with pytest.raises(ValueError, match="no palette 'Rainbow'"):
        palette_rgb("Rainbow")


def test_the_table_puts_limits_colours_and_saturation_together():
    table = lookup_table("Grey", (1000.0, 2000.0), saturated_from=4095)
    assert table.shape == (65536,)
    assert [hex(table[c]) for c in (0, 1000, 1500, 2000, 4094)] == [
        "0xff000000",
        "0xff000000",
        "0xff808080",
        "0xffffffff",
        "0xffffffff",
    ]
    assert (table[4095:] == 0xFF000000 | (SATURATED_RGB[0] << 16) | (SATURATED_RGB[1] << 8) | SATURATED_RGB[2]).all()


def test_every_quadrant_is_where_it_belongs(view: ImageView):
    pixels = np.zeros((1000, 1000), np.uint16)
    pixels[:500, 500:] = 1000
    pixels[500:, :500] = 2000
    pixels[500:, 500:] = 65535
    view.set_pixels(pixels)
    view.set_limits(0.0, 2000.0)
    assert view.viewport.scale < 0.5  # so it is decimated
    greys = [colour_at(view, x, y).getRgb()[:3] for x, y in ((100, 100), (900, 100), (100, 900), (800, 600))]
    assert greys == [(0, 0, 0), (128, 128, 128), (255, 255, 255), SATURATED_RGB]
    view.set_marks_saturated(False)
    assert colour_at(view, 800, 600).getRgb()[:3] == (255, 255, 255)
    view.set_palette_name("Inverted grey")
    assert colour_at(view, 100, 100).getRgb()[:3] == (255, 255, 255)


def test_zoomed_in_single_pixels_are_squares(view: ImageView):
    pixels = np.zeros((64, 64), np.uint16)
    pixels[20, 30] = 1000
    view.set_pixels(pixels, bit_depth=12)
    view.set_limits(0.0, 1000.0)
    view.zoom_to(20.0)
    view.centre_on(30.5, 20.5)
    assert colour_at(view, 30.1, 20.1).red() == 255
    assert colour_at(view, 30.9, 20.9).red() == 255
    assert colour_at(view, 29.9, 20.5).red() == 0
    assert colour_at(view, 31.1, 20.5).red() == 0


def test_a_frame_that_is_no_multiple_of_the_step_ends_at_its_edge(view: ImageView):
    view.set_pixels(np.full((1001, 1003), 1000, np.uint16))
    view.set_limits(0.0, 1000.0)
    assert colour_at(view, 1001, 500).red() == 255
    right = on_screen(view, 1003, 500).x()
    assert view.grab().toImage().pixelColor(right + 2, 200).red() < 60


def test_counts_are_those_of_the_pixel(view: ImageView):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    view.set_pixels(pixels)
    assert view.counts_at(3.9, 2.1) == (3, 2, 11)
    assert view.counts_at(4.0, 0.0) is None
    assert view.counts_at(-0.1, 0.0) is None


def test_the_mouse_pans_and_zooms_around_the_cursor(view: ImageView, qtbot: QtBot):
    view.set_pixels(np.zeros((400, 400), np.uint16))
    view.zoom_to(2.0)
    before = view.viewport.centre
    drag(view, QPoint(200, 200), QPoint(240, 180))
    assert view.viewport.centre == pytest.approx((before[0] - 20, before[1] + 10))
    drag(view, QPoint(200, 200), QPoint(160, 220), Qt.MouseButton.MiddleButton)
    assert view.viewport.centre == pytest.approx(before)
    under = view.viewport.to_world(100, 50)
    view.zoom_by(1.25, 100, 50)
    assert view.viewport.to_world(100, 50) == pytest.approx(under)


def test_everything_can_be_done_by_keys(view: ImageView, qtbot: QtBot):
    view.set_pixels(np.zeros((400, 400), np.uint16))
    fitted = view.viewport.scale
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.viewport.scale == pytest.approx(1.25 * fitted)
    assert not view.fits
    centre = view.viewport.centre
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.viewport.centre[0] > centre[0]
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.viewport.centre[1] > centre[1]
    QTest.keyClick(view, Qt.Key.Key_0)
    assert view.fits
    assert view.viewport.scale == pytest.approx(fitted)
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))  # another test's mouse may still be over it
    QTest.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert view.cursor_at == (201.0, 200.0)
    QTest.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert view.cursor_at == (201.0, 190.0)
    with qtbot.waitSignal(view.clicked) as clicked:
        QTest.keyClick(view, Qt.Key.Key_Return)
    assert clicked.args == [201.0, 190.0]


def test_a_resized_view_still_shows_the_whole_frame(view: ImageView):
    view.set_pixels(np.zeros((400, 400), np.uint16))
    view.resize(800, 200)
    assert view.viewport.visible()[3] >= 400


def test_a_drawn_rectangle_is_reported_once_and_escape_cancels_it(view: ImageView, qtbot: QtBot):
    view.set_pixels(np.zeros((400, 400), np.uint16))
    view.set_mouse_mode(MouseMode.RECTANGLE)
    start, end = on_screen(view, 300, 250), on_screen(view, 100, 150)
    with qtbot.waitSignal(view.rectangle_drawn) as drawn:
        drag(view, start, end)
    rect: QRectF = drawn.args[0]
    assert (rect.x(), rect.y(), rect.width(), rect.height()) == pytest.approx((100, 150, 200, 100), abs=2)
    with qtbot.assertNotEmitted(view.rectangle_drawn):
        QTest.mousePress(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        QTest.mouseMove(view, end)
        QTest.keyClick(view, Qt.Key.Key_Escape)
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
        drag(view, start, start + QPoint(0, 1))


def test_the_crosshair_follows_the_cursor(view: ImageView):
    view.set_pixels(np.zeros((400, 400), np.uint16))
    view.set_limits(0.0, 10.0)
    view.set_crosshair(True)
    QTest.mouseMove(view, QPoint(200, 200))
    QTest.mouseMove(view, on_screen(view, 100, 300))
    assert colour_at(view, 100, 50).red() > 150
    assert colour_at(view, 50, 300).red() > 150
    assert colour_at(view, 200, 200).red() == 0


def test_a_screen_reader_hears_what_is_shown_where_the_focus_is(view: ImageView, qtbot: QtBot):
    view.tooltip_of = lambda x, y: f"at {x:.0f}, {y:.0f}"
    view.set_pixels(np.zeros((200, 200), np.uint16))
    assert view.accessibleDescription().startswith("Arrows pan")
    view.set_pixel_size_um(0.5)
    view.activateWindow()
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))  # wherever an earlier test left the mouse
    view.clearFocus()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    assert re.match(r"Scale bar \d+ µm\. Arrows pan", view.accessibleDescription())
    QTest.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert "Under the cursor: at 101, 100. Arrows pan" in view.accessibleDescription()
