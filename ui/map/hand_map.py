"""A section by hand on the map: which layers show it, and where its islands are drawn. An object without widgets.

Two canvases may show the same section: the tab *Section map*, and the map beside the live picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.islands import IslandLayout, boxes_of_fields, lay_out_islands
from ui.map.boxes import box_of, box_of_boxes
from ui.map.hand_layers import CourseLayer, HandFieldLayer, IslandLabels, TargetsLayer
from ui.map.map_text import describe_progress
from ui.map.mosaic_layer import MosaicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.tracking.mosaic import SeenMosaic
    from ui.canvas.canvas import Layer
    from ui.canvas.viewport import Box
    from ui.kit.theme import ThemeName
    from ui.map.map_fields import FieldsLayer
    from ui.map.map_layers import OutlineLayer

__all__ = ["HandMap"]


class HandMap:
    """Takes what is known after each live frame.

    Parameters
    ----------
    fields : FieldsLayer
        The captured fields: they are drawn on the islands as the rest is.
    outline : OutlineLayer
        The map's; meanwhile it is that of the section by hand.
    """

    def __init__(self, fields: FieldsLayer, outline: OutlineLayer) -> None:
        self.on = False
        """Whether a section by hand is shown."""
        self.frozen = False
        """Whether islands stay where they are drawn: while the outline is mended, it must not move below the mouse."""
        self.mended_elsewhere = False
        """Whether it is mended in `ui.map.hand_view.HandMapView`."""
        self.layout = IslandLayout()
        self.view: HandView | None = None
        self.outline_um: tuple[tuple[float, float], ...] = ()
        """Corners in the coordinates of `outline_island`."""
        self.outline_island = 0
        self.mosaic = MosaicLayer()
        self.course = CourseLayer()
        self.outline = outline
        self.targets = TargetsLayer()
        self.field = HandFieldLayer()
        self.labels = IslandLabels()
        self._fields = fields
        self._seen: SeenMosaic | None = None

    @property
    def below(self) -> list[Layer]:
        """Layers below the captured fields, in order."""
        return [self.mosaic, self.outline]

    @property
    def above(self) -> list[Layer]:
        """Layers above the captured fields, in order."""
        return [self.course, self.targets, self.field, self.labels]

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.mosaic.set_theme(theme)

    def begin(self, mosaic: SeenMosaic | None) -> None:
        """Show another section by hand."""
        self.end()
        self.on = self._fields.by_hand = True
        self.outline.filled = False
        self._seen = mosaic
        self.mosaic.begin(mosaic)

    def end(self) -> None:
        """Show a section by hand no more."""
        if self.on:
            self.outline.filled, self.outline.points_um = True, None
        self.on = self.frozen = self.mended_elsewhere = False
        self.view = self._seen = None
        self.mosaic.begin(None)
        self.course.stretches = ()
        self.field.place, self.field.known = None, False
        self.set_outline((), 0)
        self.set_sample(None)
        self._fields.set_common_limits(None)
        self._fields.by_hand = False
        self.lay_out()

    def finish(self) -> None:
        """Show no field at the lens, and no target: the section has ended."""
        self.frozen = self.mended_elsewhere = False
        self.view = None
        self.field.place, self.field.known = None, False
        self.targets.here = self.targets.present = None
        if self.mosaic.refresh() and self._seen is not None:
            self.course.stretches = self._seen.course_um()

    def show(self, view: HandView) -> None:
        """Take what is known after a live frame."""
        if self.view is not None and (self.view.phase, view.phase) == ("mend", "outline"):
            self.set_outline((), view.track.island)  # the operator drives round the section again
        self.view = view
        place = view.track.place
        self.field.known = place is not None
        if place is not None:
            self.field.place = place
        self.targets.here = place
        self.targets.present = None if view.guidance is None else view.guidance.target
        if self._seen is not None and self.mosaic.refresh():
            self.course.stretches = self._seen.course_um()
            self._fields.set_common_limits(self.mosaic.limits)

    def set_outline(self, corners_um: Sequence[tuple[float, float]], island: int) -> None:
        """Take the outline, in the coordinates of an island; empty for none."""
        self.outline_um = tuple((float(x), float(y)) for x, y in corners_um)
        self.outline_island = island

    def set_sample(self, sample: DrawnSample | None) -> None:
        """Take the drawn fields as they are now, and their outline; None before they are drawn."""
        self.targets.sample = sample
        if sample is not None:
            self.set_outline(sample.outline_um, sample.island)

    # -- islands -----------------------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """Decide where islands are drawn, by what is known of each."""
        size_um = self._fields.field_um
        self.field.field_um = size_um
        if not self.frozen:
            placed = [
                (one.origin.island, one.stage_um) for one in self._fields.fields.values() if one.stage_um is not None
            ]
            if self.field.place is not None:
                placed.append((self.field.place.island, (self.field.place.x_um, self.field.place.y_um)))
            known = boxes_of_fields(placed, size_um)
            for island, box in {} if self._seen is None else self._seen.boxes_um().items():
                known[island] = box_of_boxes([box, known[island]]) if island in known else box
            if self.outline_um:
                box = box_of(np.array(self.outline_um))
                others = [known[self.outline_island]] if self.outline_island in known else []
                known[self.outline_island] = box_of_boxes([box, *others])
            self.layout = lay_out_islands(known, max(size_um))
        for layer in (self.mosaic, self.course, self.targets, self.field, self.labels, self._fields):
            layer.layout = self.layout
        if self.on:
            drawn = self.drawn_outline_um
            self.outline.points_um = np.array(drawn) if drawn else None

    @property
    def drawn_outline_um(self) -> tuple[tuple[float, float], ...]:
        """The outline's corners as they are drawn."""
        return tuple(self.layout.drawn_um(self.outline_island, x, y) for x, y in self.outline_um)

    def outline_of_drawn(self, corners: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        """Return drawn corners in the coordinates of the outline's island."""
        return tuple(self.layout.place_um(self.outline_island, x, y) for x, y in corners)

    def boxes(self) -> list[Box]:
        """Return what the map must show."""
        return list(self.layout.boxes_um.values())

    def describe(self) -> str:
        """Return how far the section is, what was seen, and how it is drawn, as text."""
        layers = (self.targets, self.mosaic, self.labels)
        return "; ".join(filter(None, [describe_progress(self._fields), *(layer.summary() for layer in layers)]))
