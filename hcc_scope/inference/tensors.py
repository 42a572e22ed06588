"""What every engine checks about the tiles that it is given and the logits that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import ModelError, ModelFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.protocols import Tiles

__all__ = ["check_finite", "check_tiles", "last_line", "wrong_output"]


def check_tiles(tiles: Tiles, tile_px: int) -> None:
    """Raise ValueError unless every one of `tiles` is (tile_px, tile_px) of 16-bit counts, in either byte order."""
    for tile in tiles:
        if tile.shape != (tile_px, tile_px):
            raise ValueError(f"expected tiles of ({tile_px}, {tile_px}), not {tile.shape}")
        if tile.dtype.kind != "u" or tile.dtype.itemsize != 2:
            raise ValueError(f"expected tiles of uint16, not {tile.dtype}")


def check_finite(logits: NDArray[np.float32], model: str) -> None:
    """Raise ModelError if a logit is not a finite number."""
    if not np.isfinite(logits).all():
        raise ModelError(f"the model {model} returned a value that is not a finite number")


def wrong_output(model: str, found: object) -> ModelFormatError:
    """Return the error for a model whose output is not two logits for a tile."""
    return ModelFormatError(
        f"the model {model} returns {found} for one tile, where logits of shape (1, 2) are expected",
        hint="The columns are the classes low and high.",
    )


def last_line(error: BaseException) -> str:
    """Return the last line of a message: TorchScript and OpenVINO put the operation's own below a traceback."""
    return str(error).strip().rpartition("\n")[2]
