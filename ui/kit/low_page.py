"""A page that scrolls where the window is too small for it: nothing on it is squeezed until it overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

__all__ = ["LEAST_VIEW_PX", "LowPage", "scrolling_column"]

LEAST_VIEW_PX = 140
"""A picture lower than this shows nothing; its page is scrolled instead."""


class LowPage(QScrollArea):
    """As large as the room there is, or as its content needs at least; what does not fit is scrolled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page = QWidget()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(self.page)
        self.page.installEventFilter(self)
        self._late = QTimer(self, singleShot=True, interval=0)
        self._late.timeout.connect(self.fit)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little: the rest is scrolled."""
        return QSize(80, 60)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for what the content would like."""
        return self.page.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the content into the new room."""
        super().resizeEvent(event)
        self.fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Fit it again when other parts of it are shown."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._late.start()
        return super().eventFilter(watched, event)

    @Slot()
    def fit(self) -> None:
        """Give the content the room there is, and not less than it needs."""
        layout = self.page.layout()
        if layout is None:
            return
        room = self.maximumViewportSize()
        least = layout.totalMinimumSize().width()
        width, height = self._needed(max(room.width(), least), room)
        bar = self.verticalScrollBar().sizeHint().width()
        if height > room.height():  # the bar at the side takes of the width
            width, height = self._needed(max(room.width() - bar, least), room)
        elif width > room.width():
            height = max(self._needed(width, room)[1], room.height() - bar)
        if self.page.size() != QSize(width, height):
            self.page.resize(width, height)

    def _needed(self, width: int, room: QSize) -> tuple[int, int]:
        layout = self.page.layout()
        assert layout is not None
        least = layout.totalMinimumSize().height()
        if layout.hasHeightForWidth():
            least = max(least, layout.totalMinimumHeightForWidth(width))
        return width, max(least, room.height())


def scrolling_column(widget: QWidget) -> QVBoxLayout:
    """Return the column of a widget that scrolls where there is too little room for it."""
    outer = QVBoxLayout(widget)
    outer.setContentsMargins(0, 0, 0, 0)
    area = LowPage(widget)
    outer.addWidget(area)
    return QVBoxLayout(area.page)
