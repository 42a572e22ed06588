"""The commands about sections that are stored.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json, Prevalence

__all__ = ["finish", "log_command", "query", "recover", "report", "sections"]


def recover(
    stores: Annotated[list[Path], typer.Argument(help="Unfinished stores (*.ome.zarr).", metavar="STORE...")],
    json_mode: Json = False,
) -> None:
    """Make stores valid again after a crash; every journalled frame stays. Safe to repeat."""
    from hcc_scope.cli.recover import run_recover

    run_recover(stores, json_mode=json_mode)


def finish(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores (*.ome.zarr) of sections that are done.", metavar="STORE...")
    ],
    frames_per_file: Annotated[
        int | None, typer.Option("--frames-per-file", help="Frames in one file. Default: about 128 MiB of them.")
    ] = None,
    pictures: Annotated[
        bool | None,
        typer.Option("--pictures/--no-pictures", help="Add smaller pictures of each frame for viewers. Default: yes."),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Give each frame a file of its own again; a section then can go on.")
    ] = False,
    json_mode: Json = False,
) -> None:
    """Pack sections for archives and viewers: many frames in a file, each compared before the store changes."""
    from hcc_scope.cli.finish import run_finish

    run_finish(stores, shard_frames=frames_per_file, pictures=pictures, undo=undo, json_mode=json_mode)


def sections(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of sections. Default: this folder.", metavar="FOLDER...")
    ] = None,
    search: Annotated[
        str, typer.Option("--search", help="Only sections with all of these words in id, model, date, note or state.")
    ] = "",
    json_mode: Json = False,
) -> None:
    """List stored sections with their scores, and the score of each animal over its sections."""
    from hcc_scope.cli.sections import run_sections

    run_sections(folders or [Path()], search=search, json_mode=json_mode)


def query(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of sections. Default: this folder.", metavar="FOLDER...")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Only sections of which this holds, such as 'score > 0.6', 'animal = M7' or complete. Repeatable.",
        ),
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option("--sort", help="Order by this column; with a minus before it, the largest first. Repeatable."),
    ] = None,
    first: Annotated[int | None, typer.Option("--first", help="Only so many.")] = None,
    csv_mode: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    json_mode: Json = False,
) -> None:
    """Find stored sections by score, decision, quality, model, date, or any other column."""
    from hcc_scope.cli.query import run_query

    run_query(
        folders or [Path()], where=where or [], sort=sort or [], first=first, json_mode=json_mode, csv_mode=csv_mode
    )


def report(
    places: Annotated[
        list[Path],
        typer.Argument(
            help="Stores (*.ome.zarr), or folders: of those also a report of each animal.", metavar="STORE|FOLDER..."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the reports; made if missing. Default: beside what they are about."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write each report as a PDF.")] = True,
    prevalence: Prevalence = None,
    json_mode: Json = False,
) -> None:
    """Write the report of sections, and of their animals: a page that opens without internet, and a PDF."""
    from hcc_scope.cli.report import run_report

    run_report(places, out=out, pdf=pdf, prevalence=prevalence, json_mode=json_mode)


def log_command(
    store: Annotated[Path, typer.Argument(help="A store (*.ome.zarr).")],
    json_mode: Json = False,
) -> None:
    """Show what happened to the devices during the run of a store: settings, moves, actions, messages."""
    from hcc_scope.cli.log import run_log

    run_log(store, json_mode=json_mode)
