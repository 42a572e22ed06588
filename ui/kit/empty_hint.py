"""What an empty page says: one sentence, and the button that fills the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.kit.empty_page import words_and_button
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

__all__ = ["EmptyHint"]

_WIDEST_PX = 320


class EmptyHint(QWidget):
    """Lies over a picture or list that shows nothing yet, above its middle, where a map has the stage.

    Parameters
    ----------
    over : QWidget
        The picture; the hint is its child.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._words, self._button = words_and_button(self)
        self._action: QAction | None = None
        self._button.clicked.connect(self._act)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addWidget(self._words)
        column.addWidget(self._button, 0, Qt.AlignmentFlag.AlignHCenter)
        over.installEventFilter(self)

    @property
    def text(self) -> str:
        """The sentence that is shown; empty if none is."""
        return "" if self.isHidden() else self._words.text()

    def show_hint(self, words: str, action: QAction) -> None:
        """Show a sentence and the button of an action of the window; cheap where both are the same."""
        if action is not self._action:
            if self._action is not None:
                self._action.changed.disconnect(self._follow)
            self._action = action
            action.changed.connect(self._follow)
            self._follow()
        if words != self._words.text():
            self._words.setText(words)
        self._place()
        self.show()
        self.raise_()

    @Slot()
    def _follow(self) -> None:
        """Look like the action: a button of the action itself would show its short text."""
        if self._action is not None:
            self._button.setText(self._action.text())
            self._button.setToolTip(self._action.toolTip())
            self._button.setEnabled(self._action.isEnabled())

    @Slot()
    def _act(self) -> None:
        if self._action is not None:
            self._action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in its place."""
        if watched is self._over and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        room = self._over.rect()
        width = max(min(_WIDEST_PX, room.width() - 2 * GRID_PX), self.minimumSizeHint().width())
        height = self.heightForWidth(width)
        self.setGeometry((room.width() - width) // 2, max(0, (room.height() - height) // 3), width, height)
