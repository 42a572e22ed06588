"""``hcc-scope acquire --resume STORE``: the fields that are left of a stored plan, into the same store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcc_scope.cli.acquire_options import load_chosen_model, open_chosen_rig, rig_of
from hcc_scope.cli.console import people
from hcc_scope.cli.options import DEFAULT_MODEL
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    Interrupted,
    finish,
    interruptible,
    save_account,
    stop_on_signals,
    summarise,
    watch_pauses,
)
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.microscope.limits import check_plan_exposure
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.phantoms import grown
from hcc_scope.runs.replay import recorded_engine, recorded_model
from hcc_scope.runs.resumed_section import (
    SAME_PLACE,
    ResumableSection,
    check_resumed_model,
    resumable_section,
    resume_section,
    resumed_model,
    resumed_source,
)
from hcc_scope.runs.rigs import check_rig
from hcc_scope.runs.section import earlier_readings_out
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.acquire_options import AcquireOptions
    from hcc_scope.errors import HccScopeError

__all__ = ["resumed_options", "run_resume"]


def resumed_options(options: AcquireOptions, path: Path) -> tuple[AcquireOptions, ResumableSection]:
    """Return the options with what the store at `path` states, and what is left of its section.

    Raises
    ------
    HccScopeError
        If it cannot be resumed, or not with these options; see `hcc_scope.runs.resumed_section.resumable_section`.
    """
    section = resumable_section(path)
    store, spec = section.store, section.store.spec
    for what, given, stored in (
        ("animal", options.animal_id, spec.animal_id),
        ("section", options.section_id, spec.section_id),
    ):
        if given not in ("", stored):
            raise StoreError(
                f"{path} cannot be resumed: it is of {what} {stored}, not {given}", hint=f"Leave out --{what}."
            )
    shown = None if section.specimen is None else section.specimen.tumour_class
    if options.phantom not in (None, shown):
        specimen = "no phantom" if shown is None else f"a phantom of class {shown}"
        raise StoreError(f"{path} cannot be resumed: it shows {specimen}", hint="Leave out --phantom.")
    if options.shading == "none" and store.recorded.provenance.corrected:
        raise UsageError(
            f"the frames of {path} are corrected by a dark and a flat field, and so are later ones",
            hint="Leave out --shading.",
        )
    return (
        replace(
            options,
            animal_id=spec.animal_id,
            section_id=spec.section_id,
            model_name=str(recorded_model(store)) if options.model_name == DEFAULT_MODEL else options.model_name,
            engine=recorded_engine(store) if options.engine == "auto" else options.engine,
        ),
        section,
    )


def run_resume(options: AcquireOptions, path: Path) -> None:
    """Take what is left of a section; everything that can be refused is refused before anything moves or is written.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    options, section = resumed_options(options, path)
    if (rig_or_cfg := rig_of(options)) is not None:
        checked = check_rig(rig_or_cfg, adapters_dir=options.adapters)
        check_plan_exposure(section.plan.exposure_ms, checked.rig.handling)
    console = people(json_mode=options.json_mode)
    console.note(f"{section.describe()} {SAME_PLACE}", "dim")
    started = datetime.now(UTC)
    stop = StopToken()
    with interruptible("nothing was acquired"):
        scoring_model = resumed_model(section, load_chosen_model(options, console))
    check_resumed_model(section, scoring_model)
    with (
        interruptible("nothing was acquired") as meaning,
        open_chosen_rig(options, console) as rig,
        stop_on_signals(stop, console),
    ):
        rig.set_properties(options.properties)
        source = resumed_source(rig.microscope, section, scoring_model)
        for warning in (*source.warnings, *earlier_readings_out(source, options.out)):
            console.note(f"Warning: {warning}", "yellow")
        if section.specimen is not None:
            grown(section.specimen, scoring_model.model.card.pixel_size_um)
        if stop.requested:
            raise Interrupted("interrupted before the first frame; nothing was acquired")
        run = resume_section(rig, source, section, scoring_model, stop, pause_after=options.pause_after)
        title = f"{options.animal_id} {options.section_id}"
        watch_pauses(run, console, title, may_pause=options.pause_after is not None)
        report = run.finish()
        meaning.now(RUN_IS_OVER)
        summary = summarise(
            [report],
            scoring_model,
            command="acquire",
            versions=software_versions(dict(rig.microscope.versions)),
            started_utc=started,
            prevalence=options.prevalence,
        )
        troubles: list[HccScopeError] = []
        paths = save_account(summary, [report], options.out, troubles)
        # here, before the rig is closed: that may have to wait for a long exposure
        finish(summary, [report], console, json_mode=options.json_mode, paths=paths, troubles=troubles)
