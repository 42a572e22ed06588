"""The Tiles tab: what it reads, in which order it shows it, and what its dialog shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QPushButton, QToolButton
from review_parts import GRID, Reader, assert_usable_without_eyes_or_mouse, frame, result, settle, wait
from view_parts import on_screen

from hcc_scope.errors import ModelError, StoreUnwritableError
from hcc_scope.tiling import TileGrid
from ui.canvas.canvas import Canvas
from ui.kit.controls import ElidedLabel
from ui.kit.jobs import Jobs
from ui.tiles.saliency_view import SaliencyMode
from ui.tiles.thumbnails import make_thumbnails
from ui.tiles.tile_model import TILE_ROLE
from ui.tiles.tile_table import TileFilter, TileOrder
from ui.tiles.tiles_tab import TilesTab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.kit.theme import ThemeName


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


CANVASES = ("Pixels as they were classified", "Saliency map", "Saliency map over the pixels")


@pytest.fixture
def tab(qtbot: QtBot, jobs: Jobs) -> TilesTab:
    return gallery(qtbot, jobs)


def gallery(qtbot: QtBot, jobs: Jobs) -> TilesTab:
    made = TilesTab(jobs)
    qtbot.addWidget(made, before_close_func=lambda one: one.clear())
    made.resize(800, 600)
    with qtbot.waitActive(made):
        made.show()
    return made


def fill(tab: TilesTab, n_fields: int, reader: Reader | None = None) -> Reader:
    reader = reader or Reader()
    results = [result(seq, [0.1, 0.4 + seq / 10_000, 0.9, 0.5], [0, 0, 0, 2]) for seq in range(n_fields)]
    tab.show_section(results, GRID, reader, threshold=0.45, pixel_size_um=0.5)
    return reader


def test_an_empty_gallery_explains_itself(tab: TilesTab):
    empty = find(tab, QLabel, "Why no tile is shown")
    assert (empty.isVisible(), tab.view.isVisible()) == (True, False)
    fill(tab, 1)
    assert (empty.isVisible(), tab.view.isVisible()) == (False, True)
    tab.set_filter(TileFilter.SATURATED)
    assert empty.text() == "No tile matches."
    tab.clear()
    assert empty.text() == ""  # the page has a hint of its own (test_modes)


def test_only_what_is_seen_is_read(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    reader = fill(tab, 2000)
    tab.view.viewport().repaint()
    settle(qtbot, jobs)
    assert tab.model.rowCount() == 8000
    assert 0 < len(set(reader.read)) < 30
    assert max(reader.read) == 1999


def test_thumbnails_come_and_are_painted(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 2)
    dark = tab.view.viewport().grab().toImage()
    settle(qtbot, jobs)
    assert tab.view.viewport().grab().toImage() != dark


def test_tiles_are_cut_as_large_as_the_model_had_them(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    small = TileGrid.for_frame((1024, 1024), 256)
    tab.show_section([result(0, [0.9] * small.n)], small, Reader(), threshold=0.45)
    tab.thumbnails.set_side_px(64)
    assert tab.thumbnails.get(0, 0) is None
    settle(qtbot, jobs)
    wait(qtbot, lambda: tab.thumbnails.get(0, small.n - 1) is not None)  # of 512 px there would be 4 of these 16
    wanted = make_thumbnails(frame(0).pixels, small, 64)
    image = tab.thumbnails.get(0, 5)
    got = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())[:, : image.width()]
    assert np.array_equal(got, wanted[5])


def test_a_field_that_cannot_be_read_yet_is_asked_for_again(qtbot: QtBot, jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.tiles.thumbnails.RETRY_S", 0.02)
    tab = gallery(qtbot, jobs)
    reader = fill(tab, 3, Reader(n=0))
    tab.view.viewport().repaint()
    wait(qtbot, lambda: tab.thumbnails.problem(2) is not None)
    assert "There is no frame 2" in str(tab.thumbnails.problem(2))
    reader.n = 3
    wait(qtbot, lambda: tab.thumbnails.get(2, 0) is not None)


def test_sorting_keeps_the_chosen_tile_chosen(tab: TilesTab):
    fill(tab, 5)
    tab.view.setCurrentIndex(tab.model.index(7))
    chosen = tab.view.currentIndex().data(TILE_ROLE)
    tab.set_order(TileOrder.LEAST_CERTAIN)
    now = tab.view.currentIndex().data(TILE_ROLE)
    assert (now.seq, now.index) == (chosen.seq, chosen.index)
    assert tab.model.tile_at(0).index == 1


def test_new_results_appear_soon_unless_the_order_is_held(qtbot: QtBot, tab: TilesTab):
    fill(tab, 1)
    tab.add_result(result(1, [0.5] * 4), GRID)
    wait(qtbot, lambda: tab.model.rowCount() == 8)
    live = find(tab, QCheckBox, "Keep up with the run")
    live.setChecked(False)
    tab.add_result(result(2, [0.5] * 4), GRID)
    count = find(tab, QLabel, "Number of tiles")
    wait(qtbot, lambda: "8 of 12" in count.text() or "12 of 12" in count.text())
    assert tab.model.rowCount() == 8
    live.setChecked(True)
    assert tab.model.rowCount() == 12


def test_hidden_tiles_are_not_laid_out(qtbot: QtBot, tab: TilesTab):
    fill(tab, 1)
    tab.hide()
    tab.add_result(result(1, [0.5] * 4), GRID)
    wait(qtbot, lambda: "8" in find(tab, QLabel, "Number of tiles").text())
    assert tab.model.rowCount() == 4
    tab.show()
    assert tab.model.rowCount() == 8


def test_the_filter_counts_its_tiles(tab: TilesTab):
    fill(tab, 3)
    tab.set_excluded(1, True)
    tab.model.bring_up_to_date()
    shown = find(tab, QComboBox, "Tiles to show")
    texts = [shown.itemText(row) for row in range(shown.count())]
    assert texts[:4] == ["All tiles (12)", "Classified (9)", "Excluded (3)", "No tissue (0)"]
    assert texts[-1] == "Field excluded by operator (4)"


def test_a_tile_describes_itself_to_screen_readers_and_in_its_tooltip(tab: TilesTab):
    fill(tab, 1)
    roles = Qt.ItemDataRole
    assert tab.model.index(2).data(roles.AccessibleTextRole) == "field 0, row 2, col 1: 0.900"
    assert "at or above the threshold 0.45" in tab.model.index(2).data(roles.ToolTipRole)
    assert "out of focus" in tab.model.index(3).data(roles.ToolTipRole)


def test_enter_opens_the_pixels_with_saliency(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 2)
    tab.set_saliency(lambda tile: tile.astype(np.float32) - 1999, "other-model")
    tab.view.setFocus()
    tab.view.setCurrentIndex(tab.model.index(5))  # the older field's second tile
    qtbot.keyClick(tab.view, Qt.Key.Key_Return)
    dialog = tab.dialog
    assert dialog is not None
    assert dialog.here == (0, 1)
    wait(qtbot, lambda: dialog.view.relative is not None)
    assert find(dialog, QLabel, "About the saliency map").text().startswith("Saliency of other-model, the model that")
    assert np.array_equal(dialog.view.pixels, GRID.views(frame(0).pixels)[1])
    assert find(dialog, QLabel, "Probability of high").text() == "0.4000, below the threshold 0.4500"
    # the frame's centre is at (100, 200) µm; the tile's centre is 256 px right of and 256 px above it
    assert find(dialog, QLabel, "On the stage").text() == "x 228 µm, y 72 µm"
    pixels = find(dialog, Canvas, "Pixels as they were classified")
    qtbot.keyClick(pixels, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)  # from the middle by one pixel
    where = f"x 257 px, y 256 px in the tile: {2000 + 257 % 7} counts, saliency "
    assert find(dialog, ElidedLabel, "Under the cursor").whole_text().startswith(where)


def test_the_dialog_steps_through_the_gallery_and_to_neighbours(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 2)
    tab.open_tile(1, 0)
    dialog = tab.dialog
    settle(qtbot, jobs)
    dialog.activateWindow()
    wait(qtbot, lambda: QApplication.activeWindow() is dialog)
    onwards = find(dialog, QPushButton, "Next")
    onwards.click()
    assert dialog.here == (1, 1)
    qtbot.keyClick(dialog, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert dialog.here == (1, 3)
    assert "not classified: out of focus" in find(dialog, QLabel, "Quality").text()
    qtbot.keyClick(dialog, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert dialog.here == (1, 3)  # the edge of the field
    onwards.click()
    assert dialog.here == (0, 0)
    assert tab.view.currentIndex().data(TILE_ROLE).seq == 0
    for _ in range(10):
        find(dialog, QPushButton, "Previous").click()
    assert dialog.here == (1, 0)
    settle(qtbot, jobs)
    field = find(dialog, Canvas, "Neighbours in the field")
    left = Qt.MouseButton.LeftButton
    QTest.mouseClick(field, left, Qt.KeyboardModifier.NoModifier, on_screen(field, 530.0, 530.0))
    assert dialog.here == (1, 3)
    assert "probability" in field.tooltip_of(10.0, 10.0)


def test_stepping_fast_shows_the_tile_that_was_wanted_last(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 50)
    tab.set_saliency(lambda tile: np.full(tile.shape, float(tile[0, 0]), np.float32))
    for seq in range(50):
        tab.open_tile(seq, 2)
    dialog = tab.dialog
    wait(qtbot, lambda: dialog.view.relative is not None)
    assert dialog.here == (49, 2)
    assert dialog.view.pixels[0, 0] == 3049


@pytest.mark.parametrize("mode", list(SaliencyMode))
def test_the_saliency_view_shows_what_is_chosen(qtbot: QtBot, tab: TilesTab, jobs: Jobs, mode: SaliencyMode):
    fill(tab, 1)
    tab.open_tile(0, 0)
    settle(qtbot, jobs)
    view = tab.dialog.view
    note = find(view, QLabel, "About the saliency map")
    assert note.text() == "No saliency: there is no model loaded that can compute it."
    find(view, QToolButton, mode.value).click()
    assert view.mode is mode
    shown = [find(view, Canvas, name).isVisible() for name in CANVASES]
    alone = [mode is one for one in (SaliencyMode.IMAGE, SaliencyMode.MAP, SaliencyMode.OVERLAY)]
    assert shown == ([True] * 3 if mode is SaliencyMode.ALL else alone)


def test_the_canvases_pan_and_zoom_as_one(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 1)
    tab.open_tile(0, 0)
    settle(qtbot, jobs)
    image, saliency, overlay = (find(tab.dialog, Canvas, name) for name in CANVASES)
    image.zoom_by(3.0)
    image.centre_on(100.0, 120.0)
    for canvas in (saliency, overlay):
        assert canvas.viewport.scale == pytest.approx(image.viewport.scale)
        assert canvas.viewport.centre == pytest.approx((100.0, 120.0))
    overlay.fit()
    assert image.fits


def test_a_failed_read_or_map_is_reported(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    def broken(_tile: object) -> np.ndarray:
        raise ModelError("the model has no gradient")

    fill(tab, 2, Reader(n=1))
    tab.set_saliency(broken)
    tab.open_tile(1, 0)
    settle(qtbot, jobs)
    state = find(tab.dialog, ElidedLabel, "State")
    assert state.whole_text() == "There is no frame 1"
    tab.open_tile(0, 0)
    settle(qtbot, jobs)
    assert find(tab.dialog, QLabel, "About the saliency map").text() == "No saliency. The model has no gradient"
    tab.set_reader(None)
    tab.open_tile(1, 0)
    assert "no store to read them from" in state.whole_text()


def test_another_section_closes_the_dialog(qtbot: QtBot, tab: TilesTab, jobs: Jobs):
    fill(tab, 1)
    tab.open_tile(0, 0)
    dialog = tab.dialog
    fill(tab, 1)
    assert not dialog.isVisible()
    assert tab.dialog is None


def test_the_gallery_is_saved_as_a_picture(tab: TilesTab, tmp_path: Path):
    fill(tab, 1)
    tab.export_png(tmp_path / "tiles.png")
    assert (tmp_path / "tiles.png").is_file()
    with pytest.raises(StoreUnwritableError, match="cannot be written"):
        tab.export_png(tmp_path / "missing" / "tiles.png")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_paint(qtbot: QtBot, tab: TilesTab, jobs: Jobs, theme: ThemeName):
    fill(tab, 2)
    tab.set_theme(theme)
    tab.open_tile(0, 0)
    settle(qtbot, jobs)
    assert not tab.grab().isNull()
    assert_usable_without_eyes_or_mouse(tab)
    assert not tab.dialog.grab().isNull()
    assert tab.view.indexAt(QPointF(20, 20).toPoint()).isValid()
