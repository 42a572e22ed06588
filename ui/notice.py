"""The last thing worth telling, over the lower edge of the picture, with what can be done about it.

It floats: nothing moves under the operator's hand when it comes or goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from ui.theme import GRID_PX, colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.messages import Level
    from ui.theme import ThemeName

__all__ = ["NoticeBar"]

_WIDEST_PX = 720
PASSING_MS = 8000
"""How long plain information stays; warnings, errors and offers stay until they are put away."""
_SHAPES: dict[Level, str] = {"debug": "·", "info": "○", "warning": "△", "error": "■"}


class NoticeBar(QFrame):
    """Shows one notice at a time; a graver one or a newer one takes its place.

    Parameters
    ----------
    theme : {"dark", "light"}
    parent : QWidget, optional
    """

    def __init__(self, theme: ThemeName, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: ThemeName = theme
        self._level: Level = "info"
        self._act: Callable[[], None] | None = None
        self._last = False
        self.setAccessibleName("Notice")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        if parent is not None:
            parent.installEventFilter(self)
        self._mark = QLabel()
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._button = QPushButton()
        self._button.setAccessibleName("What can be done about it")
        self._button.clicked.connect(self._do)
        self._away = QToolButton()
        self._away.setText("×")
        self._away.setAutoRaise(True)
        self._away.setToolTip("Put this notice away")
        self._away.setAccessibleName("Put this notice away")
        self._away.clicked.connect(self.put_away)
        row = QHBoxLayout(self)
        self._row = row
        row.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX // 2, GRID_PX // 2)
        row.setSpacing(GRID_PX)
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addWidget(self._button)
        row.addWidget(self._away)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.put_away)
        self.hide()

    @property
    def text(self) -> str:
        """What is shown; empty if nothing is."""
        return "" if self.isHidden() else self._text.text()

    def show_notice(self, level: Level, text: str, offer: str = "", act: Callable[[], None] | None = None) -> None:
        """Show a notice.

        Parameters
        ----------
        level : {"info", "warning", "error"}
        text : str
        offer : str
            What the button says; no button if empty.
        act : callable, optional
            What the button does; the notice is put away first.
        """
        if self._last:
            return
        busy_with_worse = not self.isHidden() and (self._act is not None or self._level == "error")
        if busy_with_worse and level == "info":
            return
        self._level, self._act = level, act
        self._text.setText(text)
        self._button.setText(offer)
        self._button.setAccessibleName(offer)
        self._button.setVisible(bool(offer))
        self._paint()
        self.show()
        self._place()
        self.raise_()
        if level == "info" and act is None:
            self._timer.start(PASSING_MS)
        else:
            self._timer.stop()

    def show_last(self, text: str) -> None:
        """Show what the window does while it closes; nothing takes its place any more."""
        self.put_away()
        self.show_notice("info", text)
        self._timer.stop()
        self._away.hide()
        self._last = True
        self._place()

    def _place(self) -> None:
        """Stay at the lower edge of what it floats over, as wide as its words need."""
        over = self.parentWidget()
        if over is None or self.isHidden():
            return
        room = over.width() - 4 * GRID_PX
        self.setFixedWidth(max(20 * GRID_PX, min(room, _WIDEST_PX, self._wanted_width())))
        height = max(self._row.totalHeightForWidth(self.width()), self.minimumSizeHint().height())
        self.resize(self.width(), height)
        self.move((over.width() - self.width()) // 2, over.height() - height - 2 * GRID_PX)

    def _wanted_width(self) -> int:
        words = self._text.fontMetrics().horizontalAdvance(self._text.text())
        others = self._mark.sizeHint().width() + self._away.sizeHint().width()
        if not self._button.isHidden():
            others += self._button.sizeHint().width()
        return words + others + 8 * GRID_PX

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the size of what it floats over."""
        if event.type() == QEvent.Type.Resize and watched is self.parentWidget():
            self._place()
        return super().eventFilter(watched, event)

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        self._paint()

    def _paint(self) -> None:
        c = colours(self._theme)
        colour = {"error": c.error, "warning": c.warning}.get(self._level, c.accent)
        self._mark.setText(f"<span style='color:{colour}'>{_SHAPES[self._level]}</span>")
        self.setStyleSheet(f"NoticeBar {{ background: {c.window}; border: 2px solid {colour}; border-radius: 4px; }}")

    @Slot()
    def put_away(self) -> None:
        """Hide the notice."""
        self._timer.stop()
        self._act = None
        self.hide()

    @Slot()
    def _do(self) -> None:
        act = self._act
        self.put_away()
        if act is not None:
            act()
