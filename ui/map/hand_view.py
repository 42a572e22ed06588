"""The map beside the live picture of a section by hand: what the tab *Section map* shows, with less around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from ui.canvas.canvas import Canvas
from ui.canvas.overlays import ScaleBarLayer
from ui.canvas.view_controls import ViewControls, lay_out_page
from ui.kit.controls import ElidedLabel, control_row, style_buttons
from ui.map.map_tab import MAP_SCALES
from ui.map.outline_tool import OutlineTool

if TYPE_CHECKING:
    from ui.kit.theme import ThemeName
    from ui.map.map_tab import SectionMapTab

__all__ = ["HandMapView"]


class HandMapView(QWidget):
    """A second look at a section map: it follows the map, and needs no values of its own.

    Parameters
    ----------
    section_map : SectionMapTab
        What takes the values (`SectionMapTab.begin_hand`, `SectionMapTab.show_hand`), and sends `outline_mended`, also
        if the outline is mended here.
    parent : QWidget, optional
    """

    field_chosen = Signal(int)
    """seq of a field that was clicked."""

    def __init__(self, section_map: SectionMapTab, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Map beside the live picture")
        self._map = section_map
        self._scale_bar = ScaleBarLayer()
        self._scale_bar.um_per_unit = 1.0
        self.view = Canvas(MAP_SCALES)
        self.view.tooltip_of = section_map.describe_at
        self.view.describe_as("Map of the section by hand", "Arrows pan, plus and minus zoom, 0 fits")
        self.outline = OutlineTool(self, self.view, undo_key="Z")
        self._about = ElidedLabel("State of the section by hand")
        hand, controls = section_map.hand, ViewControls(self, self.view)
        row = control_row(
            controls.fit("Show everything that was seen"),
            controls.zoom_out(),
            controls.zoom_in(),
            controls.toggle(hand.mosaic, "visible", "Seen", "Pictures of everything that was seen", "S"),
            controls.toggle(hand.course, "visible", "Course", "The way that the field went", "C"),
            self.outline.button,
        )
        self.outline.parts.stand_in(row)
        lay_out_page(self, row, self.view, self._about)
        self.set_theme("dark")
        self.outline.changed.connect(self._editing_changed)
        self.outline.finished.connect(self._mended)
        self.view.cancelled.connect(self.outline.cancel)
        self.view.clicked.connect(self._clicked)
        section_map.redrawn.connect(self._redraw)
        self._redraw()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.view.set_theme(theme)
        self.outline.set_theme(theme)
        style_buttons(self, theme)

    @Slot()
    def _redraw(self) -> None:
        hand = self._map.hand
        mends = hand.on and hand.view is not None and hand.view.phase == "mend"
        if not mends:
            self.outline.cancel()
        self.outline.button.defaultAction().setEnabled(mends)
        self.outline.button.setVisible(mends)
        self.outline.set_outline(hand.drawn_outline_um)
        below, above = (hand.below, hand.above) if hand.on or self._map.fields.has_places else ((), ())
        self.view.layers = [*below, self._map.fields, *above, self.outline, self._scale_bar]
        self.view.set_world(*self._map.world)
        self._show_text()
        self.view.update()

    def _show_text(self) -> None:
        self._about.set_text(self.outline.describe() or self._map.hand.describe())

    @Slot()
    def _editing_changed(self) -> None:
        self._map.hand.mended_elsewhere = self.outline.active
        self._show_text()

    @Slot(tuple)
    def _mended(self, drawn: tuple[tuple[float, float], ...]) -> None:
        self._map.hand.mended_elsewhere = False
        self._map.mend_outline(drawn)

    @Slot(float, float)
    def _clicked(self, x_um: float, y_um: float) -> None:
        if self.outline.active:
            self.outline.click(x_um, y_um)
            return
        one = self._map.fields.at(x_um, y_um)
        if one is not None:
            self._map.choose(one.seq)
            self.field_chosen.emit(one.seq)
