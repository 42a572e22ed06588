"""A dry run of a plan: whatever a run would refuse is refused, its time and size are estimated, and nothing moves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import PlanError
from hcc_scope.formatting import counted, format_bytes, format_duration, sentence
from hcc_scope.types import RunSpec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.microscope.hardware import Hardware, Readback
    from hcc_scope.microscope.rig_state import CameraState
    from hcc_scope.plans import Plan
    from hcc_scope.plans.estimate import PlanEstimate
    from hcc_scope.runs.references import ShadingChoice
    from hcc_scope.runs.rigs import OpenRig

__all__ = ["PlanCheck", "check_plan_on"]


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """A plan that a rig can carry out, and what it takes."""

    kind: str
    field_um: tuple[float, float]
    frame_shape_yx: tuple[int, int]
    exposure_ms: float
    estimate: PlanEstimate
    notes: tuple[str, ...]
    """What the figures rest on, as sentences."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)

    def lines(self) -> tuple[str, ...]:
        """Return it for people, a line each."""
        one = self.estimate
        width, height = self.field_um
        fields = "open end" if one.n_frames is None else counted(one.n_frames, "frame")
        said = [f"{fields} of {width:.0f} x {height:.0f} um, {self.exposure_ms:g} ms each"]
        if one.n_places:
            said.append(f"{counted(one.n_places, 'place')}, {one.travel_um / 1000:,.1f} mm of travel")
        if one.duration_s is not None and one.store_bytes is not None:
            rate = (
                "the rate of classification is not known"
                if one.classify_s is None
                else f"classified in {format_duration(one.classify_s)}"
            )
            if one.n_focusings and one.focus_s is not None:
                said.append(f"{counted(one.n_focusings, 'focusing')}, {format_duration(one.focus_s)} at most")
            said.append(
                f"about {format_duration(one.duration_s)}: acquired in {format_duration(one.acquire_s)}, {rate}"
            )
            said.append(f"{format_bytes(one.store_bytes)} uncompressed")
        return (*said, *self.notes)


def check_plan_on(
    rig: OpenRig,
    plan: Plan,
    *,
    out_dir: Path | None = None,
    outline_um: NDArray[np.float64] | None = None,
    classify_fps: float | None = None,
    card: ModelCard | None = None,
    shading: ShadingChoice = "auto",
    painted: bool = False,
) -> PlanCheck:
    """Check a plan against a rig that is open, and estimate what it takes. No device is moved or set.

    Parameters
    ----------
    rig : OpenRig
    plan : Plan
    out_dir : Path, optional
        Where the store would be: its disk must have room.
    outline_um : (n, 2) ndarray, optional
        The section: every position must lie in it.
    classify_fps : float, optional
        Frames a second that are classified, if it is known.
    card : ModelCard, optional
        Of the model that would classify: it must take the frames.
    shading : {"auto", "none"}
        Whether fresh dark and flat fields would correct them.
    painted : bool
        Whether a phantom would be painted over the camera's image.

    Raises
    ------
    HccScopeError
        What a run would refuse: a preset that there is not, an exposure beyond the rig's or the camera's limits, a
        position outside the stage's limits or the section, a stage or focus drive that is missing or another one than
        the plan's, a model that does not take the frames, a folder that cannot be written to, a full disk.
    """
    from hcc_scope.microscope.exposure import exposure_span_ms
    from hcc_scope.microscope.limits import check_plan_exposure, em_gain_warning
    from hcc_scope.microscope.plan_source import need_what_moves
    from hcc_scope.microscope.sensor_care import cooler_concern
    from hcc_scope.plans import check_plan, field_of
    from hcc_scope.plans.estimate import Pace, estimate
    from hcc_scope.storage.space import check_free_space, check_out_dir

    microscope = rig.microscope
    hardware, handling = microscope.hardware, microscope.handling
    notes = []
    if plan.config_group is not None:
        group, preset = plan.config_group
        microscope.thread.call("looking for a preset", lambda: hardware.need_preset(group, preset))
        notes.append(
            f"The plan's preset {group}/{preset} is not applied here: sizes are those of the present state, and whether"
            " the model takes the frames is not checked."
        )
    facts = microscope.facts()
    field_um = field_of(plan, facts.orientation, facts.shape_yx, facts.pixel_size_um)
    n_frames = check_plan(plan, field_um, limits=microscope.limits, outline_um=outline_um)
    need_what_moves(hardware, plan, field_um)
    camera, now = microscope.thread.call("reading the camera", partial(_camera, hardware))
    if plan.exposure_ms is None:
        check_plan_exposure(camera.exposure_ms, handling, as_taken=True)
    check_plan_exposure(plan.exposure_ms, handling)
    span_ms = exposure_span_ms(camera.exposure_limits_ms, None)
    if plan.exposure_ms is not None and span_ms is not None and not span_ms[0] <= plan.exposure_ms <= span_ms[1]:
        raise PlanError(
            f"the plan wants an exposure of {plan.exposure_ms:g} ms, and camera '{camera.label}' takes"
            f" {span_ms[0]:g} to {span_ms[1]:g} ms",
            hint="Change exposure_ms in the plan to what the camera can do.",
        )
    exposure_ms = camera.exposure_ms if plan.exposure_ms is None else plan.exposure_ms
    spec = RunSpec(facts.shape_yx, facts.bit_depth, facts.pixel_size_um, "", "", expected_frames=n_frames)
    if card is None and plan.config_group is None:
        notes.append("Whether a model takes these frames is not checked.")
    elif card is not None and plan.config_group is None:  # else the pixel size is another one
        _check_model(rig, card, replace(spec, tile_px=card.tile_px), exposure_ms, shading, painted=painted)
    if out_dir is not None:
        check_out_dir(out_dir)
        check_free_space(out_dir, spec)
    warnings = (
        em_gain_warning(now.em_gain, handling),
        cooler_concern(now.temperature_c, now.temperature_set_point_c),
    )
    notes += [sentence(one) for one in warnings if one is not None]
    pace = Pace(exposure_ms, handling.settle_ms, classify_fps=classify_fps)
    found = estimate(plan, field_um, facts.shape_yx, pace, n_frames=n_frames, start_um=rig.stage_xy_um())
    if found.n_places:
        notes.append(pace.assumptions())
    return PlanCheck(plan.kind, field_um, facts.shape_yx, exposure_ms, found, tuple(notes))


def _camera(hardware: Hardware) -> tuple[CameraState, Readback]:
    """Return the camera's state, and refuse a switch of the EM gain that is not understood. In the core's thread."""
    from hcc_scope.microscope.rig_reader import RigReader

    hardware.em_switch.check(hardware.camera)
    return RigReader(hardware.backend, hardware).camera(), hardware.read()


def _check_model(
    rig: OpenRig, card: ModelCard, spec: RunSpec, exposure_ms: float, choice: ShadingChoice, *, painted: bool
) -> None:
    """Refuse frames that a run would not give the model.

    Raises
    ------
    FrameSizeError, ModelMismatchError
        If they are smaller than a tile, unlike those that it was trained on, or not corrected as it requires.
    """
    from hcc_scope.runs.model_demands import check_demands
    from hcc_scope.runs.references import references_there

    shading = None
    if card.shading == "required":
        shading = references_there(rig, choice, painted=painted, exposure_ms=exposure_ms).shading
    check_demands(card, spec, shading)
