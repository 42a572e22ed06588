"""``hcc-scope models list``, ``info``, ``test``, ``engines`` and ``export``."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import StoreExistsError, UsageError
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["run_engines", "run_export", "run_info", "run_list", "run_test"]


def run_list(*, json_mode: bool) -> None:
    """Print every model that is found; a broken card is listed with what is wrong with it."""
    from hcc_scope.inference.catalogue import list_models, user_models_dir

    entries = list_models()
    if json_mode:
        found: list[dict[str, Any]] = []
        for entry in entries:
            row: dict[str, Any] = {
                "name": entry.name,
                "folder": str(entry.folder),
                "origin": entry.origin,
                "problem": entry.problem,
            }
            if entry.card is not None:
                row["card"] = entry.card.model_dump(mode="json")
            found.append(row)
        print_json({"models": found, "models_dir": str(user_models_dir())})
        return
    console = people(json_mode=False)
    for entry in entries:
        card = entry.card
        console.note(entry.name if entry.origin == "shipped" else f"{entry.name} ({entry.folder})", "bold")
        if card is None:
            console.note(f"  cannot be used: {entry.problem}", "yellow")
            continue
        console.note(f"  {card.description}")
        console.note(
            f"  for {card.pixel_size_um:g} um/px, {card.bit_depth} bit, tiles of {card.tile_px} px; "
            f"section threshold {card.decision_threshold:.3f}; sha256 {card.sha256[:12]}",
        )
    console.note(f"Models of your own belong into {user_models_dir()}, one folder each.")
    console.note(RESEARCH_USE_ONLY, "italic")


def run_test(name: str, *, engine: str, packages: Sequence[Path] = (), json_mode: bool) -> None:
    """Load a model with all its checks, and report how near it, its program and its packages are to its test output."""
    from hcc_scope.runs.model_folders import model_folder
    from hcc_scope.runs.model_test import check_model

    console = people(json_mode=json_mode)
    found = check_model(model_folder(name), engine, packages=packages, note=console.note)
    if json_mode:
        print_json(found.as_dict())
        return
    for line in found.lines():
        console.note(line)


def run_engines(name: str, *, json_mode: bool) -> None:
    """Time every engine that can run a model here, and print how near to the reference each is."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from hcc_scope.inference import load_model
    from hcc_scope.inference.engine_rates import COLUMNS, engine_rates
    from hcc_scope.runs.model_folders import model_folder

    found = engine_rates(load_model(model_folder(name)))
    if json_mode:
        print_json(asdict(found))
        return
    console = people(json_mode=False)
    table = Table(title=Text(f"Engines with {found.model}", style="table.title"), title_justify="left")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if index else "left")
    for row in found.rows():
        table.add_row(*map(Text, row))
    console.show(table)
    for line in (*found.problems, found.sentence):
        console.note(line)


def run_export(
    model_or_run: str,
    *,
    out: Path,
    name: str | None,
    licence: str | None = None,
    bioimageio: Path | None,
    authors: Sequence[str] = (),
    json_mode: bool,
) -> None:
    """Copy a model, once it has passed its checks, under its own name; write its package, if one is requested."""
    from hcc_scope.inference import load_model
    from hcc_scope.inference.card import LICENCE_NOT_STATED
    from hcc_scope.report.card_markdown import card_markdown
    from hcc_scope.runs.model_folders import model_folder
    from hcc_scope.storage.naming import is_taken
    from hcc_scope.training.export import check_name, copy_model, refuse_existing
    from hcc_scope.training.licence import spdx_id

    source = model_folder(model_or_run)
    if bioimageio is not None and is_taken(bioimageio):
        raise StoreExistsError(f"the package {bioimageio} exists", hint="Packages are never overwritten.")
    if bioimageio is not None and bioimageio.suffix.lower() != ".zip":
        raise UsageError(f"the package name {bioimageio} does not end in .zip", hint="Give --bioimageio FILE.zip.")
    if authors and bioimageio is None:
        raise UsageError("--author is for a package", hint="Give --bioimageio FILE.zip as well.")
    model = load_model(source)
    name = model.card.name if name is None else name
    check_name(name)
    folder = out / name
    refuse_existing(folder)
    copy_model(model, folder, name, licence=licence, describe=card_markdown)
    if bioimageio is not None:
        from hcc_scope.training.bioimageio import write_package

        with ExitStack() as undo:  # the command did nothing if the package fails, and can be given again
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            write_package(folder, bioimageio, authors=authors)
            undo.pop_all()
    licence = licence or model.card.licence
    stated = spdx_id(licence)
    if json_mode:
        print_json(
            {
                "model": name,
                "licence": stated,
                "folder": str(folder),
                "model_sha256": model.card.sha256,
                "files": sorted(path.name for path in folder.iterdir()),
                "bioimageio": None if bioimageio is None else str(bioimageio),
            }
        )
        return
    console = people(json_mode=False)
    console.note(f"{folder}: a checked copy of {source}")
    if bioimageio is not None:
        console.note(f"{bioimageio}: a bioimage.io package of it")
    if stated is None:
        console.note(
            f"Its licence is {licence or LICENCE_NOT_STATED!r}, so others may not use it: before you pass it on, "
            "export it with --licence and an SPDX identifier, for example CC-BY-4.0.",
            "yellow",
        )
    console.note(RESEARCH_USE_ONLY, "italic")


def run_info(name: str, *, markdown: bool, json_mode: bool) -> None:
    """Print a model's card: for people, as Markdown, or as JSON. Reads the card alone, parses no model."""
    from hcc_scope.inference.card import read_card
    from hcc_scope.report.card_markdown import card_markdown
    from hcc_scope.runs.model_folders import model_folder

    if markdown and json_mode:
        raise UsageError("--json and --markdown are two ways to print one card", hint="Give one of them.")
    folder = model_folder(name)
    card = read_card(folder)
    if json_mode:
        print_json({"folder": str(folder), "card": card.model_dump(mode="json")})
        return
    console = people(json_mode=False)
    text = card_markdown(card)
    if markdown:
        console.note(text.rstrip("\n"))
        return
    from rich.markdown import Markdown

    console.show(Markdown(text))
