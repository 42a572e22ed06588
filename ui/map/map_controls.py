"""The buttons above the section map, and which of them belong to the section that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from ui.canvas.view_controls import ViewControls
from ui.kit.controls import action_button, control_row
from ui.kit.layers import Layers
from ui.kit.mode import offer_in_row

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.kit.controls import ViewButton
    from ui.kit.mode import ModeName
    from ui.map.hand_map import HandMap
    from ui.map.map_fields import FieldsLayer
    from ui.map.map_layers import OutlineLayer, PlanLayer
    from ui.map.plan_tools import PlanTools

__all__ = ["MapControls"]


class MapControls(QObject):
    """Makes the buttons; their keys work while the focus is in the tab.

    Parameters
    ----------
    owner : QWidget
        The tab.
    view : Canvas
    fields, outline, plan : layers of the map
    hand : HandMap
        The layers of a section by hand.
    tools : PlanTools
        Whose buttons are the last of the row.
    """

    stepped = Signal(int)
    """Choose the field before (-1) or after (1)."""
    to_stage = Signal()
    """Centre the map on the stage."""
    click_to_move = Signal(bool)
    """A click sends the stage there, or no more."""

    def __init__(
        self,
        owner: QWidget,
        view: Canvas,
        fields: FieldsLayer,
        hand: HandMap,
        outline: OutlineLayer,
        plan: PlanLayer,
        tools: PlanTools,
    ) -> None:
        super().__init__(owner)
        controls = ViewControls(owner, view)
        self._to_stage = action_button(owner, "Centre on stage", "Centre the map on the stage", "L", self._go)
        self.move = action_button(
            owner,
            "Click to move",
            "A click sends the stage there; Escape ends it",
            "M",
            self._click_to_move,
            checked=False,
        )
        before = action_button(owner, "‹", "Choose the field before", "PgUp", self._before)
        after = action_button(owner, "›", "Choose the field after", "PgDown", self._after)
        before.setAccessibleName("Field before")
        after.setAccessibleName("Field after")
        self._of_stage = (self._to_stage, self.move, tools.search)
        layers = Layers(owner, view)
        layers.switch(fields, "shows_pictures", "Pictures", "Thumbnails of the fields", "P")
        layers.switch(fields, "shows_heat", "Heatmap", "Colour tiles by probability; excluded ones are hatched", "H")
        layers.switch(fields, "shows_words", "Labels", "Write each field's number and score", "V")
        layers.switch(outline, "visible", "Outline", "Edge of the section", "O")
        self._plan_layer = layers.switch(plan, "visible", "Plan", "Fields that are still to be taken, dashed", "N")
        self._hand_layers = (
            layers.switch(hand.mosaic, "visible", "Seen", "Pictures of everything that was seen", "S"),
            layers.switch(hand.course, "visible", "Course", "The way that the field went", "C"),
            layers.switch(hand.targets, "visible", "Drawn fields", "The random fields of the section", "D"),
        )
        layers.share(fields, "opacity", "Opacity", "Opacity of the heatmap in %")
        self.show_stage(False)
        self.show_hand(False)
        self._for_operators = (controls.fit("Show the whole section"), layers.button, *tools.buttons)
        self.row = control_row(
            self._for_operators[0],
            controls.zoom_out(),
            controls.zoom_in(),
            before,
            after,
            layers.button,
            self._to_stage,
            self.move,
            *tools.buttons,
        )

    def set_mode(self, mode: ModeName) -> None:
        """Show all buttons, or in Operator mode those that every section needs."""
        offer_in_row(self.row, self._for_operators, mode)

    def show_stage(self, there: bool) -> None:
        """Show what needs a stage, or not."""
        _show(self._of_stage, there)

    def show_hand(self, on: bool) -> None:
        """Show what belongs to a section by hand, or what belongs to a plan."""
        for layer in self._hand_layers:
            layer.setVisible(on)
        self._plan_layer.setVisible(not on)

    @Slot(bool)
    def _before(self, _down: bool) -> None:
        self.stepped.emit(-1)

    @Slot(bool)
    def _after(self, _down: bool) -> None:
        self.stepped.emit(1)

    @Slot(bool)
    def _go(self, _down: bool) -> None:
        self.to_stage.emit()

    @Slot(bool)
    def _click_to_move(self, on: bool) -> None:
        self.click_to_move.emit(on)


def _show(buttons: tuple[ViewButton, ...], shown: bool) -> None:
    for button in buttons:
        button.defaultAction().setVisible(shown)
        button.setVisible(shown)
