"""Where the fields of a section lie in a mosaic, to the pixel: the one geometry of every export.

How fields are laid out in um is `hcc_scope.field_layout`. No pixel is interpolated: frames are turned by quarters, and
placed to the whole pixel. A frame that another one of its field replaces (`hcc_scope.retakes`) is not drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.field_layout import StagePlace, lay_out_places, turn_to_picture
from hcc_scope.formatting import counted
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

    from hcc_scope.field_layout import FieldLayout, Point, Positions
    from hcc_scope.islands import IslandLayout
    from hcc_scope.scoring import FieldEntry
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult

__all__ = ["FieldPlace", "SectionGeometry", "lay_out_fields", "lay_out_section"]


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
    pixel_size_um: float
    corner_um: Point
    """x, y of the upper left corner of the mosaic's pixel (0, 0)."""
    mosaic_shape_yx: tuple[int, int]
    """Of the smallest mosaic that holds all fields, px; (0, 0) without a field."""
    layout: FieldLayout
    """Where fields and islands lie, in um."""
    outline: tuple[StagePlace, ...] = ()
    """Corners of the section's outline, if it is known."""
    replaced: tuple[int, ...] = ()
    """`seq` of frames that are not drawn as another one of their field counts."""
    unreadable: tuple[int, ...] = ()
    """`seq` of frames whose line in the journal is unreadable."""

    @property
    def orientation(self) -> Orientation:
        """Of the camera."""
        return self.layout.orientation

    @property
    def positions(self) -> Positions:
        """Where positions come from; ``none``: no field has one, and places mean nothing."""
        return self.layout.positions

    @property
    def islands(self) -> IslandLayout:
        """Where islands lie, in um of the picture."""
        return self.layout.islands

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
            (self.layout.without_position, "field", "without a position not drawn: any place would be a false one"),
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
            (self.islands.apart, "islands are drawn apart: where they lie to each other is not known"),
            (
                self.layout.is_turned,
                f"the camera is tilted by {self.orientation.tilt_deg:.2g} degrees to the stage: places lie in its own "
                "axes, turned about the first field",
            ),
        )
        return tuple(words for holds, words in found if holds)

    def refuse_without_positions(self, store: StorePlace, hint: str) -> None:
        """Refuse what needs a mosaic of the section, if no field has a position.

        Parameters
        ----------
        store : Path
        hint : str
            What there is instead.

        Raises
        ------
        StoreError
        """
        if self.fields and self.positions == "none":
            raise StoreError(f"{store} has no mosaic: none of its fields has a position", hint=hint)

    def upright(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a frame (y, x) as its field is drawn; a view."""
        return self.orientation.upright(pixels)

    def to_mosaic_px(self, place: StagePlace) -> Point:
        """Return where a place on the stage lies in the mosaic: x and y in px, (0, 0) being its upper left corner."""
        x, y = self.layout.to_picture_um(place)
        return (x - self.corner_um[0]) / self.pixel_size_um, (y - self.corner_um[1]) / self.pixel_size_um

    def to_stage(self, x_px: float, y_px: float) -> StagePlace | None:
        """Return the place on the stage of a point of the mosaic: the inverse of `to_mosaic_px`.

        None between islands, and where no field has a position.
        """
        x, y = self.corner_um[0] + x_px * self.pixel_size_um, self.corner_um[1] + y_px * self.pixel_size_um
        return self.layout.to_stage(x, y)

    @property
    def stage_from_px(self) -> NDArray[np.float64] | None:
        """Matrix (2, 3) that makes x and y on the stage, in um, of x and y in px of the mosaic, and 1.

        None where islands lie side by side, as no matrix holds for all, and where no field has a position.
        """
        corner = None if self.islands.apart else self.to_stage(0.0, 0.0)
        if corner is None:
            return None
        turn = turn_to_picture(self.orientation)
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
    layout = lay_out_places(places, size_um, orientation, tracked=tracked, outline=outline)
    corners = layout.corners_um
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
        pixel_size_um=pixel_size_um,
        corner_um=(left, top),
        mosaic_shape_yx=mosaic_shape_yx,
        layout=layout,
        outline=() if layout.positions == "none" else tuple(outline),
        replaced=tuple(replaced),
        unreadable=tuple(unreadable),
    )


def _recorded_results(store: SectionStore) -> Mapping[int, FrameResult]:
    try:
        return read_predictions(store.place)
    except StoreError:
        check_still_there(store.place / JOURNAL)
        return {}


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)
