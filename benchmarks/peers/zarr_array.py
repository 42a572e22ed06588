"""zarr-python as in its tutorial, with the layout and the codec of our stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr
from zarr.codecs import BloscCodec

from hcc_scope.storage.metadata import CHUNK_PX

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["create_zarr_array"]


def create_zarr_array(path: Path, n_frames: int, side_px: int) -> Any:  # noqa: ANN401 - a zarr.Array of any dtype
    """Return a new array of frames (n, side, side) uint16: a shard per frame, chunks of 512."""
    return zarr.create_array(
        path,
        shape=(n_frames, side_px, side_px),
        shards=(1, side_px, side_px),
        chunks=(1, CHUNK_PX, CHUNK_PX),
        dtype="uint16",
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
    )
