"""The commands about other programs' formats. Thin, as those in `hcc_scope.cli.acquisition_commands`."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json
from hcc_scope.exports.kinds import KINDS, ExportOption, all_options

__all__ = ["export"]


def _help(option: ExportOption) -> str:
    choices = "" if option.is_name else f" One of: {', '.join(option.choices)}; default: {option.choices[0]}."
    return f"{option.words}{choices} With --as {', '.join(kind.name for kind in KINDS if option in kind.options)}."


def _with_options_of_kinds(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each that a kind of export has: they stand in its table alone."""
    signature = inspect.signature(command)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            option.name.replace("-", "_"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{option.name}",
                    help=_help(option),
                    metavar="NAME" if option.is_name else None,
                ),
            ],
        )
        for option in all_options()
    ]
    parameters = [*own, *added]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


@_with_options_of_kinds
def export(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores (*.ome.zarr), or addresses of them (s3://...).", metavar="STORE...")
    ],
    *,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--as", help="; ".join(f"{kind.name}: {kind.words}" for kind in KINDS) + ". Repeatable.", metavar="KIND"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder. Default: beside each store.")] = None,
    json_mode: Json = False,
    **options: str | None,
) -> None:
    """Write stored sections for other programs; the sections stay as they are."""
    from hcc_scope.cli.export import run_export

    given = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    run_export(stores, kinds or [], out_dir=out, options=given, json_mode=json_mode)
