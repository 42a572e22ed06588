from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QSpinBox
from view_parts import drag, phantom_pixels

from ui.canvas.count_histogram import CountHistogram
from ui.live.contrast_panel import ContrastPanel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint16]:
    return phantom_pixels(512)


@pytest.fixture
def panel(qtbot: QtBot) -> ContrastPanel:
    panel = ContrastPanel()
    qtbot.addWidget(panel)
    panel.resize(800, 110)
    panel.show()
    return panel


def test_limits_are_percentiles_of_the_decimated_frame(pixels: NDArray[np.uint16]):
    histogram = CountHistogram.of(pixels)
    sampled = pixels[::8, ::8]
    assert histogram.n == sampled.size
    low, high = histogram.limits(0.01)
    assert low == pytest.approx(np.percentile(sampled, 1), rel=0.01)
    assert high == pytest.approx(np.percentile(sampled, 99), rel=0.01)
    assert histogram.limits(0.0) == (float(sampled.min()), float(sampled.max()))


def test_bins_hold_every_sampled_pixel(pixels: NDArray[np.uint16]):
    histogram = CountHistogram.of(pixels)
    assert histogram.binned(0, 65535).sum() == histogram.n
    assert histogram.binned(histogram.lowest, histogram.highest).sum() == histogram.n
    assert histogram.share_from(0) == 1.0
    assert len(histogram.binned(5, 14)) == 10


def test_a_flat_frame_has_limits_apart():
    assert CountHistogram.of(np.full((8, 8), 700, np.uint16)).limits(0.001) == (700.0, 701.0)
    assert CountHistogram.of(np.full((8, 8), 65535, np.uint16)).limits(0.0)[0] == 65535.0


def test_auto_follows_every_frame_and_remembers_nothing(panel: ContrastPanel, pixels: NDArray[np.uint16], qtbot: QtBot):
    with qtbot.assertNotEmitted(panel.chosen), qtbot.waitSignal(panel.changed):
        panel.set_frame(pixels, 16)
    first = panel.limits
    panel.set_frame(pixels // 2, 16)
    assert panel.limits[1] == pytest.approx(first[1] / 2, abs=1)
    assert panel.auto


def test_fixed_limits_stay(panel: ContrastPanel, pixels: NDArray[np.uint16], qtbot: QtBot):
    panel.set_contrast(100.0, 5000.0, False)
    panel.set_frame(pixels, 16)
    assert (*panel.limits, panel.auto) == (100.0, 5000.0, False)
    with qtbot.waitSignal(panel.chosen) as chosen:
        panel.full_range()
    assert chosen.args == [0.0, 65535.0, False]
    with qtbot.waitSignal(panel.chosen) as chosen:
        panel.stretch_once()
    assert chosen.args == [*CountHistogram.of(pixels).limits(0.001), False]
    box = find(panel, QCheckBox, "Auto-stretch")
    with qtbot.waitSignal(panel.chosen) as chosen:
        QTest.keyClick(box, Qt.Key.Key_Space)
    assert chosen.args[2] is True


def test_typed_limits_never_cross(panel: ContrastPanel, pixels: NDArray[np.uint16]):
    panel.set_frame(pixels, 12)
    black, white = find(panel, QSpinBox, "Black limit in counts"), find(panel, QSpinBox, "White limit in counts")
    assert white.maximum() == 4095
    panel.set_contrast(100.0, 500.0, False)
    black.setValue(900)
    assert panel.limits == (900.0, 901.0)
    white.setValue(20)
    assert panel.limits == (19.0, 20.0)


def test_what_is_ignored_changes_the_stretch(panel: ContrastPanel, pixels: NDArray[np.uint16]):
    panel.set_frame(pixels, 16)
    wide = panel.limits
    find(panel, QDoubleSpinBox, "Ignored share of pixels in percent").setValue(5.0)
    assert panel.limits[0] > wide[0]
    assert panel.limits[1] < wide[1]


@pytest.mark.parametrize("index", [0, 1])
def test_a_limit_can_be_dragged(panel: ContrastPanel, pixels: NDArray[np.uint16], index: int, qtbot: QtBot):
    panel.set_frame(pixels, 16)
    plot = panel.plot
    start = QPoint(round(plot.x_of(panel.limits[index])), 20)
    end = QPoint(start.x() + (30 if index == 0 else -30), 20)
    wanted = plot.count_at(end.x())
    with qtbot.waitSignal(panel.chosen):
        drag(plot, start, end)
    assert panel.limits[index] == pytest.approx(wanted, abs=1)
    assert not panel.auto


def test_a_limit_can_be_moved_by_keys(panel: ContrastPanel, pixels: NDArray[np.uint16]):
    panel.set_frame(pixels, 16)
    low, high = panel.limits
    QTest.keyClick(panel.plot, Qt.Key.Key_Right)
    assert panel.limits[0] > low
    QTest.keyClick(panel.plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert panel.limits[1] < high
    low = panel.limits[0]
    QTest.keyClick(panel.plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert panel.limits[0] == low - 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("fit_axis", [False, True])
def test_the_plot_paints(panel: ContrastPanel, pixels: NDArray[np.uint16], log: bool, fit_axis: bool):
    empty = panel.plot.grab().toImage()
    saturated = pixels.copy()
    saturated[:200] = 65535
    panel.set_frame(saturated, 16)
    panel.plot.set_log(log)
    panel.plot.set_fit_axis(fit_axis)
    assert panel.plot.grab().toImage() != empty
    assert panel.plot.shown_range()[1] == 65535
    assert (panel.plot.shown_range()[0] == 0) is not fit_axis


def test_the_plot_catches_up_with_the_last_of_many_frames(
    panel: ContrastPanel, pixels: NDArray[np.uint16], qtbot: QtBot
):
    for divisor in (1, 2, 3, 4):
        panel.set_frame(pixels // divisor, 16)
    last, (low, high) = CountHistogram.of(pixels // 4), panel.limits
    counts = f"the frame has {last.lowest:,} to {last.highest:,} counts"
    qtbot.waitUntil(lambda: counts in panel.plot.describe(), timeout=1000)
    assert panel.plot.describe().startswith(f"Black at {low:,.0f} counts, white at {high:,.0f} counts")
