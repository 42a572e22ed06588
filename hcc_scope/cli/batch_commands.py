"""The command about many sections. Thin, as those in `hcc_scope.cli.acquisition_commands`."""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import AllowPhantomModel, Engine, Json
from hcc_scope.inference.base import AUTO

__all__ = ["batch"]


def batch(
    stores: Annotated[
        list[Path],
        typer.Argument(
            help="Stores (*.ome.zarr), folders that hold them, or addresses (s3://...).", metavar="STORE_OR_FOLDER..."
        ),
    ],
    model: Annotated[str, typer.Option("--model", help="Name of a model, or a folder with card.yaml.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of results and tables; one that is there is added to.")],
    engine: Engine = AUTO,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, help="Processes of this computer that share its cores. Default: one per core."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster that scores them: tcp://HOST:8786."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Fail unless every section gives the predictions that its store records."),
    ] = False,
    allow_phantom_model: AllowPhantomModel = False,
    json_mode: Json = False,
) -> None:
    """Score many stored sections with one model, and compare; what is scored already is not scored again."""
    from hcc_scope.cli.batch import BatchOptions, run_batch

    run_batch(
        BatchOptions(
            stores=stores,
            model=model,
            out=out,
            engine=engine,
            workers=workers,
            scheduler=scheduler,
            allow_phantom_model=allow_phantom_model,
            check=check,
            json_mode=json_mode,
        )
    )
