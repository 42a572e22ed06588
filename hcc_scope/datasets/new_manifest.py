"""Writing a manifest: one that `read_manifest` takes, or none."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import create_file
from hcc_scope.datasets.dataset_report import GroupCount, group_counts
from hcc_scope.datasets.images import is_store
from hcc_scope.datasets.manifest import COHORT_FILE, listed, mixtures
from hcc_scope.datasets.manifest_rows import COLUMNS, OPTIONAL, Row, parse_rows
from hcc_scope.datasets.spelling import spelling_problems
from hcc_scope.errors import DatasetError, HccScopeError, ImageError, ManifestError, StoreExistsError, from_os_error
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcc_scope.datasets.dataset_report import Problem
    from hcc_scope.datasets.labelled_image import LabelledImage

__all__ = ["NewManifest", "raise_all", "refuse_existing", "write_manifest"]

_MOST_NOTES = 20
"""Further problems that are printed below the first."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest that was written."""

    path: Path
    rows: int
    images: int
    classes: tuple[GroupCount, ...]
    animals: tuple[GroupCount, ...]
    left_out: tuple[str, ...] = ()
    """One sentence for each kind of thing that is not in it."""
    warnings: tuple[Problem, ...] = ()
    """Of ids and names in it that may be one in two spellings, as the check of the set."""

    def describe(self) -> str:
        """Return what it lists, as a sentence.

        Examples
        --------
        >>> groups = (GroupCount("low", 3, 3, 0, 2, 2, 1), GroupCount("high", 1, 0, 1, 1, 1, 1))
        >>> NewManifest(Path("set.csv"), 3, 4, groups, ()).describe()
        'set.csv lists 4 images in 3 lines: low has 3 images of 2 animals, high has 1 image of 1 animal.'
        """
        classes = [
            f"{one.name} has {counted(one.images, 'image')} of {counted(one.animals, 'animal')}" for one in self.classes
        ]
        lines = counted(self.rows, "line")
        return f"{self.path} lists {counted(self.images, 'image')} in {lines}: {', '.join(classes)}."

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "manifest": str(self.path),
            "rows": self.rows,
            "images": self.images,
            "images_per_class": {one.name: one.images for one in self.classes},
            "animals": {one.name: {"low": one.low, "high": one.high} for one in self.animals},
            "left_out": list(self.left_out),
            "warnings": [str(problem) for problem in self.warnings],
        }


def refuse_existing(out: Path) -> None:
    """Refuse the name of a file that is there, before any work.

    Raises
    ------
    StoreExistsError
        If there is anything of that name.
    """
    if os.path.lexists(out):
        raise StoreExistsError(f"{out} is already there and is never overwritten", hint="Choose another name.")


def raise_all(problems: Sequence[HccScopeError]) -> None:
    """Raise the first of some problems with the others as notes on it; nothing if there is none.

    Raises
    ------
    HccScopeError
        The first.
    """
    if not problems:
        return
    first, *others = problems
    for other in others[:_MOST_NOTES]:
        first.add_note(str(other))
    if len(others) > _MOST_NOTES:
        first.add_note(f"... and {len(others) - _MOST_NOTES} more")
    raise first


def write_manifest(
    out: Path, found: Sequence[tuple[Row, Sequence[LabelledImage]]], left_out: Sequence[str] = ()
) -> NewManifest:
    """Write a new manifest of rows and the images that each means.

    Parameters
    ----------
    out : Path
        New file; paths in it are relative to its folder where that is possible.
    found : sequence of (Row, sequence of LabelledImage)
        In the order of the lines.
    left_out : sequence of str
        What is not in it, in sentences.

    Raises
    ------
    DatasetError
        If the images cannot be trained on together, as `read_manifest`; if a file is listed twice, or two hold the same
        bytes; or if the images are a phantom's and the manifest would not state it. Further problems are its notes.
    StoreExistsError
        If there is a file of that name.
    """
    out = out.absolute()
    refuse_existing(out)
    images = [image for _, some in found for image in some]
    rows = [row for row, _ in found]
    problems: list[HccScopeError] = [*_copies(rows), *_unwritable(rows, out.parent)]
    problems += mixtures(out, images)
    problems += _phantoms(out, {row.path for row in rows})
    raise_all(problems)
    text = _csv(out.parent, rows)
    raise_all(_misread(out, rows, text))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        create_file(out, text.encode())
    except FileExistsError as error:
        raise StoreExistsError(
            f"{out} is already there and is never overwritten", hint="Choose another name."
        ) from error
    except OSError as error:
        raise from_os_error(error, f"The manifest {out} cannot be written") from error
    return NewManifest(
        out,
        len(found),
        len(images),
        group_counts(images, lambda image: image.tumour_class),
        group_counts(images, lambda image: image.animal_id),
        tuple(left_out),
        tuple(spelling_problems(images)),
    )


def _misread(out: Path, rows: Sequence[Row], text: str) -> list[HccScopeError]:
    """Return what `read_manifest` would refuse in the lines of a manifest, or take for something else."""
    problems: list[HccScopeError] = []
    found = parse_rows(out, problems.append, text)
    if problems:  # one: an option is in every line
        why = f"The manifest could not be read again: {problems[0].message}"
        return [ManifestError(why, hint="Rename the file, or correct the option.")]
    return [
        ManifestError(
            f"{row.path.as_posix()!r} would be read as another image from a manifest in {out.parent}", hint="Rename it."
        )
        for row, again in zip(rows, found, strict=True)
        if (row.animal_id, row.section_id, row.day) != (again.animal_id, again.section_id, again.day)
        or row.path.resolve() != again.path.resolve()
    ]


def _csv(folder: Path, rows: Sequence[Row]) -> str:
    cells = [
        {
            "path": _written(row.path, folder),
            "class": row.tumour_class,
            "animal_id": row.animal_id,
            "section_id": row.section_id,
            "day": row.day,
            "pixel_size_um": "" if row.pixel_size_um is None else f"{row.pixel_size_um:.6g}",
            "bit_depth": "" if row.bit_depth is None else str(row.bit_depth),
            "page": "" if row.page is None else str(row.page),
            "site": row.site,
            "batch": row.batch,
            "colour": row.colour or "",
        }
        for row in rows
    ]
    columns = [*COLUMNS, *(name for name in OPTIONAL if any(line[name] for line in cells))]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def _written(path: Path, folder: Path) -> str:
    """Return a path as the manifest has it: relative, so that images and manifest can be moved together.

    Links among the folders are followed: above a link there is another folder than its name suggests.
    """
    try:
        return Path(os.path.relpath(path.parent.resolve() / path.name, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _unwritable(rows: Sequence[Row], folder: Path) -> list[HccScopeError]:
    """Return which names cannot stand in a manifest: they are text in one line, without spaces around it."""
    problems: list[HccScopeError] = []
    for row in rows:
        for what, text in (
            ("path", _written(row.path, folder)),
            ("animal", row.animal_id),
            ("section", row.section_id),
        ):
            if not text.isprintable() or text != text.strip():
                problems.append(
                    ManifestError(
                        f"{row.path.as_posix()!r}: its {what} begins or ends with a space, or has a character that a "
                        "manifest cannot hold",
                        hint="Rename it.",
                    )
                )
                break
    return problems


def _phantoms(out: Path, paths: Iterable[Path]) -> list[HccScopeError]:
    """Refuse to part phantom images from the file that states that they are none of tissue."""
    folders = {folder for path in paths if not is_store(path) for folder in path.parents}
    for folder in sorted(folders):
        if (folder / COHORT_FILE).is_file() and folder != out.parent:
            return [
                DatasetError(
                    f"The images below {folder} are a phantom's, which only {COHORT_FILE} beside the manifest states",
                    hint=f"Write the manifest into {folder}.",
                )
            ]
    return []


# ---- copies ---------------------------------------------------------------------------------------------------------


def _copies(rows: Sequence[Row]) -> list[HccScopeError]:
    """Return which files are listed twice, or hold the same bytes; the check of the set finds the same pixels."""
    of_file: defaultdict[tuple[Path, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        of_file[row.path.resolve(), row.page].append(row)
    problems: list[HccScopeError] = [_twice(same) for same in of_file.values() if len(same) > 1]
    of_size: defaultdict[int, list[Row]] = defaultdict(list)
    for (path, _), (row, *_others) in of_file.items():
        if not is_store(path):
            try:
                of_size[path.stat().st_size].append(row)
            except OSError as error:
                problems.append(ImageError(f"{path} has gone: {error.strerror or error}"))
    for alike in of_size.values():
        of_content: defaultdict[str, list[Row]] = defaultdict(list)
        for row in alike if len(alike) > 1 else ():
            try:
                of_content[_sha256(row.path)].append(row)
            except OSError as error:
                problems.append(ImageError(f"{row.path} cannot be read: {error.strerror or error}"))
        problems += [_twice(same) for same in of_content.values() if len(same) > 1]
    return problems


def _twice(rows: Sequence[Row]) -> HccScopeError:
    names = listed([str(row.path) for row in rows])
    if len({row.tumour_class for row in rows}) > 1:
        return DatasetError(
            f"The same image is labelled low and high: {names}", hint="Remove it from the class that it does not have."
        )
    return DatasetError(f"The same image is there {len(rows)} times: {names}", hint="Keep one of them.")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()
