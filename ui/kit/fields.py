"""Fields that show what a device reports, and signal when the operator wants something else.

A field that is being edited is left alone; otherwise `show_value` puts back what the device has, also after a refusal.
Typed text is taken as a whole: a value beyond the device's limits is refused with a message where it is set
for. A field that drops the digits beyond its limit would make 3 of 300.
The wheel is ignored without focus: scrolling past a field must not change an exposure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSizePolicy, QStyle

from hcc_scope.formatting import format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QKeyEvent, QWheelEvent

__all__ = ["ChoiceField", "NumberField"]

_WIDEST = 1e9
"""Limit of what can be typed: the device itself refuses what it cannot do."""
_OPENING_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End}
)


class NumberField(QDoubleSpinBox):
    """A number with its unit.

    Parameters
    ----------
    unit : str
        Shown after the number; empty for a pure number.
    decimals : int
        At most so many are shown and taken.
    step : float
        Of the arrows.
    """

    committed = Signal(float)
    """A person entered another value than the one shown (Enter, leaving the field, an arrow)."""

    def __init__(self, unit: str, decimals: int, step: float) -> None:
        super().__init__()
        self._shown: float | None = None
        self._editing = False
        self._limits: tuple[float, float] | None = None
        self.setLocale(QLocale.c())  # one decimal point for all, as in plans, rigs and reports
        self.setKeyboardTracking(False)
        self.setDecimals(decimals)
        self.setSingleStep(step)
        self.setRange(-_WIDEST, _WIDEST)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if unit:
            self.setSuffix(f" {unit}")
        self.lineEdit().textEdited.connect(self._begin_editing)
        self.valueChanged.connect(self._commit)
        self.editingFinished.connect(self._end_editing)

    @property
    def editing(self) -> bool:
        """Whether a person is typing."""
        return self._editing

    def show_limits(self, limits: tuple[float, float] | None) -> None:
        """Take the device's limits, at which the arrows end; None where it states none."""
        self._limits = limits

    def stepBy(self, steps: int) -> None:  # noqa: N802 - Qt's name
        """Go on by the arrows, not beyond the device's limits."""
        widest = self.minimum(), self.maximum()
        if self._limits is not None:
            self._set_range(min(self._limits[0], self.value()), max(self._limits[1], self.value()))
        super().stepBy(steps)
        self._set_range(*widest)

    def _set_range(self, low: float, high: float) -> None:
        blocked = QSignalBlocker(self)
        self.setRange(low, high)
        blocked.unblock()

    def stepEnabled(self) -> QDoubleSpinBox.StepEnabledFlag:  # noqa: N802 - Qt's name
        """Return which arrows lead anywhere."""
        flags = QDoubleSpinBox.StepEnabledFlag.StepNone
        low, high = self._limits or (-_WIDEST, _WIDEST)
        if self.value() > low:
            flags |= QDoubleSpinBox.StepEnabledFlag.StepDownEnabled
        if self.value() < high:
            flags |= QDoubleSpinBox.StepEnabledFlag.StepUpEnabled
        return flags

    def show_value(self, value: float) -> None:
        """Show the device's value, unless a person is typing."""
        if not math.isfinite(value):
            return
        self._shown = value
        if self._editing or self.value() == value:
            return
        blocked = QSignalBlocker(self)
        self.setValue(value)
        blocked.unblock()

    def textFromValue(self, val: float) -> str:  # noqa: N802 - Qt's name
        """Return the number without useless zeros."""
        return format_number(val, self.decimals())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for the longest usual number, not for the widest limit."""
        return QSize(self._needed_px(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the same: a number is never cut."""
        return QSize(self._needed_px(), super().minimumSizeHint().height())

    def _needed_px(self) -> int:
        metrics = self.fontMetrics()
        text = max(metrics.horizontalAdvance(self.text()), metrics.horizontalAdvance("0" * 6 + self.suffix()))
        return text + 2 * metrics.averageCharWidth() + self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)

    @Slot(str)
    def _begin_editing(self, text: str) -> None:
        self._editing = True

    @Slot(float)
    def _commit(self, value: float) -> None:
        self._editing = False
        if value != self._shown:
            self.committed.emit(value)

    @Slot()
    def _end_editing(self) -> None:
        self._editing = False

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Let Escape give up what was typed."""
        if event.key() == Qt.Key.Key_Escape and self._editing:
            self._editing = False
            if self._shown is not None:
                blocked = QSignalBlocker(self)
                self.setValue(self._shown)
                self.lineEdit().setText(self.textFromValue(self._shown) + self.suffix())
                blocked.unblock()
            self.selectAll()
            return
        super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Ignore the wheel unless the field has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceField(QComboBox):
    """One of several words. Arrow keys open the list rather than walk through it: each step would move a device."""

    committed = Signal(str)
    """A person chose another entry than the one shown."""

    def __init__(self, placeholder: str = "none of these") -> None:
        super().__init__()
        self._shown = ""
        self._options: tuple[str, ...] = ()
        self.setPlaceholderText(placeholder)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(self._chosen)

    def show_choice(self, options: Sequence[str], current: str | None) -> None:
        """Show what the device allows and what it has; not while the list is open."""
        if self.view().isVisible():
            return
        options = tuple(options)
        if current is not None and current and current not in options:
            options = (*options, current)  # what is, is shown, also where the device does not list it
        self._shown = current or ""
        blocked = QSignalBlocker(self)
        if options != self._options:
            self._options = options
            self.clear()
            self.addItems(list(options))
            for index, option in enumerate(options):
                self.setItemData(index, option, Qt.ItemDataRole.ToolTipRole)
            self.updateGeometry()
        index = self._options.index(self._shown) if self._shown else -1
        if index != self.currentIndex():
            self.setCurrentIndex(index)
        blocked.unblock()

    @Slot(int)
    def _chosen(self, index: int) -> None:
        text = self.itemText(index)
        if text != self._shown:
            self.committed.emit(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open the list with any key that would otherwise change the device at once."""
        if event.key() in _OPENING_KEYS or event.text().strip().isalnum():
            self.showPopup()
            return
        super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the panel: scrolling must not move a device."""
        event.ignore()
