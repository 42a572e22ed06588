"""An area that scrolls vertically and is never narrower than its page: the content of a dock."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from ui.kit.theme import GRID_PX

__all__ = ["scrolled"]


class _Scrolled(QScrollArea):
    """Scrolls vertically only: it asks for the width that its page needs."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self._page = page
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        page.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the page's least width beside a scroll bar."""
        width = self._page.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ask again when the page shows other parts."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def scrolled(*widgets: QWidget) -> QScrollArea:
    """Return widgets one below the other, in an area that scrolls where there is too little room."""
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(GRID_PX // 2, GRID_PX // 2, GRID_PX // 2, GRID_PX // 2)
    layout.setSpacing(GRID_PX)
    for widget in widgets:
        layout.addWidget(widget)
    layout.addStretch(1)
    return _Scrolled(page)
