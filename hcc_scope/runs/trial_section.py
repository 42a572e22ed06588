"""One small section through a rig whose devices are demo devices, into a folder that is thrown away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, HccScopeError, ModelMismatchError
from hcc_scope.formatting import counted
from hcc_scope.inference.base import REFERENCE
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import parse_plan
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.trial_scene import TissueScene

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.microscope.hardware import CameraFacts
    from hcc_scope.plans import Plan
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.trial_report import TrialReport
    from hcc_scope.types import RunSpec, StageLimits
    from hcc_scope.workers import StopToken

__all__ = ["try_section"]

_N_FIELDS = 3
_AREA_FIELDS = 4
"""Side of the area in which random fields lie, in fields."""


def try_section(
    rig: OpenRig,
    model_name: str,
    out_dir: Path,
    report: TrialReport,
    *,
    may_move: bool,
    pixel_size_presets: Iterable[str],
    stop: StopToken,
) -> None:
    """Acquire, store and classify a few fields, and add to the report what passed.

    Parameters
    ----------
    rig : OpenRig
    model_name : str
        Its score is of demo pictures and means nothing: it is not reported.
    out_dir : Path
    report : TrialReport
    may_move : bool
        Whether all devices are demo devices. Otherwise stage and turret stay where they are.
    pixel_size_presets : iterable of str
        Presets that may be chosen where the present state of the devices has no pixel size.
    stop : StopToken

    Raises
    ------
    HccScopeError
        If it fails.
    """
    facts = _with_pixel_size(rig, report, tuple(pixel_size_presets) if may_move else ())
    plan, centre_um = _plan(rig, facts, may_move=may_move)
    model = load_scoring_model(model_name, REFERENCE, lambda text: None, score_unlike=True, allow_phantom_model=True)
    source = _source(rig, plan, model, facts, centre_um)
    model = _fitting(model, source.spec, report)
    outcome = start_section(source, model, out_dir, stop).finish().outcome
    if outcome.cause is not None:
        raise outcome.cause
    if outcome.degraded is not None:
        raise HccScopeError(f"the section was stored, but not classified: {outcome.degraded}")
    counts = outcome.counts
    done = f"{counts.stored} stored and {counts.classified} classified"
    if counts.excluded:
        done += f", {counts.excluded} unfit for the model"
    if outcome.state != "completed" or counts.stored < _N_FIELDS:
        raise HccScopeError(f"the section ended early: of {counted(_N_FIELDS, 'frame')} {done}")
    height, width = facts.shape_yx
    where = "random fields" if plan.kind == "random" else "frames without moving the stage"
    report.passed.append(
        f"one section: {_N_FIELDS} {where}, {width} x {height} pixels of {facts.pixel_size_um:g} um, {done}"
    )


def _with_pixel_size(rig: OpenRig, report: TrialReport, presets: tuple[str, ...]) -> CameraFacts:
    """Return the camera's facts; where the state of the devices has no pixel size, try the presets that give one."""
    microscope = rig.microscope
    try:
        return microscope.facts()
    except ConfigError as error:
        first = error
    for preset in presets:
        microscope.thread.call(
            "choosing a pixel size",
            lambda preset=preset: microscope.backend.ask("choosing a pixel size", "set_pixel_size_config", preset),  # type: ignore[misc]  # a lambda's default has no place for its type
        )
        try:
            facts = microscope.facts()
        except ConfigError:
            continue
        report.warnings.append(f"no pixel size is known after loading: the section uses that of the preset '{preset}'")
        return facts
    raise first


def _plan(rig: OpenRig, facts: CameraFacts, *, may_move: bool) -> tuple[Plan, tuple[float, float]]:
    """Return which fields, and the place of the stage in their middle."""
    where = "the trial"
    if not (may_move and rig.has_xy_stage):
        plan = parse_plan({"kind": "sequence", "n_frames": _N_FIELDS}, where=where)
        return plan, rig.stage_xy_um() or (0.0, 0.0)
    size_um = facts.orientation.extent_um(facts.shape_yx, facts.pixel_size_um)
    area = rig.area_around_stage_um((_AREA_FIELDS * size_um[0], _AREA_FIELDS * size_um[1]), hint="")
    rectangle = _inside(area, None if rig.rig is None else rig.rig.stage_limits)
    values = {"kind": "random", "n_fields": _N_FIELDS, "seed": 1, "rectangle_um": rectangle}
    x0, y0, x1, y1 = rectangle
    return parse_plan(values, where=where), ((x0 + x1) / 2, (y0 + y1) / 2)


def _source(
    rig: OpenRig, plan: Plan, model: ScoringModel, facts: CameraFacts, centre_um: tuple[float, float]
) -> MicroManagerSource:
    card = model.model.card
    scene = TissueScene(centre_um, facts.pixel_size_um, card.pixel_size_um) if rig.is_demo() else None
    return MicroManagerSource(
        rig.microscope,
        plan,
        animal_id="try",
        section_id="S1",
        tile_px=card.tile_px,
        model_sha256=card.sha256,
        provenance=model.facts,
        scene=scene,
    )


def _inside(area: tuple[float, float, float, float], limits: StageLimits | None) -> tuple[float, float, float, float]:
    """Return an area, moved and cut so that it lies within the limits."""
    if limits is None:
        return area
    x0, y0, x1, y1 = area
    (x0, x1), (y0, y1) = _span(x0, x1, limits.x_um), _span(y0, y1, limits.y_um)
    return x0, y0, x1, y1


def _span(low: float, high: float, limits: tuple[float, float]) -> tuple[float, float]:
    shift = max(limits[0] - low, 0.0) or min(limits[1] - high, 0.0)
    return max(low + shift, limits[0]), min(high + shift, limits[1])


def _fitting(model: ScoringModel, spec: RunSpec, report: TrialReport) -> ScoringModel:
    """Return the model, taken to fit the rig; report if it does not: such a rig is sound and needs another model."""
    try:
        model.model.check_matches(spec)
    except ModelMismatchError as error:
        report.warnings.append(f"this rig needs another model: {error.message}")
    else:
        return model
    fits = {"pixel_size_um": spec.pixel_size_um, "bit_depth": spec.bit_depth, "tile_px": spec.tile_px}
    return replace(model, model=replace(model.model, card=model.model.card.model_copy(update=fits)))
