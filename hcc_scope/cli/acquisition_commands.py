"""The commands and their options. Thin: parse, then call the module that does the work."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from hcc_scope import __version__
from hcc_scope.cli.batch_commands import batch
from hcc_scope.cli.dataset_commands import dataset_app, phantom_app
from hcc_scope.cli.import_commands import import_images
from hcc_scope.cli.interchange_commands import export
from hcc_scope.cli.model_commands import models_app
from hcc_scope.cli.options import (
    DEFAULT_MODEL,
    Adapters,
    AllowPhantomModel,
    Attach,
    Config,
    Engine,
    Json,
    Model,
    Phantom,
    Prevalence,
    Properties,
    Rig,
    ScoreUnlike,
    Weight,
)
from hcc_scope.cli.plan_commands import exposure_app, plan_app, prescan
from hcc_scope.cli.reference_commands import reference_app
from hcc_scope.cli.rig_commands import config_app, devices, doctor, focus_app, qc
from hcc_scope.cli.store_commands import finish, log_command, query, recover, report, sections
from hcc_scope.cli.training_commands import evaluate, evaluate_bags, train
from hcc_scope.research_use import RESEARCH_USE_ONLY

__all__ = ["app"]

app = typer.Typer(
    help=f"Acquire, store and classify microscope sections while they are under the lens. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(config_app, name="config")
app.add_typer(focus_app, name="focus")
app.add_typer(models_app, name="models")
app.add_typer(dataset_app, name="dataset")
app.add_typer(phantom_app, name="phantom")
app.add_typer(plan_app, name="plan")
app.add_typer(exposure_app, name="exposure")
app.add_typer(reference_app, name="reference")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"hcc-scope {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for the stores. Default: runs/demo-DATE-TIME.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the phantom animals, fields and noise.")] = 1,
    fields: Annotated[int, typer.Option("--fields", min=1, help="Random fields per section.")] = 24,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="One section, with a simulated hand in the place of a motorised stage.")
    ] = False,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    score_unlike: ScoreUnlike = False,
    prevalence: Prevalence = None,
    json_mode: Json = False,
) -> None:
    """Acquire and classify two phantom sections on Micro-Manager's demo camera, one of each class."""
    if by_hand:
        from hcc_scope.cli.demo_by_hand import run_demo_by_hand as run_demo
    else:
        from hcc_scope.cli.demo import run_demo

    run_demo(
        out=out,
        seed=seed,
        n_fields=fields,
        model_name=model,
        engine=engine,
        json_mode=json_mode,
        score_unlike=score_unlike,
        prevalence=prevalence,
    )


@app.command("app")
def desktop(
    rig: Annotated[
        str | None, typer.Option("--rig", help="A rig file or a .cfg, or 'demo'. Default: the welcome page.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A known model's name, a model's folder, or that of a training run. Default: the one chosen last.",
        ),
    ] = None,
    allow_phantom_model: AllowPhantomModel = False,
) -> None:
    """Open the desktop app."""
    from hcc_scope.cli.app_command import run_desktop_app

    run_desktop_app(rig, model=model, allow_phantom_model=allow_phantom_model)


@app.command()
def acquire(
    # without a default these three would be typer's errors; what is missing is one of ours, with its own exit code
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the store; made if missing. A store that goes on stays in its own."),
    ] = None,
    animal: Annotated[str, typer.Option("--animal", help="Animal id, mandatory; part of the store's name.")] = "",
    section: Annotated[str, typer.Option("--section", help="Section id, mandatory; part of the store's name.")] = "",
    rig: Rig = None,
    config: Config = None,
    adapters: Adapters = None,
    attach: Attach = None,
    plan: Annotated[Path | None, typer.Option("--plan", help="Plan file (YAML, or a .pos of Micro-Manager).")] = None,
    fields: Annotated[
        int | None,
        typer.Option(
            "--fields",
            help="Without a plan: this many random fields, 24 by default. By hand: the run ends after so many.",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Without a plan: this many frames at full rate, stage at rest.")
    ] = None,
    area_um: Annotated[
        str | None, typer.Option("--area-um", help="Random fields in WIDTHxHEIGHT around the present position.")
    ] = None,
    prescan: Annotated[
        bool, typer.Option("--prescan", help="Find the tissue in that area first, and lay the random fields into it.")
    ] = False,
    exposure_ms: Annotated[float | None, typer.Option("--exposure-ms", help="Exposure of every frame.")] = None,
    focus: Annotated[
        str | None,
        typer.Option("--focus", help="Without a plan: focus 'none', 'once', 'every_k:5' (fields) or by a 'plane'."),
    ] = None,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="The operator moves stage and focus; fields are captured where they rest."),
    ] = False,
    guided: Annotated[
        bool,
        typer.Option("--guided", help="By hand: drive round the section, then go to random fields drawn inside."),
    ] = False,
    simulate_hand: Annotated[
        int | None,
        typer.Option("--simulate-hand", min=0, metavar="SEED", help="By hand, with --phantom: a simulated operator."),
    ] = None,
    continue_store: Annotated[
        Path | None,
        typer.Option("--continue", metavar="STORE", help="By hand: add fields to a section, in its own store."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="STORE", help="Take the fields that are left of a section, into its store."),
    ] = None,
    pause_after: Annotated[
        int | None,
        typer.Option(
            "--pause-after",
            metavar="N",
            help="Pause after N bad fields in a row (out of focus, without tissue, saturated, dark); c continues. "
            "Without a terminal the section ends there.",
        ),
    ] = None,
    prop: Properties = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the random fields (and the phantom). Default: random.")
    ] = None,
    phantom: Phantom = None,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    score_unlike: ScoreUnlike = False,
    weight: Weight = None,
    allow_phantom_model: AllowPhantomModel = False,
    shading: Annotated[
        str,
        typer.Option("--shading", help="auto: correct by fresh dark and flat fields; none: classify raw frames."),
    ] = "auto",
    prevalence: Prevalence = None,
    json_mode: Json = False,
) -> None:
    """Acquire one section: store every frame, classify it live, keep the score."""
    from hcc_scope.cli.acquire import AcquireOptions, run_acquire
    from hcc_scope.cli.acquire_options import folder_of

    run_acquire(
        AcquireOptions(
            animal_id=animal,
            section_id=section,
            out=folder_of(out, resume or continue_store),
            rig=rig,
            config=config,
            adapters=adapters,
            attach_port=attach,
            plan=plan,
            n_fields=fields,
            n_frames=frames,
            area_um=area_um,
            prescan=prescan,
            exposure_ms=exposure_ms,
            focus=focus,
            properties=tuple(prop or ()),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            phantom=phantom,
            model_name=model,
            engine=engine,
            shading=shading,
            json_mode=json_mode,
            score_unlike=score_unlike,
            weight=weight,
            allow_phantom_model=allow_phantom_model,
            by_hand=by_hand,
            guided=guided,
            simulate_hand=simulate_hand,
            continue_store=continue_store,
            resume_store=resume,
            prevalence=prevalence,
            pause_after=pause_after,
        )
    )


@app.command()
def replay(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores (*.ome.zarr), or addresses of them (s3://...).", metavar="STORE...")
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="Another model. Default: the one recorded in the store.")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Another engine. Default: the recorded one.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare every tile with the recorded one: bit for bit, or within tolerance on another engine.",
        ),
    ] = False,
    save: Annotated[
        str | None, typer.Option("--save", help="Keep the new predictions in the stores, under this name.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for summary.json. Default: beside the stores.")
    ] = None,
    score_unlike: Annotated[
        bool | None,
        typer.Option(
            "--score-unlike/--skip-unlike",
            help="Whether to score tiles unlike the model's training tiles. Default: as recorded.",
        ),
    ] = None,
    allow_phantom_model: AllowPhantomModel = False,
    shading: Annotated[
        str | None,
        typer.Option("--shading", help="recorded: as the run was corrected (default); none: classify raw frames."),
    ] = None,
    prevalence: Prevalence = None,
    json_mode: Json = False,
) -> None:
    """Classify stored sections again, through the same pipeline."""
    from hcc_scope.cli.replay import run_replay

    run_replay(
        stores,
        model_name=model,
        engine=engine,
        check=check,
        save=save,
        out=out,
        shading=shading,
        json_mode=json_mode,
        score_unlike=score_unlike,
        allow_phantom_model=allow_phantom_model,
        prevalence=prevalence,
    )


app.command()(recover)
app.command()(finish)
app.command()(sections)
app.command()(query)
app.command()(report)
app.command("log")(log_command)
app.command("import")(import_images)
app.command()(export)
app.command()(batch)
app.command()(devices)
app.command()(doctor)
app.command()(qc)
app.command()(prescan)
app.command()(train)
app.command()(evaluate)
app.command()(evaluate_bags)


@app.command()
def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="classify, store, end_to_end, latency, replay, roofline, training or tracking; repeatable."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One small round of everything: shows that it runs, not how fast.")
    ] = False,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Write the page benchmarks.md and its plots into this folder.")
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Take the result from this file instead of measuring.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder on the disk to measure. Default: the system's for temporary files."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    engine: Annotated[
        str | None, typer.Option("--engine", help="For end to end, latency and replay. Default: the fastest.")
    ] = None,
) -> None:
    """Measure how fast this machine is, next to plain scripts for the same tasks. Takes some ten minutes."""
    from hcc_scope.cli.bench import run_bench

    run_bench(
        json_file=json_file,
        only=tuple(only or ()),
        quick=quick,
        plots=plots,
        from_file=from_file,
        out=out,
        model_name=model,
        engine=engine,
    )
