"""The box in which the model of the next section is chosen, and that shows whether it fits the rig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QComboBox, QSizePolicy, QStyle, QStyleOptionComboBox, QStylePainter

from ui.kit.labels import plain_tip
from ui.kit.symbols import symbol_icon
from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from ui.kit.symbols import Shape
    from ui.kit.theme import ThemeName

__all__ = ["ModelBox"]

Tone = Literal["unknown", "good", "warning", "error"]

_TIP = "Model that classifies the tiles"
_LEAST_CHARACTERS = 6
_ICON_PX = 16
_BESIDE_PX, _BESIDE_ICON_PX = 2, 4
"""What a style leaves free beside the text of a box, and beside its icon."""
_SHAPES: dict[Tone, Shape] = {"good": "good", "warning": "warning", "error": "bad"}


class ModelBox(QComboBox):
    """Offers models by name; its data is what each is found by, a name or a folder."""

    def __init__(self, width_px: int) -> None:
        super().__init__()
        self.setAccessibleName("Model")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LEAST_CHARACTERS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(width_px)
        self._colours = colours("dark")
        self._verdict: tuple[Tone, str] = ("unknown", "")
        self.currentIndexChanged.connect(self._show_tip)
        self.set_verdict("unknown", "")

    @property
    def reference(self) -> str:
        """What the chosen model is found by; empty without one."""
        return str(self.currentData() or "")

    def set_models(self, models: Sequence[tuple[str, str, str]], chosen: str) -> None:
        """Offer models (name, reference, a sentence about each) and choose one, without a signal."""
        blocked = self.blockSignals(True)
        self.clear()
        for name, reference, tip in models:
            self.addItem(name, reference)
            self.setItemData(self.count() - 1, plain_tip(tip), Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(self.findData(chosen) if chosen else 0)  # never another one than the chosen model
        self.blockSignals(blocked)
        self._show_verdict()

    def choose(self, reference: str) -> None:
        """Choose a model that is offered, as if the operator had done so."""
        index = self.findData(reference)
        if index >= 0:
            self.setCurrentIndex(index)

    def set_verdict(self, tone: Tone, words: str) -> None:
        """Show whether the chosen model fits, in a sentence; ``unknown`` shows nothing."""
        self._verdict = tone, words
        self._show_verdict()

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._colours = colours(theme)
        self._show_verdict()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the name with an ellipsis where it is cut; Qt draws as much as fits."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    @property
    def shown_text(self) -> str:
        """The chosen model's name as far as there is room."""
        option, part = QStyleOptionComboBox(), QStyle.SubControl.SC_ComboBoxEditField
        self.initStyleOption(option)
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - _BESIDE_PX
        if not self.itemIcon(self.currentIndex()).isNull():
            room -= self.iconSize().width() + _BESIDE_ICON_PX
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, room)

    def _show_verdict(self) -> None:
        tone, words = self._verdict
        shape = _SHAPES.get(tone)
        for index in range(self.count()):
            shown = index == self.currentIndex() and shape is not None
            self.setItemIcon(index, symbol_icon(shape, self._colours, _ICON_PX) if shown and shape else QIcon())
        self._show_tip()
        self.setAccessibleDescription(words or _TIP)

    @Slot()
    def _show_tip(self) -> None:
        words = self._verdict[1]
        named = f"{_TIP}: {self.currentText()}" if self.currentText() else _TIP  # it may be cut in the box
        self.setToolTip(plain_tip(f"{named}\n{words}" if words else named))
