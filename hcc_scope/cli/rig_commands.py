"""The commands about a rig: check and try its files, examine it, follow it over days, focus it.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import DEFAULT_MODEL, Adapters, Attach, Config, Engine, Json, Model, Phantom, Properties, Rig

__all__ = ["config_app", "devices", "doctor", "focus_app", "qc"]

config_app = typer.Typer(help="Check, try and write Micro-Manager configurations and rig files.", no_args_is_help=True)
focus_app = typer.Typer(help="Focus by the camera's image.", no_args_is_help=True)


def devices(
    config: Annotated[Path | None, typer.Option("--config", help="Also load this .cfg and list it.")] = None,
    rig: Annotated[str | None, typer.Option("--rig", help="Also load this rig ('demo') and list it.")] = None,
    adapters: Annotated[Path | None, typer.Option("--adapters", help="Folder with device adapters.")] = None,
    properties: Annotated[
        bool, typer.Option("--properties", help="Load the configuration and list every device's properties.")
    ] = False,
    json_mode: Json = False,
) -> None:
    """Show versions, device interfaces and adapters, and what a configuration contains."""
    from hcc_scope.cli.devices import run_devices

    run_devices(config=config, rig=rig, adapters=adapters, properties=properties, json_mode=json_mode)


def doctor(
    rig: Annotated[
        str | None, typer.Option("--rig", help="Also examine this rig: a rig file, a .cfg, or 'demo'.")
    ] = None,
    move: Annotated[
        bool, typer.Option("--move", help="Also move stage and focus drive a little (50 um, 2 um), and back.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for sections, whose disk is measured. Default: this folder.")
    ] = Path(),
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=600, help="How long the whole pipeline is measured.")
    ] = 20.0,
    adapters: Adapters = None,
    zip_file: Annotated[
        Path | None, typer.Option("--zip", help="Also pack findings, rig files, logs and the last run's summary.")
    ] = None,
    with_ids: Annotated[
        bool, typer.Option("--with-ids", help="Leave ids, user names, host name and home folders in the zip.")
    ] = False,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    json_mode: Json = False,
) -> None:
    """Examine computer, devices, disk and model before a section depends on them; changes nothing."""
    from hcc_scope.cli.doctor import run_doctor
    from hcc_scope.doctor.subject import Options

    options = Options(
        out_dir=str(out),
        rig=rig,
        adapters_dir=None if adapters is None else str(adapters),
        move=move,
        model=model,
        engine=engine,
        seconds=seconds,
    )
    run_doctor(options, zip_file=zip_file, with_ids=with_ids, json_mode=json_mode)


def qc(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of sections. Default: this folder.", metavar="FOLDER...")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the charts into this HTML page.")] = None,
    json_mode: Json = False,
) -> None:
    """Follow lamp, background, focus, vignette, noise and temperature over the sections of a rig."""
    from hcc_scope.cli.qc import run_qc

    run_qc(folders or [Path()], html=html, json_mode=json_mode)


@config_app.command("lint")
def config_lint(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Micro-Manager .cfg files, or rig files (or names of shipped rigs), each with the .cfg it names.",
            metavar="FILE...",
        ),
    ],
    adapters: Annotated[
        Path | None, typer.Option("--adapters", help="Also check that the adapters it names are in this folder.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Check configurations and rig files line by line before they reach the microscope."""
    from hcc_scope.cli.lint import run_lint

    run_lint(files, adapters=adapters, json_mode=json_mode)


@config_app.command("schema")
def config_schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file. Default: to stdout.")] = None,
) -> None:
    """Write the JSON Schema of rig files, from which editors complete keys and show what they mean."""
    from hcc_scope.cli.lint import run_schema

    run_schema(out)


@config_app.command("try")
def config_try(
    files: Annotated[
        list[str],
        typer.Argument(help="Micro-Manager .cfg files, rig files, or names of shipped rigs.", metavar="FILE..."),
    ],
    adapters: Annotated[
        Path | None,
        typer.Option("--adapters", help="Folder of device adapters. Default: the rig file's, if it is here."),
    ] = None,
    all_twins: Annotated[
        bool,
        typer.Option("--all-twins", help="Replace every device, also those that are installed here: nothing moves."),
    ] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds after which a trial is ended.")] = 180.0,
    model: Model = DEFAULT_MODEL,
    json_mode: Json = False,
) -> None:
    """Load a rig and run a small section, with demo devices in the place of those that are not installed here."""
    from hcc_scope.cli.config_try import run_try

    run_try(files, adapters=adapters, all_twins=all_twins, timeout_s=timeout_s, model_name=model, json_mode=json_mode)


@config_app.command("new")
def config_new(
    stand: Annotated[str | None, typer.Option("--stand", help="dmi3000b, dmi4000b, dmi6000b or demo.")] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Model, such as ixon-888; a wrong one lists all.")
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help="10X, or 10X=1.3 with its um/px; repeatable, in the order of the turret. Default: 10X, 20X, 40X.",
        ),
    ] = None,
    mount: Annotated[
        float | None, typer.Option("--mount", help="Magnification of the camera mount. Default: 1.")
    ] = None,
    port: Annotated[
        str | None, typer.Option("--port", help="Serial port of the stand, such as COM3. Default: filled in later.")
    ] = None,
    adapters: Annotated[
        Path | None, typer.Option("--adapters", help="Micro-Manager's own folder. Default: filled in later.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The new rig file; its .cfg is written beside it.")] = None,
    try_it: Annotated[bool, typer.Option("--try/--no-try", help="Try the new rig with demo devices.")] = True,
    json_mode: Json = False,
) -> None:
    """Write the two files of a new rig from a few answers, lint and try them; what no option gives is asked for."""
    from hcc_scope.cli.config_new import run_new

    run_new(
        stand=stand,
        camera=camera,
        objectives=objective,
        mount=mount,
        port=port,
        adapters_dir=adapters,
        out=out,
        try_it=try_it,
        json_mode=json_mode,
    )


@focus_app.command("try")
def focus_try(
    rig: Rig = None,
    config: Config = None,
    adapters: Adapters = None,
    attach: Attach = None,
    prop: Properties = None,
    phantom: Phantom = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the phantom.")] = 1,
    structure: Annotated[
        bool, typer.Option("--structure", help="Judge every tile with structure (beads, a test target), not tissue.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Leave the focus drive at the height that was found.")] = False,
    json_mode: Json = False,
) -> None:
    """Search the focus once, show the curve, and put the focus drive back."""
    from hcc_scope.cli.focus import TryOptions, run_try

    run_try(
        TryOptions(
            rig=rig,
            config=config,
            adapters=adapters,
            attach_port=attach,
            properties=tuple(prop or ()),
            phantom=phantom,
            seed=seed,
            structure=structure,
            apply=apply,
            json_mode=json_mode,
        )
    )
