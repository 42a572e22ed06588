"""``hcc-scope dataset make``: a manifest of labelled sections, or of images in folders."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.dataset import group_table
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.colour import ColourConversion
    from hcc_scope.datasets.image_folders import FolderRules

__all__ = ["MakeOptions", "run_make"]


@dataclass(frozen=True)
class MakeOptions:
    """What the command was given."""

    out: Path
    sections: list[Path] = field(default_factory=list)
    low: list[Path] = field(default_factory=list)
    high: list[Path] = field(default_factory=list)
    ids: str | None = None
    ids_in: str = "path"
    section: str | None = None
    day: str | None = None
    pixel_size_um: float | None = None
    bit_depth: int | None = None
    colour: str | None = None


def run_make(options: MakeOptions, *, json_mode: bool) -> None:
    """Write a manifest, and print what it lists.

    Raises
    ------
    UsageError
        If neither sections nor folders of both classes are given, or an option that does not belong to them.
    DatasetError
        As `manifest_of_sections` and `manifest_of_folders`.
    """
    rules = _rules(options)
    console = people(json_mode=json_mode)
    with interruptible("nothing was written"), steps_shown(console) as on_step:
        if rules is None:
            from hcc_scope.datasets.labelled_sections import manifest_of_sections, stores_below

            stores = {store.resolve(): store for folder in options.sections for store in stores_below(folder)}
            made = manifest_of_sections(list(stores.values()), options.out, on_step)
        else:
            from hcc_scope.datasets.image_folders import manifest_of_folders

            made = manifest_of_folders(options.low, options.high, options.out, rules, on_step)
    if json_mode:
        print_json(made.to_json())
        return
    console.show(group_table("Animals", made.animals, ("low", "high", "sections", "days")))
    console.note(made.describe(), "bold")
    for sentence in made.left_out:
        console.note(f"Left out: {sentence}", "yellow")
    for problem in made.warnings:
        console.note(f"{problem.severity}: {problem}", "yellow")
    console.note(f"Next: hcc-scope dataset check {made.path}")


def _rules(options: MakeOptions) -> FolderRules | None:
    """Return how facts of images are found; None for stored sections, which know theirs."""
    of_images = {
        "--ids": options.ids,
        "--section": options.section,
        "--day": options.day,
        "--pixel-size-um": options.pixel_size_um,
        "--bit-depth": options.bit_depth,
        "--colour": options.colour,
    }
    if options.sections:
        if options.low or options.high:
            raise UsageError("--sections and --low or --high do not go together", hint="Write two manifests.")
        if given := [name for name, value in of_images.items() if value is not None]:
            raise UsageError(f"{given[0]} is for images in folders: a stored section knows it", hint="Leave it out.")
        return None
    if not options.low or not options.high:
        raise UsageError("There is nothing to list", hint="Give --sections FOLDER, or --low FOLDER and --high FOLDER.")
    return _folder_rules(options)


def _folder_rules(options: MakeOptions) -> FolderRules:
    from hcc_scope.datasets.id_pattern import IdPattern
    from hcc_scope.datasets.image_folders import FolderRules

    if options.ids is None:
        raise UsageError(
            "It is not stated where animal, section and day stand in the names of the images",
            hint="Give --ids, such as --ids '{animal}/{section}/*', and --section or --day if all images share it.",
        )
    if options.ids_in not in ("path", "ome-name"):
        raise UsageError(f"--ids-in cannot be '{options.ids_in}'", hint="There are path and ome-name.")
    size = options.pixel_size_um
    if size is not None and not (math.isfinite(size) and size > 0):
        raise UsageError(f"--pixel-size-um must be a positive number, not {size:g}")
    for name, value in (("--section", options.section), ("--day", options.day)):
        if value is not None and (not value.strip() or not value.isprintable()):
            raise UsageError(f"{name} must be text in one line, not {value!r}")
    from_ome = options.day == "ome"
    return FolderRules(
        ids=IdPattern.parse(options.ids),
        in_ome_name=options.ids_in == "ome-name",
        section=None if options.section is None else options.section.strip(),
        day=None if options.day is None or from_ome else options.day.strip(),
        day_from_ome=from_ome,
        pixel_size_um=size,
        bit_depth=options.bit_depth,
        colour=_colour(options.colour),
    )


def _colour(name: str | None) -> ColourConversion | None:
    from hcc_scope.colour import CONVERSIONS

    if name is None:
        return None
    for known in CONVERSIONS:
        if name == known:
            return known
    raise UsageError(f"--colour cannot be '{name}'", hint=f"There are {', '.join(CONVERSIONS)}.")
