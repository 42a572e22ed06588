"""The five plans. Each is frozen, checked when it is made, and states how its fields were chosen (`sampling`).

Sampling and the score's interval
---------------------------------
Only `RandomFields` makes the interval of the running score valid, and only in the order it comes in: fields are
visited in random order, never along the shortest way, so that whenever the operator stops, what was seen so far is a
random choice of fields. Sorting them would save stage travel and spoil that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator  # noqa: TC003 - pydantic resolves annotations when the classes are made
from itertools import repeat
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from hcc_scope.errors import PlanError
from hcc_scope.plans.drawn_sample import fitting_draw
from hcc_scope.plans.focusing import NO_FOCUSING, FocusPlan
from hcc_scope.plans.geometry import MAX_PLACES, LatticeDraw, points_inside
from hcc_scope.plans.outline import check_outline
from hcc_scope.types import Sampling  # noqa: TC001 - as above

__all__ = [
    "LABEL_TAG",
    "MAX_EXPOSURE_MS",
    "MAX_FRAMES",
    "MAX_PLACES",
    "Event",
    "Grid",
    "OutlineSource",
    "Place",
    "Plan",
    "PlanBase",
    "PositionList",
    "RandomFields",
    "Sequence",
    "TimeSeries",
    "too_many_places",
]

Event: TypeAlias = dict[str, Any]
"""One exposure in pycromanager's form; lengths in um, ``exposure`` in ms, ``min_start_time`` in s from the start,
``tags`` to be kept with the frame."""

# strict: neither yes nor a text is a number
Number = Annotated[FiniteFloat, Field(strict=True)]
Point = tuple[Number, Number]
Place = tuple[dict[str, int], float, float, float | None]
"""Axes, x, y and z (None: leave the focus alone) of a field."""

LABEL_TAG = "position_label"
"""Tag of a frame: the name of its position in the plan."""
MAX_EXPOSURE_MS = 3_600_000
"""An hour: a longer exposure is a mistake."""
MAX_FRAMES = 1_000_000_000
"""A year of the fastest camera."""
MAX_INTERVAL_S = 1_000_000_000
Count = Annotated[int, Field(gt=0, le=MAX_FRAMES, strict=True)]
"""Strict: YAML's ``true`` must not count as 1."""


def too_many_places() -> PlanError:
    """Return the error of a plan with more than `MAX_PLACES` positions."""
    return PlanError(f"the plan has more than {MAX_PLACES:,} positions", hint="Make the area smaller.")


OutlineSource = Literal["prescan", "drawn", "mended"]


class PlanBase(BaseModel):
    """What all plans have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampling: ClassVar[Sampling]

    exposure_ms: Annotated[Number, Field(gt=0, le=MAX_EXPOSURE_MS)] | None = None
    """None leaves the camera's exposure as the configuration set it."""
    config_group: tuple[str, str] | None = None
    """(group, preset) of the Micro-Manager configuration to apply, such as ("Objective", "20X")."""
    focus: FocusPlan = NO_FOCUSING
    """When to focus by the camera's image (`hcc_scope.plans.focusing`)."""

    @model_validator(mode="after")
    def _one_source_of_z(self) -> Self:
        if self.focus.mode != "none" and self.gives_z:
            raise ValueError(
                f"focus: {self.focus.text()} decides z, and the plan gives z as well: leave one of them out"
            )
        return self

    @property
    def gives_z(self) -> bool:
        """Whether the plan itself states a height, at one place at least."""
        raise NotImplementedError

    @property
    def expected_frames(self) -> int | None:
        """Number of frames; None for an open end, or (a grid) where it depends on the size of a field."""
        raise NotImplementedError

    def places(self, field_um: tuple[float, float]) -> Iterator[Place]:
        """Yield each place the stage is sent to once, in order; nothing if the stage is never moved."""
        raise NotImplementedError

    def events(self, field_um: tuple[float, float]) -> Iterator[Event]:
        """Yield one event per frame, lazily.

        Parameters
        ----------
        field_um : (w, h)
            What one frame covers.

        Raises
        ------
        PlanError
            If the plan holds no field, or its fields do not fit.
        """
        for axes, x_um, y_um, z_um in self.places(field_um):
            yield self._event(axes, (x_um, y_um), z_um)

    def settings(self) -> Event:
        """Return what all events have in common: the camera's exposure and the preset."""
        common: Event = {}
        if self.exposure_ms is not None:
            common["exposure"] = self.exposure_ms
        if self.config_group is not None:
            common["config_group"] = list(self.config_group)
        return common

    def _event(
        self, axes: dict[str, int], xy_um: tuple[float, float] | None, z_um: float | None, start_s: float | None = None
    ) -> Event:
        """Put one event together, leaving out what does not change."""
        event: Event = {"axes": axes, **self.settings()}
        if xy_um is not None:
            event["x"], event["y"] = xy_um
        if z_um is not None:
            event["z"] = z_um
        if start_s is not None:
            event["min_start_time"] = start_s
        return event


class PositionList(PlanBase):
    """The given positions, in the given order."""

    sampling: ClassVar[Sampling] = "positions"
    kind: Literal["positions"] = "positions"

    positions_um: tuple[tuple[Number, Number] | tuple[Number, Number, Number], ...]
    """(x, y) or (x, y, z) of each field's centre."""
    labels: tuple[str, ...] | None = None
    """A name for each position, such as those of a position list of Micro-Manager; a tag of the position's frame."""
    xy_stage: str | None = None
    """Label of the device that x and y belong to: a rig with another XY stage is refused. None: the rig's own."""
    z_stage: str | None = None
    """Label of the focus drive that z belongs to, likewise."""

    @model_validator(mode="after")
    def _a_label_each(self) -> PositionList:
        if self.labels is not None and len(self.labels) != len(self.positions_um):
            raise ValueError(f"labels must name each of the {len(self.positions_um)} positions, not {len(self.labels)}")
        return self

    @property
    def gives_z(self) -> bool:
        """Whether a position has a z."""
        return any(len(position) == 3 for position in self.positions_um)

    @property
    def expected_frames(self) -> int:
        """Number of frames."""
        return len(self.positions_um)

    def places(self, field_um: tuple[float, float]) -> Iterator[Place]:
        """Yield the positions."""
        del field_um
        for i, (x_um, y_um, *z_um) in enumerate(self.positions_um):
            yield {"position": i}, x_um, y_um, z_um[0] if z_um else None

    def events(self, field_um: tuple[float, float]) -> Iterator[Event]:
        """Yield one event for each position, with its label as a tag."""
        for event, label in zip(super().events(field_um), self.labels or repeat(""), strict=False):
            yield {**event, "tags": {LABEL_TAG: label}} if label else event


class _AreaPlan(PlanBase):
    """A plan that fills an area: a polygon, or a rectangle for short."""

    outline_um: Annotated[tuple[Point, ...], Field(min_length=3)] | None = None
    """Vertices (x, y) of the section's outline, in order."""
    rectangle_um: tuple[Number, Number, Number, Number] | None = None
    """x0, y0, x1, y1, instead of an outline."""
    outline_from: OutlineSource | None = None
    """How the outline was obtained: found by a prescan, drawn by hand, or found and then mended by hand."""
    outline_margin_um: Annotated[Number, Field(ge=0)] | None = None
    """How far the tissue's edge may lie from the outline, as the prescan stated it."""
    z_um: Number | None = None

    @model_validator(mode="after")
    def _one_area(self) -> _AreaPlan:
        if (self.outline_um is None) == (self.rectangle_um is None):
            raise ValueError("give either outline_um or rectangle_um")
        if self.outline_um is None and (self.outline_from, self.outline_margin_um) != (None, None):
            raise ValueError("outline_from and outline_margin_um describe outline_um, which is not given")
        if self.rectangle_um is not None:
            x0, y0, x1, y1 = self.rectangle_um
            if x0 >= x1 or y0 >= y1:
                raise ValueError("rectangle_um must be x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        if self.outline_um is not None:
            try:
                check_outline(self.outline_um)
            except PlanError as error:
                raise ValueError(f"outline_um: {error.message}") from error
        return self

    def polygon_um(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Return the area's outline, (n, 2)."""
        if self.rectangle_um is not None:
            x0, y0, x1, y1 = self.rectangle_um
            return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        return np.array(self.outline_um, dtype=np.float64)

    @property
    def gives_z(self) -> bool:
        """Whether it has a z."""
        return self.z_um is not None


class Grid(_AreaPlan):
    """A snake grid over an area: rows from low to high y, every second one backwards.

    A rectangle is covered from edge to edge by fields that lie inside it, so the overlap is at least the one asked
    for. Of an outline, every field whose centre lies inside is taken; the outermost ones show some bare glass.
    """

    sampling: ClassVar[Sampling] = "raster"
    kind: Literal["grid"] = "grid"

    overlap: Annotated[Number, Field(ge=0, lt=0.9)] = 0.1
    """Share of a field's width and height that neighbours have in common."""

    @property
    def expected_frames(self) -> int | None:
        """None: how many fields there are depends on their size; `check_plan` returns it."""
        return None

    def _line(self, low: float, high: float, size: float) -> list[float]:
        """Return centres along one direction, evenly spaced from edge to edge."""
        room = high - low - size
        if room <= 0:
            return [(low + high) / 2]
        n = math.ceil(room / (size * (1 - self.overlap)) - 1e-9) + 1  # the 1e-9 forgives rounding of an exact fit
        if n > MAX_PLACES:  # a slip in the units must not fill the memory
            raise PlanError(f"the grid has {n:,} fields along one side", hint="Make the area smaller: it is in um.")
        return [low + size / 2 + room * i / (n - 1) for i in range(n)]

    def places(self, field_um: tuple[float, float]) -> Iterator[Place]:
        """Yield the grid's fields along the snake."""
        polygon = self.polygon_um()
        (x0, y0), (x1, y1) = polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()
        xs, ys = self._line(x0, x1, field_um[0]), self._line(y0, y1, field_um[1])
        if self.rectangle_um is not None and len(xs) * len(ys) > MAX_PLACES:
            raise too_many_places()
        for row, y in enumerate(ys):
            columns = range(len(xs)) if row % 2 == 0 else range(len(xs) - 1, -1, -1)
            inside = points_inside(np.array([(x, y) for x in xs]), polygon)
            for column in columns:
                if inside[column] or self.rectangle_um is not None:
                    yield {"row": row, "column": column}, xs[column], y, self.z_um


class RandomFields(_AreaPlan):
    """Random fields, none overlapping another, each wholly inside the area: the paper's way, and the default.

    Notes
    -----
    Fields are drawn without replacement from a lattice that is laid through a random place
    (`hcc_scope.plans.geometry.lattice_draw`). Each centre is uniform over all places where the field lies wholly
    inside the outline: their mean estimates the mean over these places. The section's margin, half a field wide, is
    seen less than its middle: the price for fields without bare glass. `seed` decides all of them.
    """

    sampling: ClassVar[Sampling] = "random"
    kind: Literal["random"] = "random"

    n_fields: Count
    seed: Annotated[int, Field(ge=0, strict=True)] = 0

    @property
    def expected_frames(self) -> int:
        """Number of frames."""
        return self.n_fields

    def places(self, field_um: tuple[float, float]) -> Iterator[Place]:
        """Yield the fields in random order.

        Raises
        ------
        PlanError
            If they do not all fit, or the area is larger than any specimen.
        """
        for i, (x_um, y_um) in enumerate(self.draw(field_um).fields_um):
            yield {"position": i}, x_um, y_um, self.z_um

    def draw(self, field_um: tuple[float, float]) -> LatticeDraw:
        """Return the fields in the order in which they are visited, and how many their lattice has.

        Raises
        ------
        PlanError
            If they do not all fit, or the area is larger than any specimen.
        """
        return fitting_draw(self.n_fields, field_um, self.polygon_um().tolist(), self.seed)


class _OnePlace(PlanBase):
    """A plan that stays where it is, or goes to one place first."""

    position_um: Point | None = None
    """(x, y) to go to first; None stays where the stage is."""
    z_um: Number | None = None

    @model_validator(mode="after")
    def _no_plane(self) -> Self:
        if self.focus.mode == "plane":
            raise ValueError("focus: plane is for plans with many places, and this one stays at one: use once")
        return self

    @property
    def gives_z(self) -> bool:
        """Whether it has a z."""
        return self.z_um is not None

    def places(self, field_um: tuple[float, float]) -> Iterator[Place]:
        """Yield the one place, if there is one."""
        del field_um
        if self.position_um is not None:
            yield {}, *self.position_um, self.z_um


class TimeSeries(_OnePlace):
    """One field again and again, each exposure begun no earlier than `interval_s` after the one before."""

    sampling: ClassVar[Sampling] = "time_series"
    kind: Literal["time_series"] = "time_series"

    n_frames: Count
    interval_s: Annotated[Number, Field(ge=0, le=MAX_INTERVAL_S)]

    @property
    def expected_frames(self) -> int:
        """Number of frames."""
        return self.n_frames

    def events(self, field_um: tuple[float, float]) -> Iterator[Event]:
        """Yield one event per time point."""
        del field_um
        for i in range(self.n_frames):
            yield self._event({"time": i}, self.position_um, self.z_um, i * self.interval_s)


class Sequence(_OnePlace):
    """As many frames as the camera gives, back to back, at one place; the only plan where the camera sets the pace."""

    sampling: ClassVar[Sampling] = "sequence"
    kind: Literal["sequence"] = "sequence"

    n_frames: Count | None = None
    """None continues until the run is stopped."""

    @model_validator(mode="after")
    def _focus_before(self) -> Self:
        if self.focus.mode == "every_k":
            raise ValueError("focus: every_k would interrupt a sequence, in which the camera sets the pace: use once")
        return self

    @property
    def expected_frames(self) -> int | None:
        """Number of frames, or None for an open end."""
        return self.n_frames

    def events(self, field_um: tuple[float, float]) -> Iterator[Event]:
        """Yield one event per frame, without end if `n_frames` is None."""
        del field_um
        i = 0
        while self.n_frames is None or i < self.n_frames:
            yield self._event({"time": i}, self.position_um, self.z_um)
            i += 1


Plan: TypeAlias = PositionList | Grid | RandomFields | TimeSeries | Sequence
