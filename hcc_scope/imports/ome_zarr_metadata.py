"""What the attributes of an OME-Zarr state: which images it holds, their axes, scales and channels.

Version 0.4 keeps them in ``.zattrs`` (zarr version 2), 0.5 under the key ``ome`` of ``zarr.json`` (version 3). 0.1 to
0.3 are as 0.4 without scales; 0.6 has other coordinates and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hcc_scope.errors import COPY_AGAIN, ImageError
from hcc_scope.imports.facts import finite
from hcc_scope.imports.ome_zarr_frames import FRAMES_KEY
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.foreign_layout import read_zarr_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Group", "Multiscale", "images_of", "is_ome_zarr", "multiscale_of", "ome_xml_of", "read_group"]

_AXES: Final = ("t", "c", "z", "y", "x")
"""Also of version 0.1 and 0.2, which do not state them."""
_VERSIONS: Final = ("0.1", "0.2", "0.3", "0.4", "0.5")
_UM: Final[dict[str, float]] = {
    "angstrom": 1e-4, "picometer": 1e-6, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4,
    "meter": 1e6, "inch": 25_400.0, "nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "mm": 1e3,
}  # fmt: skip
"""Micrometres in the units of length that occur; NGFF asks for the long names."""
_S: Final[dict[str, float]] = {
    "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "s": 1.0,
    "ms": 1e-3,
}  # fmt: skip
_MOST_LENGTH: Final = 1e15
"""Of a scale or a place, in whatever unit."""
_MOST_XML_BYTES: Final = 2**24
"""Some 60,000 planes; the tree of its elements takes forty times as much."""
_MOST_IMAGES: Final = 1_000_000
_ONE_FIELD: Final = "Import one of its images by itself"
_ZARR_FILES: Final = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_OME_FOLDER: Final = "OME"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of zarr with OME's attributes."""

    folder: Path
    attributes: dict[str, Any]
    """Those of OME."""
    version: str
    """Of OME-Zarr."""
    frames: object = None
    """What ome-writers keeps about each frame (`hcc_scope.imports.ome_zarr_frames`), any JSON."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """One image: its array of full resolution, and what its axes mean."""

    folder: Path
    """Of the array."""
    axes: tuple[str, ...]
    """Of the array, in its order: ``t``, ``c``, ``z``, ``y``, ``x``, or the name of another kind."""
    scale: tuple[float, ...]
    translation: tuple[float, ...] | None
    """In the axes' units; None if none is stated."""
    unit: tuple[float | None, ...]
    """Micrometres or seconds in each axis's unit; None if it has none that is known."""
    channel_names: tuple[str, ...]
    name: str | None

    @property
    def is_unit_scale(self) -> bool:
        """Whether a pixel is 1 high and 1 wide, in whatever unit."""
        return all(self.scale[self.axes.index(axis)] == 1 for axis in ("y", "x"))

    def step(self, axis: str) -> float | None:
        """Return the distance of neighbours along an axis in um or s; None if it is not stated.

        OME-Zarr asks for a scale, so programs write 1 where they know none: pixels of 1 x 1 are not taken for stated.
        """
        if axis not in self.axes or (axis in {"y", "x"} and self.is_unit_scale):
            return None
        at = self.axes.index(axis)
        unit = self.unit[at]
        return None if unit is None else self.scale[at] * unit

    def origin(self, axis: str) -> float | None:
        """Return where the first pixel's centre lies along an axis, in um or s; None if it is not stated."""
        if axis not in self.axes or self.translation is None:
            return None
        at = self.axes.index(axis)
        unit = self.unit[at]
        return None if unit is None else self.translation[at] * unit


def is_ome_zarr(path: Path) -> bool:
    """Return whether a path is a folder of zarr; whether it holds an image that can be read, its reader reports."""
    try:
        return any((path / name).is_file() for name in _ZARR_FILES)
    except (OSError, ValueError):  # a name that no file can have
        return False


def read_group(folder: Path) -> Group | None:
    """Return a group's attributes of OME; None if it is no group, or has none.

    Raises
    ------
    ImageError
        If it is damaged, or of a version that is not read.
    """
    found = read_zarr_json(folder / "zarr.json")
    if found is not None:
        attributes = found.get("attributes")
        ome = attributes.get("ome") if isinstance(attributes, dict) else None
        if not isinstance(ome, dict):
            return None
        version, frames = ome.get("version"), attributes.get(FRAMES_KEY) if isinstance(attributes, dict) else None
        default = "0.5"
    else:
        found = read_zarr_json(folder / ".zattrs")
        if found is None or not {"multiscales", "bioformats2raw.layout", "plate", "well"} & set(found):
            return None
        ome, default, frames = found, "0.4", found.get(FRAMES_KEY)
        version = next((one.get("version") for one in _objects(ome.get("multiscales"))), None)
    version = default if version is None else version
    if version not in _VERSIONS:
        raise ImageError(
            f"{folder} is OME-Zarr {_short(version)}, which is not read", hint="Save it as OME-Zarr 0.4 or 0.5."
        )
    return Group(folder, ome, version, frames)


def images_of(group: Group) -> list[Path]:
    """Return the folders of the images in a group: its own, or those of a collection in bioformats2raw's layout.

    Raises
    ------
    ImageError
        If it is a plate, a well, labels, or holds no image.
    """
    attributes, folder = group.attributes, group.folder
    if "plate" in attributes:
        wells = _objects(_object(attributes["plate"]).get("wells"))
        well = next((str(one["path"]) for one in wells if isinstance(one.get("path"), str)), "A/1")
        raise ImageError(
            f"{folder} is a plate of {len(wells)} wells, not a section", hint=f"{_ONE_FIELD}: {folder / well / '0'}."
        )
    if "well" in attributes:
        fields = _objects(_object(attributes["well"]).get("images"))
        raise ImageError(
            f"{folder} is a well of {len(fields)} fields, not an image", hint=f"{_ONE_FIELD}: {folder / '0'}."
        )
    if "image-label" in attributes:
        raise ImageError(f"{folder} holds labels, not counts of a camera", hint="Import the image that they label.")
    if "multiscales" in attributes:
        return [folder]
    if "bioformats2raw.layout" in attributes:
        return _collection(folder)
    raise ImageError(f"{folder} holds no image of OME-Zarr", hint="Name the folder of an image.")


def _collection(folder: Path) -> list[Path]:
    """Return the images of bioformats2raw's layout: as listed beside the OME-XML, else numbered from 0."""
    listed = read_zarr_json(folder / _OME_FOLDER / "zarr.json")
    attributes = _object(_object((listed or {}).get("attributes")).get("ome"))
    if listed is None:
        attributes = read_zarr_json(folder / _OME_FOLDER / ".zattrs") or {}
    series = attributes.get("series")
    if isinstance(series, list) and series:
        if len(series) > _MOST_IMAGES:
            raise ImageError(f"{folder} lists {len(series)} images", hint=COPY_AGAIN)
        return [below(folder, name, f"{folder / _OME_FOLDER} lists an image") for name in series]
    try:
        numbers = [int(one.name) for one in folder.iterdir() if _is_number(one.name) and one.is_dir()]
    except OSError as error:
        raise ImageError(f"{folder} cannot be listed: {error.strerror or error}") from error
    if not numbers:
        raise ImageError(f"{folder} lists no image", hint=COPY_AGAIN)
    if max(numbers) > 1000 + 16 * len(numbers):
        raise ImageError(f"{folder} numbers its images up to {max(numbers)}, but holds {len(numbers)}", hint=COPY_AGAIN)
    return [folder / str(number) for number in range(max(numbers) + 1)]  # one that is missing is named


def _is_number(name: str) -> bool:
    return name.isdecimal() and name.isascii() and len(name) <= len(str(_MOST_IMAGES)) and int(name) < _MOST_IMAGES


def ome_xml_of(group: Group) -> str | None:
    """Return the OME-XML beside a collection in bioformats2raw's layout; None where there is none.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    if "bioformats2raw.layout" not in group.attributes:
        return None
    path = group.folder / _OME_FOLDER / "METADATA.ome.xml"
    try:
        return read_small_file(path, _MOST_XML_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error


def below(folder: Path, name: object, what: str) -> Path:
    """Return a folder below another one, by the path that a file states.

    Raises
    ------
    ImageError
        If it is no path, or leads out of the folder.
    """
    parts = name.strip("/").split("/") if isinstance(name, str) else []
    odd = any(part in {"", ".", ".."} or "\\" in part or ":" in part or not part.isprintable() for part in parts)
    if not parts or odd:
        raise ImageError(f"{what} at {_short(name)}, which is no place within it", hint=COPY_AGAIN)
    return folder.joinpath(*parts)


def multiscale_of(group: Group) -> tuple[Multiscale, list[str]]:
    """Return the image of a group, and sentences about what of it is left out.

    Raises
    ------
    ImageError
        If its attributes cannot be read, or it has axes that are no image's.
    """
    folder = group.folder
    entries = _objects(group.attributes.get("multiscales"))
    if not entries:
        raise ImageError(f"{folder} lists no image in its multiscales", hint=COPY_AGAIN)
    entry = entries[0]
    remarks = [f"{folder} lists {len(entries)} multiscales: the first is read"] if len(entries) > 1 else []
    datasets = _objects(entry.get("datasets"))
    if not datasets:
        raise ImageError(f"{folder} lists no array in its multiscales", hint=COPY_AGAIN)
    names, unit = _axes(entry, folder)
    n = len(names)
    own_scale, own_shift = _transformations(datasets[0].get("coordinateTransformations"), n, folder)
    all_scale, all_shift = _transformations(entry.get("coordinateTransformations"), n, folder)
    shift = None
    if own_shift is not None or all_shift is not None:
        own, every = own_shift or (0.0,) * n, all_shift or (0.0,) * n
        shift = tuple(one * scale + more for one, scale, more in zip(own, all_scale or (1.0,) * n, every, strict=True))
    scale = tuple(a * b for a, b in zip(own_scale or (1.0,) * n, all_scale or (1.0,) * n, strict=True))
    stated = own_scale is not None or all_scale is not None
    name = entry.get("name")
    return Multiscale(
        folder=below(folder, datasets[0].get("path"), f"{folder} lists an array"),
        axes=names,
        scale=scale,
        translation=shift,
        unit=unit if stated else (None,) * n,
        channel_names=_channel_names(group.attributes),
        name=name if isinstance(name, str) else None,
    ), remarks


def _axes(entry: dict[str, Any], folder: Path) -> tuple[tuple[str, ...], tuple[float | None, ...]]:
    """Return names and units of the axes."""
    stored = entry.get("axes", list(_AXES))
    if not isinstance(stored, list) or not 2 <= len(stored) <= 8:
        raise ImageError(f"{folder} states no axes that can be read", hint=COPY_AGAIN)
    names: list[str] = []
    units: list[float | None] = []
    for one in stored:
        name = one.get("name") if isinstance(one, dict) else one
        unit = one.get("unit") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise ImageError(f"{folder} states no axes that can be read", hint=COPY_AGAIN)
        names.append(name if name not in {"T", "C", "Z", "Y", "X"} else name.lower())
        known = _S if names[-1] == "t" else _UM
        units.append(known.get(unit.strip()) if isinstance(unit, str) else None)
    if len(set(names)) < len(names) or not {"y", "x"} <= set(names):
        raise ImageError(f"{folder} has the axes {_short(', '.join(names))}, which are no image's", hint=COPY_AGAIN)
    return tuple(names), tuple(units)


def _transformations(stored: object, n: int, folder: Path) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return scale and translation, each None if it is not stated."""
    scale = shift = None
    for one in _objects(stored):
        kind = one.get("type")
        if kind == "identity":
            continue
        values = _vector(one.get(kind), n) if kind in ("scale", "translation") else None
        if values is None or (kind == "scale" and min(values) <= 0):
            raise ImageError(f"{folder} states a scale or place of its pixels that cannot be read", hint=COPY_AGAIN)
        if kind == "scale":
            scale = values
        else:
            shift = values
    return scale, shift


def _vector(stored: object, n: int) -> tuple[float, ...] | None:
    """Return `n` finite numbers; None if it is none."""
    if not isinstance(stored, list) or len(stored) != n:
        return None
    values = [finite(one) for one in stored if not isinstance(one, str)]
    found = tuple(one for one in values if one is not None and abs(one) < _MOST_LENGTH)
    return found if len(found) == n else None


def _channel_names(attributes: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels of the channels, by index; empty if one has none."""
    channels = _objects(_object(attributes.get("omero")).get("channels"))
    labels = [one.get("label") for one in channels]
    return tuple(map(str, labels)) if labels and all(isinstance(one, str) and one for one in labels) else ()


def _objects(stored: object) -> Sequence[dict[str, Any]]:
    return [one for one in stored if isinstance(one, dict)] if isinstance(stored, list) else []


def _object(stored: object) -> dict[str, Any]:
    return stored if isinstance(stored, dict) else {}


def _short(stored: object) -> str:
    words = stored if isinstance(stored, str) and stored.isprintable() else ascii(stored)
    return words if len(words) <= 60 else f"{words[:57]}..."
