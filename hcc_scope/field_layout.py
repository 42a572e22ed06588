"""Where the fields of a section lie in a picture of all of them, in um: the one layout of reports and exports.

The picture's axes are x to the right and y down, as on the map: those of the stage, where the camera is turned by
quarters or mirrored. A camera that is tilted besides (`hcc_scope.orientation`) sees fields that join in its own axes
only, so the picture then lies in those, turned about the first field; `FieldLayout.to_picture_um` turns places on the
stage with it.

- Islands of a section by hand lie side by side (`hcc_scope.islands`).
- A field without a position is not drawn where others have one: any place would be a false one. If none has, all are
  laid out in rows, in the order in which they were taken, and `FieldLayout.positions` is ``none``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.islands import IslandLayout, boxes_of_fields, lay_out_islands
from hcc_scope.orientation import Orientation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["FieldLayout", "Point", "Positions", "StagePlace", "lay_out_places", "turn_to_picture"]

_ROW_GAP = 1.1
"""Step between fields without a position, in their own sizes."""

Positions = Literal["stage", "tracked", "none"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StagePlace:
    """A position that is known: x and y of a field's centre, in the coordinates of its island."""

    island: int
    x_um: float
    y_um: float


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """The layout of a section's fields; made by `lay_out_places`."""

    corners_um: Mapping[int, Point] = field(default_factory=dict)
    """Number of each field that is drawn, in ascending order, to x, y of the upper left corner of its picture."""
    islands: IslandLayout = field(default_factory=IslandLayout)
    """Where islands lie, in um of the picture."""
    positions: Positions = "none"
    """Where positions come from; ``none``: no field has one, and places mean nothing."""
    orientation: Orientation = field(default_factory=Orientation)
    pivot_um: Point = (0.0, 0.0)
    """x, y on the stage about which places are turned if the camera is tilted."""
    without_position: tuple[int, ...] = ()
    """Numbers of the fields that are not drawn as their place is not known."""

    @property
    def is_turned(self) -> bool:
        """Whether the picture's axes are those of a tilted camera, and not the stage's."""
        return self.positions != "none" and self.orientation.tilt_deg != 0

    def to_picture_um(self, place: StagePlace) -> Point:
        """Return where a place on the stage lies in the picture, x and y in um."""
        return self.islands.drawn_um(place.island, *_turned(turn_to_picture(self.orientation), self.pivot_um, place))

    def to_stage(self, x_um: float, y_um: float) -> StagePlace | None:
        """Return the place on the stage of a point of the picture: the inverse of `to_picture_um`.

        None between islands, and where no field has a position.
        """
        if self.positions == "none":
            return None
        islands = self.islands
        island = islands.island_at(x_um, y_um) if islands.apart else next(iter(islands.boxes_um), 0)
        if island is None:
            return None
        turn = turn_to_picture(self.orientation)
        back = None if turn is None else np.linalg.inv(turn).astype(np.float64)
        place = StagePlace(island, *islands.place_um(island, x_um, y_um))
        return StagePlace(island, *_turned(back, self.pivot_um, place))


def lay_out_places(
    places: Mapping[int, StagePlace | None],
    size_um: tuple[float, float],
    orientation: Orientation,
    *,
    tracked: bool = False,
    outline: Sequence[StagePlace] = (),
) -> FieldLayout:
    """Return the layout of fields.

    Parameters
    ----------
    places : mapping
        Number of each field to the position of its centre; None where it is not known.
    size_um : (width, height)
        Of a field's picture.
    orientation : Orientation
        Of the camera.
    tracked : bool
        Whether positions were measured from the pictures.
    outline : sequence of StagePlace
        The corners of the section's outline, for which there is room.

    Examples
    --------
    >>> lay_out_places({0: StagePlace(0, 50.0, 50.0), 1: None}, (100.0, 100.0), Orientation()).corners_um
    {0: (0.0, 0.0)}
    """
    width, height = size_um
    known = {number: place for number, place in sorted(places.items()) if place is not None}
    if not known:
        per_row = math.ceil(math.sqrt(len(places)))
        corners = {
            number: (index % per_row * _ROW_GAP * width, index // per_row * _ROW_GAP * height)
            for index, number in enumerate(sorted(places))
        }
        return FieldLayout(corners, orientation=orientation)
    first = next(iter(known.values()))
    pivot = first.x_um, first.y_um
    turned = partial(_turned, turn_to_picture(orientation), pivot)
    inside = [(place.island, turned(place)) for place in [*known.values(), *outline]]
    islands = lay_out_islands(boxes_of_fields(inside, size_um), max(size_um))
    centres = {number: islands.drawn_um(place.island, *turned(place)) for number, place in known.items()}
    return FieldLayout(
        corners_um={number: (x - width / 2, y - height / 2) for number, (x, y) in centres.items()},
        islands=islands,
        positions="tracked" if tracked else "stage",
        orientation=orientation,
        pivot_um=pivot,
        without_position=tuple(sorted(places.keys() - known.keys())),
    )


def turn_to_picture(orientation: Orientation) -> NDArray[np.float64] | None:
    """Return the matrix (2, 2) from the stage's axes to the picture's; None if the camera is not tilted."""
    if orientation.tilt_deg == 0:
        return None
    a, b, c, d = orientation.matrix
    quarter = (
        [[0.0, np.sign(b)], [np.sign(c), 0.0]] if orientation.swaps_axes else [[np.sign(a), 0.0], [0.0, np.sign(d)]]
    )
    turn: NDArray[np.float64] = np.array(quarter) @ np.linalg.inv(np.array([[a, b], [c, d]]))
    return turn


def _turned(turn: NDArray[np.float64] | None, pivot: Point, place: StagePlace) -> Point:
    if turn is None:
        return place.x_um, place.y_um
    dx, dy = place.x_um - pivot[0], place.y_um - pivot[1]
    (a, b), (c, d) = turn.tolist()
    return pivot[0] + (a * dx + b * dy), pivot[1] + (c * dx + d * dy)
