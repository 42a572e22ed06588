"""A manifest of stored sections, by the labels that persons gave them (`hcc_scope.storage.section_labels`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.datasets.images import is_store, opened_store
from hcc_scope.datasets.manifest import images_of_store, listed
from hcc_scope.datasets.manifest_rows import Row, composed
from hcc_scope.datasets.new_manifest import NewManifest, raise_all, refuse_existing, write_manifest
from hcc_scope.errors import DatasetError, HccScopeError
from hcc_scope.formatting import counted
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.find_stores import find_stores
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.notes import excluded_fields, read_notes_log, stored_retakes
from hcc_scope.storage.section_labels import certain_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.notes import NotesLog

__all__ = ["manifest_of_sections", "stores_below"]

_LABEL_HINT = "Label sections in the window (Replay or Library), or give images with --low and --high."


def stores_below(folder: Path) -> list[Path]:
    """Return the stores that the library shows of a folder, by name; or the folder itself if it is one.

    Raises
    ------
    DatasetError
        If it, or a folder below, cannot be read, or it holds none.
    """
    unread: list[Path] = []
    found = find_stores([folder], unread=unread.append)
    if unread:
        raise DatasetError(f"{unread[0]} cannot be read", hint="Name the folder that holds the sections.")
    if not found:
        raise DatasetError(
            f"{folder} holds no stored section", hint=f"Name the folder of the stores, which end in {STORE_SUFFIX}."
        )
    return found


def manifest_of_sections(stores: Sequence[Path], out: Path, on_step: OnProgress = ignore_progress) -> NewManifest:
    """Write a manifest of the sections that are labelled low or high.

    Frames that do not count in the score, as a person excluded them or took their field again, are not listed; of a
    section without any, one line lists all fields.

    Parameters
    ----------
    stores : sequence of Path
        Stored sections, labelled or not.
    out : Path
        New file.
    on_step : callable
        Takes each section.

    Returns
    -------
    NewManifest
        Its `left_out` counts sections without a label, those that are left out, and frames that do not count.

    Raises
    ------
    DatasetError
        If no section is labelled, two stores are of one section, a store cannot be read, or the images cannot be
        trained on together (`write_manifest`). Further problems are its notes.
    StoreExistsError
        If there is a file of that name.
    """
    refuse_existing(out)
    found: list[tuple[Row, list[LabelledImage]]] = []
    problems: list[HccScopeError] = []
    unlabelled, left_out, not_listed = [], [], _NotListed()
    of_section: dict[tuple[str, str], Path] = {}
    for n, store in enumerate(stores):
        on_step(Progress("sections", n, len(stores), store.name))
        try:
            log = read_notes_log(store)
            label = certain_label(store, log)
            if label is None:
                unlabelled.append(store.name)
            elif label == "leave out":
                left_out.append(store.name)
            else:
                lines = _lines(store, label, log, len(found) + 2, not_listed)
                image = lines[0][1][0]
                other = of_section.setdefault(image.section, store)
                if other != store:
                    raise DatasetError(
                        f"Animal {image.animal_id}, section {image.section_id} is in two stores, {other} and {store}",
                        hint="Label one of them 'leave out'.",
                    )
                found += lines
        except HccScopeError as error:
            problems.append(error)
    raise_all(problems)
    if not found:
        raise DatasetError(f"None of {counted(len(stores), 'section')} is labelled low or high", hint=_LABEL_HINT)
    sentences = []
    if unlabelled:
        sentences.append(f"{counted(len(unlabelled), 'section')} without a label: {listed(unlabelled)}.")
    if left_out:
        sentences.append(f"{counted(len(left_out), 'section')} left out by their label: {listed(left_out)}.")
    if not_listed.excluded:
        sentences.append(f"{counted(not_listed.excluded, 'field')} excluded from the score of their sections.")
    if not_listed.replaced:
        sentences.append(f"{counted(not_listed.replaced, 'frame')} of fields that were taken again.")
    return write_manifest(out, found, sentences)


@dataclass
class _NotListed:
    """Frames of labelled sections that are not listed."""

    excluded: int = 0
    replaced: int = 0


def _lines(
    store: Path, label: Literal["low", "high"], log: NotesLog, first_line: int, not_listed: _NotListed
) -> list[tuple[Row, list[LabelledImage]]]:
    """Return the lines of a store with their images."""
    assert is_store(store)
    spec = opened_store(store).spec

    def row(line: int, page: int | None, day: str = "") -> Row:
        return Row(
            line=line,
            path=store.absolute(),
            written_path=str(store),
            tumour_class=label,
            animal_id=composed(spec.animal_id),
            section_id=composed(spec.section_id),
            day=day,
            pixel_size_um=None,
            bit_depth=None,
            page=page,
        )

    images = images_of_store(row(first_line, None), str(store))
    there = {image.index for image in images}
    replaced = there.intersection(stored_retakes(log.notes, max(there) + 1).set_aside(lambda seq: seq in there))
    excluded = (excluded_fields(log.notes).keys() & there) - replaced  # a mark on a replaced frame has no effect
    kept = [image for image in images if image.index not in excluded | replaced]
    if not kept:
        raise DatasetError(f"All fields of {store} are excluded from its score", hint="Label it 'leave out'.")
    not_listed.excluded += len(excluded)
    not_listed.replaced += len(replaced)
    if len(kept) == len(images):
        return [(row(first_line, None, images[0].day), images)]
    return [(row(first_line + n, image.index, image.day), [image]) for n, image in enumerate(kept)]
