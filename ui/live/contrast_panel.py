"""The conversion of counts to brightness: the histogram with its limits, stretched to every frame or fixed.

Only the picture changes; the counts that are stored and classified never do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QSpinBox, QWidget

from ui.canvas.count_histogram import IGNORED_PERCENT, CountHistogram
from ui.kit.labels import describe
from ui.kit.theme import GRID_PX
from ui.live.histogram import HistogramPlot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ui.kit.theme import ThemeName

__all__ = ["ContrastPanel"]

_SHOW_EVERY_S = 0.1


class ContrastPanel(QWidget):
    """Histogram and the controls of the display limits."""

    changed = Signal(float, float, bool)
    """Black and white in counts, and whether they follow every frame; also when they followed one."""
    chosen = Signal(float, float, bool)
    """The same, only when a person chose it: worth remembering."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._histogram: CountHistogram | None = None
        self._full_scale = 65535
        self._limits = (0.0, 65535.0)
        self._shown_s = 0.0
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._show_now)
        self.plot = HistogramPlot()
        self.plot.limits_dragged.connect(self._fixed_by_hand)
        self._auto = QCheckBox("Auto-stretch")
        self._auto.setChecked(True)
        describe(self._auto, "Auto-stretch", "Fit black and white to every frame; off: the limits stay as they are")
        self._auto.toggled.connect(self._auto_toggled)
        self._ignored = QDoubleSpinBox()
        self._ignored.setRange(0.0, 10.0)
        self._ignored.setDecimals(2)
        self._ignored.setSingleStep(0.1)
        self._ignored.setValue(IGNORED_PERCENT)
        self._ignored.setSuffix(" %")
        describe(
            self._ignored,
            "Ignored share of pixels in percent",
            "Share of the darkest and of the brightest pixels that stretching ignores, in %",
        )
        self._ignored.valueChanged.connect(self._ignored_changed)
        self._black, self._white = self._limit_box("Black"), self._limit_box("White")
        once = QPushButton("Stretch once")
        describe(once, "Stretch once", "Fit black and white to this frame, and keep them")
        once.clicked.connect(self.stretch_once)
        full = QPushButton("Full range")
        describe(full, "Full range", "Black at 0 counts, white at the camera's full scale")
        full.clicked.connect(self.full_range)
        self._log = QCheckBox("Log")
        describe(self._log, "Logarithmic histogram", "Logarithmic heights: a few pixels are visible beside many")
        self._log.toggled.connect(self._log_toggled)
        self._fit_axis = QCheckBox("Fit axis")
        self._fit_axis.setChecked(True)
        describe(
            self._fit_axis,
            "Fit the axis to the counts that occur",
            "Show only the counts that occur; off: everything from 0 to full scale",
        )
        self._fit_axis.toggled.connect(self._fit_axis_toggled)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.addWidget(self.plot, 0, 0, 3, 1)
        grid.setColumnStretch(0, 1)
        ignoring = QLabel("ignoring")
        ignoring.setBuddy(self._ignored)
        cells: tuple[tuple[QWidget, ...], ...] = (
            (self._auto, ignoring, self._ignored, self._log),
            (_label("Black", self._black), self._black, once, self._fit_axis),
            (_label("White", self._white), self._white, full),
        )
        places = ((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3))
        for row, (widgets, columns) in enumerate(zip(cells, places, strict=True)):
            for widget, column in zip(widgets, columns, strict=True):
                grid.addWidget(widget, row, column)
        self._show()

    def _limit_box(self, name: str) -> QSpinBox:
        box = QSpinBox()
        box.setRange(0, 65535)
        box.setGroupSeparatorShown(True)
        box.setAccelerated(True)
        box.setKeyboardTracking(False)
        box.setAlignment(Qt.AlignmentFlag.AlignRight)
        describe(box, f"{name} limit in counts", f"Counts that are shown {name.lower()}")
        box.valueChanged.connect(self._box_changed)
        return box

    # -- limits and frames -------------------------------------------------------------------------------------------

    @property
    def limits(self) -> tuple[float, float]:
        """Black and white in counts."""
        return self._limits

    @property
    def auto(self) -> bool:
        """Whether the limits follow every frame."""
        return self._auto.isChecked()

    @property
    def histogram(self) -> CountHistogram | None:
        """The counts of the frame that is shown."""
        return self._histogram

    def set_contrast(self, low: float, high: float, auto: bool) -> None:
        """Take remembered limits; `chosen` is not emitted."""
        self._auto.blockSignals(True)  # no person toggles it
        self._auto.setChecked(auto)
        self._auto.blockSignals(False)
        self._limits = (float(low), float(max(high, low + 1)))
        if auto and self._histogram is not None:
            self._limits = self._histogram.limits(self._ignored.value() / 100)
        self._show()
        self.changed.emit(*self._limits, auto)

    def set_frame(self, pixels: NDArray[np.uint16], bit_depth: int) -> None:
        """Count the pixels of another frame, and fit the limits to it if they follow every frame."""
        self._histogram = CountHistogram.of(pixels)
        full_scale = (1 << bit_depth) - 1
        if full_scale != self._full_scale:
            self._full_scale = full_scale
            for box in (self._black, self._white):
                box.blockSignals(True)
                box.setMaximum(full_scale)
                box.blockSignals(False)
        if self.auto:
            self._follow()
        self._show_soon()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.plot.set_theme(theme)

    # -- slots -------------------------------------------------------------------------------------------------------

    @Slot()
    def stretch_once(self) -> None:
        """Fit the limits to this frame, and keep them."""
        if self._histogram is not None:
            self._fixed_by_hand(*self._histogram.limits(self._ignored.value() / 100))

    @Slot()
    def full_range(self) -> None:
        """Show black at 0 and white at full scale."""
        self._fixed_by_hand(0.0, float(self._full_scale))

    @Slot(float, float)
    def _fixed_by_hand(self, low: float, high: float) -> None:
        self._auto.blockSignals(True)
        self._auto.setChecked(False)
        self._auto.blockSignals(False)
        self._limits = (low, high)
        self._show()
        self._emit_choice()

    @Slot(int)
    def _box_changed(self, _count: int) -> None:
        low, high = self._black.value(), self._white.value()
        if high <= low:  # the limit that was not typed gives way
            low, high = (low, low + 1) if self.sender() is self._black else (high - 1, high)
        self._fixed_by_hand(float(max(0, low)), float(max(1, high)))

    @Slot(bool)
    def _auto_toggled(self, auto: bool) -> None:
        if auto:
            self._follow()
        self._emit_choice()

    @Slot(float)
    def _ignored_changed(self, _percent: float) -> None:
        if self.auto:
            self._follow()

    @Slot(bool)
    def _log_toggled(self, log: bool) -> None:
        self.plot.set_log(log)

    @Slot(bool)
    def _fit_axis_toggled(self, fit_axis: bool) -> None:
        self.plot.set_fit_axis(fit_axis)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        if self._histogram is None:
            return
        limits = self._histogram.limits(self._ignored.value() / 100)
        if limits != self._limits:
            self._limits = limits
            self._show_soon()
            self.changed.emit(*limits, True)

    def _show_soon(self) -> None:
        """Show counts and limits at most every 0.1 s: no eye reads faster, and frames may come 30 times a second."""
        waited_s = time.monotonic() - self._shown_s
        if waited_s >= _SHOW_EVERY_S:
            self._show_now()
        elif not self._late.isActive():
            self._late.start(round(1000 * (_SHOW_EVERY_S - waited_s)))

    @Slot()
    def _show_now(self) -> None:
        self._shown_s = time.monotonic()
        self.plot.set_histogram(self._histogram, self._full_scale)
        self._show()

    def _emit_choice(self) -> None:
        self.changed.emit(*self._limits, self.auto)
        self.chosen.emit(*self._limits, self.auto)

    def _show(self) -> None:
        for box, count in zip((self._black, self._white), self._limits, strict=True):
            box.blockSignals(True)
            if not box.hasFocus() or not self.auto:
                box.setValue(round(count))
            box.blockSignals(False)
        self.plot.set_limits(*self._limits)


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    return label
