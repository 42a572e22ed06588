"""A page without content: one sentence, and one button that leads on."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

__all__ = ["EmptyPage", "words_and_button"]


def words_and_button(page: QWidget) -> tuple[ValueLabel, QPushButton]:
    """Return the sentence and the button of an empty page, for its layout, and name the page."""
    page.setAccessibleName("Empty page")
    words = ValueLabel("Why this page is empty")
    words.setWordWrap(True)
    words.setAlignment(Qt.AlignmentFlag.AlignCenter)
    button = QPushButton()
    button.setMinimumHeight(4 * GRID_PX)
    return words, button


class EmptyPage(QWidget):
    """In the place of what is not there yet."""

    asked = Signal()
    """The button is pressed."""

    def __init__(self, sentence: str = "", button: str = "") -> None:
        super().__init__()
        self._words, self._button = words_and_button(self)
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
