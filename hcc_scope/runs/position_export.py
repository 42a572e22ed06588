"""Write the places of a plan as a position list for Micro-Manager, for the stages of a rig."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.errors import PlanError
from hcc_scope.plans import check_plan, field_of
from hcc_scope.plans.stage_positions import positions_of_plan, write_positions

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.plans import Plan
    from hcc_scope.plans.stage_positions import PosFormat
    from hcc_scope.runs.rigs import OpenRig

__all__ = ["ExportedPositions", "export_positions"]


class ExportedPositions(NamedTuple):
    """What was written."""

    n_positions: int
    xy_stage: str
    """Label of the device that the positions belong to."""


def export_positions(rig: OpenRig, plan: Plan, path: Path, pos_format: PosFormat = "2.0") -> ExportedPositions:
    """Write a plan's positions for Micro-Manager.

    Parameters
    ----------
    rig : OpenRig
        Whose stages the list names.
    plan : Plan
    path : Path
        A file that is there is replaced as a whole.
    pos_format : {"1.4", "2.0"}

    Raises
    ------
    HccScopeError
        If the plan has no positions or cannot be carried out, the rig has no stage, or the file cannot be written.
    """
    from hcc_scope.microscope.plan_source import need_what_moves

    microscope = rig.microscope
    facts = microscope.facts()
    field_um = field_of(plan, facts.orientation, facts.shape_yx, facts.pixel_size_um)
    check_plan(plan, field_um, limits=microscope.limits)
    places = [(x_um, y_um, z_um) for _, x_um, y_um, z_um in plan.places(field_um)]
    if not places:
        raise PlanError("the plan moves to no position", hint="A position list needs at least one.")
    need_what_moves(microscope.hardware, plan, field_um)
    microscope.hardware.need_xy_stage()
    if any(z_um is not None for *_, z_um in places):
        microscope.hardware.need_focus()
    xy_stage, z_stage = microscope.hardware.xy_stage, microscope.hardware.focus
    labels = getattr(plan, "labels", None)
    write_positions(positions_of_plan(places, labels, xy_stage, z_stage), path, pos_format)
    return ExportedPositions(len(places), xy_stage)
