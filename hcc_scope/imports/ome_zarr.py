"""OME-Zarr of other programs, 0.4 and 0.5: one image, or a collection in bioformats2raw's layout.

Of a pyramid the first level is read, which has full resolution. A chunk without a file holds the array's fill value, by
zarr's definition: it may be empty, or lost. It is read as that value and reported; a plane without any is refused.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hcc_scope.datasets.header import LARGEST_PX
from hcc_scope.datasets.ome import CAMERA_AXES_KEY
from hcc_scope.errors import COPY_AGAIN, ImageError
from hcc_scope.imports.collection import ImageCollection, Plane
from hcc_scope.imports.lazy_planes import LazyPlanes, Problems
from hcc_scope.imports.ome_planes import OmeImage, Within, read_ome_images
from hcc_scope.imports.ome_zarr_frames import facts_of_frame, frames_by_place
from hcc_scope.imports.ome_zarr_metadata import (
    Group,
    Multiscale,
    images_of,
    is_ome_zarr,
    multiscale_of,
    ome_xml_of,
    read_group,
)
from hcc_scope.storage.foreign_array import ForeignArray
from hcc_scope.storage.metadata import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.imports.facts import Facts
    from hcc_scope.types import TagValue

__all__ = ["OmeZarr", "is_ome_zarr"]

_ALONG: Final = ("t", "z", "c")
"""In the order of the planes: time, then z, then channel."""
_MOST_PLANES: Final = 10_000_000
_RGB: Final = 3
_MOST_BYTES: Final = 2 * LARGEST_PX
"""Of one plane: counts of 16 bits have two each."""


@dataclass(frozen=True, slots=True)
class _Image:
    """One image, and how many planes it has along time, z and channel."""

    series: int
    scale: Multiscale
    array: ForeignArray
    lengths: tuple[int, int, int]
    """In colour, the three numbers of a pixel are one channel."""
    shape_yx: tuple[int, int]
    ome: OmeImage | None
    """What the OME-XML beside it states."""
    colour: bool
    frames: Mapping[tuple[int, int, int], Mapping[str, Any]]
    """What ome-writers keeps about each frame, by time, z and channel."""

    @property
    def n_planes(self) -> int:
        time, z, channel = self.lengths
        return time * z * channel


class OmeZarr(ImageCollection):
    """One OME-Zarr, open for reading.

    Parameters
    ----------
    path : Path
        Folder of an image, or of a collection of images.

    Raises
    ------
    ImageError
        If it is none, or no image of it can be read.
    """

    def __init__(self, path: Path) -> None:
        group = read_group(path)
        if group is None:
            raise ImageError(f"{path} is no OME-Zarr: it states no image", hint="Name the folder of an image.")
        if (path / JOURNAL).exists():
            raise ImageError(f"{path} is a section of this program's own", hint="Open it, or use replay.")
        self.path = path
        self.format = f"OME-Zarr {group.version}"
        self._problems = Problems()
        self._images: list[_Image] = []
        self._last: _Image | None = None
        folders = images_of(group)
        described = _described(group, len(folders), self._problems)
        for series, folder in enumerate(folders):
            try:
                own = group if folder == path else _group(folder)
                image = _image(series, own, described.get(series), self._problems)
            except ImageError as error:
                if len(folders) == 1:
                    raise
                self._problems.add(f"Image {series} is left out: {error.message}")
                continue
            self._images.append(image)
        if not self._images:
            raise ImageError(f"{path} holds no image that can be read: {self._problems[0]}", hint=COPY_AGAIN)
        # programs that know no place write a translation of 0
        self._placed = any(image.scale.origin(axis) for image in self._images for axis in "yx")
        self._ends = list(itertools.accumulate(image.n_planes for image in self._images))
        if self._ends[-1] > _MOST_PLANES:
            raise ImageError(f"{path} claims to hold {self._ends[-1]} planes", hint=COPY_AGAIN)

    @property
    def planes(self) -> Sequence[Plane]:
        """Image by image, and in each by time, z and channel; described when they are asked for."""
        return LazyPlanes(self._ends[-1], self._describe)

    @property
    def channel_names(self) -> Sequence[str]:
        """By index, of the first image that names its channels; empty if none does."""
        return next((names for image in self._images if (names := _channel_names(image))), ())

    @property
    def problems(self) -> Sequence[str]:
        """What is damaged or missing, a sentence each; that of a plane's chunks is known once it was read."""
        return self._problems

    def read(self, index: int) -> NDArray[Any]:
        """Return the pixels of ``planes[index]``: (y, x), or (y, x, 3) in colour.

        Raises
        ------
        ImageError
            If nothing of it is stored, or a chunk is damaged.
        """
        image, along = self._at(index)
        scale = image.scale
        where = _where(image, along)
        if image is not self._last:  # of many images, one is kept open
            self.close()
            self._last = image
        height, width = image.shape_yx
        claimed_bytes = height * width * image.array.layout.itemsize * (_RGB if image.colour else 1)
        if claimed_bytes > _MOST_BYTES:
            raise ImageError(
                f"{where} claims {height} x {width} px, {claimed_bytes} bytes and more than the {_MOST_BYTES} of the "
                "largest image that is read",
                hint="Cut it into fields.",
            )
        kept = {"y", "x", "c"} if image.colour else {"y", "x"}
        found = image.array.read(where, [None if name in kept else along.get(name, 0) for name in scale.axes])
        if found.n_missing:
            self._problems.add(
                f"{where}: {found.n_missing} of its {found.n_files} chunks are not stored and were read as "
                f"{image.array.layout.fill_value:g}, the array's fill value: they are empty, or lost"
            )
        left = [name for name in scale.axes if name in kept]
        return np.ascontiguousarray(found.pixels.transpose([left.index(name) for name in "yxc" if name in kept]))

    def close(self) -> None:
        """Give back what the last read kept. Idempotent."""
        if self._last is not None:
            self._last.array.release()
            self._last = None

    # ---- planes

    def _at(self, index: int) -> tuple[_Image, dict[str, int]]:
        """Return the image of a plane, and where it lies along time, z and channel."""
        index = range(self._ends[-1])[index]
        number = bisect_right(self._ends, index)
        image = self._images[number]
        place = np.unravel_index(index - (self._ends[number] - image.n_planes), image.lengths)
        return image, {name: int(at) for name, at in zip(_ALONG, place, strict=True)}

    def _describe(self, index: int) -> Plane:
        image, along = self._at(index)
        layout = image.array.layout
        bits = None if layout.dtype.startswith("float") else 8 * layout.itemsize
        significant = None if image.ome is None else image.ome.significant_bits
        if bits is not None and significant is not None and 8 <= significant <= bits:
            bits = significant
        return Plane(
            where=_where(image, along),
            shape_yx=image.shape_yx,
            dtype=layout.dtype,
            bit_depth=bits,
            colour=image.colour,
            channel=along["c"],
            z=along["z"],
            time=along["t"],
            series=image.series,
            **_facts(image, along, placed=self._placed),
        )


def _facts(image: _Image, along: dict[str, int], *, placed: bool) -> Facts:
    """Return what is stated about a plane: by the attributes, then the OME-XML, then what ome-writers keeps."""
    facts: Facts = {"tags": _tags(image, along)}
    # an export of this program lays fields out that have no position, and states those of the others in the OME-XML
    laid_out = image.ome is not None and CAMERA_AXES_KEY in image.ome.tags
    stage_um = _centre_um(image, along["z"]) if placed and not laid_out else None
    if stage_um is not None:
        facts["stage_um"] = stage_um
    others: list[Facts] = []
    if image.ome is not None:
        others.append(image.ome.facts(Within(along["c"], along["z"], along["t"])))
    kept = image.frames.get((along["t"], along["z"], along["c"]))
    if kept is not None:
        others.append(facts_of_frame(kept))
    for one in others:
        stated: Facts = {key: value for key, value in one.items() if value is not None}  # type: ignore[assignment]
        facts = {**facts, **stated, "tags": {**facts["tags"], **one["tags"]}}
    if stage_um is not None and facts["stage_um"] is stage_um:
        facts["tags"]["position_from"] = "translation"
    y_um, x_um = image.scale.step("y"), image.scale.step("x")
    if y_um is not None and x_um is not None:
        facts["pixel_size_yx_um"] = (y_um, x_um)
    return facts


def _channel_names(image: _Image) -> tuple[str, ...]:
    return image.scale.channel_names or (() if image.ome is None else image.ome.channel_names)


def _described(group: Group, n: int, problems: Problems) -> dict[int, OmeImage]:
    """Return what the OME-XML beside a collection states of each of its `n` images."""
    try:
        xml = ome_xml_of(group)
        images = read_ome_images(xml)
    except ImageError as error:
        problems.add(f"The OME-XML of {group.folder} is left out: {error.message}")
        return {}
    if len(images) == n or xml is None:
        return dict(enumerate(images))
    what = f"it describes {len(images)} images of {n}" if images else "it cannot be read"
    problems.add(f"The OME-XML of {group.folder} is left out: {what}")
    return {}


def _where(image: _Image, along: dict[str, int]) -> str:
    """Return array and index of a plane; axes that the image lacks are left out."""
    names = [name for name in _ALONG if name in image.scale.axes and not (name == "c" and image.colour)]
    index = ", ".join(f"{name} {along[name]}" for name in names)
    return f"{image.scale.folder}, {index}" if index else str(image.scale.folder)


def _group(folder: Path) -> Group:
    group = read_group(folder)
    if group is None or "multiscales" not in group.attributes:
        raise ImageError(f"{folder} holds no image of OME-Zarr", hint=COPY_AGAIN)
    return group


def _image(series: int, group: Group, ome: OmeImage | None, problems: Problems) -> _Image:
    """Return an image whose array fits its axes.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    scale, remarks = multiscale_of(group)
    array = ForeignArray(scale.folder)
    shape = array.layout.shape
    if len(shape) != len(scale.axes):
        raise ImageError(
            f"{scale.folder} has {len(shape)} axes where {group.folder} states {len(scale.axes)}", hint=COPY_AGAIN
        )
    lengths = dict(zip(scale.axes, shape, strict=True))
    for name, length in lengths.items():
        if name not in {"y", "x", *_ALONG} and length > 1:
            raise ImageError(
                f"{scale.folder} has {length} images along an axis {name!r}, which is none of time, channel and z",
                hint="Save each as an image of its own.",
            )
    for remark in remarks:
        problems.add(remark)
    time, z, channel = (lengths.get(name, 1) for name in _ALONG)
    colour = ome is not None and ome.samples == _RGB == channel and array.layout.dtype in {"uint8", "uint16"}
    n_channels = 1 if colour else channel
    if ome is not None and ome.size_czt != (n_channels, z, time):
        problems.add(f"The OME-XML of {scale.folder} is left out: it describes an image of other size")
        ome, colour, n_channels = None, False, channel
    return _Image(
        series,
        scale,
        array,
        lengths=(time, z, n_channels),
        shape_yx=(lengths["y"], lengths["x"]),
        ome=ome,
        colour=colour,
        frames=frames_by_place(group.frames, scale.axes),
    )


def _centre_um(image: _Image, z: int) -> tuple[float, float, float | None] | None:
    """Return where the centre of a field lies, by the translation of its image."""
    centre = []
    for axis, length in zip("xy", image.shape_yx[::-1], strict=True):
        origin, step = image.scale.origin(axis), image.scale.step(axis)
        if origin is None or step is None:
            return None
        centre.append(origin + (length - 1) / 2 * step)
    first_um, step_um = image.scale.origin("z"), image.scale.step("z")
    z_um = None if first_um is None or step_um is None else first_um + z * step_um
    return centre[0], centre[1], z_um


def _tags(image: _Image, along: dict[str, int]) -> dict[str, TagValue]:
    """Return what else the attributes state: the time since the first plane, the channel, the image's name."""
    scale = image.scale
    tags: dict[str, TagValue] = {}
    step_s = scale.step("t")
    if step_s is not None and scale.scale[scale.axes.index("t")] != 1:  # 1 is written where none is known
        tags["time_s"] = (scale.origin("t") or 0.0) + along["t"] * step_s
    if (x_um := scale.origin("x")) is not None and (y_um := scale.origin("y")) is not None:
        tags |= {"translation_x_um": x_um, "translation_y_um": y_um}
    if scale.is_unit_scale and scale.unit[scale.axes.index("y")] is not None:
        tags["scale"] = "1 x 1, as written where none is known"
    names = _channel_names(image)
    if along["c"] < len(names):
        tags["Channel"] = names[along["c"]]
    if scale.name is not None:
        tags["image_name"] = scale.name
    return tags
