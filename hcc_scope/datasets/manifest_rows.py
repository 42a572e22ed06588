"""The lines of a manifest, each checked on its own; the images that they mean are `hcc_scope.datasets.manifest`'s."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.colour import CONVERSIONS
from hcc_scope.datasets.given_paths import without_dots
from hcc_scope.datasets.header import GREY_HINT
from hcc_scope.datasets.images import is_store
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import ManifestError
from hcc_scope.small_files import expanded, read_small_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hcc_scope.colour import ColourConversion

__all__ = ["COLUMNS", "OPTIONAL", "Row", "composed", "parse_rows"]

COLUMNS = ("path", "class", "animal_id", "section_id", "day", "pixel_size_um")
OPTIONAL = ("bit_depth", "page", "site", "batch", "colour")
_ALL_OR_NONE = ("site", "batch")
"""Stated for every image or for none: a group without a name would be a group of its own."""
_OTHER_NAMES = {
    "centre": "site",
    "center": "site",
    "lab": "site",
    "laboratory": "site",
    "institution": "site",
    "hospital": "site",
    "scanner": "site",
    "microscope": "site",
    "staining_batch": "batch",
    "stain_batch": "batch",
    "size": "pixel_size_um",
}
"""What columns are also called, where it is not spelled like our name."""
_FROM_STORES = frozenset({"animal_id", "section_id", "day", "pixel_size_um", "bit_depth"})
"""May be empty for a store, which knows them."""

_SMALLEST_UM, _LARGEST_UM = 0.01, 10.0
"""Of a light microscope's pixel at the specimen, generously: beyond it someone wrote metres or nanometres."""

_SUFFIX_DELIMITER = {".tsv": "\t", ".tab": "\t"}
_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?[,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,9}(\.0{1,9})?", re.ASCII)
"""A spreadsheet writes 16 as 16.0 where a column once held a fraction."""
_FAILED_FORMULA = re.compile(r"#(?:[^\W\d_]+(?:[/ ][^\W\d_]+)*/?0?[!?]|N/A|NV|#+)")
"""What spreadsheets write where a formula failed, in any language: #N/A, #REF!, #NAME?, #DIV/0!, #BEZUG!, ####."""
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_SHOWN = 40
_MOST_BYTES = 64 << 20
"""Of a manifest: some 500,000 lines."""


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
    """In Unicode's composed form, as the section and the day."""
    section_id: str
    day: str
    pixel_size_um: float | None
    bit_depth: int | None
    page: int | None
    site: str = ""
    """"" if the manifest does not state it."""
    batch: str = ""
    colour: ColourConversion | None = None


def parse_rows(path: Path, on_error: Callable[[ManifestError], None], text: str | None = None) -> list[Row]:
    """Read the rows of a manifest.

    Parameters
    ----------
    path : Path
        Of the manifest.
    on_error : callable
        Takes the error of one row; if it returns, that row is left out.
    text : str, optional
        What is going to stand in it; the file is not read then.

    Raises
    ------
    ManifestError
        If the file cannot be read, or its columns are not those of a manifest.
    """
    text = _text(path) if text is None else text
    line = 1
    declared = _SEPARATOR_LINE.match(text)
    if declared is not None:  # for Excel, in no standard
        text, line = text[declared.end() :], 2
    delimiter = declared[1] if declared is not None else _delimiter(path, text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    rows: list[Row] = []
    above = line
    files = _Files(path.absolute().parent)
    try:
        for cells in lines:
            first, line = line, lines.line_num + above
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(path, first, cells)
                continue
            try:
                rows.append(_row(path, first, columns, cells, delimiter, files))
            except ManifestError as error:
                on_error(error)
    except csv.Error as error:
        raise ManifestError(f"{path}, line {line}: {error}", hint="Check the quotes.") from error
    if columns is None:
        raise ManifestError(f"{path} is empty", hint=f"Its first line names the columns: {','.join(COLUMNS)}.")
    _require_all_or_none(path, rows, on_error)
    return rows


def _require_all_or_none(path: Path, rows: Sequence[Row], on_error: Callable[[ManifestError], None]) -> None:
    """Report a column that some rows fill and others do not."""
    for name in _ALL_OR_NONE:
        empty = [row.line for row in rows if not getattr(row, name)]
        if empty and len(empty) < len(rows):
            more = f" (and in {len(empty) - 1} more)" if len(empty) > 1 else ""
            on_error(
                ManifestError(
                    f"{path}, line {empty[0]}: {name} is empty{more}, and other lines state it",
                    hint="Fill it in for every line, or for none.",
                )
            )


def composed(name: str) -> str:
    r"""Return a name in Unicode's composed form (NFC): what looks the same is the same, however it was typed.

    Examples
    --------
    >>> composed("Mu\u0308-1") == "M\xfc-1"
    True
    """
    return unicodedata.normalize("NFC", name)


def _text(path: Path) -> str:
    try:
        data = read_small_file(path, _MOST_BYTES)
    except OSError as error:
        raise ManifestError(f"The manifest {path} cannot be read: {error.strerror or error}") from error
    # Excel's 'Unicode text' is UTF-16
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in data.partition(b"\n")[0]:
        raise ManifestError(
            f"{path} is no text", hint="Name the manifest, a CSV or TSV file in UTF-8; the images are listed in it."
        )
    try:
        return data.decode(encoding).removeprefix("\ufeff")  # a second one, of files that were joined
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = "not UTF-8" if encoding == "utf-8-sig" else "not UTF-16, as its first bytes claim"
        raise ManifestError(
            f"{path}, line {line}: {what}", hint="Save it as 'CSV UTF-8' (so Excel calls it)."
        ) from error


def _delimiter(path: Path, text: str) -> str:
    """Return what parts the columns: by the suffix, else what finds the most known names in the first line."""
    known = {*COLUMNS, *OPTIONAL}
    first = next((line for line in text.splitlines() if line.strip()), "")

    def names(delimiter: str) -> int:
        return sum(cell.strip().strip('"').lower() in known for cell in first.split(delimiter))

    preferred = _SUFFIX_DELIMITER.get(path.suffix.lower(), ",")
    return max(_DELIMITERS, key=lambda delimiter: (names(delimiter), delimiter == preferred))


def _columns(path: Path, line: int, cells: Sequence[str]) -> list[str]:
    where = f"{path}, line {line}"
    columns = [cell.strip().lower() for cell in cells]
    while columns and not columns[-1]:  # spreadsheets write columns that were cleared
        columns.pop()
    known = (*COLUMNS, *OPTIONAL)
    for number, name in enumerate(columns, start=1):
        if not name:
            raise ManifestError(f"{where}: column {number} has no name", hint="Name it, or remove it.")
        if name not in known:
            other = _OTHER_NAMES.get(re.sub(r"[\s-]+", "_", name))
            near = difflib.get_close_matches(name, known, n=1) if other is None else [other]
            hint = f"Did you mean {near[0]}?" if near else f"A manifest has {', '.join(known)}."
            raise ManifestError(f"{where}: unknown column {name!r}", hint=hint)
    if twice := [name for name, n in Counter(columns).items() if n > 1]:
        raise ManifestError(f"{where}: the column {twice[0]} is there twice", hint="Remove one.")
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ManifestError(
            f"{where}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}",
            hint=f"A manifest has {', '.join(COLUMNS)}; optional are {', '.join(OPTIONAL[:-1])} and {OPTIONAL[-1]}.",
        )
    return columns


def _row(manifest: Path, line: int, columns: Sequence[str], cells: Sequence[str], delimiter: str, files: _Files) -> Row:
    where = f"{manifest}, line {line}"
    if len(cells) > len(columns) and not any(cell.strip() for cell in cells[len(columns) :]):
        cells = cells[: len(columns)]
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
    path = files.found(written)
    for name in COLUMNS:
        if not value[name] and not (name in _FROM_STORES and is_store(path)):
            raise ManifestError(f"{where}: {name} is empty", hint="Fill it in; only a store's row may leave it out.")
    for name in (*COLUMNS, *_ALL_OR_NONE):
        text = value.get(name, "")
        if not text.isprintable():
            odd = next(letter for letter in text if not letter.isprintable())
            what = unicodedata.name(odd, f"the character U+{ord(odd):04X}").lower()
            raise ManifestError(
                f"{where}: {name} holds {'a line break' if odd in _LINE_BREAKS else what}, which is invisible",
                hint="Type it again, in one line.",
            )
        if _FAILED_FORMULA.fullmatch(text) is not None:
            raise ManifestError(
                f"{where}: {name} is {text}, which a spreadsheet writes where a formula failed",
                hint="Correct it there and save the manifest again.",
            )
    tumour_class = value["class"].lower()
    if tumour_class not in CLASSES:
        raise ManifestError(
            f"{where}: the class is {value['class']!r}, not low or high", hint="Name every image's class low or high."
        )
    pixel_size = _number(where, "pixel_size_um", value["pixel_size_um"], delimiter)
    if pixel_size is not None and not _SMALLEST_UM <= pixel_size <= _LARGEST_UM:  # not for NaN either
        raise ManifestError(
            f"{where}: a pixel size of {value['pixel_size_um']} um cannot be",
            hint=f"Give it in um at the specimen: {_SMALLEST_UM:g} to {_LARGEST_UM:g}.",
        )
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
        animal_id=composed(value["animal_id"]),
        section_id=composed(value["section_id"]),
        day=composed(value["day"]),
        pixel_size_um=pixel_size,
        bit_depth=bit_depth,
        page=page,
        site=composed(value.get("site", "")),
        batch=composed(value.get("batch", "")),
        colour=_colour(where, value.get("colour", ""), path),
    )


def _colour(where: str, text: str, path: Path) -> ColourConversion | None:
    if not text:
        return None
    if is_store(path):
        raise ManifestError(f"{where}: colour is {_short(text)}, but a store holds grey frames", hint=GREY_HINT)
    for name in CONVERSIONS:
        if text.lower() == name:
            return name
    raise ManifestError(
        f"{where}: colour is {_short(text)}, which is no conversion to grey",
        hint=f"There are {', '.join(CONVERSIONS)}.",
    )


def _number(where: str, name: str, text: str, delimiter: str) -> float | None:
    if not text:
        return None
    number = text
    # where spreadsheets part columns by semicolons, they write 0,325; and 0, begins no group of thousands
    if (delimiter != "," and "." not in text) or text.startswith("0,"):
        number = text.replace(",", ".", 1)
    if _NUMBER.fullmatch(number) is None:
        raise ManifestError(f"{where}: {name} is {_short(text)}, which is no number", hint="Write it like 0.325.")
    return float(number)


def _whole(where: str, name: str, text: str) -> int | None:
    if not text:
        return None
    if _WHOLE.fullmatch(text) is None:
        raise ManifestError(f"{where}: {name} is {_short(text)}, which is no whole number")
    return int(float(text))


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


class _Files:
    """Files as a manifest names them: a name written on another system is still the same name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[Path, dict[str, list[str]]] = {}

    def found(self, written: str) -> Path:
        """Return the path that is meant; as written if there is no such file."""
        path = self._folder / written
        if os.path.lexists(path):
            return without_dots(path)
        candidates = [written]
        if "\\" in written:
            candidates.append(written.replace("\\", "/"))  # written on Windows
        if written.startswith("~"):
            candidates += [str(expanded(one)) for one in candidates]
        for one in candidates:
            other = self._otherwise_composed(self._folder / one)
            if os.path.lexists(other):
                return without_dots(other)
        return without_dots(path)

    def _otherwise_composed(self, path: Path) -> Path:
        """Return a path with each part as its folder has it, in whichever form of Unicode it was written."""
        found = type(path)(path.anchor)
        for part in path.parts[1:]:
            if part != ".." and not part.isascii() and not os.path.lexists(found / part):
                [same] = self._names_in(found).get(composed(part), []) or [part]
                found /= same
            else:
                found /= part
        return found

    def _names_in(self, folder: Path) -> dict[str, list[str]]:
        """Return the names in a folder by their composed form, without those that are not alone in it."""
        if folder not in self._names:
            names: dict[str, list[str]] = {}
            try:
                for name in os.listdir(folder):  # noqa: PTH208 - names alone are wanted
                    names.setdefault(composed(name), []).append(name)
            except OSError:
                names = {}  # the open call reports the reason
            self._names[folder] = {name: same for name, same in names.items() if len(same) == 1}
        return self._names[folder]
