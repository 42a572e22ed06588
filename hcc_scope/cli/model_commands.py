"""The commands about models.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import DEFAULT_MODEL, Engine, Json

__all__ = ["models_app"]

models_app = typer.Typer(help="List, read, test, time and export models.", no_args_is_help=True)


@models_app.command("list")
def models_list(json_mode: Json = False) -> None:
    """List the models that are found, with what they are for."""
    from hcc_scope.cli.models import run_list

    run_list(json_mode=json_mode)


@models_app.command("test")
def models_test(
    name: Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")] = DEFAULT_MODEL,
    engine: Engine = "torchscript",
    bioimageio: Annotated[
        list[Path] | None,
        typer.Option("--bioimageio", help="A package made of it, to be compared as well; repeatable."),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Check a model's sha256, and that it, an engine, its program and packages give its own test output here."""
    from hcc_scope.cli.models import run_test

    run_test(name, engine=engine, packages=tuple(bioimageio or ()), json_mode=json_mode)


@models_app.command("engines")
def models_engines(
    name: Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")] = DEFAULT_MODEL,
    json_mode: Json = False,
) -> None:
    """Time every engine that can run a model on this computer, and compare each with the reference engine."""
    from hcc_scope.cli.models import run_engines

    run_engines(name, json_mode=json_mode)


@models_app.command("info")
def models_info(
    name: Annotated[str, typer.Argument(help="A shipped model's name, a model's folder, or that of a training run.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")] = False,
    json_mode: Json = False,
) -> None:
    """Show a model's card: purpose, training data, validation, and what shifts its scores."""
    from hcc_scope.cli.models import run_info

    run_info(name, markdown=markdown, json_mode=json_mode)


@models_app.command("export")
def models_export(
    model: Annotated[
        str, typer.Argument(help="A model's folder, a training run's, or a shipped model.", metavar="MODEL_OR_RUN")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder in which the model's folder is made.")],
    name: Annotated[str | None, typer.Option("--name", help="The copy's name. Default: the model's own.")] = None,
    licence: Annotated[
        str | None,
        typer.Option("--licence", help="SPDX identifier, for example CC-BY-4.0. Default: that of the card."),
    ] = None,
    bioimageio: Annotated[
        Path | None, typer.Option("--bioimageio", help="Also write a bioimage.io package to this .zip.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option("--author", help="Named in the package; repeatable.")] = None,
    json_mode: Json = False,
) -> None:
    """Copy a model that passes its tests, with a card for people, and as a package for other programs."""
    from hcc_scope.cli.models import run_export

    run_export(
        model,
        out=out,
        name=name,
        licence=licence,
        bioimageio=bioimageio,
        authors=tuple(author or ()),
        json_mode=json_mode,
    )
