"""Images of other programs: what a file holds (from its headers alone), and its pixels as raw counts.

TIFF, OME-TIFF and BigTIFF of either byte order, tiled or in strips, compressed or not, and PNG; of our own stores,
every frame whose journal line is readable. Grey images of 8 to 16 bits, unsigned, are counts of a camera; images in
red, green and blue become grey by the conversion that the manifest names (`hcc_scope.colour`), and are refused without
one; palettes, transparency, signed and floating-point numbers are refused, because something was done to them that no
one can undo. The first bytes of a file decide its kind, not its name.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hcc_scope.datasets.decoders import decoded
from hcc_scope.datasets.header import Header
from hcc_scope.datasets.image_kind import image_kind
from hcc_scope.datasets.pngs import png_header, png_pixels
from hcc_scope.datasets.tiffs import tiff_headers, tiff_ome, tiff_pixels
from hcc_scope.errors import ImageError
from hcc_scope.shading.correction import analysed_pixels

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.colour import ColourConversion
    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.ome import OmeXml
    from hcc_scope.storage.reader import SectionStore

__all__ = [
    "Header",
    "classified_pixels",
    "frames_of",
    "is_store",
    "ome_of",
    "opened_store",
    "read_headers",
    "read_pixels",
]

_OPEN_STORES = 8


# ---- one way in, one way out ----------------------------------------------------------------------------------------


def read_headers(path: Path, page: int | None = None, colour: ColourConversion | None = None) -> list[Header]:
    """Return the images of a TIFF or PNG file without reading their pixels.

    Parameters
    ----------
    path : Path
        Of the file.
    page : int, optional
        This page only, from 0; every page by default, but for the reduced copies and masks that other pages have.
    colour : str, optional
        How colour becomes grey (`hcc_scope.colour`); None: the images are grey.

    Raises
    ------
    ImageError
        If the file is missing or unreadable, ends before its pixels do, has no such page, or is of a kind that is not
        supported.
    """
    if image_kind(path) == "png":
        header = decoded(path, "cannot be read", lambda: png_header(path, colour))
        if page not in {None, 0}:
            raise ImageError(f"{path} has no page {page}: a PNG has page 0 alone")
        return [header]
    return decoded(path, "cannot be read as a TIFF", lambda: tiff_headers(path, page, colour))


def ome_of(path: Path) -> OmeXml | None:
    """Return what the OME-XML of a file states; None for a PNG, and for a TIFF without any.

    Raises
    ------
    ImageError
        If the file is missing or unreadable.
    """
    return None if image_kind(path) == "png" else decoded(path, "cannot be read as a TIFF", lambda: tiff_ome(path))


def read_pixels(image: LabelledImage) -> NDArray[np.uint16]:
    """Return the raw counts (y, x) of one image; 8-bit files are widened, their numbers unchanged; colour is converted.

    Raises
    ------
    ImageError
        If it cannot be read, contradicts its headers, or has a count above the full scale of its bit depth.
    """
    where = str(image.path) if not image.index else f"{image.path}, page {image.index}"
    if is_store(image.path):
        where = f"{image.path}, frame {image.index}"
        pixels = decoded(image.path, "cannot be read", lambda: opened_store(image.path).read(image.index).pixels)
    elif image_kind(image.path) == "png":
        pixels = decoded(image.path, "cannot be decoded", lambda: png_pixels(image.path, image.colour))
    else:
        pixels = decoded(image.path, "cannot be decoded", lambda: tiff_pixels(image.path, image.index, image.colour))
    if pixels.shape != image.shape_yx:
        raise ImageError(f"{where} has changed: it is {pixels.shape} px now and was {image.shape_yx} (y, x)")
    full_scale = 2**image.bit_depth - 1
    if (largest := int(pixels.max())) > full_scale:
        raise ImageError(
            f"{where} has a count of {largest}, above the {full_scale} that a bit depth of {image.bit_depth} allows",
            hint="Correct its bit depth in the manifest's column bit_depth.",
        )
    return pixels


def classified_pixels(image: LabelledImage, raw: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return what a run classifies of an image's raw counts (y, x): a field of a store may have a correction.

    Parameters
    ----------
    image : LabelledImage
    raw : (y, x) uint16
        As `read_pixels` returns it.

    Raises
    ------
    ImageError
        If the dark or flat field in the store is missing or damaged.
    """
    if not is_store(image.path):
        return raw
    shading = decoded(image.path, "cannot be corrected", lambda: opened_store(image.path).shading)
    return analysed_pixels(raw, shading)


def is_store(path: Path) -> bool:
    """Return whether a path is meant as one of our stores: a folder, or a name that only folders have."""
    try:
        return path.is_dir() or path.name.endswith(".ome.zarr")
    except OSError:  # a name that no file can have; the open call reports it
        return False


def opened_store(path: Path) -> SectionStore:
    """Return a store, opened once for many frames.

    Raises
    ------
    StoreError
        As `hcc_scope.storage.reader.open_store`.
    """
    from hcc_scope.storage.metadata import JOURNAL

    try:
        state = (path / JOURNAL).stat()
        version = (state.st_size, state.st_mtime_ns)
    except OSError:
        version = (-1, -1)  # `open_store` reports the reason
    return _opened(path, version)


@functools.lru_cache(maxsize=_OPEN_STORES)
def _opened(path: Path, _version: tuple[int, int]) -> SectionStore:
    from hcc_scope.storage.reader import open_store

    return open_store(path)


def frames_of(path: Path, seq: int | None = None) -> list[Header]:
    """Return the frames of a store whose journal line is readable, without reading their pixels.

    Raises
    ------
    ImageError
        If it cannot be opened, has no such frame, or no frame at all.
    """
    store = decoded(path, "cannot be opened", lambda: opened_store(path))
    frames = [
        Header(entry.seq, store.spec.frame_shape_yx, entry.bit_depth)
        for entry in store.journal
        if entry is not None and seq in {None, entry.seq}
    ]
    if not frames:
        raise ImageError(f"{path} has no readable frame" if seq is None else f"{path} has no readable frame {seq}")
    return frames
