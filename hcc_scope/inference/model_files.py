"""Files of a model from an unknown source: read only if they are files, and no larger than they may be."""

from __future__ import annotations

import errno
import io
import math
import struct
import tokenize
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hcc_scope.errors import ModelFormatError
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_npy", "read_regular"]

D = TypeVar("D", bound=np.generic)

_MOST_HEADER_BYTES = 4096
_NO_HEADER = (
    ValueError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
    EOFError,
    KeyError,
    struct.error,
    tokenize.TokenError,
)
"""Numpy evaluates a header as a Python literal, twice, and passes on what that raises."""


def read_regular(path: Path, what: str, *, most_bytes: int | None = None) -> bytes:
    """Return a file's content.

    Parameters
    ----------
    path : Path
        Links are followed.
    what : str
        What a message calls it, its path included.
    most_bytes : int, optional
        More than this is refused before it is read.

    Raises
    ------
    ModelFormatError
        If it is no regular file (reading a pipe or a device may never end), too large, or cannot be read.
    """
    try:
        return read_small_file(path, most_bytes)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EINVAL):
            raise ModelFormatError(f"{what} is not a file") from error
        raise ModelFormatError(f"{what} cannot be read: {error.strerror or error}") from error


def read_npy(path: Path, dtype: np.dtype[D], item_shape: tuple[int, ...], *, hint: str | None = None) -> NDArray[D]:
    """Return an array (k, *item_shape) from a ``.npy`` file, as data only: a pickle inside is refused.

    What the header claims is compared with the file's size before anything is allocated.

    Raises
    ------
    ModelFormatError
        If it cannot be read, or is of another kind.
    """
    what = f"the model's test tensor {path}"
    data = read_regular(path, what)
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the format")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, found = read(file, max_header_size=_MOST_HEADER_BYTES)
    except _NO_HEADER as error:
        raise ModelFormatError(
            f"{what} cannot be read: {str(error).partition(chr(10))[0] or type(error).__name__}"
        ) from (error)
    if found != dtype or len(shape) != 1 + len(item_shape) or tuple(shape[1:]) != item_shape or fortran_order:
        raise ModelFormatError(
            f"{what} is {tuple(shape)} {found}, not (k, {', '.join(map(str, item_shape))}) {dtype}", hint=hint
        )
    claimed, there = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if shape[0] < 0 or claimed != there:
        raise ModelFormatError(f"{what} claims to hold {claimed:,} bytes, and holds {there:,}")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape).copy()
