"""Which format a file or folder of images has, and its reader. The content decides, never the name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection

__all__ = ["open_images"]


def open_images(path: Path) -> ImageCollection:
    """Open a file, folder or dataset of images.

    Raises
    ------
    ImageError
        If there is nothing, or nothing that can be read.
    """
    raise ImageError(f"{path} holds no images of a format that is known")
