"""Predictions for many tiles, for evaluation: float32, and each tile independent of the others.

On a processor tiles go through one by one, as in the engines, each on one thread: the bits do not depend on what else
is predicted, nor on the number of threads. On a GPU every batch has the same size, for the same reason.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hcc_scope.errors import DivergedError, TrainingError
from hcc_scope.training.compute import choose_place, keep_memory, reproducible_cudnn, single_threaded
from hcc_scope.training.fit_result import Predictions
from hcc_scope.training.metrics import check_learning, has_diverged
from hcc_scope.training.network import make_network
from hcc_scope.training.prefetch import Prefetch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.config import Device, NetworkName
    from hcc_scope.training.metrics import LearningCheck
    from hcc_scope.training.network import Network

__all__ = ["check_network", "load_weights", "predict"]

_BATCH = 16
_TILES_ASKED = 512


def predict(
    network: torch.nn.Module,
    tiles: TileTable,
    rows: NDArray[np.int64] | Sequence[int],
    *,
    threads: int | None = None,
    device: Device = "auto",
) -> Predictions:
    """Return logits and features of some tiles.

    Parameters
    ----------
    network : torch.nn.Module
        As `hcc_scope.training.network.make_network` returns it; left in the mode that it was in, and where it was.
    tiles : TileTable
        The tiles.
    rows : sequence of int
        Which of them, in the order wanted.
    threads : int, optional
        All cores if not given. Changes the speed only.
    device : {"auto", "cpu", "cuda"}
        Where to compute.

    Returns
    -------
    Predictions
    """
    chosen = np.asarray(rows, dtype=np.int64)
    place = choose_place(device, "float32", threads)
    was_training, was_on = network.training, next(network.parameters()).device
    network.eval().to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    cuts = [chosen[i : i + _BATCH] for i in range(0, len(chosen), _BATCH)]
    found: Predictions | None = None
    done = 0
    try:
        with ExitStack() as stack:
            ready = stack.enter_context(Prefetch(tiles.reader, cuts, lambda tile, _: tile.astype(np.float32)))
            if place.device == "cpu":
                keep_memory()
                stack.enter_context(single_threaded())
                pool = stack.enter_context(ThreadPoolExecutor(place.threads, "predict", torch.set_num_threads, (1,)))
            else:
                stack.enter_context(reproducible_cudnn())
            for batch in ready:
                counts = torch.from_numpy(batch.counts)
                if place.device == "cpu":
                    parts = list(pool.map(lambda one: _forward(network, one), torch.split(counts, 1)))
                else:
                    padded = torch.zeros((_BATCH, *counts.shape[1:])).pin_memory()
                    padded[: len(counts)] = counts
                    both = _forward(network, padded.to("cuda"))
                    parts = [(both[0][: len(counts)].cpu(), both[1][: len(counts)].cpu())]
                for one_logits, one_features in parts:
                    # one array for all: small ones that stay would lie between large ones that go, and no room is free
                    if found is None:
                        found = Predictions(
                            *(np.empty((len(chosen), one.shape[1]), np.float32) for one in (one_logits, one_features))
                        )
                    end = done + len(one_logits)
                    found.logits[done:end], found.features[done:end] = one_logits.numpy(), one_features.numpy()
                    done = end
    finally:
        network.train(was_training).to(was_on)
    if found is None:
        empty, hidden = _forward(network.eval(), torch.zeros((1, 1, tiles.tile_px, tiles.tile_px), device=was_on))
        network.train(was_training)
        return Predictions(empty[:0].cpu().numpy(), hidden[:0].cpu().numpy())
    return found


def _forward(network: torch.nn.Module, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scripted = cast("Network", network)
    with torch.inference_mode():
        last, _ = scripted.pooled_first(counts)
        # features in the order (channel, y, x), contiguous, whatever the layout of the maps
        return scripted.head(last.contiguous())


def check_network(
    network: torch.nn.Module,
    tiles: TileTable,
    learnt_from: NDArray[np.int64],
    labels: NDArray[np.int64],
    loss: Literal["squared error", "cross-entropy"],
    *,
    threads: int | None = None,
    device: Device = "auto",
) -> LearningCheck:
    """Return what a network has learnt of the tiles that it was trained on.

    Some networks fall silent in their first steps. Of more than `_TILES_ASKED` tiles so many are asked for, evenly.

    Parameters
    ----------
    network : torch.nn.Module
        Trained.
    tiles : TileTable
    learnt_from : (k,) int
        Rows of the table.
    labels : (all tiles,) int
        The classes that the network was trained on.
    loss : {"squared error", "cross-entropy"}
        It was trained with.
    threads, device
        As for `predict`.

    Raises
    ------
    DivergedError
        If it answers with what is no probability.
    """
    some = learnt_from[np.linspace(0, len(learnt_from) - 1, min(len(learnt_from), _TILES_ASKED)).astype(np.int64)]
    logits = predict(network, tiles, some, threads=threads, device=device).logits
    if has_diverged(logits):
        raise DivergedError(
            "the training has diverged: for the tiles that it was trained on, the network no longer returns "
            "probabilities",
            hint="Use a lower --learning-rate.",
        )
    return check_learning(logits, labels[some], tiles.image_index[some], loss)


def load_weights(name: NetworkName, path: Path, n_outputs: int = 2, bit_depth: int = 16) -> torch.nn.Module:
    """Return a trained network, in evaluation mode, on the CPU.

    Parameters
    ----------
    name : {"meng2019", "compact"}
        Which network.
    path : Path
        ``weights.safetensors``.
    n_outputs, bit_depth : int
        As it was trained.

    Raises
    ------
    TrainingError
        If the file cannot be read or holds another network's weights.
    """
    network = make_network(name, n_outputs=n_outputs, bit_depth=bit_depth)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise TrainingError(f"{path} holds no weights of the network {name}: {str(error).splitlines()[0]}") from error
    return network.eval()
