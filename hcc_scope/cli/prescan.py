"""``hcc-scope prescan``, and the prescan of ``acquire``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.option_checks import check_exposure, parse_size
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import Interrupted, called_on_signals, interruptible
from hcc_scope.errors import PlanError, UsageError
from hcc_scope.formatting import counted
from hcc_scope.progress import Progress
from hcc_scope.runs.prescan import PrescanRequest, prescan
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.phantom import Specimen
    from hcc_scope.runs.prescan import Prescan, Rectangle
    from hcc_scope.runs.rigs import OpenRig

__all__ = ["PrescanOptions", "phantom_of", "prescan_area", "run_prescan", "scanned"]

_HOW_MUCH = "Give --area-um WIDTHxHEIGHT, --rectangle-um X0,Y0,X1,Y1 or --limits."


@dataclass(frozen=True, slots=True)
class PrescanOptions:
    """The options of the command line."""

    rig: str
    area_um: str | None
    rectangle_um: str | None
    limits: bool
    spacing_um: float | None
    exposure_ms: float | None
    preset: str | None
    n_fields: int
    seed: int
    out: Path | None
    phantom: str | None
    animal: str
    section: str
    json_mode: bool


def phantom_of(phantom: str | None, seed: int, animal: str, section: str) -> Specimen | None:
    """Return the phantom section that the demo camera shows, or None.

    Raises
    ------
    UsageError
        If there is no such class.
    """
    if phantom is None:
        return None
    if phantom not in ("low", "high"):
        raise UsageError(f"--phantom is 'low' or 'high', not '{phantom}'")
    from hcc_scope.phantom import Specimen

    return Specimen(seed, animal, section, cast("Literal['low', 'high']", phantom), day="acquire")


def prescan_area(rig: OpenRig, size_um: tuple[float, float] | None, hint: str) -> Rectangle:
    """Return the area around the stage; the demo rig has a usual one.

    Raises
    ------
    PlanError
        If none was given, or there is no stage.
    """
    from hcc_scope.runs.plan_options import DEFAULT_AREA_UM

    rig.need_stage_for_fields(hint="Draw the outline by hand, or give it in a plan file.")
    if size_um is None:
        if not rig.is_demo():
            # a motorised stage is never driven to places that no one named
            raise PlanError("a prescan needs an area", hint=hint)
        size_um = DEFAULT_AREA_UM
    return rig.area_around_stage_um(size_um, hint=hint)


def scanned(
    rig: OpenRig, request: PrescanRequest, console: People, stop: StopToken, specimen: Specimen | None
) -> Prescan | None:
    """Scan, show how far it is, and report what was found; None if it was stopped."""
    from hcc_scope.microscope.phantom_scene import PhantomScene

    scene = None if specimen is None else PhantomScene(specimen)
    console.note("Looking for tissue ...", "dim")
    with steps_shown(console) as on_step:
        found = prescan(
            rig.microscope,
            request,
            stop,
            scene,
            lambda done, whole: on_step(Progress("prescan", done, whole)),
        )
    if found is not None:
        outline = found.outline
        console.note(
            f"An outline of {outline.area_um2 / 1e6:.2f} mm² with {counted(len(outline.points_um), 'corner')},"
            f" from {counted(found.n_fields, 'field')} {found.spacing_um:.0f} um apart",
            "green",
        )
        for note in found.notes:
            console.note(f"  {note}")
    return found


def run_prescan(options: PrescanOptions) -> None:
    """Look for tissue, and write the plan.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    from hcc_scope.plans import RandomFields, save_plan

    _check_options(options)
    console = people(json_mode=options.json_mode)
    specimen = phantom_of(options.phantom, options.seed, options.animal, options.section)
    stop = StopToken()

    def on_signal(_number: int, _frame: object) -> None:
        stop.request()
        console.note("Stopping: the stage goes back to where it was.", "yellow")

    with interruptible("no outline was found"), open_rig(options.rig, console) as rig, called_on_signals(on_signal):
        request = PrescanRequest(
            _area(options, rig),
            spacing_um=options.spacing_um,
            exposure_ms=options.exposure_ms,
            preset=_preset(options.preset),
        )
        found = scanned(rig, request, console, stop, specimen)
    if found is None:
        raise Interrupted("interrupted: no outline was found; the stage is where it was")
    plan = RandomFields(
        n_fields=options.n_fields,
        seed=options.seed,
        outline_um=found.outline.points_um,
        outline_from="prescan",
        outline_margin_um=found.outline.margin_um,
        exposure_ms=options.exposure_ms,
    )
    if options.out is not None:
        save_plan(plan, options.out)
        console.note(f"The plan is {options.out}: {counted(options.n_fields, 'random field')} inside the outline.")
    if options.json_mode:
        print_json(
            {
                "outline_um": [list(one) for one in found.outline.points_um],
                "area_mm2": found.outline.area_um2 / 1e6,
                "margin_um": found.outline.margin_um,
                "reaches": list(found.outline.reaches),
                "others_mm2": [one / 1e6 for one in found.outline.others_um2],
                "holes_mm2": found.outline.holes_um2 / 1e6,
                "scanned_um": list(found.area_um),
                "fields": found.n_fields,
                "field_um": list(found.field_um),
                "spacing_um": found.spacing_um,
                "tissue_share": found.tissue_share,
                "notes": list(found.notes),
                "plan": None if options.out is None else str(options.out),
            }
        )


def _check_options(options: PrescanOptions) -> None:
    given = [options.area_um is not None, options.rectangle_um is not None, options.limits]
    if sum(given) > 1:
        raise UsageError("--area-um, --rectangle-um and --limits exclude each other")
    if options.area_um is not None:
        parse_size(options.area_um)
    _rectangle(options.rectangle_um)
    _preset(options.preset)
    check_exposure(options.exposure_ms)
    if options.spacing_um is not None and not options.spacing_um > 0:  # not for NaN either
        raise UsageError(f"--spacing-um must be above 0, not {options.spacing_um:g}")


def _rectangle(text: str | None) -> Rectangle | None:
    if text is None:
        return None
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        x0 = y0 = x1 = y1 = 0.0
    if not (x0 < x1 and y0 < y1 and x1 - x0 < float("inf") and y1 - y0 < float("inf")):
        raise UsageError(f"--rectangle-um '{text}' is not X0,Y0,X1,Y1 in um with X0 < X1 and Y0 < Y1")
    return x0, y0, x1, y1


def _preset(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    group, comma, preset = text.partition(",")
    if not (comma and group and preset):
        raise UsageError(f"--preset '{text}' is not GROUP,PRESET")
    return group, preset


def _area(options: PrescanOptions, rig: OpenRig) -> Rectangle:
    rectangle = _rectangle(options.rectangle_um)
    if rectangle is not None:
        return rectangle
    if options.limits:
        limits = rig.microscope.limits
        if limits is None:
            raise PlanError("the rig file names no stage limits", hint="Give --area-um or --rectangle-um.")
        return limits.x_um[0], limits.y_um[0], limits.x_um[1], limits.y_um[1]
    size = None if options.area_um is None else parse_size(options.area_um)
    return prescan_area(rig, size, _HOW_MUCH)
