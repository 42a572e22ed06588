"""The list of labelled images: a CSV or TSV with one row per file, page or store (``docs/datasets.md``).

Rows are read strictly: an unknown column, an empty value or a number that is none is an error with its line, never
a guess. Of the images only the headers are read here, so a list of thousands takes seconds.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from hcc_scope.datasets.images import frames_of, is_store, opened_store, read_headers
from hcc_scope.datasets.labelled import CLASSES, LabelledImage, LabelledSet
from hcc_scope.errors import DatasetError, ImageError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "COHORT_FILE",
    "COLUMNS",
    "PIXEL_SIZE_TOLERANCE",
    "SMALLEST_PX",
    "Row",
    "images_of",
    "labelled_set",
    "listed",
    "parse_rows",
    "read_manifest",
    "require_distinct",
    "synthetic_sentence",
]

COLUMNS = ("path", "class", "animal_id", "section_id", "day", "pixel_size_um")
OPTIONAL = ("bit_depth", "page")
_FROM_STORES = frozenset({"animal_id", "section_id", "day", "pixel_size_um", "bit_depth"})
"""May be empty for a store, which knows them."""

COHORT_FILE = "cohort.json"
"""Beside the manifest of images that are no tissue: what they are."""

PIXEL_SIZE_TOLERANCE = 0.05
"""Images may differ from their median by this share, as a model's card allows by default."""

SMALLEST_PX = 512
"""The models' tile: a smaller image holds none."""

_SUFFIX_DELIMITER = {".tsv": "\t", ".tab": "\t"}
_DELIMITERS = (",", ";", "\t")
_SAME_SIZE = 1e-3
"""Relative: what rounding in a spreadsheet does to a pixel size."""
_NAMED = 5
"""Images that a message names before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest, each value checked on its own; None and "" where a store will know."""

    line: int
    """In the file, from 1; of a record over several lines the first."""
    path: Path
    """Absolute."""
    written_path: str
    """As in the manifest."""
    tumour_class: Literal["low", "high"]
    animal_id: str
    section_id: str
    day: str
    pixel_size_um: float | None
    bit_depth: int | None
    page: int | None


def read_manifest(path: Path) -> LabelledSet:
    """Read a manifest and the headers of its images, and refuse what cannot be trained on together.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab: told from its first line) or TSV, UTF-8 with or without a byte-order mark. Paths
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
        If bit depths or pixel sizes differ, an image is smaller than a tile, an animal has both classes, or there is
        one class alone.
    """
    rows = parse_rows(path, _raise)
    found = [(row, image) for row in rows for image in images_of(row, path)]
    require_distinct(path, found, _raise)
    return labelled_set(path, found)


def labelled_set(manifest: Path, found: Sequence[tuple[Row, LabelledImage]]) -> LabelledSet:
    """Return images as a set that can be trained on.

    Raises
    ------
    DatasetError
        As `read_manifest`.
    ManifestError
        If ``cohort.json`` beside the manifest cannot be read.
    """
    images = tuple(image for _, image in found)
    _require_alike(manifest, images)
    return LabelledSet(
        manifest=manifest.absolute(),
        images=images,
        pixel_size_um=statistics.median(image.pixel_size_um for image in images),
        bit_depth=images[0].bit_depth,
        fingerprint=_fingerprint(found),
        synthetic=synthetic_sentence(manifest, images),
    )


# ---- the text -------------------------------------------------------------------------------------------------------


def parse_rows(path: Path, on_error: Callable[[ManifestError], None]) -> list[Row]:
    """Read the rows of a manifest.

    Parameters
    ----------
    path : Path
        Of the manifest.
    on_error : callable
        Takes the error of one row; if it returns, that row is left out.

    Raises
    ------
    ManifestError
        If the file cannot be read, or its columns are not those of a manifest.
    """
    text = _text(path)
    delimiter = _delimiter(path, text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    rows: list[Row] = []
    line = 1
    try:
        for cells in lines:
            first, line = line, lines.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(path, cells)
                continue
            try:
                rows.append(_row(path, first, columns, cells, delimiter))
            except ManifestError as error:
                on_error(error)
    except csv.Error as error:
        raise ManifestError(f"{path}, line {line}: {error}", hint="Check the quotes.") from error
    if columns is None:
        raise ManifestError(f"{path} is empty", hint=f"Its first line names the columns: {','.join(COLUMNS)}.")
    return rows


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"The manifest {path} cannot be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ManifestError(
            f"{path}, line {line}: not UTF-8", hint="Save it as 'CSV UTF-8' (so Excel calls it)."
        ) from error


def _delimiter(path: Path, text: str) -> str:
    """Return what parts the columns: by the suffix, else what finds the most known names in the first line."""
    known = {*COLUMNS, *OPTIONAL}
    first = next((line for line in text.splitlines() if line.strip()), "")

    def names(delimiter: str) -> int:
        return sum(cell.strip().strip('"').lower() in known for cell in first.split(delimiter))

    preferred = _SUFFIX_DELIMITER.get(path.suffix.lower(), ",")
    return max(_DELIMITERS, key=lambda delimiter: (names(delimiter), delimiter == preferred))


def _columns(path: Path, cells: Sequence[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    known = (*COLUMNS, *OPTIONAL)
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"A manifest has {', '.join(known)}."
            raise ManifestError(f"{path}, line 1: unknown column {name!r}", hint=hint)
    if twice := [name for name, n in Counter(columns).items() if n > 1]:
        raise ManifestError(f"{path}, line 1: the column {twice[0]} is there twice", hint="Remove one.")
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ManifestError(
            f"{path}, line 1: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}",
            hint=f"A manifest has {', '.join(COLUMNS)}; optional are {' and '.join(OPTIONAL)}.",
        )
    return columns


def _row(manifest: Path, line: int, columns: Sequence[str], cells: Sequence[str], delimiter: str) -> Row:
    where = f"{manifest}, line {line}"
    if len(cells) != len(columns):
        raise ManifestError(
            f"{where}: {len(cells)} values for {len(columns)} columns", hint="Quote a value that holds the delimiter."
        )
    value = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    written = value["path"]
    if not written:
        raise ManifestError(f"{where}: path is empty", hint="Fill it in or remove the line.")
    if "\0" in written:
        raise ManifestError(f"{where}: path holds a character that no file name has")
    path = (manifest.absolute().parent / written).absolute()
    for name in COLUMNS:
        if not value[name] and not (name in _FROM_STORES and is_store(path)):
            raise ManifestError(f"{where}: {name} is empty", hint="Fill it in; only a store's row may leave it out.")
    tumour_class = value["class"].lower()
    if tumour_class not in CLASSES:
        raise ManifestError(
            f"{where}: the class is {value['class']!r}, not low or high", hint="Name every image's class low or high."
        )
    pixel_size = _number(where, "pixel_size_um", value["pixel_size_um"], delimiter)
    if pixel_size is not None and not (math.isfinite(pixel_size) and pixel_size > 0):
        raise ManifestError(f"{where}: a pixel size of {value['pixel_size_um']} um cannot be", hint="Give it in um.")
    bit_depth = _whole(where, "bit_depth", value.get("bit_depth", ""))
    if bit_depth is not None and not 1 <= bit_depth <= 16:
        raise ManifestError(f"{where}: a bit depth of {bit_depth} is not within 1 to 16")
    page = _whole(where, "page", value.get("page", ""))
    if page is not None and page < 0:
        raise ManifestError(f"{where}: page {page} is negative", hint="The first page is 0.")
    return Row(
        line=line,
        path=path,
        written_path=written,
        tumour_class=CLASSES[CLASSES.index(tumour_class)],
        animal_id=value["animal_id"],
        section_id=value["section_id"],
        day=value["day"],
        pixel_size_um=pixel_size,
        bit_depth=bit_depth,
        page=page,
    )


def _number(where: str, name: str, text: str, delimiter: str) -> float | None:
    if not text:
        return None
    if delimiter != "," and "." not in text:
        text = text.replace(",", ".", 1)  # where spreadsheets part columns by semicolons, they write 0,325
    try:
        return float(text)
    except ValueError:
        raise ManifestError(f"{where}: {name} is {text!r}, which is no number") from None


def _whole(where: str, name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ManifestError(f"{where}: {name} is {text!r}, which is no whole number") from None


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
        return _frames(row, where) if is_store(row.path) else _pages(row, where)
    except ImageError as error:
        raise ImageError(f"{where}: {error.message}", hint=error.hint) from error


def _pages(row: Row, where: str) -> list[LabelledImage]:
    assert row.pixel_size_um is not None  # only a store's row may lack it
    images = []
    for header in read_headers(row.path, row.page):
        if row.bit_depth is not None and row.bit_depth > header.bit_depth:
            raise ManifestError(
                f"{where}: bit_depth is {row.bit_depth}, but {row.path.name} holds numbers of {header.bit_depth} bits"
            )
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
                bit_depth=row.bit_depth or header.bit_depth,
            )
        )
    return images


def _frames(row: Row, where: str) -> list[LabelledImage]:
    frames = frames_of(row.path, row.page)
    store = opened_store(row.path)
    spec = store.spec
    entries = {entry.seq: entry for entry in store.journal if entry is not None}
    day = entries[min(entries)].t_utc.date().isoformat()
    images = []
    for header in frames:
        pixel_size = entries[header.index].pixel_size_um or spec.pixel_size_um
        for name, given, known in (
            ("animal_id", row.animal_id, spec.animal_id),
            ("section_id", row.section_id, spec.section_id),
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
                animal_id=spec.animal_id,
                section_id=spec.section_id,
                day=day,
                pixel_size_um=pixel_size,
                shape_yx=header.shape_yx,
                bit_depth=header.bit_depth,
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


def _require_alike(manifest: Path, images: Sequence[LabelledImage]) -> None:
    """Refuse images that cannot be trained on together."""
    if not images:
        raise DatasetError(f"{manifest} lists no image", hint="Add a row for each.")
    classes = {image.tumour_class for image in images}
    if len(classes) == 1:
        missing = next(name for name in CLASSES if name not in classes)
        raise DatasetError(
            f"{manifest} has images of the class {images[0].tumour_class} alone", hint=f"Add images of class {missing}."
        )
    depths = Counter(image.bit_depth for image in images)
    if len(depths) > 1:
        usual = depths.most_common(1)[0][0]
        odd = [f"{image.name} ({image.bit_depth} bit)" for image in images if image.bit_depth != usual]
        raise DatasetError(
            f"{manifest}: most images have {usual} bit, but not {listed(odd)}",
            hint="Train on images of one bit depth; the column bit_depth can correct what a file claims.",
        )
    usual_um = statistics.median(image.pixel_size_um for image in images)
    odd = [
        f"{image.name} ({image.pixel_size_um:g} um)"
        for image in images
        if abs(image.pixel_size_um / usual_um - 1) > PIXEL_SIZE_TOLERANCE
    ]
    if odd:
        raise DatasetError(
            f"{manifest}: pixel sizes are more than {PIXEL_SIZE_TOLERANCE:.0%} from the median of {usual_um:g} um "
            f"in {listed(odd)}",
            hint="Train on images of one pixel size, or resample the odd ones.",
        )
    small = [f"{image.name} ({image.shape_yx[0]} x {image.shape_yx[1]})" for image in images if not _holds_tile(image)]
    if small:
        raise DatasetError(
            f"{manifest}: smaller than a tile of {SMALLEST_PX} x {SMALLEST_PX} px: {listed(small)}",
            hint="Remove them from the manifest.",
        )
    of_animal: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        of_animal[image.animal_id].add(image.tumour_class)
    if both := sorted(animal for animal, names in of_animal.items() if len(names) > 1):
        raise DatasetError(
            f"{manifest}: images of both classes come from the animal {listed(both)}",
            hint="A tumour has one class: give different animals different ids, or correct the class.",
        )


def _holds_tile(image: LabelledImage) -> bool:
    return min(image.shape_yx) >= SMALLEST_PX


def _fingerprint(found: Sequence[tuple[Row, LabelledImage]]) -> str:
    from hcc_scope.storage.metadata import JOURNAL

    states: dict[Path, tuple[int, int]] = {}
    digest = hashlib.sha256()
    for row, image in found:
        if image.path not in states:
            # a store's journal grows with its frames, and says what each one's pixels are
            file = image.path / JOURNAL if is_store(image.path) else image.path
            try:
                state = file.stat()
            except OSError as error:
                raise ImageError(f"{file} has gone: {error.strerror or error}") from error
            states[image.path] = (state.st_size, state.st_mtime_ns)
        said = [
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
        ]
        digest.update(json.dumps(said, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()


def synthetic_sentence(manifest: Path, images: Sequence[LabelledImage]) -> str | None:
    """Return what images are if they are no tissue: from ``cohort.json`` beside the manifest, or what a store says.

    Raises
    ------
    ManifestError
        If there is a ``cohort.json`` without that sentence: nobody may then say what the images are.
    """
    path = manifest.absolute().parent / COHORT_FILE
    if path.exists():
        try:
            sentence = json.loads(path.read_bytes())["synthetic"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ManifestError(
                f"{path} does not say what the images are: {error!r}", hint="Make the cohort anew, or move the file."
            ) from error
        if not isinstance(sentence, str) or not sentence:
            raise ManifestError(f"{path} does not say what the images are: 'synthetic' is no sentence")
        return sentence
    stores = sorted({image.path for image in images if is_store(image.path)})
    told = {opened_store(store).spec.provenance.get("specimen") for store in stores}
    phantoms = sorted(str(what) for what in told if what and "phantom" in str(what))
    return f"Among the images: {', '.join(phantoms)}." if phantoms else None


def _raise(error: ManifestError) -> NoReturn:
    raise error
