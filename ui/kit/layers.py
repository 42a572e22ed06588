"""The pop-over *Layers* of a picture: what is drawn over it, each with its key, behind one button.

The switches are actions of the tab, so that their keys work whether the pop-over was ever open or not. Its widgets are
made when it opens for the first time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QLabel, QWidget

from ui.kit.controls import LayerSwitch, PercentSlider, action_button
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QKeyEvent

__all__ = ["Layers"]


class _Share(NamedTuple):
    """A slider of a layer."""

    layer: object
    attribute: str
    label: str
    tip: str
    as_probability: bool


class Layers(QObject):
    """Holds the switches of a picture's layers, and the button that shows them.

    Parameters
    ----------
    owner : QWidget
        The tab: it gets the actions, and their keys work while the focus is in it.
    canvas : QWidget
        Repainted when a layer changes.
    """

    def __init__(self, owner: QWidget, canvas: QWidget) -> None:
        super().__init__(owner)
        self._owner, self._canvas = owner, canvas
        self._items: list[QAction | _Share] = []
        self._popover: _Popover | None = None
        self.button = action_button(owner, "Layers", "Choose what is drawn over the picture", "Q", self._open)

    def toggle(self, text: str, tip: str, key: str, do: Callable[[bool], object], *, on: bool = True) -> QAction:
        """Add a switch.

        Parameters
        ----------
        text, tip : str
            Its name, and what it shows.
        key : str
            Keyboard shortcut, as Qt writes it.
        do : callable
            Takes whether it is on; a bound method that is a ``Slot(bool)``.
        on : bool
            Whether it is on at first.
        """
        action = QAction(text, self._owner)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setToolTip(f"{tip} ({_native(action)})")
        action.setStatusTip(tip)
        action.setCheckable(True)
        action.setChecked(on)
        action.triggered.connect(do)
        self._owner.addAction(action)
        self._items.append(action)
        return action

    def switch(self, layer: object, attribute: str, text: str, tip: str, key: str) -> QAction:
        """Add a switch of a property of a layer, which is on at first."""
        return self.toggle(text, tip, key, LayerSwitch(self._canvas, layer, attribute).switch)

    def share(self, layer: object, attribute: str, label: str, tip: str, *, as_probability: bool = False) -> None:
        """Add a slider from 0 to 1 for a property of a layer."""
        self._items.append(_Share(layer, attribute, label, tip, as_probability))

    @property
    def popover(self) -> QWidget | None:
        """The pop-over; None while it was never open."""
        return self._popover

    @Slot(bool)
    def _open(self, _down: bool) -> None:
        if self._popover is None:
            self._popover = _Popover(self._owner)
            for item in self._items:
                if isinstance(item, QAction):
                    self._popover.add_switch(item)
                else:
                    self._popover.add_share(item, self._canvas)
        self._popover.show_below(self.button)


class _Popover(QFrame):
    """One row for each layer; closed by Escape, by its key, or by a click beside it."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner, Qt.WindowType.Popup)
        self.setAccessibleName("Layers")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX // 2)
        self._grid.setColumnStretch(0, 1)
        self._first: QWidget | None = None

    def add_switch(self, action: QAction) -> None:
        """Add a row for an action that is on or off."""
        box, key = QCheckBox(action.text()), QLabel(_native(action))
        box.setAccessibleName(action.text())
        box.setAccessibleDescription(action.statusTip())
        for widget in (box, key):
            widget.setToolTip(action.toolTip())
        key.setEnabled(False)
        box.setChecked(action.isChecked())
        box.clicked.connect(action.trigger)
        action.changed.connect(partial(_follow, action, box, key))
        _follow(action, box, key)
        row = self._grid.rowCount()
        self._grid.addWidget(box, row, 0)
        self._grid.addWidget(key, row, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._first = self._first or box

    def add_share(self, share: _Share, canvas: QWidget) -> None:
        """Add a row with a slider."""
        slider = PercentSlider(
            share.label, share.tip, getattr(share.layer, share.attribute), as_probability=share.as_probability
        )
        slider.changed.connect(LayerSwitch(canvas, share.layer, share.attribute).choose)
        self._grid.addWidget(slider, self._grid.rowCount(), 0, 1, 2)

    def show_below(self, button: QWidget) -> None:
        """Show it below its button, on the screen."""
        self.adjustSize()
        at = button.mapToGlobal(QPoint(0, button.height()))
        room = button.screen().availableGeometry()
        at.setX(max(room.left(), min(at.x(), room.right() + 1 - self.width())))
        if at.y() + self.height() > room.bottom() + 1:
            at.setY(max(room.top(), button.mapToGlobal(QPoint(0, 0)).y() - self.height()))
        self.move(at)
        self.show()
        if self._first is not None:
            self._first.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Close it by Escape, which a frame does not do by itself."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take another font's size."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self.isVisible():
            self.adjustSize()


def _follow(action: QAction, box: QCheckBox, key: QLabel) -> None:
    """Show in its row what an action is now."""
    box.setChecked(action.isChecked())
    box.setEnabled(action.isEnabled())
    box.setVisible(action.isVisible())
    key.setVisible(action.isVisible())


def _native(action: QAction) -> str:
    return action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
