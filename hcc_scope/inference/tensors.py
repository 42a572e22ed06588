"""What every engine checks about the tiles that it is given and about what the model returns for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import ModelError, ModelFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.protocols import Tiles

__all__ = [
    "check_distances",
    "check_finite",
    "check_tiles",
    "check_told",
    "last_line",
    "wrong_distance",
    "wrong_output",
]


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


def check_distances(distances: NDArray[np.float32] | None, model: str) -> None:
    """Raise ModelError if a distance from the training tiles is no finite number, or negative."""
    if distances is not None and not (np.isfinite(distances) & (distances >= 0)).all():
        raise ModelError(f"the model {model} returned a distance from its training tiles that is no number from 0 on")


def check_told(n_outputs: int, model: str, *, promised: bool) -> None:
    """Refuse a model whose card and outputs disagree on whether it tells how unlike the training tiles a tile is.

    Parameters
    ----------
    n_outputs : int
        How many outputs the artefact has; the third is the distance.
    model : str
        Its name.
    promised : bool
        Whether its card has ``unlike_training``.

    Raises
    ------
    ModelFormatError
        If only one of the two is there.
    """
    if promised and n_outputs < 3:
        raise ModelFormatError(
            f"the card of the model {model} has unlike_training, but the artefact has {n_outputs} "
            f"output{'s' if n_outputs != 1 else ''} and no third one, the distance from the training tiles",
            hint="Export the model with its distance, or take unlike_training out of its card.",
        )
    if n_outputs > 2 and not promised:
        raise ModelFormatError(
            f"the model {model} has a third output, but its card has no unlike_training that says what to make of it",
            hint="Add unlike_training with the threshold to its card, or export the model without a third output.",
        )


def wrong_distance(model: str, found: object) -> ModelFormatError:
    """Return the error for a model whose third output is not one distance for a tile."""
    return ModelFormatError(
        f"the model {model} returns {found} as its third output for one tile, not a distance of shape (1,)"
    )


def last_line(error: BaseException) -> str:
    """Return the last line of a message: TorchScript and OpenVINO put the operation's own below a traceback."""
    return str(error).strip().rpartition("\n")[2]
