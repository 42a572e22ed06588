"""What an image file is, by its first bytes."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Literal

from hcc_scope.datasets.header import CAMERA_KINDS
from hcc_scope.datasets.pngs import SIGNATURE
from hcc_scope.datasets.tiff_pages import SIGNATURES
from hcc_scope.errors import COPY_AGAIN, ImageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["image_kind"]


def image_kind(path: Path) -> Literal["tiff", "png"]:
    """Return what an image file is.

    Raises
    ------
    ImageError
        If it cannot be opened, or is neither.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may never end
            raise ImageError(f"{path} is a pipe, a device or the like, not a file", hint="Name the image's own file.")
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ImageError(f"{path} cannot be opened: {error.strerror or error}") from error
    if start.startswith(SIGNATURES):
        return "tiff"
    if start == SIGNATURE:
        return "png"
    if not start:
        raise ImageError(f"{path} is empty", hint=COPY_AGAIN)
    raise ImageError(f"{path} is neither a TIFF nor a PNG", hint=CAMERA_KINDS)
