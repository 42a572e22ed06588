"""The controls and the page of every tab with a canvas: fit and zoom, switches and opacity of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QVBoxLayout

from ui.kit.controls import LayerSwitch, PercentSlider, action_button
from ui.kit.low_page import LEAST_VIEW_PX, scrolling_column
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.kit.controls import ViewButton
    from ui.kit.mode import ModeName

__all__ = ["ViewControls", "lay_out_page", "set_page_margins"]

_ZOOM_STEP = 1.25
_COLUMN = "column_of_page"


class ViewControls(QObject):
    """Makes the controls of one canvas; their keys work while the focus is in the owner.

    Parameters
    ----------
    owner : QWidget
        The tab or pane around the canvas.
    canvas : Canvas
        What they act on.
    """

    def __init__(self, owner: QWidget, canvas: Canvas) -> None:
        super().__init__(owner)
        self._owner, self._canvas = owner, canvas

    def fit(self, tip: str) -> ViewButton:
        """Return the button that shows the whole world."""
        return action_button(self._owner, "Fit", tip, "F", self._fit)

    def zoom_out(self) -> ViewButton:
        """Return the button with a minus."""
        return self._named("Zoom out", action_button(self._owner, "−", "Zoom out", "-", self._zoom_out))

    def zoom_in(self) -> ViewButton:
        """Return the button with a plus."""
        return self._named("Zoom in", action_button(self._owner, "+", "Zoom in", "+", self._zoom_in))

    def toggle(self, layer: object, attribute: str, text: str, tip: str, key: str) -> ViewButton:
        """Return a button that switches a property of a layer, which is on at first."""
        switch = LayerSwitch(self._canvas, layer, attribute).switch
        return action_button(self._owner, text, tip, key, switch, checked=True)

    def share(
        self, layer: object, attribute: str, label: str, tip: str, *, as_probability: bool = False
    ) -> PercentSlider:
        """Return a slider from 0 to 1 for a property of a layer, from its present value."""
        slider = PercentSlider(label, tip, getattr(layer, attribute), as_probability=as_probability)
        slider.changed.connect(LayerSwitch(self._canvas, layer, attribute).choose)
        return slider

    @staticmethod
    def _named(name: str, button: ViewButton) -> ViewButton:
        button.setAccessibleName(name)  # a screen reader reads no symbols
        return button

    @Slot(bool)
    def _fit(self, _down: bool) -> None:
        self._canvas.fit()

    @Slot(bool)
    def _zoom_in(self, _down: bool) -> None:
        self._canvas.zoom_by(_ZOOM_STEP)

    @Slot(bool)
    def _zoom_out(self, _down: bool) -> None:
        self._canvas.zoom_by(1 / _ZOOM_STEP)


def lay_out_page(page: QWidget, controls: QWidget, canvas: Canvas, *below: QWidget) -> None:
    """Lay out a tab: its controls, the canvas with all the room that is left, and the rest below, in a column.

    The page scrolls where there is too little room for it.
    """
    column = scrolling_column(page)
    column.setObjectName(_COLUMN)
    column.setSpacing(GRID_PX // 2)
    set_page_margins(page, "expert")
    canvas.setMinimumHeight(LEAST_VIEW_PX)
    column.addWidget(controls)
    column.addWidget(canvas, 1)
    for widget in below:
        column.addWidget(widget)


def set_page_margins(page: QWidget, mode: ModeName) -> None:
    """Leave the usual margins around a page, or narrow ones in Operator mode, where two pages stand side by side."""
    column = page.findChild(QVBoxLayout, _COLUMN)
    px = GRID_PX if mode == "expert" else GRID_PX // 2
    column.setContentsMargins(px, px, px, px)
