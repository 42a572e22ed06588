"""``hcc-scope acquire --by-hand``: one section whose stage is moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, cast

from hcc_scope.cli.acquire_options import load_chosen_model, open_chosen_rig, rig_of, specimen_of
from hcc_scope.cli.console import people
from hcc_scope.cli.continued import continued_options
from hcc_scope.cli.display import watch
from hcc_scope.cli.hand_display import KEYS_HELP, HandScreen
from hcc_scope.cli.keys import keys
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    Interrupted,
    finish,
    interruptible,
    save_account,
    stop_on_signals,
    summarise,
)
from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.microscope.limits import check_plan_exposure
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.hand_section import continue_hand_section, hand_source, start_hand_section
from hcc_scope.runs.phantoms import grown
from hcc_scope.runs.plan_options import DEFAULT_FIELDS
from hcc_scope.runs.references import section_references
from hcc_scope.runs.rigs import check_rig
from hcc_scope.runs.section import check_section, earlier_readings_out
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.naming import check_id, refuse_taken, store_path
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from hcc_scope.cli.acquire_options import AcquireOptions
    from hcc_scope.cli.console import People
    from hcc_scope.cli.rigs import OpenRig
    from hcc_scope.errors import HccScopeError
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.hand_section import HandRun
    from hcc_scope.runs.references import ShadingChoice
    from hcc_scope.runs.simulated_hand import SimulatedHand
    from hcc_scope.storage.reader import SectionStore

__all__ = ["follow_hand", "run_by_hand"]


def run_by_hand(options: AcquireOptions) -> None:
    """Acquire one section by hand; what can be refused is refused before the camera starts.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    store, guided = None, Guided(_n_drawn(options), options.seed, draws_itself=True) if options.guided else None
    if options.continue_store is not None:
        options, store, guided = continued_options(options, options.continue_store)
    animal = check_id(options.animal_id, "animal id")
    section = check_id(options.section_id, "section id")
    if store is None:
        refuse_taken(store_path(options.out, animal, section))
    check_out_dir(options.out)
    if (rig_or_cfg := rig_of(options)) is not None:
        check_plan_exposure(options.exposure_ms, check_rig(rig_or_cfg, adapters_dir=options.adapters).rig.handling)
    console = people(json_mode=options.json_mode)
    started = datetime.now(UTC)
    with interruptible("nothing was acquired"):
        scoring_model = load_chosen_model(options, console)
    stop = StopToken()
    with (
        interruptible("nothing was acquired") as meaning,
        leave_none_empty(options.out),
        open_chosen_rig(options, console) as rig,
        stop_on_signals(stop, console),
    ):
        rig.set_properties(options.properties)
        played = _played(options, rig, store)
        source = hand_source(
            rig.microscope,
            scoring_model,
            animal,
            section,
            exposure_ms=options.exposure_ms,
            guided=guided,
            specimen=None if played is None else played.scene.specimen,
            scene=None if played is None else played.scene,
            operator=None if played is None else played.operator,
            end_after=options.n_fields if guided is None else guided.n_fields,
        )
        if played is not None:
            played.operator.commands = source
        for warning in source.warnings:
            console.note(f"Warning: {warning}", "yellow")
        if store is not None:
            start = partial(continue_hand_section, source, scoring_model, store.path, stop)
        else:
            references = section_references(
                rig, scoring_model.model.card, cast("ShadingChoice", options.shading), painted=played is not None
            )
            check_section(source, scoring_model, options.out, references.shading)
            console.note(references.note, "yellow" if references.stale else "dim")
            how = references.shading, references.facts
            start = partial(start_hand_section, source, scoring_model, options.out, stop, *how)
        for warning in earlier_readings_out(source, options.out):
            console.note(warning, "yellow")
        if stop.requested:
            raise Interrupted("interrupted before the first frame; nothing was acquired")
        run = start()
        report = follow_hand(run, console, f"{animal} {section}")
        meaning.now(RUN_IS_OVER)
        versions = software_versions(dict(rig.microscope.versions))
        summary = summarise(
            [report],
            scoring_model,
            command="acquire",
            versions=versions,
            started_utc=started,
            cut_short=not report.outcome.counts.acquired and stop.requested,
            prevalence=options.prevalence,
        )
        troubles: list[HccScopeError] = []
        paths = save_account(summary, [report], options.out, troubles)
        # here, before the rig is closed: that may have to wait for a long exposure
        finish(summary, [report], console, json_mode=options.json_mode, paths=paths, troubles=troubles)


def _n_drawn(options: AcquireOptions) -> int:
    return DEFAULT_FIELDS if options.n_fields is None else options.n_fields


def _played(options: AcquireOptions, rig: OpenRig, earlier: SectionStore | None) -> SimulatedHand | None:
    """Return the simulated hand that was asked for; None if a person moves the stand."""
    specimen = specimen_of(options)
    if specimen is None or options.simulate_hand is None:
        return None
    from hcc_scope.runs.simulated_hand import simulated_hand

    grown(specimen, rig.microscope.facts().pixel_size_um)
    return simulated_hand(
        rig.microscope,
        specimen,
        options.simulate_hand,
        n_fields=_n_drawn(options),
        guided=options.guided,
        earlier=earlier,
    )


def follow_hand(run: HandRun, console: People, title: str) -> SectionReport:
    """Show a section by hand until it ends, act on the keys of the terminal, and return how it ended."""
    with keys() as pressed:
        if pressed is not str:
            console.note(KEYS_HELP, "dim")
        watch(run.section.session, console, title, HandScreen(run, pressed, console.console.encoding))
    return run.finish()
