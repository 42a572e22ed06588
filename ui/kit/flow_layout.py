"""A row of controls that continues in the next line where the window is too narrow. Nothing is ever cut off."""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from ui.kit.theme import GRID_PX

__all__ = ["FlowLayout"]

_WIDE_PX = 640


class FlowLayout(QLayout):
    """Left to right, line by line; the items of a line are centred on it, but for those aligned to its top.

    Parameters
    ----------
    parent : QWidget, optional
    spacing_px : int
        Between neighbours.
    line_spacing_px : int, optional
        Between lines; as between neighbours by default.
    widest_px : int or None
        It asks for all in one line, but for no more than this: a long row is no reason to widen a window. None: for
        all, whatever it takes.
    """

    def __init__(
        self,
        parent: QWidget | None = None,
        spacing_px: int = GRID_PX // 2,
        line_spacing_px: int | None = None,
        widest_px: int | None = _WIDE_PX,
    ) -> None:
        super().__init__(parent)
        self._line_spacing_px = spacing_px if line_spacing_px is None else line_spacing_px
        self._widest_px = widest_px
        self._items: list[QLayoutItem] = []
        self._heights_px: dict[int, int] = {}
        self.setSpacing(spacing_px)
        self.setContentsMargins(QMargins(0, 0, 0, 0))

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802
        """Add an item at the end."""
        self._items.append(item)
        self._heights_px.clear()

    def count(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """Return an item, or None beyond the last: Qt asks until it gets that."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """Remove and return an item."""
        if not 0 <= index < len(self._items):
            return None
        self._heights_px.clear()
        return self._items.pop(index)

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802
        """Take no more room than needed."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Say that a narrow row is a tall one."""
        return True

    def invalidate(self) -> None:
        """Measure again: something in it has changed."""
        self._heights_px.clear()
        super().invalidate()

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Return how tall the row is at a width. Qt asks many times between two changes."""
        height_px = self._heights_px.get(width)
        if height_px is None:
            height_px = self._heights_px[width] = self._arrange(QRect(0, 0, width, 0), place=False)
        return height_px

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802
        """Place the items."""
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for all in one line, up to the widest."""
        sizes = [item.sizeHint() for item in self._shown()]
        one_line = sum(size.width() for size in sizes) + self.spacing() * max(0, len(sizes) - 1)
        wanted = one_line if self._widest_px is None else min(one_line, self._widest_px)
        width = wanted + self._margins_px().width()
        return QSize(width, self.heightForWidth(width))

    def minimumSize(self) -> QSize:  # noqa: N802
        """Ask for the widest item at least."""
        sizes = [item.minimumSize() for item in self._shown()]
        widest, tallest = max((s.width() for s in sizes), default=0), max((s.height() for s in sizes), default=0)
        return QSize(widest, tallest) + self._margins_px()

    def _margins_px(self) -> QSize:
        margins = self.contentsMargins()
        return QSize(margins.left() + margins.right(), margins.top() + margins.bottom())

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _arrange(self, rect: QRect, *, place: bool) -> int:
        inner = rect.marginsRemoved(self.contentsMargins())
        lines: list[list[QLayoutItem]] = [[]]
        x = 0
        for item in self._shown():
            width = item.sizeHint().width()
            if lines[-1] and x + width > inner.width():
                lines.append([])
                x = 0
            lines[-1].append(item)
            x += width + self.spacing()
        y = inner.y()
        for line in lines:
            height = max((item.sizeHint().height() for item in line), default=0)
            x = inner.x()
            for item in line:
                size = item.sizeHint()
                if place:
                    on_top = bool(item.alignment() & Qt.AlignmentFlag.AlignTop)
                    below = 0 if on_top else (height - size.height()) // 2
                    item.setGeometry(QRect(QPoint(x, y + below), size))
                x += size.width() + self.spacing()
            y += height + self._line_spacing_px
        return y - self._line_spacing_px - rect.y() + self.contentsMargins().bottom()
