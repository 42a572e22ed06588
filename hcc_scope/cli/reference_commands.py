"""The commands about dark and flat fields. Thin, as those in `hcc_scope.cli.acquisition_commands`."""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json, Properties

__all__ = ["reference_app"]

reference_app = typer.Typer(help="Take, list and show dark and flat fields.", no_args_is_help=True)

_Rig = Annotated[str, typer.Option("--rig", help="A rig file that names a references_dir.")]
_Shots = Annotated[int | None, typer.Option("--shots", help="How many; the least that is enough by default.")]
_Exposure = Annotated[float | None, typer.Option("--exposure-ms", help="Exposure of the sections.")]
_Yes = Annotated[
    bool, typer.Option("--yes", help="Do not ask: the lamp is off (dark), or the stage is on blank glass (flat).")
]
_Picture = Annotated[
    Path | None, typer.Option("--picture", help="Write a PNG of the result, or of what shows why it is refused.")
]


@reference_app.command("dark")
def reference_dark(
    rig: _Rig,
    shots: _Shots = None,
    exposure_ms: _Exposure = None,
    prop: Properties = None,
    yes: _Yes = False,
    picture: _Picture = None,
    json_mode: Json = False,
) -> None:
    """Take a dark field: the mean of at least 32 shots with the lamp off."""
    from hcc_scope.cli.reference import run_take

    run_take(
        "dark",
        rig=rig,
        n_shots=shots,
        exposure_ms=exposure_ms,
        properties=tuple(prop or ()),
        yes=yes,
        picture=picture,
        json_mode=json_mode,
    )


@reference_app.command("flat")
def reference_flat(
    rig: _Rig,
    shots: _Shots = None,
    exposure_ms: _Exposure = None,
    prop: Properties = None,
    yes: _Yes = False,
    picture: _Picture = None,
    json_mode: Json = False,
) -> None:
    """Take a flat field: the median of at least 16 shots of blank glass, moved between shots."""
    from hcc_scope.cli.reference import run_take

    run_take(
        "flat",
        rig=rig,
        n_shots=shots,
        exposure_ms=exposure_ms,
        properties=tuple(prop or ()),
        yes=yes,
        picture=picture,
        json_mode=json_mode,
    )


@reference_app.command("estimate")
def reference_estimate(
    stores: Annotated[list[Path], typer.Argument(help="Finished sections (*.ome.zarr).", metavar="STORE...")],
    rig: _Rig,
    picture: _Picture = None,
    json_mode: Json = False,
) -> None:
    """Estimate a flat field from at least 50 stored fields; it is marked as estimated wherever it is used."""
    from hcc_scope.cli.reference import run_estimate

    run_estimate(stores, rig=rig, picture=picture, json_mode=json_mode)


@reference_app.command("list")
def reference_list(rig: _Rig, json_mode: Json = False) -> None:
    """List the references of a rig, newest first."""
    from hcc_scope.cli.reference import run_list

    run_list(rig=rig, json_mode=json_mode)


@reference_app.command("show")
def reference_show(
    name: Annotated[str, typer.Argument(help="As hcc-scope reference list names it; its beginning is enough.")],
    rig: _Rig,
    picture: _Picture = None,
    json_mode: Json = False,
) -> None:
    """Show one reference: its settings, its range, and a picture of it on request."""
    from hcc_scope.cli.reference import run_show

    run_show(name, rig=rig, picture=picture, json_mode=json_mode)
