"""From field to field: a slider with buttons and a number, by mouse and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QSpinBox, QWidget

from ui.kit.controls import action_button
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtWidgets import QToolButton

__all__ = ["Scrubber"]


class Scrubber(QWidget):
    """Chooses one of n fields.

    Parameters
    ----------
    keys_in : QWidget
        The keys work while the focus is in there.
    """

    moved = Signal(int)
    """A field's number."""

    def __init__(self, keys_in: QWidget) -> None:
        super().__init__()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setPageStep(10)
        self._slider.setAccessibleName("Field")
        self._slider.setToolTip("Which field is shown; arrow keys step by one, Page Up and Down by ten")
        self._slider.setMinimumWidth(8 * GRID_PX)
        self._number = QSpinBox()
        self._number.setAccessibleName("Field number")
        self._number.setToolTip("Number of the field; the first is field 0")
        self._number.setKeyboardTracking(False)
        self._of = ValueLabel("Numbers of the fields")
        self._buttons: list[QToolButton] = [
            action_button(keys_in, sign, name, key, do)
            for sign, name, key, do in (
                ("|◀", "First field", "Alt+Home", self._first),
                ("◀", "Previous field", "Alt+Left", self._previous),
                ("▶", "Next field", "Alt+Right", self._next),
                ("▶|", "Last field", "Alt+End", self._last),
            )
        ]
        for button in self._buttons:
            button.setAccessibleName(button.accessibleDescription())  # a screen reader reads no symbols
        label = QLabel("F&ield")
        label.setBuddy(self._number)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX // 2)
        for button in self._buttons[:2]:
            row.addWidget(button)
        row.addWidget(self._slider, 1)
        for button in self._buttons[2:]:
            row.addWidget(button)
        row.addSpacing(GRID_PX)
        for widget in (label, self._number, self._of):
            row.addWidget(widget)
        self._slider.valueChanged.connect(self._slider_moved)
        self._number.valueChanged.connect(self._slider.setValue)
        self.set_number_of_fields(0)

    def set_number_of_fields(self, n: int) -> None:
        """Choose among so many fields, beginning with the first."""
        for control in (self._slider, self._number):
            control.blockSignals(True)
            control.setRange(0, max(0, n - 1))
            control.setValue(0)
            control.blockSignals(False)
        self._of.setText(f"(0 to {n - 1})" if n else "")
        self.setEnabled(n > 0)
        for button in self._buttons:
            button.defaultAction().setEnabled(n > 1)

    @property
    def value(self) -> int:
        """The chosen field."""
        return self._slider.value()

    def set_value(self, seq: int) -> None:
        """Choose a field."""
        self._slider.setValue(seq)

    @Slot(int)
    def _slider_moved(self, seq: int) -> None:
        self._number.blockSignals(True)
        self._number.setValue(seq)
        self._number.blockSignals(False)
        self.moved.emit(seq)

    @Slot(bool)
    def _first(self, _down: bool) -> None:
        self._slider.setValue(0)

    @Slot(bool)
    def _previous(self, _down: bool) -> None:
        self._slider.setValue(self._slider.value() - 1)

    @Slot(bool)
    def _next(self, _down: bool) -> None:
        self._slider.setValue(self._slider.value() + 1)

    @Slot(bool)
    def _last(self, _down: bool) -> None:
        self._slider.setValue(self._slider.maximum())
