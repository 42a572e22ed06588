"""Arrays of one field each, as exports hold them: their only shard has the bytes of a store's own.

A frame's shard is one plane of a stack (t, y, x); the same file is the only one of an array (z, y, x) of one plane, as
the codecs are the same. So a field can be a second name of that file. One that is turned is written anew.

The shard is the file ``c.0.0.0`` and not ``c/0/0/0``: Zarr allows both, and a folder takes longer to make than the
second name itself.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts

from hcc_scope.storage.files import explain
from hcc_scope.storage.frame_array import driver_path
from hcc_scope.storage.metadata import CHUNK_PX, shard_shape_yx, stack_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FIELD_SHARD", "field_metadata", "write_field"]

FIELD_SHARD = "c.0.0.0"
"""The only shard, in the array's folder."""


def field_metadata(shape_yx: tuple[int, int]) -> dict[str, Any]:
    """Return the ``zarr.json`` of an array (z, y, x) that holds one field."""
    return stack_metadata((1, *shape_yx), (1, *shard_shape_yx(shape_yx)), CHUNK_PX, "z", separator=".")


def write_field(folder: Path, pixels: NDArray[np.uint16]) -> None:
    """Write the shard of a field.

    Parameters
    ----------
    folder : Path
        Of its array; must exist.
    pixels : (y, x) ndarray of uint16

    Raises
    ------
    DiskFullError, StoreUnwritableError, StoreError
        If it cannot be written.
    """
    owner = _Owner()
    try:
        array = ts.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": driver_path(folder, owner)},
                "metadata": field_metadata((pixels.shape[0], pixels.shape[1])),
                "store_data_equal_to_fill_value": True,
            },
            open=True,
            assume_metadata=True,
            context=_context(),
        ).result()
        array[0].write(np.ascontiguousarray(pixels)).result()
    except (OSError, ValueError) as error:
        raise explain(error, f"The field {folder} cannot be written") from error


@functools.cache
def _context() -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return the threads for all fields: an export writes thousands."""
    return ts.Context({"cache_pool": {"total_bytes_limit": 0}, "file_io_sync": False})


class _Owner:
    """Keeps the folder open while it is written to."""
