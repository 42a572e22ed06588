"""``hcc-scope plan``: dry runs, and position lists of Micro-Manager."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import PlanError, UsageError
from hcc_scope.formatting import counted
from hcc_scope.plans import check_plan, load_plan, save_plan
from hcc_scope.plans.stage_positions import (
    PosFormat,
    StageChoice,
    plan_of_positions,
    read_positions,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_check", "run_export", "run_import"]


def run_check(
    file: Path, rig_name: str, *, out: Path | None, model: str | None, classify_fps: float | None, json_mode: bool
) -> None:
    """Check a plan against a rig, and estimate what it takes.

    Raises
    ------
    HccScopeError
        What a run of the plan would refuse.
    """
    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.catalogue import find_model
    from hcc_scope.runs.plan_check import check_plan_on

    if classify_fps is not None and not 0 < classify_fps < math.inf:
        raise UsageError(f"--classify-fps must be above 0, not {classify_fps:g}")
    plan = load_plan(file)
    card = None if model is None else read_card(find_model(model))
    console = people(json_mode=json_mode)
    with interruptible("the plan was not checked"), open_rig(rig_name, console) as rig:
        found = check_plan_on(rig, plan, out_dir=out, classify_fps=classify_fps, card=card)
    if json_mode:
        print_json({"file": str(file), **found.as_dict()})
        return
    console.note(f"{file}: this rig can carry it out", "green")
    for line in found.lines():
        console.note(f"  {line}")


def run_import(
    file: Path, out: Path, *, rig: str | None, xy_stage: str | None, z_stage: str | None, json_mode: bool
) -> None:
    """Make a plan of a position list.

    Raises
    ------
    HccScopeError
        If the list is broken, or does not fit the rig.
    """
    from hcc_scope.rig.rigfile import load_rig

    positions = read_positions(file)
    named = {label for one in positions for label in one.stages_um}
    if z_stage is not None and z_stage not in named:
        raise PlanError(f"{file}: the list has no height of '{z_stage}'", hint=f"It names {', '.join(sorted(named))}.")
    limits = own_xy = own_z = None
    if rig is not None:
        chosen = load_rig(rig)
        limits = chosen.stage_limits
        own_xy, own_z = _stages_of(rig)
        if xy_stage is None and own_xy is not None:
            if own_xy not in named:
                raise PlanError(
                    f"{file}: the list has no coordinates of '{own_xy}', the XY stage of {rig}",
                    hint=f"It names {', '.join(sorted(named))}: give --xy-stage if one of them is the same stage.",
                )
            xy_stage = own_xy
        if z_stage is None:  # the heights of another drive mean nothing on this one: the focus is left alone
            z_stage = own_z if own_z in named else ""
    plan, ignored = plan_of_positions(positions, str(file), StageChoice(xy_stage, z_stage))
    if own_xy is not None:  # what an option names is the rig's own stage, under another label
        plan = plan.model_copy(update={"xy_stage": own_xy})
    if own_z is not None and plan.z_stage is not None:
        plan = plan.model_copy(update={"z_stage": own_z})
    check_plan(plan, (1.0, 1.0), limits=limits)  # positions are there or not, whatever the size of a field
    save_plan(plan, out)
    with_z = sum(len(one) == 3 for one in plan.positions_um)
    if json_mode:
        print_json(
            {
                "plan": str(out),
                "positions": len(positions),
                "with_z": with_z,
                "labels": list(plan.labels or ()),
                "ignored_devices": list(ignored),
            }
        )
        return
    console = people(json_mode=False)
    console.note(f"The plan is {out}: {counted(len(positions), 'position')}, {with_z} of them with a height", "green")
    if ignored:
        console.note(f"  Left out: {', '.join(ignored)}")


def _stages_of(rig: str) -> tuple[str | None, str | None]:
    """Return the labels of a rig's XY stage and focus drive, from its files alone."""
    from hcc_scope.rig.devices import describe_config
    from hcc_scope.rig.rigfile import load_rig

    roles = {role: one.label for one in describe_config(load_rig(rig).config).devices for role in one.roles}
    return roles.get("XYStage"), roles.get("Focus")


def run_export(file: Path, rig_name: str, out: Path, *, pos_format: str, json_mode: bool) -> None:
    """Write a plan's positions for Micro-Manager.

    Raises
    ------
    HccScopeError
        If the plan has no positions, or the rig no stage.
    """
    from hcc_scope.runs.position_export import export_positions

    if pos_format not in get_args(PosFormat):
        raise UsageError(f"--format is {' or '.join(get_args(PosFormat))}, not '{pos_format}'")
    plan = load_plan(file)
    console = people(json_mode=json_mode)
    with interruptible("nothing was written"), open_rig(rig_name, console) as rig:
        written = export_positions(rig, plan, out, "1.4" if pos_format == "1.4" else "2.0")
    if json_mode:
        print_json(
            {"file": str(out), "positions": written.n_positions, "format": pos_format, "xy_stage": written.xy_stage}
        )
        return
    console.note(f"{out}: {counted(written.n_positions, 'position')} for Micro-Manager {pos_format}", "green")
