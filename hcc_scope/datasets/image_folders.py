"""A manifest of images in folders: one folder or several for each class, and a stated way to find animal, section, day.

Nothing is guessed and nothing is left out in silence: an image without an animal, a section, a day or a pixel size is
an error, and what is no image by its name is counted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hcc_scope.datasets.images import ome_of, read_headers
from hcc_scope.datasets.manifest import images_of_file, listed
from hcc_scope.datasets.manifest_rows import Row, composed
from hcc_scope.datasets.new_manifest import NewManifest, raise_all, refuse_existing, write_manifest
from hcc_scope.errors import DatasetError, HccScopeError, ImageError, UsageError
from hcc_scope.formatting import counted
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.naming import STORE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.colour import ColourConversion
    from hcc_scope.datasets.header import Header
    from hcc_scope.datasets.id_pattern import IdPattern
    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.progress import OnProgress

__all__ = ["FolderRules", "manifest_of_folders"]

_SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf2", ".tf8", ".png"})
_SQUARE = 1e-3
"""Relative: by how much the two sides of a pixel may differ."""
_IDS_HINT = "State where it stands with --ids, such as --ids '{animal}/{section}/*'."


@dataclass(frozen=True)
class FolderRules:
    """How the facts of an image are found; what is not stated here has to stand in the pattern or the file."""

    ids: IdPattern
    in_ome_name: bool = False
    """Match the pattern against the name of the image in the OME metadata, not against the path."""
    section: str | None = None
    """Of every image."""
    day: str | None = None
    """Of every image."""
    day_from_ome: bool = False
    """Take the day from the OME metadata's date of acquisition."""
    pixel_size_um: float | None = None
    """Of every image; None: each file states it."""
    bit_depth: int | None = None
    """Of every image; None: what the file states, else that of its numbers."""
    colour: ColourConversion | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, or leaves something open.

        Raises
        ------
        UsageError
            If animal, section or day would not be known, or in two ways.
        """
        found = self.ids.fields
        if "animal" not in found:
            raise UsageError(f"The pattern '{self.ids.text}' does not state where the animal stands", hint=_IDS_HINT)
        for name, ways in (
            ("section", [self.section is not None]),
            ("day", [self.day is not None, self.day_from_ome]),
        ):
            stated = (name in found) + sum(ways)
            if stated > 1:
                raise UsageError(f"The {name} is stated in two ways", hint=f"Keep --{name} or {{{name}}} in --ids.")
            if stated == 0:
                raise UsageError(
                    f"The {name} of the images is not stated",
                    hint=f"Put {{{name}}} into --ids, or give --{name}" + (", also 'ome'." if name == "day" else "."),
                )


@dataclass
class _Found:
    files: list[tuple[Path, Path, Literal["low", "high"]]] = field(default_factory=list)
    """File, the folder that was given, and its class."""
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """To folders."""
    problems: list[HccScopeError] = field(default_factory=list)


def manifest_of_folders(
    low: Sequence[Path], high: Sequence[Path], out: Path, rules: FolderRules, on_step: OnProgress = ignore_progress
) -> NewManifest:
    """Write a manifest of all TIFF and PNG images below folders; their pixels are not read.

    Parameters
    ----------
    low, high : sequence of Path
        Folders of each class, searched with those in them.
    out : Path
        New file.
    rules : FolderRules
        How animal, section, day and pixel size are found.
    on_step : callable
        Takes each image.

    Returns
    -------
    NewManifest
        Its `left_out` counts files that are no TIFF or PNG by their names.

    Raises
    ------
    DatasetError
        If an image cannot be read, does not match the pattern, lacks a fact, or is there twice; if an animal has both
        classes; or if the images cannot be trained on together. Further problems are its notes.
    StoreExistsError
        If there is a file of that name.
    """
    refuse_existing(out)
    found = _Found()
    for tumour_class, folders in (("low", low), ("high", high)):
        for folder in folders:
            _search(folder, "low" if tumour_class == "low" else "high", found)
    rows: list[tuple[Row, list[LabelledImage]]] = []
    for n, (path, folder, tumour_class) in enumerate(found.files):
        on_step(Progress("images", n, len(found.files), path.name))
        try:
            rows.append(_row(path, folder, tumour_class, rules, len(rows) + 2))
        except HccScopeError as error:
            found.problems.append(error)
    raise_all(found.problems)
    left_out = []
    if others := found.others:
        verb = "is" if len(others) == 1 else "are"
        left_out.append(
            f"{counted(len(others), 'file')} that {verb} hidden, or no TIFF or PNG by name: {listed(others)}."
        )
    if links := found.links:
        left_out.append(
            f"{counted(len(links), 'link')} to folders, which are not followed: {listed(links)}; name those folders "
            "with --low or --high."
        )
    return write_manifest(out, rows, left_out)


def _search(folder: Path, tumour_class: Literal["low", "high"], found: _Found) -> None:
    """Add the files below a folder, by name."""
    n_before = len(found.files)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "is not there"
        found.problems.append(ImageError(f"The folder {folder} of class {tumour_class} {what}", hint="Check the path."))
        return
    for path in _walk(folder, found):
        if path.name.endswith(STORE_SUFFIX):
            found.problems.append(
                DatasetError(f"{path} is a stored section", hint="Label it, and use --sections with its folder.")
            )
        elif path.suffix.lower() in _SUFFIXES and not _is_hidden(path.relative_to(folder)):
            found.files.append((path, folder, tumour_class))
        else:
            found.others.append(path.name)
    if len(found.files) == n_before and not found.problems:
        found.problems.append(
            ImageError(
                f"{folder}, of class {tumour_class}, holds no TIFF or PNG", hint="Name the folder of the images."
            )
        )


def _is_hidden(path: Path) -> bool:
    """Return whether a file or a folder that it lies in is one that systems and tools keep for themselves."""
    return any(part.startswith(".") for part in path.parts)


def _walk(folder: Path, found: _Found) -> Iterator[Path]:
    """Yield files and stores below a folder, by name; links to folders are noted, not followed."""

    def refused(error: OSError) -> None:
        found.problems.append(ImageError(f"{error.filename} cannot be read: {error.strerror or error}"))

    for here, folders, files in os.walk(folder, onerror=refused):
        stores = sorted(name for name in folders if name.endswith(STORE_SUFFIX))
        folders[:] = sorted(name for name in folders if not name.endswith(STORE_SUFFIX))
        found.links += [str(Path(here, name)) for name in folders if Path(here, name).is_symlink()]
        yield from (Path(here, name) for name in (*sorted(files), *stores))


def _row(
    path: Path, folder: Path, tumour_class: Literal["low", "high"], rules: FolderRules, line: int
) -> tuple[Row, list[LabelledImage]]:
    headers = read_headers(path, colour=rules.colour)
    values = _values(path, folder, rules)
    row = Row(
        line=line,
        path=path.absolute(),
        written_path=str(path),
        tumour_class=tumour_class,
        animal_id=values["animal"],
        section_id=composed(rules.section) if rules.section is not None else values["section"],
        day=_day(path, rules, values),
        pixel_size_um=rules.pixel_size_um if rules.pixel_size_um is not None else _pixel_size_um(path, headers),
        bit_depth=rules.bit_depth,
        page=None,
        site=values.get("site", ""),
        batch=values.get("batch", ""),
        colour=rules.colour,
    )
    return row, images_of_file(row, headers, str(path))


def _values(path: Path, folder: Path, rules: FolderRules) -> dict[str, str]:
    """Return what the pattern finds: no value is empty."""
    text: str | None = path.relative_to(folder).as_posix()
    if rules.in_ome_name:
        ome = ome_of(path)
        text = None if ome is None else ome.image_name
        if text is None:
            raise ImageError(f"{path} states no name of the image in OME metadata", hint="Leave --ids-in out.")
    try:
        found = rules.ids.values(text or "")
    except ValueError as error:
        raise DatasetError(
            f"{path} matches the pattern '{rules.ids.text}' in two ways: {error}", hint="Make the pattern longer."
        ) from error
    if found is None:
        where = f", whose OME name is {text!r}," if rules.in_ome_name else f" ({text})"
        raise DatasetError(
            f"{path}{where} does not match the pattern '{rules.ids.text}'", hint="Correct --ids, or move the file."
        )
    values = {name: composed(value.strip()) for name, value in found.items()}
    if empty := [name for name, value in values.items() if not value]:
        raise DatasetError(f"{path}: the pattern '{rules.ids.text}' finds an empty {empty[0]}", hint="Rename the file.")
    return values


def _day(path: Path, rules: FolderRules, values: dict[str, str]) -> str:
    if rules.day is not None:
        return composed(rules.day)
    if not rules.day_from_ome:
        return values["day"]
    ome = ome_of(path)
    if ome is None or ome.acquired is None:
        raise ImageError(
            f"{path} states no date of acquisition in OME metadata", hint="Give --day, or put {day} into --ids."
        )
    return ome.acquired


def _pixel_size_um(path: Path, headers: Sequence[Header]) -> float:
    """Return the size of a pixel that a file states.

    Raises
    ------
    ImageError
        If it states none, several, or pixels that are not square.
    """
    sizes = {header.pixel_size_yx_um for header in headers}
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None:
        raise ImageError(f"{path} does not state the size of its pixels", hint="Give it with --pixel-size-um.")
    if abs(size[0] / size[1] - 1) > _SQUARE:
        raise ImageError(
            f"{path} has pixels of {size[0]:g} x {size[1]:g} um, which are not square",
            hint="Give their size with --pixel-size-um if that is wrong.",
        )
    return size[0]
