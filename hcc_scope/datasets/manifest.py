"""The list of labelled images: a CSV or TSV with one row per file, page or store (``docs/datasets.md``).

Rows are read strictly: an unknown column, an empty value or a number that is none is an error with its line, never
a guess. Of the images only the headers are read here, so a list of thousands takes seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NoReturn

from hcc_scope.datasets.given_paths import without_dots
from hcc_scope.datasets.images import frames_of, is_store, opened_store, read_headers
from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage, LabelledSet
from hcc_scope.datasets.manifest_rows import composed, parse_rows
from hcc_scope.errors import DatasetError, ImageError, ManifestError
from hcc_scope.formatting import counted
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from hcc_scope.datasets.header import Header
    from hcc_scope.datasets.manifest_rows import Row

__all__ = [
    "COHORT_FILE",
    "PIXEL_SIZE_TOLERANCE",
    "SMALLEST_PX",
    "counted",
    "holds_tile",
    "images_of",
    "images_of_file",
    "images_of_store",
    "listed",
    "mixtures",
    "read_manifest",
    "require_distinct",
    "synthetic_sentence",
]

COHORT_FILE = "cohort.json"
"""Beside the manifest of images that are no tissue: what they are."""

PIXEL_SIZE_TOLERANCE = 0.05
"""Images may differ from their median by this share, as a model's card allows by default."""

SMALLEST_PX = 512
"""The models' tile: a smaller image holds none."""

_FEWEST_BITS = 8
_MOST_COHORT_BYTES = 64 << 20
_LONGEST_SENTENCE = 2000
_SAME_SIZE = 1e-3
"""Relative: what rounding in a spreadsheet does to a pixel size."""
_NAMED = 5
"""Images that a message names before it only counts the others."""


def read_manifest(path: Path) -> LabelledSet:
    """Read a manifest and the headers of its images, and refuse what cannot be trained on together.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab: its first line decides) or TSV, UTF-8 with or without a byte-order mark. Paths
        in it are relative to its folder.

    Returns
    -------
    LabelledSet
        Images in the order of the manifest, pages and frames ascending.

    Raises
    ------
    ManifestError
        If it is missing, has an unknown or missing column, a value that cannot be, or an image twice.
    ImageError
        If an image is missing, unreadable or of an unsupported kind.
    DatasetError
        If bit depths, pixel sizes or conversions of colour differ, an image is smaller than a tile, an animal has both
        classes, or there is one class alone.
    """
    rows = parse_rows(path, _raise)
    found = [(row, image) for row in rows for image in images_of(row, path)]
    require_distinct(path, found, _raise)
    images = tuple(image for _, image in found)
    for error in mixtures(path, images):
        raise error
    return LabelledSet(
        manifest=without_dots(path),
        images=images,
        pixel_size_um=statistics.median(image.pixel_size_um for image in images),
        bit_depth=images[0].bit_depth,
        fingerprint=_fingerprint(found),
        synthetic=synthetic_sentence(path, images),
    )


# ---- the images -----------------------------------------------------------------------------------------------------


def images_of(row: Row, manifest: Path) -> list[LabelledImage]:
    """Return the images that a row means, from the headers of its file.

    Raises
    ------
    ImageError
        If the file is missing, unreadable or of an unsupported kind.
    ManifestError
        If the row contradicts its store, or its bit depth does not fit.
    """
    where = f"{manifest}, line {row.line}"
    try:
        if is_store(row.path):
            return images_of_store(row, where)
        return images_of_file(row, read_headers(row.path, row.page, row.colour), where)
    except ImageError as error:
        raise ImageError(f"{where}: {error.message}", hint=error.hint) from error


def images_of_file(row: Row, headers: Sequence[Header], where: str) -> list[LabelledImage]:
    """Return the images of a row whose file has these headers; `where` begins the sentence of an error.

    Raises
    ------
    ManifestError
        If the row's bit depth does not fit.
    """
    assert row.pixel_size_um is not None  # only a store's row may lack it
    images = []
    for header in headers:
        if row.bit_depth is not None and row.bit_depth > header.bit_depth:
            raise ManifestError(
                f"{where}: bit_depth is {row.bit_depth}, but {row.path.name} holds numbers of {header.bit_depth} bits"
            )
        said_bits = header.significant_bits
        if said_bits is not None and not _FEWEST_BITS <= said_bits <= header.bit_depth:
            said_bits = None  # of other numbers than these
        images.append(
            LabelledImage(
                path=row.path,
                index=header.index,
                tumour_class=row.tumour_class,
                animal_id=row.animal_id,
                section_id=row.section_id,
                day=row.day,
                pixel_size_um=row.pixel_size_um,
                shape_yx=header.shape_yx,
                bit_depth=row.bit_depth or said_bits or header.bit_depth,
                file_bits=said_bits,
                file_pixel_size_yx_um=header.pixel_size_yx_um,
                site=row.site or None,
                batch=row.batch or None,
                colour=row.colour,
            )
        )
    return images


def images_of_store(row: Row, where: str) -> list[LabelledImage]:
    """Return the images of a row that names a store; `where` begins the sentence of an error.

    Raises
    ------
    ImageError
        If the store cannot be opened, or has no frame.
    ManifestError
        If the row contradicts it.
    """
    frames = frames_of(row.path, row.page)
    store = opened_store(row.path)
    spec = store.spec
    entries = {entry.seq: entry for entry in store.journal if entry is not None}
    animal, section = composed(spec.animal_id), composed(spec.section_id)
    day = entries[min(entries)].t_utc.date().isoformat()
    images = []
    for header in frames:
        pixel_size = entries[header.index].pixel_size_um or spec.pixel_size_um
        for name, given, known in (
            ("animal_id", row.animal_id, animal),
            ("section_id", row.section_id, section),
            ("day", row.day, day),
            ("bit_depth", row.bit_depth, header.bit_depth),
        ):
            if given and given != known:
                raise _contradiction(where, name, given, row.path, known)
        if row.pixel_size_um and not math.isclose(row.pixel_size_um, pixel_size, rel_tol=_SAME_SIZE):
            raise _contradiction(where, "pixel_size_um", row.pixel_size_um, row.path, pixel_size)
        images.append(
            LabelledImage(
                path=row.path,
                index=header.index,
                tumour_class=row.tumour_class,
                animal_id=animal,
                section_id=section,
                day=day,
                pixel_size_um=pixel_size,
                shape_yx=header.shape_yx,
                bit_depth=header.bit_depth,
                site=row.site or None,
                batch=row.batch or None,
            )
        )
    return images


def _contradiction(where: str, name: str, given: object, store: Path, known: object) -> ManifestError:
    return ManifestError(
        f"{where}: {name} is {given}, but {store.name} was recorded with {known}",
        hint="Leave it empty, and it is taken from the store.",
    )


def require_distinct(
    manifest: Path, found: Iterable[tuple[Row, LabelledImage]], on_error: Callable[[ManifestError], None]
) -> None:
    """Report every image that two rows mean."""
    first: dict[tuple[Path, int], int] = {}
    resolved: dict[Path, Path] = {}
    for row, image in found:
        if row.path not in resolved:
            resolved[row.path] = row.path.resolve()
        line = first.setdefault((resolved[row.path], image.index), row.line)
        if line != row.line:
            on_error(
                ManifestError(
                    f"{manifest}, line {row.line}: {image.name} is listed already on line {line}",
                    hint="Remove one of the lines.",
                )
            )


def listed(names: Sequence[str]) -> str:
    """Return some names for a message, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b"]), listed(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def mixtures(manifest: Path, images: Sequence[LabelledImage]) -> list[DatasetError]:
    """Return why images cannot be trained on together; empty if they can."""
    if not images:
        return [DatasetError(f"{manifest} lists no image", hint="Add a row for each.")]
    errors: list[DatasetError] = []
    classes = {image.tumour_class for image in images}
    if len(classes) == 1:
        missing = next(name for name in CLASSES if name not in classes)
        errors.append(
            DatasetError(
                f"{manifest} has images of the class {images[0].tumour_class} alone",
                hint=f"Add images of class {missing}: one class alone gives nothing to classify.",
            )
        )
    depths = Counter(image.bit_depth for image in images)
    if len(depths) > 1:
        usual = depths.most_common(1)[0][0]
        odd = [f"{image.name} ({image.bit_depth} bit)" for image in images if image.bit_depth != usual]
        errors.append(
            DatasetError(
                f"{manifest}: most images have {usual} bit, but not {listed(odd)}",
                hint="Train on images of one bit depth; the column bit_depth can correct what a file claims.",
            )
        )
    ways = Counter(image.colour for image in images)
    if len(ways) > 1:
        usual_way = ways.most_common(1)[0][0]
        odd = [f"{image.name} ({image.colour or 'grey'})" for image in images if image.colour != usual_way]
        errors.append(
            DatasetError(
                f"{manifest}: most images are {'grey' if usual_way is None else f'converted by {usual_way}'}, but not "
                f"{listed(odd)}",
                hint="Grey and converted colour, or two conversions, differ as two microscopes do: use one of them.",
            )
        )
    usual_um = statistics.median(image.pixel_size_um for image in images)
    odd = [
        f"{image.name} ({image.pixel_size_um:g} um)"
        for image in images
        if abs(image.pixel_size_um / usual_um - 1) > PIXEL_SIZE_TOLERANCE
    ]
    if odd:
        errors.append(
            DatasetError(
                f"{manifest}: pixel sizes are more than {PIXEL_SIZE_TOLERANCE:.0%} from the median of {usual_um:g} um "
                f"in {listed(odd)}",
                hint="Train on images of one pixel size, or resample the odd ones.",
            )
        )
    small = [f"{image.name} ({image.shape_yx[0]} x {image.shape_yx[1]})" for image in images if not holds_tile(image)]
    if small:
        errors.append(
            DatasetError(
                f"{manifest}: smaller than a tile of {SMALLEST_PX} x {SMALLEST_PX} px: {listed(small)}",
                hint="Remove them from the manifest.",
            )
        )
    of_animal: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        of_animal[image.animal_id].add(image.tumour_class)
    if both := sorted(animal for animal, names in of_animal.items() if len(names) > 1):
        errors.append(
            DatasetError(
                f"{manifest}: images of both classes come from the animal {listed(both)}",
                hint="A tumour has one class: give different animals different ids, or correct the class.",
            )
        )
    return errors


def holds_tile(image: LabelledImage) -> bool:
    """Return whether an image is no smaller than a tile."""
    return min(image.shape_yx) >= SMALLEST_PX


def _fingerprint(found: Sequence[tuple[Row, LabelledImage]]) -> str:
    from hcc_scope.storage.metadata import JOURNAL

    states: dict[Path, tuple[int, int]] = {}
    digest = hashlib.sha256()
    for row, image in found:
        if image.path not in states:
            # a store's journal grows with its frames, and records what each one's pixels are
            file = image.path / JOURNAL if is_store(image.path) else image.path
            try:
                state = file.stat()
            except OSError as error:
                raise ImageError(f"{file} has gone: {error.strerror or error}") from error
            states[image.path] = (state.st_size, state.st_mtime_ns)
        facts = [
            row.written_path,
            image.index,
            image.tumour_class,
            image.animal_id,
            image.section_id,
            image.day,
            image.pixel_size_um,
            image.shape_yx,
            image.bit_depth,
            *states[image.path],
            *([] if image.colour is None else [image.colour]),  # sets without colour keep their fingerprint
        ]
        if image.site is not None or image.batch is not None:  # without them, the fingerprint of earlier versions
            facts.append([image.site, image.batch])
        digest.update(json.dumps(facts, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()


def synthetic_sentence(manifest: Path, images: Sequence[LabelledImage]) -> str | None:
    """Return what images are if they are no tissue: from ``cohort.json`` beside the manifest, or from a store's facts.

    Raises
    ------
    ManifestError
        If there is a ``cohort.json`` without that sentence: what the images are is then unknown.
    """
    path = manifest.absolute().parent / COHORT_FILE
    if os.path.lexists(path):
        return _cohort_sentence(path)
    stores = sorted({image.path for image in images if is_store(image.path)})
    specimens = {opened_store(store).recorded.provenance.specimen for store in stores}
    phantoms = sorted(str(what) for what in specimens if what and "phantom" in str(what))
    return f"Among the images: {', '.join(phantoms)}." if phantoms else None


def _cohort_sentence(path: Path) -> str:
    hint = "Make the cohort again, or move the file."
    try:
        known = json.loads(read_small_file(path, _MOST_COHORT_BYTES))
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is damaged: it is no JSON", hint=hint) from error
    sentence = known.get("synthetic") if isinstance(known, dict) else None
    if not isinstance(sentence, str) or not sentence.strip() or not sentence.isprintable():
        raise ManifestError(f"{path} does not name the kind of images: it has no sentence under 'synthetic'", hint=hint)
    if len(sentence) > _LONGEST_SENTENCE:
        raise ManifestError(f"{path} has {len(sentence)} letters under 'synthetic', which is no sentence", hint=hint)
    return sentence


def _raise(error: ManifestError) -> NoReturn:
    raise error
