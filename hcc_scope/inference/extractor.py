"""A feature extractor that the user brings: a TorchScript file, read as a model from an unknown source is.

It takes tiles, (n, 1, y, x) raw counts or (n, 3, y, x) as networks trained on photographs expect them, and returns
(n, d) numbers. Nothing of it is trained here. Tiles go through one by one, so a tile's features depend on that tile
alone, and memory stays at one tile.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch
from torch.nn import functional

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference.model_files import read_regular
from hcc_scope.inference.output_checks import last_line
from hcc_scope.inference.torchscript import parse

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["INPUTS", "MOST_FEATURES", "ExtractorInput", "TileExtractor", "load_extractor"]

ExtractorInput = Literal["counts", "imagenet"]
INPUTS: Final[dict[ExtractorInput, str]] = {
    "counts": "raw counts, one channel",
    "imagenet": "counts over full scale, in three equal channels, less the mean and over the SD of ImageNet",
}
MOST_FEATURES = 4096
"""That a tile may have: the largest of published networks return 1,536 or 2,048."""

_IMAGENET_MEAN, _IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MOST_BYTES = 4 << 30
_SAME: Final = 1e-3
"""Largest difference of two runs, relative to the largest feature: compiled and uncompiled code round differently."""
_EVALUATION_HINT = "Save it in evaluation mode: torch.jit.trace(network.eval(), example).save('extractor.pt')."


class TileExtractor:
    """A checked extractor; made by `load_extractor`.

    Parameters
    ----------
    module : torch.jit.ScriptModule
    what : str
        What messages call it.
    sha256 : str
        Of its file.
    kind : {"counts", "imagenet"}
        What it takes.
    full_scale : int
        The largest count of the tiles.
    input_px : int, optional
        Side to which tiles are resized; None: as they are.
    """

    def __init__(
        self,
        module: torch.jit.ScriptModule,
        what: str,
        sha256: str,
        kind: ExtractorInput,
        full_scale: int,
        input_px: int | None,
    ) -> None:
        self._module, self._what, self.sha256 = module, what, sha256
        self._kind, self._full_scale, self._input_px = kind, full_scale, input_px
        mean, sd = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (_IMAGENET_MEAN, _IMAGENET_SD))
        self._mean, self._sd = mean, sd
        self.n_features: int | None = None
        """That a tile has; known after the first."""

    def features(self, tile: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return (d,) features of a tile (y, x) of raw counts.

        Raises
        ------
        ModelError
            If the extractor fails on it, or a feature is no finite number.
        ModelFormatError
            If it returns something else than (1, d) numbers, or another d than for the tile before.
        """
        with torch.inference_mode():
            try:
                output = self._module(self._input(tile))
            except (RuntimeError, torch.jit.Error) as error:
                raise ModelError(
                    f"{self._what} failed on a tile ({self._words()}): {last_line(error)}",
                    hint="Check what it takes: --input counts or imagenet, and --input-px.",
                ) from error
        found = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(found, torch.Tensor) or not found.is_floating_point():
            kind = str(found.dtype) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ModelFormatError(f"{self._what} returns {kind} for a tile, where features (1, d) are expected")
        if found.ndim != 2 or found.shape[0] != 1 or not 1 <= found.shape[1] <= MOST_FEATURES:
            raise ModelFormatError(
                f"{self._what} returns numbers of shape {tuple(found.shape)} for one tile, where (1, d) with d from 1 "
                f"to {MOST_FEATURES} are expected",
                hint="Let it return one vector per tile: pool its maps or tokens inside.",
            )
        row: NDArray[np.float32] = found[0].to(torch.float32).numpy().copy()
        if not np.isfinite(row).all():
            raise ModelError(f"{self._what} returned a feature that is no finite number")
        if self.n_features is not None and len(row) != self.n_features:
            raise ModelFormatError(
                f"{self._what} returned {self.n_features} features for one tile and {len(row)} for another"
            )
        self.n_features = len(row)
        return row

    def check(self, tile: NDArray[np.uint16]) -> None:
        """Refuse an extractor that gives two answers to one tile.

        Raises
        ------
        ModelError
            Also as `features`.
        """
        first, second = self.features(tile), self.features(tile)
        if np.abs(first - second).max() > _SAME * max(float(np.abs(first).max()), 1e-12):
            raise ModelError(
                f"{self._what} returns other features when it is given the same tile again", hint=_EVALUATION_HINT
            )

    def _words(self) -> str:
        side = "" if self._input_px is None else f", resized to {self._input_px} px"
        return f"{INPUTS[self._kind]}{side}"

    def _input(self, tile: NDArray[np.uint16]) -> torch.Tensor:
        """Return a tile as the extractor takes it: (1, 1 or 3, side, side) float32."""
        counts = torch.from_numpy(np.ascontiguousarray(tile, dtype=np.float32))[None, None]
        if self._input_px is not None and self._input_px != tile.shape[0]:
            size = (self._input_px, self._input_px)
            counts = functional.interpolate(counts, size, mode="bilinear", antialias=True, align_corners=False)
        if self._kind == "counts":
            return counts
        return (counts.expand(1, 3, -1, -1) / self._full_scale - self._mean) / self._sd


def load_extractor(path: Path, *, kind: ExtractorInput, full_scale: int, input_px: int | None = None) -> TileExtractor:
    """Read an extractor; its archive is checked before torch parses it, as that of a received model is.

    Parameters
    ----------
    path : Path
        A TorchScript file.
    kind : {"counts", "imagenet"}
        What it takes.
    full_scale : int
        The largest count of the tiles.
    input_px : int, optional
        Side to which tiles are resized; None: as they are.

    Raises
    ------
    ModelFormatError
        If it cannot be read, is no TorchScript archive, or its program may act.
    """
    what = f"the feature extractor {path}"
    data = read_regular(path, what, most_bytes=_MOST_BYTES)
    return TileExtractor(parse(data, what), what, hashlib.sha256(data).hexdigest(), kind, full_scale, input_px)
