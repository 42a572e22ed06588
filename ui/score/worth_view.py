"""What a verdict is worth: predictive values at the prevalence that the operator states, and P(high) if it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QSpinBox, QVBoxLayout, QWidget

from hcc_scope.formatting import percent
from hcc_scope.validation_text import PREVALENCES, describe_predictive_values, describe_probability
from ui.kit.labels import describe, form, label_for, quiet_value
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QWheelEvent

    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.types import SectionScore

__all__ = ["PrevalenceField", "WorthView"]

_NOT_STATED = 0
_TIP = (
    "Share of animals that are high where the verdict is read, in per cent.\n"
    "Without it, predictive values are shown for a range."
)


class PrevalenceField(QSpinBox):
    """Per cent of animals that are high; its lowest value is *not stated*. The wheel counts with the focus alone."""

    chosen = Signal(object)
    """A person states a prevalence, 0 to 1; None: no longer."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(_NOT_STATED, 99)
        self.setSuffix(" %")
        self.setSpecialValueText(" to ".join(percent(one) for one in PREVALENCES))
        self.setKeyboardTracking(False)
        describe(self, "Prevalence of high, in per cent", _TIP)
        self.valueChanged.connect(self._emit)

    def show_prevalence(self, prevalence: float | None) -> None:
        """Show a prevalence, 0 to 1; None: not stated."""
        blocked = QSignalBlocker(self)
        self.setValue(_NOT_STATED if prevalence is None else round(100 * prevalence))
        blocked.unblock()

    @Slot(int)
    def _emit(self, value: int) -> None:
        self.chosen.emit(None if value == _NOT_STATED else value / 100)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Ignore the wheel unless the field has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class WorthView(QWidget):
    """The prevalence, and what follows from it."""

    def __init__(self) -> None:
        super().__init__()
        self.prevalence = PrevalenceField()
        self._values = quiet_value("Predictive values")
        self._probability = quiet_value("Probability of high")
        rows = form()
        rows.addRow(label_for("Prevalence", self.prevalence), self.prevalence)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX // 2)
        layout.addLayout(rows)
        layout.addWidget(self._values)
        layout.addWidget(self._probability)

    def show_worth(self, statement: StatementRecord, score: SectionScore, prevalence: float | None) -> None:
        """Show what a verdict is worth at a prevalence; None: not stated."""
        self.prevalence.show_prevalence(prevalence)
        texts = (
            describe_predictive_values(statement, prevalence),
            describe_probability(statement, score, prevalence),
        )
        for label, text in zip((self._values, self._probability), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))
