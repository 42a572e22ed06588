"""Compute the gradient of a batch: devices, precision, and the fast way on a processor.

A processor works on a batch in small parts, each by one thread from the first convolution to the last gradient. The
maps of two tiles stay in its caches, no thread waits for another one inside an operation, and the gradients of the
parts are added in the order of the tiles: the weights do not depend on the number of threads. What else makes it fast:
bfloat16 convolutions where the processor has them, channels-last maps, pooling before the ReLU
(`hcc_scope.training.network`), and memory that is kept instead of being given back to the system for each map.
"""

from __future__ import annotations

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, Self, cast

import numpy as np
import torch

from hcc_scope.cores import usable_cores
from hcc_scope.errors import ModelError, UsageError
from hcc_scope.training.recipes import loss_sum

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileReader
    from hcc_scope.training.config import Device, NetworkName, Precision
    from hcc_scope.training.network import Network
    from hcc_scope.training.recipes import Settings

__all__ = [
    "Gradients",
    "Place",
    "choose_place",
    "keep_memory",
    "measure_moments",
    "reproducible_cudnn",
    "single_threaded",
]

PART: dict[NetworkName, int] = {"meng2019": 2, "compact": 8}
"""Tiles that a thread works on at once. Batch normalisation averages over a part: too few tiles would not do."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of ``mallopt`` in glibc's malloc.h."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where training runs."""

    device: Literal["cpu", "cuda"]
    precision: Literal["bfloat16", "float32"]
    threads: int
    """On the processor; they change the speed and nothing else."""


def choose_place(device: Device, precision: Precision, threads: int | None) -> Place:
    """Return where to train, with every ``auto`` decided.

    Raises
    ------
    UsageError
        If a GPU is requested and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise UsageError("torch finds no CUDA device, or was installed without CUDA", hint="Use --device cpu, or auto.")
    chosen: Literal["cpu", "cuda"] = "cuda" if device == "cuda" or (device == "auto" and has_gpu) else "cpu"
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if chosen == "cuda" else _cpu_has_bf16()
        precision = "bfloat16" if fast else "float32"
    return Place(chosen, precision, threads or usable_cores())


def _cpu_has_bf16() -> bool:
    """Return whether this processor multiplies bfloat16 itself; emulated it would be slower than float32."""
    from hcc_scope.inference.openvino import has_bf16

    try:
        return has_bf16()  # torch itself has no public way to ask
    except ModelError:  # no OpenVINO here
        return False


@cache
def keep_memory() -> None:
    """Make glibc's malloc keep freed memory: maps of megabytes are otherwise mapped, zeroed and unmapped each time.

    Does nothing where the C library is another one. Lasts as long as the process.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)  # the most that glibc accepts
    libc.mallopt(_M_TRIM_THRESHOLD, 2**30)


def reproducible_cudnn() -> AbstractContextManager[None]:
    """Return a context in which a GPU does the same again: no trying of kernels, no atomic sums, no TF32 rounding."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


class single_threaded:  # noqa: N801 - reads as a statement: with single_threaded():
    """Within the ``with``, torch uses one thread per operation; new threads inherit that."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)


class Gradients:
    """Computes gradients of batches. A context manager: its threads end with it.

    Parameters
    ----------
    network : torch.nn.Module
        As `hcc_scope.training.network.make_network` returns it; moved to the place, channels last.
    settings : Settings
        Decides loss and parts.
    place : Place
        Where it runs.
    """

    def __init__(self, network: torch.nn.Module, settings: Settings, place: Place) -> None:
        self._network = network.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self._settings = settings
        self._place = place
        self._weights = [weight for weight in network.parameters() if weight.requires_grad]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._place.device == "cpu":
            keep_memory()
            self._stack.enter_context(single_threaded())
            pool = ThreadPoolExecutor(self._place.threads, "training", torch.set_num_threads, (1,))
            self._pool = self._stack.enter_context(pool)
        else:
            self._stack.enter_context(reproducible_cudnn())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def compute(self, counts: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
        """Set the gradient of each weight to that of the mean loss over a batch; return that loss.

        Parameters
        ----------
        counts : ndarray
            (b, 1, y, x).
        labels : ndarray
            (b,).
        """
        n = len(counts)
        if self._place.device == "cuda":
            upload = torch.from_numpy(counts).pin_memory().to("cuda", non_blocking=True)
            parts = [self._part(upload, torch.from_numpy(labels).to("cuda"), n)]
        else:
            size = PART[self._settings.network]
            tiles, wanted = torch.split(torch.from_numpy(counts), size), torch.split(torch.from_numpy(labels), size)
            parts = list(self._pool.map(self._part, tiles, wanted, [n] * len(tiles)))
        network = cast("Network", self._network)
        for weight in self._weights:
            weight.grad = None
        loss = 0.0
        for gradients, moments, part_loss in parts:  # in the order of the tiles, so that the sum has the same bits
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
            network.absorb(moments)
            loss += float(part_loss)
        return loss

    def _part(
        self, counts: torch.Tensor, labels: torch.Tensor, n: int
    ) -> tuple[tuple[torch.Tensor, ...], list[torch.Tensor], torch.Tensor]:
        network = cast("Network", self._network)
        low = self._place.precision == "bfloat16"
        with torch.autocast(self._place.device, dtype=torch.bfloat16, enabled=low):
            last, moments = network.pooled_first(counts)
        logits, _ = network.head(last.float())
        loss = loss_sum(self._settings, logits, labels) / n
        return torch.autograd.grad(loss, self._weights), moments, loss.detach()


def measure_moments(
    network: torch.nn.Module, name: NetworkName, reader: TileReader, rows: NDArray[np.int64], most: int = 256
) -> None:
    """Measure the means and variances of a network's normalisation anew, on whole tiles as they are.

    A network that was trained on parts of tiles has those of parts: more of a part lies near its edge, where the
    convolutions see zeros. Does nothing to a network without normalisation.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU; left in the mode that it was in.
    name : {"meng2019", "compact"}
        Which one.
    reader : TileReader
    rows : (k,) int64
        Of the tiles that it was trained on; of more than `most`, so many are taken, evenly, and each counts the same.
    most : int
        Of tiles.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    if not norms:
        return
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)]
    was_training = network.training
    network.train()
    scripted = cast("Network", network)
    parts = -(-len(some) // PART[name])
    means, variances = ([torch.zeros(norm.num_features, dtype=torch.float64) for norm in norms] for _ in range(2))
    with single_threaded(), torch.no_grad():
        for part in range(parts):
            # rows lie image by image, and a part of one image would vary less than the batches of the training did
            of_part = some[part::parts]
            counts = torch.from_numpy(reader.read(of_part).astype(np.float32))[:, None]
            _, moments = scripted.pooled_first(counts.contiguous(memory_format=torch.channels_last))
            share = len(of_part) / len(some)
            for i, norm in enumerate(norms):
                means[i] += share * moments[2 * i].double()
                variances[i] += share * (moments[2 * i + 1].double().pow(-2) - norm.eps)
    for norm, mean, variance in zip(norms, means, variances, strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.num_batches_tracked.fill_(parts)
    network.train(was_training)
