"""The commands that prepare a section: look for tissue, check and convert plans, find an exposure.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json, Phantom

__all__ = ["exposure_app", "plan_app", "prescan"]

plan_app = typer.Typer(help="Check plans, and exchange them with Micro-Manager's position lists.", no_args_is_help=True)
exposure_app = typer.Typer(help="Find an exposure.", no_args_is_help=True)

Rig = Annotated[str, typer.Option("--rig", help="A rig file, a .cfg, or 'demo'.")]
PhantomAnimal = Annotated[str, typer.Option("--animal", help="Of the phantom section.")]
PhantomSection = Annotated[str, typer.Option("--section", help="Of the phantom section.")]


def prescan(
    rig: Rig,
    area_um: Annotated[
        str | None, typer.Option("--area-um", help="Look in WIDTHxHEIGHT around the stage's present position.")
    ] = None,
    rectangle_um: Annotated[
        str | None, typer.Option("--rectangle-um", help="Look in X0,Y0,X1,Y1 instead, in the stage's coordinates.")
    ] = None,
    limits: Annotated[bool, typer.Option("--limits", help="Look everywhere within the rig's stage limits.")] = False,
    spacing_um: Annotated[
        float | None,
        typer.Option("--spacing-um", help="Largest distance of neighbouring fields. Default: 1.5 fields or more."),
    ] = None,
    exposure_ms: Annotated[float | None, typer.Option("--exposure-ms", help="Exposure of every field.")] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="GROUP,PRESET for the scan, such as an objective of low power; put back after."),
    ] = None,
    fields: Annotated[int, typer.Option("--fields", min=1, help="Random fields of the plan.")] = 24,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the plan (and the phantom). Default: random.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a plan of random fields inside the outline to this file (YAML).")
    ] = None,
    phantom: Phantom = None,
    animal: PhantomAnimal = "prescan",
    section: PhantomSection = "S1",
    json_mode: Json = False,
) -> None:
    """Find the tissue by a few fields far apart: its outline, for a plan of random fields. Stores no frame."""
    from hcc_scope.cli.prescan import PrescanOptions, run_prescan

    run_prescan(
        PrescanOptions(
            rig=rig,
            area_um=area_um,
            rectangle_um=rectangle_um,
            limits=limits,
            spacing_um=spacing_um,
            exposure_ms=exposure_ms,
            preset=preset,
            n_fields=fields,
            seed=secrets.randbelow(2**31) if seed is None else seed,
            out=out,
            phantom=phantom,
            animal=animal,
            section=section,
            json_mode=json_mode,
        )
    )


@plan_app.command("check")
def plan_check(
    file: Annotated[Path, typer.Argument(help="A plan file (YAML), or a position list of Micro-Manager (.pos).")],
    rig: Rig,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the store: its disk must have room.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Also check that this model takes the frames.")] = None,
    classify_fps: Annotated[
        float | None, typer.Option("--classify-fps", help="Frames a second that this computer classifies, if known.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Refuse what a run would refuse, and estimate its time, travel and size. Nothing moves."""
    from hcc_scope.cli.plan import run_check

    run_check(file, rig, out=out, model=model, classify_fps=classify_fps, json_mode=json_mode)


@plan_app.command("import")
def plan_import(
    file: Annotated[Path, typer.Argument(help="A position list of Micro-Manager (.pos), 1.4 or 2.0.")],
    out: Annotated[Path, typer.Option("--out", help="The plan file to write (YAML).")],
    rig: Annotated[
        str | None, typer.Option("--rig", help="Check stages and limits against this rig; it is not loaded.")
    ] = None,
    xy_stage: Annotated[str | None, typer.Option("--xy-stage", help="The list's XY stage, if it names none.")] = None,
    z_stage: Annotated[str | None, typer.Option("--z-stage", help="The list's focus drive, if it names none.")] = None,
    json_mode: Json = False,
) -> None:
    """Make a plan of a position list of Micro-Manager."""
    from hcc_scope.cli.plan import run_import

    run_import(file, out, rig=rig, xy_stage=xy_stage, z_stage=z_stage, json_mode=json_mode)


@plan_app.command("export")
def plan_export(
    file: Annotated[Path, typer.Argument(help="A plan file (YAML).")],
    rig: Rig,
    out: Annotated[Path, typer.Option("--out", help="The position list to write (.pos).")],
    pos_format: Annotated[
        str, typer.Option("--format", help="2.0, or 1.4 for Micro-Manager 1.4 (2.0 reads both).")
    ] = "2.0",
    json_mode: Json = False,
) -> None:
    """Write a plan's positions as a position list of Micro-Manager, for the stages of a rig."""
    from hcc_scope.cli.plan import run_export

    run_export(file, rig, out, pos_format=pos_format, json_mode=json_mode)


@exposure_app.command("try")
def exposure_try(
    rig: Rig,
    target: Annotated[
        float | None, typer.Option("--target", help="Mean level wanted, as a share of full scale. Default: 0.5.")
    ] = None,
    phantom: Phantom = None,
    animal: PhantomAnimal = "exposure",
    section: PhantomSection = "S1",
    json_mode: Json = False,
) -> None:
    """Find the exposure at which the image has a mean level without clipping; the EM gain is left alone."""
    from hcc_scope.cli.exposure import run_try

    run_try(rig, target=target, phantom=phantom, animal=animal, section=section, json_mode=json_mode)
