"""The most important message, over the lower edge of the picture, with what can be done about it.

It floats: nothing moves under the operator's hand when it comes or goes. It lies over the picture, not over controls. A
notice that gives way to a graver one comes back after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from ui.kit.labels import ValueLabel, announce
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.kit.theme import ThemeName
    from ui.shell.messages import Level

__all__ = ["NoticeBar"]

_WIDEST_PX = 720
_NARROWEST_PX = 200
_HIGH_PX, _SCALE_BAR_PX = 240, 40
"""In a picture that is so high, the room below it for the scale bar."""
PASSING_MS = 8000
"""How long plain information stays; warnings, errors and offers stay until they are put away."""
_MOST_WAITING = 20
_SHAPES: dict[Level, str] = {"debug": "·", "info": "○", "warning": "△", "error": "■"}


class _Notice(NamedTuple):
    """One message."""

    level: Level
    text: str
    offer: str = ""
    act: Callable[[], None] | None = None

    @property
    def stays(self) -> bool:
        """Whether it stays until a person puts it away."""
        return self.level != "info" or self.act is not None

    @property
    def weight(self) -> int:
        """How serious it is; among equals, a message with an offer counts more."""
        return {"error": 2, "warning": 1}.get(self.level, 0) + (self.act is not None)


class NoticeBar(QFrame):
    """Shows one notice at a time: the gravest, of equal ones the newest. The others follow when it is put away.

    Parameters
    ----------
    theme : {"dark", "light"}
    parent : QWidget, optional
    """

    def __init__(self, theme: ThemeName, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: ThemeName = theme
        self._shown: _Notice | None = None
        self._waiting: list[_Notice] = []
        self._last = False
        self.over: Callable[[], QWidget | None] = _nothing
        """Finds the picture that it may cover."""
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
        self._more = ValueLabel("Number of further notices")
        self._button = QPushButton()
        self._button.setAccessibleName("What can be done about it")
        self._button.clicked.connect(self._do)
        self._away = QToolButton()
        self._away.setText("×")
        self._away.setAutoRaise(True)
        self._away.setToolTip("Dismiss this notice")
        self._away.setAccessibleName("Dismiss this notice")
        self._away.clicked.connect(self.put_away)
        row = QHBoxLayout(self)
        self._row = row
        row.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX // 2, GRID_PX // 2)
        row.setSpacing(GRID_PX)
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addWidget(self._button)
        row.addWidget(self._more)
        row.addWidget(self._away)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.put_away)
        self._late = QTimer(self, singleShot=True, interval=0)
        self._late.timeout.connect(self._place)
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
            The text of the button; no button if empty.
        act : callable, optional
            What the button does; the notice is put away first.
        """
        if self._last:
            return
        new, shown = _Notice(level, text, offer, act), self._shown
        self._waiting = [one for one in self._waiting if one.text != text]
        if shown is None or shown.text == text:
            self._set(new)
        elif new.weight >= shown.weight:
            if shown.stays:
                self._waiting.append(shown)
            self._set(new)
        else:
            self._waiting.insert(0, new)  # below earlier ones of the same level
            self._waiting.sort(key=lambda one: one.weight)
            self._show_count()
        del self._waiting[:-_MOST_WAITING]

    def _set(self, notice: _Notice) -> None:
        self._shown = notice
        self._text.setText(notice.text)
        self._button.setText(notice.offer)
        self._button.setAccessibleName(notice.offer)
        self._button.setVisible(bool(notice.offer))
        self._paint()
        self._show_count()
        self.show()
        self._place()
        self.raise_()
        announce(self, notice.text, urgent=notice.level == "error")
        if notice.stays:
            self._timer.stop()
        else:
            self._timer.start(PASSING_MS)

    def _show_count(self) -> None:
        n = len(self._waiting)
        self._more.setText(f"{n} more" if n else "")
        self._more.setVisible(bool(n))
        self._place()

    def show_last(self, text: str) -> None:
        """Show what the window does while it closes; nothing takes its place any more."""
        self._waiting.clear()
        self.put_away()
        self.show_notice("info", text)
        self._timer.stop()
        self._away.hide()
        self._last = True
        self._place()

    def place_soon(self) -> None:
        """Find its place again once everything is laid out."""
        self._late.start()

    @Slot()
    def _place(self) -> None:
        """Stay near the lower edge of the picture, above its scale bar, as wide as its words need."""
        parent = self.parentWidget()
        if parent is None or self.isHidden():
            return
        room = parent.rect()
        over = self.over()
        if over is not None:
            seen = QRect(over.mapTo(parent, QPoint()), over.size()).intersected(room)
            if seen.height() >= 4 * GRID_PX and seen.width() >= _NARROWEST_PX:
                room = seen
        self.setFixedWidth(max(20 * GRID_PX, min(room.width() - 2 * GRID_PX, _WIDEST_PX, self._wanted_width())))
        height = max(self._row.totalHeightForWidth(self.width()), self.minimumSizeHint().height())
        self.resize(self.width(), height)
        below = GRID_PX
        if over is not None and room.height() >= _HIGH_PX:
            below += _SCALE_BAR_PX
        top = max(room.bottom() - height - below, parent.rect().top())
        self.move(room.center().x() - self.width() // 2, top)

    def _wanted_width(self) -> int:
        words = self._text.fontMetrics().horizontalAdvance(self._text.text())
        others = self._mark.sizeHint().width() + self._away.sizeHint().width() + self._more.sizeHint().width()
        if not self._button.isHidden():
            others += self._button.sizeHint().width()
        return words + others + 8 * GRID_PX

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the size of what it floats over."""
        if event.type() == QEvent.Type.Resize and watched is self.parentWidget():
            self._place()
            self._late.start()  # what it lies over is laid out later
        return super().eventFilter(watched, event)

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        self._paint()

    def _paint(self) -> None:
        c = colours(self._theme)
        level: Level = "info" if self._shown is None else self._shown.level
        colour = {"error": c.error, "warning": c.warning}.get(level, c.accent)
        self._mark.setText(f"<span style='color:{colour}'>{_SHAPES[level]}</span>")
        self.setStyleSheet(f"NoticeBar {{ background: {c.window}; border: 2px solid {colour}; border-radius: 4px; }}")

    @Slot()
    def put_away(self) -> None:
        """Put the notice away; the next one that waits is shown, if there is one."""
        self._timer.stop()
        self._shown = None
        self.hide()
        if self._waiting:
            self._set(self._waiting.pop())

    def withdraw(self, text: str) -> None:
        """Take back a notice that no longer holds, shown or waiting; nothing happens if there is none."""
        self._waiting = [one for one in self._waiting if one.text != text]
        if self._shown is not None and self._shown.text == text:
            self.put_away()
        else:
            self._show_count()

    @Slot()
    def _do(self) -> None:
        act = None if self._shown is None else self._shown.act
        self.put_away()
        if act is not None:
            act()


def _nothing() -> None:
    return None
