"""The engine for an NVIDIA GPU: TorchScript, float32, batches of tiles.

Written without a GPU at hand: its speed was not measured (docs/engines.md). Its arithmetic is tested on the CPU.

Same bits, always: cuDNN may choose another kernel for another batch size, so every batch has the same size (the rest is
padded with black tiles), cuDNN is set to be deterministic and not to try kernels out, and TF32, which would round
every product to 11 bits, is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hcc_scope.errors import ModelError
from hcc_scope.inference.base_classifier import BaseClassifier
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.inference.output_checks import (
    check_distance_output,
    last_line,
    wrong_distance,
    wrong_output,
)
from hcc_scope.inference.torchscript import WARM_UP_RUNS, copy_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.inference.base import EngineName
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.protocols import Tiles

__all__ = ["CudaClassifier", "is_there"]

BATCH = 16
"""Tiles of one 2048 x 2048 frame."""


def is_there() -> bool:
    """Return whether torch can use a CUDA device."""
    return torch.cuda.is_available()


class CudaClassifier(BaseClassifier):
    """A TorchScript model as a `hcc_scope.protocols.Classifier` on a GPU.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        As `hcc_scope.inference.torchscript.parse` returns it; copied, not moved.
    card : ModelCard
        Tile size, normalisation, and whether it gives a distance.
    device : str
        ``"cpu"`` runs the same code without a GPU.

    Raises
    ------
    ModelError
        If there is no such device, or the model does not run on it.
    ModelFormatError
        If the model does not return two logits for each tile of a batch, and a distance if its card has one.
    """

    def __init__(self, module: torch.jit.ScriptModule, card: ModelCard, device: str = "cuda") -> None:
        on_gpu = device != "cpu"
        if on_gpu and not is_there():
            raise ModelError(
                "torch finds no CUDA device, or was installed without CUDA", hint="Choose another engine, or auto."
            )
        super().__init__(card)
        self._external_scale = card.count_scale if card.normalisation == "external" else None
        self._device = torch.device(device)
        # int16, because torch computes with uint16 nowhere; read as uint16 again on the device
        self._upload = torch.zeros((BATCH, 1, card.tile_px, card.tile_px), dtype=torch.int16, pin_memory=on_gpu)
        self._counts = self._upload.numpy().view(np.uint16)
        where = torch.cuda.get_device_name(self._device) if on_gpu else "cpu"
        self._engine = f"cuda {torch.__version__} {where} float32 batches of {BATCH}"
        self._module = copy_to(module, device, f"the model {card.name}")
        for _ in range(WARM_UP_RUNS):
            self._batch()

    @property
    def name(self) -> EngineName:
        """Short name of the engine."""
        return "cuda"

    @property
    def engine(self) -> str:
        """Everything that the bits of a logit may depend on: version, device, precision, batch."""
        return self._engine

    def _fill(self, tiles: Tiles, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> None:
        for begin in range(0, len(tiles), BATCH):
            part = tiles[begin : begin + BATCH]
            for slot, tile in zip(self._counts, part, strict=False):
                slot[0] = tile
            self._counts[len(part) :] = 0
            rows, found = self._batch()
            logits[begin : begin + len(part)] = rows[: len(part)]
            if distances is not None and found is not None:
                distances[begin : begin + len(part)] = found[: len(part)]

    def _batch(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the (BATCH, 2) logits of what is in the upload buffer, and the (BATCH,) distances if there are any."""
        exact = {"benchmark": False, "deterministic": True, "allow_tf32": False}
        try:
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, **exact):
                raw = self._upload.to(self._device, non_blocking=True)
                counts = (raw.to(torch.int32) & 0xFFFF).to(torch.float32)
                if self._external_scale is not None:
                    counts = mean_stretching(counts) * self._external_scale
                output = self._module(counts)
                logits = output[0] if isinstance(output, tuple) and output else output
                if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (BATCH, 2):
                    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
                    raise wrong_output(self._model_name, f"{found} for a batch of {BATCH}, not (1, 2)")
                check_distance_output(
                    len(output) if isinstance(output, tuple) else 1, self._model_name, promised=self._measures
                )
                distance = output[2] if self._measures else None
                if distance is not None and tuple(distance.shape) != (BATCH,):
                    raise wrong_distance(self._model_name, f"{tuple(distance.shape)} for a batch of {BATCH}, not (1,)")
                rows: NDArray[np.float32] = logits.to(torch.float32).cpu().numpy()  # waits for the device
                measured = None if distance is None else distance.to(torch.float32).cpu().numpy()
        except (RuntimeError, torch.jit.Error) as error:
            raise ModelError(f"the model {self._model_name} failed on a batch: {last_line(error)}") from error
        return rows, measured
