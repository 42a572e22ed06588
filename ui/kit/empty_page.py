"""A page without content: one sentence, and one button that leads on."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

__all__ = ["EmptyPage"]


class EmptyPage(QWidget):
    """In the place of what is not there yet."""

    asked = Signal()
    """The button is pressed."""

    def __init__(self, sentence: str = "", button: str = "") -> None:
        super().__init__()
        self.setAccessibleName("Empty page")
        self._words = ValueLabel("Why this page is empty")
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._button = QPushButton()
        self._button.setMinimumHeight(4 * GRID_PX)
        self._button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._button.clicked.connect(self.asked)
        column = QVBoxLayout(self)
        column.setSpacing(2 * GRID_PX)
        column.addStretch(1)
        column.addWidget(self._words)
        column.addWidget(self._button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self.show_words(sentence, button)

    def show_words(self, sentence: str, button: str) -> None:
        """Show a sentence, and what the button does."""
        self._words.setText(sentence)
        self._button.setText(button)
