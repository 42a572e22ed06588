"""The checks of every engine: its tiles, and the answers that the model returns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import ModelError, ModelFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.protocols import Tiles

__all__ = [
    "SMALLEST_PROBABILITY",
    "TWO_LOGITS_HINT",
    "are_probabilities",
    "check_distance_output",
    "check_distances",
    "check_finite",
    "check_tiles",
    "last_line",
    "to_logits",
    "wrong_distance",
    "wrong_output",
]


TWO_LOGITS_HINT = (
    "The columns are the classes low and high; of one output z (before its sigmoid), return "
    "torch.cat([torch.zeros_like(z), z], dim=1)."
)
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What 0 is taken for before its logarithm: 1.2e-38, a log-odds of 87."""
_ROW_SUM_TOLERANCE = 1e-3
_OWN_WORDS = re.compile(r"[\w.]*(Error|Exception): ")
_MOST_WORDS = 200


def to_logits(probabilities: NDArray[np.float32], model: str) -> NDArray[np.float32]:
    """Return the logits (n, 2) of the probabilities (n, 2) that a graph with a softmax inside returns.

    Both columns are used, since 1 - p in float32 has few digits left for a small probability p.

    Raises
    ------
    ModelFormatError
        If they are none.
    """
    if np.isfinite(probabilities).all() and not are_probabilities(probabilities):
        row = next(one for one in probabilities if not are_probabilities(one[None]))
        raise ModelFormatError(
            f"the card of the model {model} names probabilities as its output, but it returns {row[0]:.4g} and "
            f"{row[1]:.4g}, which are not two numbers from 0 to 1 with the sum 1",
            hint="Take 'output: probabilities' out of its card if these are logits.",
        )
    return np.log(np.maximum(probabilities, np.float32(SMALLEST_PROBABILITY)))


def are_probabilities(rows: NDArray[np.float32]) -> bool:
    """Return whether each row (n, 2) is two numbers from 0 to 1 with the sum 1."""
    within = (rows >= -_ROW_SUM_TOLERANCE) & (rows <= 1.0 + _ROW_SUM_TOLERANCE)
    return bool(within.all() and (np.abs(rows.sum(axis=1) - 1.0) <= _ROW_SUM_TOLERANCE).all())


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
    is_shape = not str(found).isidentifier()
    return ModelFormatError(
        f"the model {model} returns {found} for one tile, where logits of shape (1, 2) are expected",
        hint=TWO_LOGITS_HINT if is_shape else "Return the logits alone, or as the first of a tuple.",
    )


def check_distances(distances: NDArray[np.float32] | None, model: str) -> None:
    """Raise ModelError if a distance from the training tiles is no finite number, or negative."""
    if distances is not None and not (np.isfinite(distances) & (distances >= 0)).all():
        raise ModelError(f"the model {model} returned a distance from its training tiles that is no number from 0 on")


def check_distance_output(n_outputs: int, model: str, *, promised: bool) -> None:
    """Refuse a model whose card and outputs disagree on whether it gives a distance from the training tiles.

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
            f"the model {model} has a third output, but its card has no unlike_training with its threshold",
            hint="Add unlike_training with the threshold to its card, or export the model without a third output.",
        )


def wrong_distance(model: str, found: object) -> ModelFormatError:
    """Return the error for a model whose third output is not one distance for a tile."""
    return ModelFormatError(
        f"the model {model} returns {found} as its third output for one tile, not a distance of shape (1,)"
    )


def last_line(error: BaseException) -> str:
    """Return the essence of a message of TorchScript or OpenVINO, in one line.

    They put the operation's own words below a traceback, and torch a list of all its backends below these.
    """
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    own = [line for line in lines if _OWN_WORDS.match(line)]
    line = (own or lines or [type(error).__name__])[-1]
    return line if len(line) <= _MOST_WORDS else line[:_MOST_WORDS].rpartition(" ")[0] + " ..."
