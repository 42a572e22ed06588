"""The page of Operator mode: the picture and the map of the section, side by side."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from ui.kit.theme import GRID_PX

__all__ = ["SectionPage"]

_EQUAL_PX = 10_000
"""A splitter shrinks what it is given to the room there is."""


class SectionPage(QWidget):
    """Holds two views while the window is in Operator mode; in Expert mode they are tabs of their own.

    Parameters
    ----------
    below : QWidget
        What stands under the picture.
    """

    def __init__(self, below: QWidget) -> None:
        super().__init__()
        self.setAccessibleName("Picture and map")
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        left = QWidget()
        self._left = QVBoxLayout(left)
        self._left.setContentsMargins(0, 0, 0, GRID_PX // 2)
        self._left.setSpacing(0)
        below.setContentsMargins(GRID_PX // 2, 0, GRID_PX // 2, 0)
        self._left.addWidget(below)
        self._split.addWidget(left)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(self._split)

    def take(self, picture: QWidget, section_map: QWidget) -> None:
        """Show two views side by side; they leave the place where they were."""
        self._left.insertWidget(0, picture, 1)
        self._split.addWidget(section_map)
        for index, view in enumerate((picture, section_map)):
            view.show()  # a page that another one hides in a tab widget is hidden itself
            self._split.setStretchFactor(index, 1)
        self._split.setSizes([_EQUAL_PX, _EQUAL_PX])
