"""The fields of a plan as they will be taken, before anything moves: for a map, and to refuse a Start with the reason.

A plan is made and checked by the same functions as at the start of a section. What it has to know of the rig is read
once (`plan_site`), so that another plan can be tried without asking a device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted, format_bytes, format_duration, full_stop
from hcc_scope.plans import MAX_EXPOSURE_MS, Grid, PositionList, RandomFields, beyond_limits, check_plan, field_of
from hcc_scope.plans.estimate import Pace, estimate
from hcc_scope.plans.models import MAX_PLACES
from hcc_scope.runs.plan_options import area_around_um, refuse_without_stage
from hcc_scope.types import RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.orientation import Orientation
    from hcc_scope.plans import Plan
    from hcc_scope.plans.estimate import PlanEstimate
    from hcc_scope.plans.models import Place
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.types import StageLimits

__all__ = ["MOST_LISTED", "PlanSite", "PlannedFields", "plan_site", "planned_fields"]

MOST_LISTED = 5000
"""Fields of a grid that are still edited one by one."""


@dataclass(frozen=True, slots=True)
class PlanSite:
    """What a plan has to know of a rig, as plain values; a `hcc_scope.runs.plan_options.StageRig`."""

    orientation: Orientation
    shape_yx: tuple[int, int]
    """Of a frame."""
    pixel_size_um: float
    bit_depth: int
    stage_um: tuple[float, float] | None
    """Where the stage is; None without one."""
    limits: StageLimits | None
    exposure_ms: float
    settle_ms: float
    demo: bool
    """Whether the camera is Micro-Manager's DemoCamera."""

    def need_stage_for_fields(self, *, hint: str) -> None:
        """Refuse fields of an area where there is no motorised stage.

        Raises
        ------
        PlanError
            If there is none.
        """
        refuse_without_stage(self.stage_um is not None, hint=hint)

    def is_demo(self) -> bool:
        """Return whether the camera is Micro-Manager's DemoCamera."""
        return self.demo

    def area_around_stage_um(self, size_um: tuple[float, float], *, hint: str) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 of an area of a width and height around where the stage is.

        Raises
        ------
        PlanError
            If there is no stage.
        """
        self.need_stage_for_fields(hint=hint)
        assert self.stage_um is not None  # there is a stage
        return area_around_um(self.stage_um, size_um)

    @property
    def extent_um(self) -> tuple[float, float]:
        """Width and height, along the stage's axes, of the upright rectangle around a frame."""
        return self.orientation.extent_um(self.shape_yx, self.pixel_size_um)


def plan_site(rig: OpenRig) -> PlanSite:
    """Read what a plan has to know of an open rig. Asks the devices.

    Raises
    ------
    CameraError, ConfigError
        If the camera cannot be used, or the size of a pixel is not known.
    """
    microscope = rig.microscope
    facts = microscope.facts()
    now = microscope.thread.call("reading the camera", microscope.hardware.read)
    return PlanSite(
        orientation=facts.orientation,
        shape_yx=facts.shape_yx,
        pixel_size_um=facts.pixel_size_um,
        bit_depth=facts.bit_depth,
        stage_um=rig.stage_xy_um(),
        limits=microscope.limits,
        exposure_ms=now.exposure_ms,
        settle_ms=microscope.handling.settle_ms,
        demo=facts.library == "DemoCamera",
    )


def _no_centres() -> NDArray[np.float64]:
    return np.zeros((0, 2))


def _none_beyond() -> NDArray[np.bool_]:
    return np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class PlannedFields:
    """A plan as it will be taken, or why it cannot be."""

    plan: Plan | None = None
    """None if there is none, such as of a file that cannot be read."""
    centres_um: NDArray[np.float64] = field(default_factory=_no_centres)
    """(n, 2) x, y of the places, in the order of the plan."""
    beyond: NDArray[np.bool_] = field(default_factory=_none_beyond)
    """(n,) which of them lie beyond the stage's limits."""
    outline_um: NDArray[np.float64] | None = None
    """(m, 2) corners of the area of the plan, else of the section."""
    field_um: tuple[float, float] | None = None
    """Width and height of a field along the stage's axes."""
    estimate: PlanEstimate | None = None
    """None if the plan cannot be carried out."""
    problem: str = ""
    """Why a section would not start with it, and what can be done, as text; empty if it would."""

    @property
    def as_list(self) -> PositionList | None:
        """The same fields as a list, which can be edited; None of a plan whose fields are not chosen one by one."""
        plan = self.plan
        if isinstance(plan, PositionList):
            return plan
        if not isinstance(plan, Grid) or not 0 < len(self.centres_um) <= MOST_LISTED:
            return None
        z_um = () if plan.z_um is None else (plan.z_um,)
        return PositionList(
            positions_um=tuple((*centre, *z_um) for centre in self.centres_um.tolist()),
            exposure_ms=plan.exposure_ms,
            config_group=plan.config_group,
            focus=plan.focus,
        )

    @property
    def no_list(self) -> str:
        """Why its fields cannot be edited one by one, as text; empty if they can."""
        match self.plan:
            case None:
                return "there is no plan"
            case RandomFields():
                return "random fields are left to chance: choose a grid or a list with Section > Plan, or mark fields"
            case Grid() if len(self.centres_um) > MOST_LISTED:
                return f"the grid has more than {MOST_LISTED:,} fields"
            case Grid() | PositionList():
                return "" if self.as_list is not None else "the grid holds no field"
            case _:
                return "the stage stays at one place"

    def describe(self) -> str:
        """Return what will be taken, how long that takes, and what it stores; or why it cannot be taken."""
        if self.problem:
            return f"{self._kind()} cannot be taken: {full_stop(self.problem)}"
        one = self.estimate
        if one is None or self.field_um is None:
            return ""
        width, height = self.field_um
        what = f"{self._kind()} of {width:,.0f} × {height:,.0f} µm"
        if one.acquire_s is None or one.store_bytes is None:
            return f"{what}, without an end"
        time = format_duration(one.acquire_s)
        return f"{what}, about {time}, {format_bytes(one.store_bytes)} uncompressed"

    @property
    def takes(self) -> str:
        """Time and size in a few words, such as ``18 s, 201 MB``; empty where they are not known."""
        one = self.estimate
        if one is None or one.acquire_s is None or one.store_bytes is None:
            return ""
        return f"{format_duration(one.acquire_s)}, {format_bytes(one.store_bytes)}"

    def _kind(self) -> str:
        """Return what there is, such as ``24 random fields``."""
        plan, n_frames = self.plan, None if self.estimate is None else self.estimate.n_frames
        match plan:
            case None:
                return "The plan"
            case RandomFields():
                return counted(plan.n_fields, "random field")
            case Grid():
                n = len(self.centres_um)
                return f"A grid of {counted(n, 'field')}" if n else "The grid"
            case PositionList():
                return f"A list of {counted(len(plan.positions_um), 'field')}"
            case _:
                return "A sequence of frames" if n_frames is None else counted(n_frames, "frame")


def planned_fields(
    make_plan: Callable[[], Plan],
    site: PlanSite,
    *,
    section_um: NDArray[np.float64] | None = None,
    out_dir: Path | None = None,
) -> PlannedFields:
    """Return the fields of a plan as a section would take them on a rig. Asks no device.

    Parameters
    ----------
    make_plan : callable
        Returns the plan, as at the start of a section; what it refuses is stated in the result.
    site : PlanSite
        The rig.
    section_um : (m, 2) ndarray, optional
        The specimen's own outline: every position must lie in it.
    out_dir : Path, optional
        Where the store would be: its disk must have room.
    """
    try:
        plan = make_plan()
    except HccScopeError as error:
        return PlannedFields(outline_um=section_um, problem=str(error))
    corners = plan.polygon_um() if isinstance(plan, Grid | RandomFields) else section_um
    places: list[Place] = []
    field_um = None
    try:
        field_um = field_of(plan, site.orientation, site.shape_yx, site.pixel_size_um)
        places = list(islice(plan.places(field_um), MAX_PLACES + 1))
        n_frames = check_plan(plan, field_um, limits=site.limits, outline_um=section_um)
        exposure_ms = min(MAX_EXPOSURE_MS, site.exposure_ms if plan.exposure_ms is None else plan.exposure_ms)
        pace = Pace(exposure_ms, site.settle_ms)
        taken = estimate(plan, field_um, site.shape_yx, pace, n_frames=n_frames, start_um=site.stage_um)
        if out_dir is not None:
            _check_space(out_dir, site, n_frames)
    except HccScopeError as error:
        return PlannedFields(plan, *_drawn(places, site), corners, field_um, problem=str(error))
    return PlannedFields(plan, *_drawn(places, site), corners, field_um, taken)


def _check_space(out_dir: Path, site: PlanSite, n_frames: int | None) -> None:
    from hcc_scope.storage.space import check_free_space

    spec = RunSpec(site.shape_yx, site.bit_depth, site.pixel_size_um, "", "", expected_frames=n_frames)
    check_free_space(out_dir, spec)


def _drawn(places: list[Place], site: PlanSite) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    centres = np.array([(x_um, y_um) for _, x_um, y_um, _ in places], dtype=np.float64).reshape(-1, 2)
    return centres, beyond_limits(places, site.limits)
