"""The tab *Models*: a list, and a page on the selected model. Its widgets are made when it is first shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QSplitter, QVBoxLayout, QWidget

from ui.canvas.save_view import save_picture
from ui.kit.controls import ViewButton, control_row, style_buttons
from ui.kit.labels import plain_tip
from ui.kit.symbols import symbol_icon
from ui.kit.theme import GRID_PX, colours
from ui.models.card_view import CardView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QAction, QResizeEvent, QShowEvent

    from ui.kit.symbols import Shape
    from ui.kit.theme import ThemeName

__all__ = ["ModelRow", "ModelsTab"]

_ICON_PX = 16
_LIST_PX, _LIST_LOW_PX = 280, 120
"""Of the list beside the page, and above it."""
_NARROW_PX = 900
"""Below this width the list stands above the page."""
_SHAPES: dict[str, Shape] = {"good": "good", "warning": "warning", "error": "bad", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list."""

    reference: str
    """What the model is found by."""
    name: str
    about: str
    """Where it is from, and whether sections use it, in a few words."""
    tone: Literal["unknown", "good", "warning", "error"]
    tip: str


class ModelsTab(QWidget):
    """The tab.

    Parameters
    ----------
    actions : sequence of QAction
        What can be done with the list and the selected model, in the order of the buttons.
    """

    selected = Signal(str)
    """The reference of the model that is selected now."""
    shown = Signal()
    """The tab is opened: the folders may hold other models by now."""

    def __init__(self, actions: Sequence[QAction]) -> None:
        super().__init__()
        self.setAccessibleName("Models")
        self._actions = tuple(actions)
        self._rows: tuple[ModelRow, ...] = ()
        self._reference = ""
        self._markdown = ""
        self._theme: ThemeName = "dark"
        self._split: QSplitter | None = None
        self._narrow: bool | None = None
        self.list: QListWidget | None = None
        """Made when the tab is first shown."""
        self.page: CardView | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        self._column.setSpacing(GRID_PX)

    def _build(self) -> None:
        self.list, self.page = QListWidget(), CardView("What is known of the model")
        self.list.setAccessibleName("Models")
        self.list.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self.list.setWordWrap(True)
        self.list.setSpacing(GRID_PX // 4)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._selection_changed)
        buttons = []
        for action in self._actions:
            button = ViewButton()
            button.setDefaultAction(action)
            buttons.append(button)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self.list)
        self._split.addWidget(self.page)
        self._split.setStretchFactor(1, 1)
        self._column.addWidget(control_row(*buttons))
        self._column.addWidget(self._split, 1)
        self._turn()
        self.page.set_theme(self._theme)
        style_buttons(self, self._theme)

    def _turn(self) -> None:
        """Put the list beside the page, or above it."""
        narrow = self.width() < _NARROW_PX
        if narrow != self._narrow and self._split is not None:
            self._narrow = narrow
            self._split.setOrientation(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)
            whole = self.height() if narrow else self.width()
            first = _LIST_LOW_PX if narrow else _LIST_PX
            self._split.setSizes([first, max(first, whole - first)])

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Use the room there is."""
        super().resizeEvent(event)
        self._turn()

    # -- what is shown -------------------------------------------------------------------------------------------------

    @property
    def reference(self) -> str:
        """The model that is selected; empty before there is one."""
        return self._reference

    def set_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show another list; the selected model stays selected."""
        if tuple(rows) != self._rows:
            self._rows = tuple(rows)
            self._fill()

    def select(self, reference: str) -> None:
        """Select a model."""
        if reference != self._reference:
            self._reference = reference
            self._show_selection()
            self.selected.emit(reference)

    def set_page(self, markdown: str) -> None:
        """Show what is known of the selected model."""
        self._markdown = markdown
        if self.page is not None:
            self.page.set_markdown(markdown)

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        style_buttons(self, theme)
        if self.page is not None:
            self._fill()
            self.page.set_theme(theme)

    def export_png(self, path: Path) -> None:
        """Save the tab as a picture.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        save_picture(self, path, "Models")

    def _fill(self) -> None:
        if self.list is None:
            return
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for row in self._rows:
            item = QListWidgetItem(f"{row.name}\n{row.about}")
            item.setIcon(symbol_icon(_SHAPES[row.tone], colours(self._theme), _ICON_PX))
            item.setData(Qt.ItemDataRole.UserRole, row.reference)
            item.setToolTip(plain_tip(row.tip))
            item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, row.tip)
            self.list.addItem(item)
        self.list.blockSignals(blocked)
        self._show_selection()

    def _show_selection(self) -> None:
        if self.list is None:
            return
        blocked = self.list.blockSignals(True)
        for index in range(self.list.count()):
            if self.list.item(index).data(Qt.ItemDataRole.UserRole) == self._reference:
                self.list.setCurrentRow(index)
        self.list.blockSignals(blocked)

    @Slot(QListWidgetItem, QListWidgetItem)
    def _selection_changed(self, now: QListWidgetItem | None, _before: QListWidgetItem | None) -> None:
        if now is not None:
            self.select(str(now.data(Qt.ItemDataRole.UserRole)))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Make the list and the page, the first time."""
        if self.list is None:
            self._build()
            self._fill()
            self.set_page(self._markdown)
        super().showEvent(event)
        self.shown.emit()
