"""TIFF and PNG files as one collection of images: a file, several files, or all of a folder.

A file states by itself what its pages are (`hcc_scope.imports.tiff_file`); each file is an image of its own, unless the
files state that they hold parts of one dataset.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hcc_scope.datasets.decoders import decoded
from hcc_scope.datasets.image_kind import image_kind
from hcc_scope.datasets.pngs import png_facts, png_stored
from hcc_scope.datasets.tiff_pages import load_tifffile
from hcc_scope.errors import ImageError
from hcc_scope.formatting import counted
from hcc_scope.imports.collection import ImageCollection
from hcc_scope.imports.described import Described, Found, as_found, few, listed
from hcc_scope.imports.facts import Facts, plain
from hcc_scope.imports.tiff_file import TiffPlace, describe_tiff, read_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.imports.collection import Plane
    from hcc_scope.types import TagValue

__all__ = ["ENDINGS", "ImageFiles", "describe_file", "image_files_in", "natural_order"]

ENDINGS = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".stk", ".lsm", ".png")
"""Of the files of a folder that are looked at; what they are, their first bytes decide."""
_OPEN_FILES = 4
_DIGITS = re.compile(r"(\d+)")


def describe_file(path: Path) -> Described:
    """Return the images of a TIFF or PNG file.

    Raises
    ------
    ImageError
        If it has none that can be read.
    """
    return describe_tiff(path) if image_kind(path) == "tiff" else _describe_png(path)


def _describe_png(path: Path) -> Described:
    facts = decoded(path, "cannot be read", lambda: png_facts(path))
    tags: dict[str, TagValue] = {f"PNG.{key}": plain(text) for key, text in facts.texts.items()}
    found = as_found(
        path,
        None,
        path.name,
        path,
        Facts(pixel_size_yx_um=facts.pixel_size_yx_um, tags=tags),
        shape_yx=facts.shape_yx,
        dtype="uint8" if facts.bits == 8 else "uint16",
        bit_depth=facts.bits,
        colour=facts.colour,
    )
    return Described("PNG", [found])


def natural_order(path: Path) -> list[object]:
    """Return a key that sorts ``img_2`` before ``img_10``."""
    return [int(part) if part.isdecimal() else part.lower() for part in _DIGITS.split(path.name)]


def image_files_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, but not of those within, in the order of their names.

    Raises
    ------
    ImageError
        If it cannot be listed.
    """
    try:
        every = list(folder.iterdir())
    except OSError as error:
        raise ImageError(f"{folder} cannot be listed: {error.strerror or error}") from error
    images = [one for one in every if one.suffix.lower() in ENDINGS and not one.name.startswith(".")]
    return sorted((one for one in images if one.is_file()), key=natural_order)


class ImageFiles(ImageCollection):
    """Files of images, given together or in one folder.

    For one thread at a time.

    Parameters
    ----------
    path : Path
        What was opened: the file, or the folder.
    files : sequence of Path
        In their order.
    describe : callable
        Returns what is in one of them.
    problems : sequence of str
        That are known already.

    Raises
    ------
    ImageError
        If no file has an image that can be read; the reason is that of the first one.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        describe: Callable[[Path], Described] = describe_file,
        problems: Iterable[str] = (),
    ) -> None:
        self.path = path
        self._problems = list(problems)
        self._open: OrderedDict[Path, Any] = OrderedDict()
        found: list[Found] = []
        formats: list[str] = []
        names: tuple[str, ...] = ()
        others: set[str] = set()
        left_out: list[tuple[str, ImageError]] = []
        apart = describe is describe_file and len({file.parent for file in files}) > 1
        for file in files:
            try:
                one = describe(file)
            except ImageError as error:
                left_out.append((file.name, error))
                continue
            found += one.found if not apart else [_with_folder(each) for each in one.found]
            formats += [one.format] if one.format not in formats else []
            names = max(names, one.channel_names, key=len)
            others |= one.others
            self._problems += one.problems
        if not found:
            raise (
                left_out[0][1]
                if left_out
                else ImageError(f"{path} holds no TIFF or PNG file", hint="Name the folder that holds the images.")
            )
        self._problems += listed(left_out)
        if missing := others - {file.name for file in files}:
            n = counted(len(missing), "other file")
            self._problems.append(
                f"{path.name} belongs to a dataset with {n} that this import does not read: {few(missing)}"
            )
        self.format = " and ".join(formats)
        self._channel_names = names
        found, self._planes = _in_order(self._each_once(found))
        self._places = [(one.path, one.place) for one in found]

    @property
    def planes(self) -> Sequence[Plane]:
        """By series, and in each by time, z and channel; series are in the order of the files."""
        return self._planes

    @property
    def channel_names(self) -> Sequence[str]:
        """By index; empty where none is named."""
        return self._channel_names

    @property
    def problems(self) -> Sequence[str]:
        """What is damaged or missing, a sentence each."""
        return tuple(self._problems)

    def read(self, index: int) -> NDArray[Any]:
        """Return the pixels of ``planes[index]``: (y, x) or (y, x, 3), counts or numbers of floating point.

        Raises
        ------
        ImageError
            If this plane is damaged, or has changed since it was described.
        """
        (path, place), plane = self._places[index], self._planes[index]
        if isinstance(place, TiffPlace):
            pixels = read_tiff(path, self._tiff(path), place)
        else:
            pixels = decoded(path, "cannot be decoded", lambda: png_stored(path))
        if pixels.shape[:2] != plane.shape_yx or pixels.dtype.name != plane.dtype:
            raise ImageError(
                f"{path} has changed: {plane.where} is {pixels.shape} of {pixels.dtype} now and was "
                f"{plane.shape_yx} (y, x) of {plane.dtype}"
            )
        return pixels

    def _each_once(self, found: list[Found]) -> list[Found]:
        """Return the images without those that another file holds as well, as a copy of a file of a dataset does."""
        kept: dict[tuple[Hashable, int, int, int], Path] = {}
        for one in found:
            place = (one.series, one.plane.time, one.plane.z, one.plane.channel)
            kept[place] = min(kept.get(place, one.path), one.path, key=lambda path: (len(path.name), path))
        twice: dict[tuple[Path, Path], int] = {}
        left: list[Found] = []
        for one in found:
            holder = kept[one.series, one.plane.time, one.plane.z, one.plane.channel]
            if holder == one.path:
                left.append(one)
            else:
                twice[one.path, holder] = twice.get((one.path, holder), 0) + 1
        self._problems += [
            f"{path.name} holds {counted(n, 'image')} of the same position, time, z and channel as {holder.name}: what "
            "it holds twice is left out"
            for (path, holder), n in twice.items()
        ]
        return left

    def _tiff(self, path: Path) -> Any:  # noqa: ANN401
        """Return a file, kept open for its next page."""
        if path in self._open:
            self._open.move_to_end(path)
        else:
            self._open[path] = decoded(path, "cannot be opened", lambda: load_tifffile().TiffFile(path))
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        return self._open[path]

    def close(self) -> None:
        """Close the files. Idempotent."""
        while self._open:
            self._open.popitem()[1].close()


def _with_folder(found: Found) -> Found:
    """Return a plane that is named with its folder: files of several folders may have one name."""
    where = f"{found.path.parent.name}/{found.plane.where}"
    return found._replace(plane=replace(found.plane, where=where))


def _in_order(found: list[Found]) -> tuple[list[Found], list[Plane]]:
    """Return planes by series, time, z and channel, with their series counted in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    for one in found:
        numbers.setdefault(one.series, len(numbers))
    found = sorted(found, key=lambda one: (numbers[one.series], one.plane.time, one.plane.z, one.plane.channel))
    by_page = _page_positions(found)
    planes = [
        replace(
            one.plane,
            series=numbers[one.series],
            stage_um=one.plane.stage_um if by_page is None else by_page[i],
        )
        for i, one in enumerate(found)
    ]
    return found, planes


def _page_positions(found: list[Found]) -> list[tuple[float, float, float | None]] | None:
    """Return the fields' centres by TIFF's tags XPosition and YPosition, which give their upper left corners.

    None unless every image has both, and a pixel size, and they differ: programs that know of no position write zeros.
    """
    places: list[tuple[float, float, float | None]] = []
    for one in found:
        plane = one.plane
        x, y = (plane.tags.get(f"{axis}Position_um") for axis in "XY")
        size = plane.pixel_size_yx_um
        if plane.stage_um is not None or size is None or not isinstance(x, float) or not isinstance(y, float):
            return None
        places.append((x + plane.shape_yx[1] * size[1] / 2, y + plane.shape_yx[0] * size[0] / 2, None))
    return places if len(set(places)) > 1 else None
