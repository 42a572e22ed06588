"""The command that imports images, and its options. Thin: parse, then call what does the work."""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import (
    DEFAULT_MODEL,
    AllowPhantomModel,
    Engine,
    Json,
    Model,
    Prevalence,
    ScoreUnlike,
    Weight,
)
from hcc_scope.colour_conversions import CONVERSIONS

__all__ = ["import_images"]


def import_images(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Files or folders: TIFF, OME-TIFF, PNG, Micro-Manager's image stacks, NDTiff, OME-Zarr.",
            metavar="SOURCE...",
        ),
    ],
    animal: Annotated[str, typer.Option("--animal", help="Animal id, mandatory; part of the store's name.")] = "",
    section: Annotated[str, typer.Option("--section", help="Section id, mandatory; part of the store's name.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the store; made if missing.")] = None,
    pixel_size_um: Annotated[
        float | None,
        typer.Option("--pixel-size-um", help="Size of a pixel at the specimen. Default: as the images state it."),
    ] = None,
    bit_depth: Annotated[
        int | None,
        typer.Option("--bit-depth", help="Of the camera, 8 to 16. Default: as the images state it, else of a number."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", metavar="NAME|N", help="Of several channels, this one; N from 0.")
    ] = None,
    z: Annotated[int | None, typer.Option("--z", min=0, help="Of several focal planes, this one, from 0.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="N|all", help="Of several time points, this one, from 0, or each.")
    ] = None,
    series: Annotated[
        str, typer.Option("--series", metavar="N|all", help="Of several images or positions, this one, from 0.")
    ] = "all",
    colour: Annotated[
        str | None,
        typer.Option("--colour", help=f"How colour becomes grey: {', '.join(CONVERSIONS)}; recorded in the store."),
    ] = None,
    float_range: Annotated[
        str | None,
        typer.Option("--float-range", metavar="LOW,HIGH", help="Floating point: the values of 0 and of full scale."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    score_unlike: ScoreUnlike = False,
    weight: Weight = None,
    allow_phantom_model: AllowPhantomModel = False,
    prevalence: Prevalence = None,
    json_mode: Json = False,
) -> None:
    """Import images of other programs as one section: store and classify each. Again to go on after an interruption."""
    from hcc_scope.cli.import_command import ImportOptions, run_import

    run_import(
        ImportOptions(
            sources=tuple(sources),
            animal_id=animal,
            section_id=section,
            out=out,
            pixel_size_um=pixel_size_um,
            bit_depth=bit_depth,
            channel=channel,
            z=z,
            time=time,
            series=series,
            colour=colour,
            float_range=float_range,
            model_name=model,
            engine=engine,
            score_unlike=score_unlike,
            weight=weight,
            allow_phantom_model=allow_phantom_model,
            prevalence=prevalence,
            json_mode=json_mode,
        )
    )
