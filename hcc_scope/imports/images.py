"""Opens what TIFF and PNG files there are: a file, files given together, a folder, a dataset of Micro-Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.imports.image_files import ImageFiles, image_files_in
from hcc_scope.imports.micromanager_folder import open_of_position, open_positions, positions_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["open_image_files", "open_images"]


def open_images(path: Path) -> ImageFiles:
    """Open a TIFF or PNG file, or a folder of them.

    Parameters
    ----------
    path : Path
        A folder that Micro-Manager wrote, with a file for each image, is recognised by the names of these.

    Raises
    ------
    ImageError
        If there is no image that can be read.
    """
    if not path.is_dir():
        return open_image_files([path])
    if positions := positions_in(path):
        return open_positions(path, positions)
    return ImageFiles(path, image_files_in(path))


def open_image_files(files: Sequence[Path]) -> ImageFiles:
    """Open files that were given together, in this order: as parts of one dataset where they state that they are.

    Raises
    ------
    ImageError
        If none has an image that can be read.
    """
    of_position = open_of_position(files)
    if of_position is not None:
        return of_position
    return ImageFiles(files[0] if len(files) == 1 else files[0].parent, files)
