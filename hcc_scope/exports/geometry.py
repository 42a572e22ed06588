"""Where the fields of a section lie in a picture of all of them: the one layout of every export.

The picture's axes are x to the right and y down, in um, as on the map: those of the stage, where the camera is turned
by quarters or mirrored. A camera that is tilted besides (`hcc_scope.orientation`) sees fields that join in its own
axes only, so the picture then lies in those, turned about the first field; `SectionGeometry.to_picture_um` turns
places on the stage with it. No pixel is interpolated: frames are turned by quarters, and placed to the whole pixel.

- Islands of a section by hand lie side by side (`hcc_scope.islands`).
- A frame that another one of its field replaces (`hcc_scope.retakes`) is not drawn.
- A field without a position is not drawn where others have one: any place would be a false one. If none has, all are
  laid out in rows, in the order in which they were taken, and `SectionGeometry.positions` is ``none``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.formatting import counted
from hcc_scope.islands import IslandLayout, boxes_of_fields, lay_out_islands
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import position_origin
from hcc_scope.scoring import is_analysed
from hcc_scope.storage.drawn_sample import stored_sample
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import read_notes, stored_retakes
from hcc_scope.storage.place_files import check_still_there
from hcc_scope.storage.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from hcc_scope.scoring import FieldEntry
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult

__all__ = ["FieldPlace", "SectionGeometry", "StagePlace", "lay_out_fields", "lay_out_section"]

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
class FieldPlace:
    """One field of the picture."""

    seq: int
    stage: StagePlace | None
    """As recorded; None where no field has a position."""
    corner_um: Point
    """x, y of the upper left corner of its picture, exactly."""
    origin_px: tuple[int, int]
    """x, y of its upper left pixel in the mosaic: the nearest whole one."""


@dataclass(frozen=True, slots=True)
class SectionGeometry:
    """The layout of a section's fields; made by `lay_out_section`."""

    fields: tuple[FieldPlace, ...]
    """Those that are drawn, in the order in which they were taken: a later one lies over an earlier one."""
    frame_shape_yx: tuple[int, int]
    """Of a frame as it is stored, px."""
    orientation: Orientation
    pixel_size_um: float
    corner_um: Point
    """x, y of the upper left corner of the mosaic's pixel (0, 0)."""
    mosaic_shape_yx: tuple[int, int]
    """Of the smallest mosaic that holds all fields, px; (0, 0) without a field."""
    layout: IslandLayout
    """Where islands lie, in um of the picture."""
    positions: Positions
    """Where positions come from; ``none``: no field has one, and places mean nothing."""
    pivot_um: Point = (0.0, 0.0)
    """x, y on the stage about which places are turned if the camera is tilted."""
    outline: tuple[StagePlace, ...] = ()
    """Corners of the section's outline, if it is known."""
    replaced: tuple[int, ...] = ()
    """`seq` of frames that are not drawn as another one of their field counts."""
    without_position: tuple[int, ...] = ()
    """`seq` of frames that are not drawn as their place is not known."""
    unreadable: tuple[int, ...] = ()
    """`seq` of frames whose line in the journal is unreadable."""

    @property
    def field_shape_yx(self) -> tuple[int, int]:
        """Of a field's picture, px: rows and columns are exchanged if the camera is turned by a quarter."""
        height, width = self.frame_shape_yx
        return (width, height) if self.orientation.swaps_axes else (height, width)

    @property
    def field_um(self) -> tuple[float, float]:
        """Width and height of a field's picture."""
        height, width = self.field_shape_yx
        return width * self.pixel_size_um, height * self.pixel_size_um

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not drawn, and why: a sentence each."""
        found = (
            (self.replaced, "frame", "not drawn, as a retake of the field counts"),
            (self.without_position, "field", "without a position not drawn: any place would be a false one"),
            (self.unreadable, "frame", "not drawn, as the journal's line is unreadable"),
        )
        return tuple(f"{counted(len(seqs), noun)} {why}" for seqs, noun, why in found if seqs)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the places do not show truly: a sentence each."""
        found = (
            (
                self.positions == "none",
                "no field has a position: all lie in rows, in the order of their numbers",
            ),
            (self.layout.apart, "islands are drawn apart: where they lie to each other is not known"),
        )
        return tuple(words for holds, words in found if holds)

    def upright(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a frame (y, x) as its field is drawn; a view."""
        return self.orientation.upright(pixels)

    def to_picture_um(self, place: StagePlace) -> Point:
        """Return where a place on the stage lies in the picture, x and y in um."""
        return self.layout.drawn_um(place.island, *_turned(_turn(self.orientation), self.pivot_um, place))

    def to_mosaic_px(self, place: StagePlace) -> Point:
        """Return where a place on the stage lies in the mosaic: x and y in px, (0, 0) being its upper left corner."""
        x, y = self.to_picture_um(place)
        return (x - self.corner_um[0]) / self.pixel_size_um, (y - self.corner_um[1]) / self.pixel_size_um

    def to_stage(self, x_px: float, y_px: float) -> StagePlace | None:
        """Return the place on the stage of a point of the mosaic: the inverse of `to_mosaic_px`.

        None between islands, and where no field has a position.
        """
        if self.positions == "none":
            return None
        x, y = self.corner_um[0] + x_px * self.pixel_size_um, self.corner_um[1] + y_px * self.pixel_size_um
        island = self.layout.island_at(x, y) if self.layout.apart else next(iter(self.layout.boxes_um), 0)
        if island is None:
            return None
        turn = _turn(self.orientation)
        back = None if turn is None else np.linalg.inv(turn).astype(np.float64)
        return StagePlace(
            island, *_turned(back, self.pivot_um, StagePlace(island, *self.layout.place_um(island, x, y)))
        )

    @property
    def stage_from_px(self) -> NDArray[np.float64] | None:
        """Matrix (2, 3) that makes x and y on the stage, in um, of x and y in px of the mosaic, and 1.

        None where islands lie side by side, as no matrix holds for all, and where no field has a position.
        """
        corner = None if self.layout.apart else self.to_stage(0.0, 0.0)
        if corner is None:
            return None
        turn = _turn(self.orientation)
        back = np.eye(2) if turn is None else np.linalg.inv(turn)
        return np.column_stack((back * self.pixel_size_um, (corner.x_um, corner.y_um)))

    @property
    def outline_px(self) -> NDArray[np.float64]:
        """Corners (n, 2) of the section's outline in the mosaic, x and y in px, also outside of it; may be empty."""
        return np.array([self.to_mosaic_px(corner) for corner in self.outline], dtype=np.float64).reshape(-1, 2)

    def tile_corners_px(self, grid: TileGrid) -> NDArray[np.intp]:
        """Return the upper left pixels (n, 2) of a frame's tiles, x and y, in the field's picture.

        Add the field's `FieldPlace.origin_px` for places in the mosaic. Tiles are squares, turned or not.
        """
        height, width = self.frame_shape_yx
        tile = grid.tile_px
        corners = [
            self.orientation.upright_box(x / width, y / height, (x + tile) / width, (y + tile) / height)[:2]
            for y, x in grid.origins_yx.tolist()
        ]
        height, width = self.field_shape_yx
        return np.rint(np.array(corners).reshape(-1, 2) * (width, height)).astype(np.intp)


def lay_out_section(
    store: SectionStore, results: Mapping[int, FrameResult] | Mapping[int, FieldEntry | None] | None = None
) -> SectionGeometry:
    """Return the layout of a stored section's fields; reads no pixel.

    Parameters
    ----------
    store : SectionStore
    results : mapping, optional
        `seq` to result, which decide which frame of a field counts that was taken again; those that the run recorded,
        if not given. Without any, the latest one counts.

    Raises
    ------
    StoreError
        If the store's notes or its drawn sample are there and cannot be read.
    """
    retakes = stored_retakes(read_notes(store.place), store.n_frames)
    replaced: tuple[int, ...] = ()
    if len(retakes):
        results = _recorded_results(store) if results is None else results
        replaced = retakes.set_aside(
            partial(is_analysed, results) if results else lambda seq: store.journal[seq] is not None
        )
    places: dict[int, StagePlace | None] = {}
    tracked = False
    for seq, entry in enumerate(store.journal):
        if entry is None or seq in replaced:
            continue
        origin = position_origin(entry.tags, has_position=entry.stage_um is not None)
        tracked |= origin.source == "tracked"
        places[seq] = None if entry.stage_um is None else StagePlace(origin.island, *entry.stage_um[:2])
    sample = stored_sample(store.place, store.journal)
    island, corners = (
        (0, store.recorded.provenance.outline_um or ()) if sample is None else (sample.island, sample.outline_um)
    )
    return lay_out_fields(
        places,
        store.spec.frame_shape_yx,
        store.spec.pixel_size_um,
        Orientation(store.spec.camera_axes),
        tracked=tracked,
        outline=[StagePlace(island, x, y) for x, y in corners],
        replaced=replaced,
        unreadable=tuple(seq for seq, entry in enumerate(store.journal) if entry is None),
    )


def lay_out_fields(
    places: Mapping[int, StagePlace | None],
    frame_shape_yx: tuple[int, int],
    pixel_size_um: float,
    orientation: Orientation,
    *,
    tracked: bool = False,
    outline: Sequence[StagePlace] = (),
    replaced: Iterable[int] = (),
    unreadable: Iterable[int] = (),
) -> SectionGeometry:
    """Return the layout of fields.

    Parameters
    ----------
    places : mapping
        `seq` to the position of the field's centre; None where it is not known.
    frame_shape_yx : (int, int)
        Of a frame as it is stored, px.
    pixel_size_um : float
    orientation : Orientation
        Of the camera.
    tracked : bool
        Whether positions were measured from the pictures.
    outline : sequence of StagePlace
        The corners of the section's outline.
    replaced, unreadable : iterable of int
        `seq` of frames that are not drawn, as in `SectionGeometry`.

    Examples
    --------
    >>> two = {0: StagePlace(0, 50.0, 50.0), 1: StagePlace(0, 140.2, 50.0)}
    >>> geometry = lay_out_fields(two, (200, 200), 0.5, Orientation())
    >>> [place.origin_px for place in geometry.fields], geometry.mosaic_shape_yx, geometry.corner_um
    ([(0, 0), (180, 0)], (200, 380), (0.0, 0.0))
    """
    height, width = frame_shape_yx[::-1] if orientation.swaps_axes else frame_shape_yx
    size_um = width * pixel_size_um, height * pixel_size_um
    known = {seq: place for seq, place in sorted(places.items()) if place is not None}
    layout, pivot = IslandLayout(), (0.0, 0.0)
    positions: Positions = "none"
    centres: dict[int, Point] = {}
    if known:
        positions = "tracked" if tracked else "stage"
        first = next(iter(known.values()))
        pivot = first.x_um, first.y_um
        turned = partial(_turned, _turn(orientation), pivot)
        inside = [(place.island, turned(place)) for place in [*known.values(), *outline]]
        layout = lay_out_islands(boxes_of_fields(inside, size_um), max(size_um))
        centres = {seq: layout.drawn_um(place.island, *turned(place)) for seq, place in known.items()}
    elif places:
        per_row = math.ceil(math.sqrt(len(places)))
        for index, seq in enumerate(sorted(places)):
            row, column = divmod(index, per_row)
            centres[seq] = (column * _ROW_GAP + 0.5) * size_um[0], (row * _ROW_GAP + 0.5) * size_um[1]
    corners = {seq: (x - size_um[0] / 2, y - size_um[1] / 2) for seq, (x, y) in centres.items()}
    left, top = (min((corner[axis] for corner in corners.values()), default=0.0) for axis in (0, 1))
    fields = tuple(
        FieldPlace(
            seq, places[seq], (x, y), (_nearest((x - left) / pixel_size_um), _nearest((y - top) / pixel_size_um))
        )
        for seq, (x, y) in corners.items()
    )
    mosaic_shape_yx = (
        max((field.origin_px[1] for field in fields), default=-height) + height,
        max((field.origin_px[0] for field in fields), default=-width) + width,
    )
    return SectionGeometry(
        fields=fields,
        frame_shape_yx=(int(frame_shape_yx[0]), int(frame_shape_yx[1])),
        orientation=orientation,
        pixel_size_um=pixel_size_um,
        corner_um=(left, top),
        mosaic_shape_yx=mosaic_shape_yx,
        layout=layout,
        positions=positions,
        pivot_um=pivot,
        outline=tuple(outline) if known else (),
        replaced=tuple(replaced),
        without_position=tuple(sorted(places.keys() - known.keys())) if known else (),
        unreadable=tuple(unreadable),
    )


def _recorded_results(store: SectionStore) -> Mapping[int, FrameResult]:
    try:
        return read_predictions(store.place)
    except StoreError:
        check_still_there(store.place / JOURNAL)
        return {}


def _turn(orientation: Orientation) -> NDArray[np.float64] | None:
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


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)
