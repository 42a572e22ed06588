"""``hcc-scope acquire``: one section, from a rig, by a plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from hcc_scope.cli.acquire_options import (
    AcquireOptions,
    check_options,
    load_chosen_model,
    open_chosen_rig,
    rig_of,
    specimen_of,
)
from hcc_scope.cli.console import people
from hcc_scope.cli.option_checks import check_focus, parse_size
from hcc_scope.cli.prescan import prescan_area, scanned
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    Interrupted,
    finish,
    interruptible,
    record_section,
    save_account,
    stop_on_signals,
    summarise,
)
from hcc_scope.microscope.limits import check_plan_exposure
from hcc_scope.plans import PositionList, TimeSeries, check_plan, load_plan
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.phantoms import grown, outline_points
from hcc_scope.runs.plan_options import DEFAULT_FIELDS, KnownOutline, PlanHints, PlanOptions, plan_of_options
from hcc_scope.runs.prescan import PrescanRequest
from hcc_scope.runs.references import section_references
from hcc_scope.runs.rigs import check_rig
from hcc_scope.runs.section import check_section, earlier_readings_out, section_source
from hcc_scope.session.bad_fields import BadFieldWatch
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.naming import check_id, refuse_taken, store_path
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from hcc_scope.cli.console import People
    from hcc_scope.cli.rigs import OpenRig
    from hcc_scope.errors import HccScopeError
    from hcc_scope.phantom import Specimen
    from hcc_scope.plans import Plan
    from hcc_scope.runs.references import ShadingChoice

__all__ = ["AcquireOptions", "run_acquire"]

_HINTS = PlanHints(
    where="the options",
    no_stage="Give --by-hand to move from field to field yourself, or --frames N for frames at full rate.",
    no_area="Give --area-um WIDTHxHEIGHT around the stage's present position, or a plan file with an outline.",
)


def run_acquire(options: AcquireOptions) -> None:
    """Acquire one section; everything that can be refused is refused before the camera starts, what is quick first.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    check_options(options)
    if options.by_hand:
        from hcc_scope.cli.by_hand import run_by_hand

        run_by_hand(options)
        return
    if options.resume_store is not None:
        from hcc_scope.cli.resume import run_resume

        run_resume(options, options.resume_store)
        return
    animal = check_id(options.animal_id, "animal id")
    section = check_id(options.section_id, "section id")
    refuse_taken(store_path(options.out, animal, section))
    check_out_dir(options.out)
    planned = None if options.plan is None else load_plan(options.plan)
    if isinstance(planned, PositionList):
        check_plan(planned, (1.0, 1.0))  # positions are there or not, whatever the size of a field
    if (rig_or_cfg := rig_of(options)) is not None:
        checked = check_rig(rig_or_cfg, adapters_dir=options.adapters)
        exposure_ms = options.exposure_ms if planned is None else planned.exposure_ms
        check_plan_exposure(exposure_ms, checked.rig.handling)

    console = people(json_mode=options.json_mode)
    started = datetime.now(UTC)
    with interruptible("nothing was acquired"):
        scoring_model = load_chosen_model(options, console)
    specimen = specimen_of(options)
    stop = StopToken()
    with (
        interruptible("nothing was acquired") as meaning,
        leave_none_empty(options.out),
        open_chosen_rig(options, console) as rig,
        stop_on_signals(stop, console),
    ):
        rig.set_properties(options.properties)
        outline = _tissue_outline(options, rig, specimen, console, stop)
        plan = planned if planned is not None else _default_plan(options, rig, specimen, outline)
        source = section_source(rig.microscope, plan, scoring_model, animal, section, specimen)
        for warning in source.warnings:
            console.note(f"Warning: {warning}", "yellow")
        references = section_references(
            rig, scoring_model.model.card, cast("ShadingChoice", options.shading), painted=specimen is not None
        )
        check_section(source, scoring_model, options.out, references.shading)
        console.note(references.note, "yellow" if references.stale else "dim")
        for warning in earlier_readings_out(source, options.out):
            console.note(warning, "yellow")
        if specimen is not None:
            grown(specimen, scoring_model.model.card.pixel_size_um)
        report = record_section(
            source,
            scoring_model,
            options.out,
            stop=stop,
            console=console,
            title=f"{animal} {section}",
            interval_s=plan.interval_s if isinstance(plan, TimeSeries) else None,
            references=references,
            bad_fields=BadFieldWatch.of_plan(plan, options.pause_after),
        )
        meaning.now(RUN_IS_OVER)
        versions = software_versions(dict(rig.microscope.versions))
        summary = summarise(
            [report],
            scoring_model,
            command="acquire",
            versions=versions,
            started_utc=started,
            prevalence=options.prevalence,
        )
        troubles: list[HccScopeError] = []
        paths = save_account(summary, [report], options.out, troubles)
        # here, before the rig is closed: that may have to wait for a long exposure
        finish(summary, [report], console, json_mode=options.json_mode, paths=paths, troubles=troubles)


def _default_plan(
    options: AcquireOptions,
    rig: OpenRig,
    specimen: Specimen | None,
    outline: KnownOutline | None = None,
) -> Plan:
    """Return random fields, or a full-rate sequence where it was asked for; an outline replaces the specimen's."""
    wanted = PlanOptions(
        n_frames=options.n_frames,
        n_fields=DEFAULT_FIELDS if options.n_fields is None else options.n_fields,
        seed=options.seed,
        area_um=None if options.area_um is None else parse_size(options.area_um),
        exposure_ms=options.exposure_ms,
        focus=check_focus(options.focus),
    )
    if outline is None and specimen is not None:
        outline = KnownOutline(outline_points(specimen))
    return plan_of_options(wanted, rig, outline, _HINTS)


def _tissue_outline(
    options: AcquireOptions, rig: OpenRig, specimen: Specimen | None, console: People, stop: StopToken
) -> KnownOutline | None:
    """Return the outline that a prescan finds; None if none was asked for."""
    if not options.prescan:
        return None
    size_um = None if options.area_um is None else parse_size(options.area_um)
    area = prescan_area(rig, size_um, _HINTS.no_area)
    found = scanned(rig, PrescanRequest(area, exposure_ms=options.exposure_ms), console, stop, specimen)
    if found is None:
        raise Interrupted("interrupted during the prescan; nothing was acquired")
    return KnownOutline(found.outline.points_um, "prescan", found.outline.margin_um)
