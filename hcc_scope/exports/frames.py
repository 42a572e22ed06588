"""All frames of a section as one OME-TIFF: for Fiji, QuPath and whatever else reads a stack.

Frame k is the plane at time k, as the camera took it: a frame that is damaged leaves its time without a page. Pages are
not compressed, so that any program reads them; a file that would have more than 4 GB is a BigTIFF. The OME-XML is
written piece by piece behind the pages, as that of 100,000 frames is hundreds of megabytes.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.exports.ome_xml import OmeImage, ome_xml
from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.pyramid_tiff import SMALLEST_PIXEL_UM
from hcc_scope.exports.target import export_name, exported
from hcc_scope.formatting import counted
from hcc_scope.orientation import Orientation
from hcc_scope.progress import Progress, ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore

__all__ = ["export_frames"]

_LARGEST_CLASSIC = 2**32 - 2**26
"""Offsets in a TIFF have 32 bits; some room is for what follows the pixels."""
_PAGE_BYTES = 1024
"""Of a page's tags, at most."""
_BLOCK_BYTES = 96
"""Of the line of OME-XML that states which page holds a frame, where some frame has none."""
_DESCRIPTION = 270
"""The tag whose text is the OME-XML."""
_AHEAD = 4
"""Frames that are read while one is written."""


def export_frames(
    store: SectionStore,
    target: Path,
    *,
    on_progress: OnProgress = ignore_progress,
    largest_classic: int = _LARGEST_CLASSIC,
) -> ExportOutcome:
    """Write an OME-TIFF with a page for each frame; every frame is compared with its checksum.

    Parameters
    ----------
    store : SectionStore
    target : Path
        The file to make.
    on_progress : callable
    largest_classic : int
        Size in bytes beyond which the file is a BigTIFF.

    Raises
    ------
    StoreError
        If there is no frame.
    StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
        If it cannot be written.
    """
    import tifffile

    n = store.n_frames
    if not n:
        raise StoreError(f"{store.place} has no frame to export", hint="Its journal lists none.")
    height, width = store.spec.frame_shape_yx
    xml_bytes = sum(map(len, _description(store, range(n))))
    need_bytes = n * (2 * height * width + _PAGE_BYTES + _BLOCK_BYTES) + xml_bytes
    pixel_um = store.spec.pixel_size_um
    per_cm = None if pixel_um < SMALLEST_PIXEL_UM else (1e4 / pixel_um, 1e4 / pixel_um)
    pages: list[int] = []
    left_out: list[str] = []
    with exported(target, need_bytes) as part:
        with (
            _Output(part) as output,
            tifffile.TiffWriter(output, bigtiff=need_bytes > largest_classic, ome=False, byteorder="<") as file,
        ):
            for frame in store.read_ahead(range(n), _AHEAD):
                seq = len(pages) + len(left_out)
                on_progress(Progress("frames", seq, n))
                if isinstance(frame, StoreDamagedError):
                    left_out.append(str(frame))
                    continue
                file.write(
                    frame.pixels,
                    photometric="minisblack",
                    rowsperstrip=height,
                    resolution=per_cm,
                    resolutionunit=None if per_cm is None else "CENTIMETER",
                    description=None if pages else "OME-XML",  # until all pages are known
                    software=False,
                    metadata=None,
                    contiguous=False,
                )
                pages.append(seq)
        if not pages:
            raise StoreError(f"{store.place} has no frame to export: every one is damaged or missing")
        _describe(part, _description(store, pages))
        on_progress(Progress("frames", n, n))
    return ExportOutcome(target, f"{counted(len(pages), 'frame')}, time = number of the frame", tuple(left_out))


class _Output(io.BufferedRandom):
    """A new file without a handle of its own for numpy, which reports a full disk without the system's code."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "x+"))

    def fileno(self) -> int:
        raise io.UnsupportedOperation


def _description(store: SectionStore, pages: Sequence[int]) -> Iterator[bytes]:
    """Yield the OME-XML of the stack, piece by piece."""
    present = set(pages)
    planes = [entry if seq in present else None for seq, entry in enumerate(store.journal)]
    image = OmeImage(export_name(store.place, ""), store.spec.frame_shape_yx, planes, pages)
    return ome_xml(store.spec, [image], Orientation(store.spec.camera_axes))


def _describe(path: Path, pieces: Iterable[bytes]) -> None:
    """Write the description of a TIFF's first page at the end of the file, and let its tag lead there."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        entry, big = tiff.pages.first.tags[_DESCRIPTION].offset, tiff.is_bigtiff
    with path.open("r+b") as file:
        start = file.seek(0, os.SEEK_END)
        start += file.write(bytes(start % 2))  # TIFF asks for even places
        file.writelines(pieces)
        file.write(b"\0")
        n_bytes = file.tell() - start
        file.seek(entry + 4)  # behind the number of the tag and its type
        file.write(struct.pack("<QQ" if big else "<II", n_bytes, start))
