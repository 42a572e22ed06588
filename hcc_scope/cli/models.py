"""``hcc-scope models list``, ``info``, ``test`` and ``export``."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import ModelError, StoreExistsError, UsageError
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.training.config import CONFIG_FILE, MODEL_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["model_folder", "run_export", "run_info", "run_list", "run_test"]

CHECKPOINTS = "checkpoints"
"""What a training run has from its beginning, beside its configuration."""


def run_list(*, json_mode: bool) -> None:
    """Print every model that is found; a broken card is listed with what is wrong with it."""
    from hcc_scope.inference.catalogue import list_models

    entries = list_models()
    if json_mode:
        found: list[dict[str, Any]] = []
        for entry in entries:
            row: dict[str, Any] = {"name": entry.name, "folder": str(entry.folder), "problem": entry.problem}
            if entry.card is not None:
                row["card"] = entry.card.model_dump(mode="json")
            found.append(row)
        print_json({"models": found})
        return
    console = people(json_mode=False)
    for entry in entries:
        card = entry.card
        console.note(entry.name, "bold")
        if card is None:
            console.note(f"  cannot be used: {entry.problem}", "yellow")
            continue
        console.note(f"  {card.description}")
        console.note(
            f"  for {card.pixel_size_um:g} um/px, {card.bit_depth} bit, tiles of {card.tile_px} px; "
            f"section threshold {card.decision_threshold:.3f}; sha256 {card.sha256[:12]}",
        )
    console.note(RESEARCH_USE_ONLY, "italic")


def run_test(name: str, *, engine: str, packages: Sequence[Path] = (), json_mode: bool) -> None:
    """Load a model with all its checks, and report how near it, its program and its packages are to its test output."""
    from hcc_scope.inference import load_model
    from hcc_scope.training.bioimageio import check_package
    from hcc_scope.training.export import program_difference, weights_difference
    from hcc_scope.training.torch_export import PROGRAM_FILE

    model = load_model(model_folder(name))
    console = people(json_mode=json_mode)
    classifier = model.classifier(engine, note=console.note)
    agreement = model.agreement()
    apart = agreement.largest_difference(classifier)
    difference = model.difference_to_test_output(classifier)
    program = program_difference(model)
    weights = weights_difference(model)
    found = [*sorted(model.folder.glob("*.zip")), *packages]
    of_packages = {str(path): check_package(path, model) for path in found}
    if json_mode:
        print_json(
            {
                "model": model.card.name,
                "model_sha256": model.card.sha256,
                "engine": classifier.name,
                "engine_in_full": classifier.engine,
                "test_tiles": len(model.test_input),
                "largest_logit_difference": difference,
                "tolerance": model.card.engine_tolerance,
                "comparison_tiles": len(agreement.tiles),
                "largest_probability_difference": apart,
                "probability_tolerance": agreement.tolerance,
                "program_largest_logit_difference": program,
                "weights_largest_logit_difference": weights,
                "packages_largest_probability_difference": of_packages,
                "passed": True,
            }
        )
        return
    console.note(
        f"{model.card.name}: sha256 as in its card; on engine {classifier.engine} the logits of its "
        f"{len(model.test_input)} test tiles differ by at most {difference:.2g} (tolerance of the reference engine "
        f"{model.card.engine_tolerance:g}), the probabilities of {len(agreement.tiles)} tiles from the reference "
        f"engine's by at most {apart:.2g} (tolerance {agreement.tolerance:g}).",
    )
    if program is None:
        console.note(f"It has no torch.export program ({PROGRAM_FILE}).")
    else:
        console.note(f"Its torch.export program ({PROGRAM_FILE}) gives logits that differ by at most {program:.2g}.")
    if weights is not None:
        console.note(f"A network made of its weights gives logits that differ by at most {weights:.2g}.")
    for path, worst in of_packages.items():
        console.note(f"Its package {path} gives probabilities that differ by at most {worst:.2g}.")


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


def model_folder(model_or_run: str) -> Path:
    """Return a model's folder, given it, a shipped model's name, or the folder of a training run."""
    from hcc_scope.inference.card import CARD_FILE
    from hcc_scope.inference.catalogue import find_model

    path = Path(model_or_run)
    with suppress(OSError):  # `find_model` reports what cannot be looked at
        if (path / CARD_FILE).is_file():
            return find_model(path)
        if (path / MODEL_FOLDER / CARD_FILE).is_file():
            return path / MODEL_FOLDER
        if (path / CONFIG_FILE).is_file() and (path / CHECKPOINTS).is_dir():
            raise ModelError(
                f"the training run {path} has no model: it was not finished",
                hint=f"'hcc-scope train' with the same manifest, '--out {path}' and '--resume' continues it.",
            )
    return find_model(model_or_run)
