"""Find the tissue: a few fields far apart, each judged for tissue, and the outline that they show.

Nothing is stored. The stage never leaves its limits and comes back to where it was, also after an error or an
interruption; so do the preset and the exposure.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from hcc_scope.errors import DeviceError, FrameSizeError, PlanError
from hcc_scope.formatting import counted
from hcc_scope.microscope.limits import check_plan_exposure
from hcc_scope.quality import QualityLimits, assess_tiles
from hcc_scope.tiling import TileGrid
from hcc_scope.workers import Failure, StopToken, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.orientation import Orientation
    from hcc_scope.plans.tissue_outline import TissueOutline
    from hcc_scope.types import Frame, StageLimits

    Seen = Callable[[Frame, Orientation], None]

__all__ = ["Prescan", "PrescanRequest", "clipped_area", "prescan", "quick_scan", "tissue_samples"]

_SAMPLE_PX = 256
_LEAST_SAMPLE_PX = 32
"""The smallest tile whose texture can be judged."""
_SPARSE = 1.5
"""Distance of neighbouring fields, in fields, without a spacing."""
_USUAL_FIELDS = 150
MOST_FIELDS = 5000

Rectangle = tuple[float, float, float, float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PrescanRequest:
    """Where to look for tissue, and how."""

    area_um: Rectangle
    """x0, y0, x1, y1 on the stage."""
    spacing_um: float | None = None
    """Largest distance of neighbouring fields' centres; None: 1.5 fields, or more for a large area."""
    exposure_ms: float | None = None
    """None leaves the camera's exposure as it is."""
    preset: tuple[str, str] | None = None
    """(group, preset) for the prescan, such as an objective of low power; the one before is applied again after it."""


@dataclass(frozen=True, slots=True)
class Prescan:
    """What a prescan found."""

    outline: TissueOutline
    area_um: Rectangle
    """What was scanned."""
    field_um: tuple[float, float]
    spacing_um: float
    n_fields: int
    tissue_share: float
    """Mean share of tissue over all samples."""
    notes: tuple[str, ...]
    """What an operator must know of it, as sentences."""


def clipped_area(
    area_um: Rectangle, field_um: tuple[float, float], limits: StageLimits | None
) -> tuple[Rectangle, bool]:
    """Return the part of an area that fields with centres inside the stage's limits can show, and whether it is less.

    Raises
    ------
    PlanError
        If none of it can be reached.
    """
    x0, y0, x1, y1 = area_um
    if limits is not None:
        half_w, half_h = field_um[0] / 2, field_um[1] / 2
        x0, x1 = max(x0, limits.x_um[0] - half_w), min(x1, limits.x_um[1] + half_w)
        y0, y1 = max(y0, limits.y_um[0] - half_h), min(y1, limits.y_um[1] + half_h)
        if x0 >= x1 or y0 >= y1:
            raise PlanError(
                "the area of the prescan lies outside the stage's limits",
                hint="Move the area, or correct stage_limits_um in the rig file.",
            )
    return (x0, y0, x1, y1), (x0, y0, x1, y1) != tuple(area_um)


def tissue_samples(
    frame: Frame, orientation: Orientation, limits: QualityLimits
) -> tuple[NDArray[np.float64], NDArray[np.float32], float]:
    """Return the places on the stage (n, 2) of a frame's tiles, the share of tissue in each, and a tile's side in um.

    Parameters
    ----------
    frame : Frame
        With stage position and pixel size.
    orientation : Orientation
        How the camera lies over the stage.
    limits : QualityLimits
        What counts as texture.

    Raises
    ------
    FrameSizeError
        If the frame is too small for any texture.
    """
    assert frame.stage_um is not None
    assert frame.pixel_size_um
    height, width = frame.pixels.shape
    side = min(_SAMPLE_PX, height, width)
    if side < _LEAST_SAMPLE_PX:
        raise FrameSizeError(
            f"a frame of {width} x {height} px is too small to recognise tissue in it",
            hint=f"Use frames of {_LEAST_SAMPLE_PX} px at least.",
        )
    grid = TileGrid.for_frame((height, width), side)
    shares = assess_tiles(grid.views(frame.pixels), limits, frame.bit_depth).tissue_fraction
    middles_yx = grid.origins_yx + side / 2 - (height / 2, width / 2)
    matrix = np.array(orientation.matrix).reshape(2, 2)
    offsets = middles_yx[:, ::-1] @ matrix.T * frame.pixel_size_um
    return np.array(frame.stage_um[:2]) + offsets, shares, side * frame.pixel_size_um


def prescan(
    microscope: MicroManager,
    request: PrescanRequest,
    stop: StopToken | None = None,
    scene: Scene | None = None,
    progress: Callable[[int, int], None] | None = None,
    seen: Seen | None = None,
) -> Prescan | None:
    """Scan an area sparsely and return the outline of its tissue.

    Parameters
    ----------
    microscope : MicroManager
        Open; a live picture is ended.
    request : PrescanRequest
    stop : StopToken, optional
        Ends the scan.
    scene : Scene, optional
        Replaces the demo camera's pixels.
    progress : callable, optional
        Takes how many fields are done, and how many there are.
    seen : callable, optional
        Takes each frame, with how the camera lies over the stage, for an overview.

    Returns
    -------
    Prescan or None
        None if stop was requested: part of a scan gives no outline.

    Raises
    ------
    PlanError
        If there is no stage, the area cannot be reached, or no tissue is found.
    HccScopeError
        If a device fails; the stage was then sent back if it still obeyed.
    """
    stop = StopToken() if stop is None else stop
    return _there_and_back(
        microscope, request, lambda halts: _found(_scan_of(microscope, request, halts, scene), stop, progress, seen)
    )


def quick_scan(
    microscope: MicroManager,
    request: PrescanRequest,
    seen: Seen,
    stop: StopToken | None = None,
    scene: Scene | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Look at an area sparsely, as `prescan` does, and judge nothing: for an overview.

    Parameters
    ----------
    microscope, request, stop, scene, progress
        As for `prescan`.
    seen : callable
        Takes each frame, with how the camera lies over the stage.

    Returns
    -------
    int
        Number of fields that were seen; fewer if stop was requested.

    Raises
    ------
    PlanError
        If there is no stage, or the area cannot be reached.
    HccScopeError
        If a device fails; the stage was then sent back if it still obeyed.
    """
    stop = StopToken() if stop is None else stop

    def look(halts: int) -> int:
        scan = _scan_of(microscope, request, halts, scene)
        with closing(scan.frames(stop, progress, seen)) as frames:
            n_seen = sum(1 for _ in frames)
        microscope.events.add("action", action="quick scan", area_um=list(scan.area_um), fields=n_seen)
        return n_seen

    return _there_and_back(microscope, request, look)


def _there_and_back(microscope: MicroManager, request: PrescanRequest, do: Callable[[int], T]) -> T:
    """Scan, and put back whatever a scan changes; `do` takes how often the stage was halted before."""
    microscope.use.release_for_section()
    hardware = microscope.hardware
    hardware.need_xy_stage()
    check_plan_exposure(request.exposure_ms, microscope.handling)
    state = _State.read(microscope, request)
    state.check_inside(microscope.limits)
    outcome = attempt(lambda: do(state.halts))
    back = attempt(lambda: state.restore(microscope))
    if isinstance(outcome, Failure):
        if isinstance(back, Failure):
            outcome.error.add_note(f"then, going back: {back.error}")
        raise outcome.error
    if isinstance(back, Failure):
        raise back.error
    return outcome


@dataclass(frozen=True, slots=True)
class _State:
    """What a prescan changes, as it was before."""

    xy_um: tuple[float, float]
    exposure_ms: float
    preset: tuple[str, str] | None
    halts: int

    @classmethod
    def read(cls, microscope: MicroManager, request: PrescanRequest) -> _State:
        hardware, ask = microscope.hardware, microscope.backend.ask

        def look() -> _State:
            place = hardware.stage_um()
            assert place is not None  # there is a stage
            preset = None
            if request.preset is not None:
                group = request.preset[0]
                if ask("looking for a preset", "is_config_defined", *request.preset):
                    now = str(ask("looking for the present preset", "get_current_config", group))
                    preset = (group, now) if now else None
            exposure_ms = float(ask("asking the camera", "get_exposure"))
            return cls(place[:2], exposure_ms, preset, hardware.halts)

        return microscope.thread.call("asking the devices", look)

    def check_inside(self, limits: StageLimits | None) -> None:
        """Refuse a scan that could not come back to where it begins."""
        spans = () if limits is None else (("x", self.xy_um[0], limits.x_um), ("y", self.xy_um[1], limits.y_um))
        for axis, value, span in spans:
            if not span[0] <= value <= span[1]:
                raise PlanError(
                    f"the stage is at {axis} = {value:g} um, outside its limits of {span[0]:g} to {span[1]:g} um",
                    hint="Move it inside them, or correct stage_limits_um in the rig file.",
                )

    def restore(self, microscope: MicroManager) -> None:
        """Put everything back; after an emergency stop the stage stays where it is.

        Raises
        ------
        DeviceError
            If a device refuses, or after an emergency stop.
        """
        from hcc_scope.microscope.section_ends import abandon_section

        hardware, ask = microscope.hardware, microscope.backend.ask
        abandon_section(microscope)  # a scan that was refused after its preset has no end of its own

        def settings() -> None:
            if self.preset is not None:
                ask("applying the preset of before", "set_config", *self.preset)
                ask("applying the preset of before", "wait_for_config", *self.preset)
            ask("setting the exposure of before", "set_exposure", self.exposure_ms)
            hardware.changed()

        microscope.thread.call("putting the settings back", settings)
        if hardware.halts != self.halts:
            raise DeviceError("the stage was stopped in an emergency during the prescan, and stays where it is")
        event = {"axes": {}, "x": self.xy_um[0], "y": self.xy_um[1]}
        microscope.thread.call("moving back", partial(hardware.apply, event, StopToken()))


@dataclass(frozen=True, slots=True)
class _Scan:
    """A scan that is about to begin."""

    source: MicroManagerSource
    orientation: Orientation
    area_um: Rectangle
    less: bool
    """Whether the stage's limits have cut the area."""
    field_um: tuple[float, float]
    spacing_um: float
    n_places: int

    def frames(
        self, stop: StopToken, progress: Callable[[int, int], None] | None, seen: Seen | None
    ) -> Generator[Frame]:
        """Yield the frames, and report each."""
        with closing(cast("Generator[Frame]", self.source.frames(stop))) as frames:
            for n_done, frame in enumerate(frames, start=1):
                yield frame
                if seen is not None:
                    seen(frame, self.orientation)
                if progress is not None:
                    progress(n_done, self.n_places)


def _scan_of(microscope: MicroManager, request: PrescanRequest, halts: int, scene: Scene | None) -> _Scan:
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.plans import PositionList

    hardware = microscope.hardware
    microscope.thread.call("preparing the devices", partial(hardware.prepare, request.preset, request.exposure_ms))
    facts = microscope.facts()
    field_um = facts.orientation.extent_um(facts.shape_yx, facts.pixel_size_um)
    area_um, less = clipped_area(request.area_um, field_um, microscope.limits)
    places, spacing_um = _places(area_um, field_um, request.spacing_um)
    plan = PositionList(positions_um=tuple(places), exposure_ms=request.exposure_ms, config_group=request.preset)
    source = MicroManagerSource(microscope, plan, animal_id="", section_id="", scene=scene)
    if hardware.halts != halts:  # a source knows of those since it was made
        raise DeviceError("the stage was stopped in an emergency before the prescan began")
    return _Scan(source, facts.orientation, area_um, less, field_um, spacing_um, len(places))


def _found(
    scan: _Scan, stop: StopToken, progress: Callable[[int, int], None] | None, seen: Seen | None
) -> Prescan | None:
    from hcc_scope.plans.tissue_outline import tissue_outline

    limits = QualityLimits()
    found: list[NDArray[np.float64]] = []
    shares: list[NDArray[np.float32]] = []
    side_um = 0.0
    with closing(scan.frames(stop, progress, seen)) as frames:
        for frame in frames:
            xy_um, share, side_um = tissue_samples(frame, scan.orientation, limits)
            found.append(xy_um)
            shares.append(share)
    if stop.requested:
        return None
    gap_um = max(side_um, scan.spacing_um - min(scan.field_um) + side_um)
    samples = np.concatenate(found) if found else np.zeros((0, 2))
    share = np.concatenate(shares) if shares else np.zeros(0, dtype=np.float32)
    outline = tissue_outline(samples, share.astype(np.float64), scan.area_um, gap_um)
    notes = list(outline.remarks())
    if scan.less:
        x0, y0, x1, y1 = scan.area_um
        notes.append(
            f"The area was cut to x = {x0:.0f} to {x1:.0f}, y = {y0:.0f} to {y1:.0f} um: the stage's limits end there."
        )
    if len(found) < scan.n_places:
        notes.append(
            f"{counted(scan.n_places - len(found), 'field')} of {scan.n_places} could not be taken: there the edge may"
            " be farther off, and tissue may be missed."
        )
    scan.source.events.add(
        "action", action="prescan", area_um=list(scan.area_um), fields=len(found), tissue_um2=outline.area_um2
    )
    return Prescan(outline, scan.area_um, scan.field_um, scan.spacing_um, len(found), float(share.mean()), tuple(notes))


def _places(
    area_um: Rectangle, field_um: tuple[float, float], spacing_um: float | None
) -> tuple[list[tuple[float, float]], float]:
    """Return the centres of the scan's fields along a snake, and their largest distance."""
    from hcc_scope.plans.tissue_outline import scan_lines

    x0, y0, x1, y1 = area_um
    if spacing_um is None:
        spacing_um = max(_SPARSE * max(field_um), math.sqrt((x1 - x0) * (y1 - y0) / _USUAL_FIELDS))
    n = math.prod(max(1.0, side / spacing_um) for side in (x1 - x0, y1 - y0))
    if n > MOST_FIELDS:
        raise PlanError(
            f"the prescan would take some {n:,.0f} fields, and {MOST_FIELDS:,} at most are sensible",
            hint="Choose a larger spacing, a smaller area, or an objective of lower power.",
        )
    xs = scan_lines(x0, x1, field_um[0], spacing_um)
    ys = scan_lines(y0, y1, field_um[1], spacing_um)
    steps = [abs(line[1] - line[0]) for line in (xs, ys) if len(line) > 1]
    snake = [(x, y) for row, y in enumerate(ys) for x in (xs if row % 2 == 0 else xs[::-1])]
    return snake, max(steps, default=spacing_um)
