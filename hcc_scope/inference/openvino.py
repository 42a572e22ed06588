"""The OpenVINO engines, and the only place where openvino is imported.

The same TorchScript module, compiled for this CPU in float32 or bfloat16.

Design
------
- **Workers.** Each thread takes whole tiles through the network, with its own requests and buffers. Threads that
  share the layers of one tile wait for one another some twenty times a tile, and for any of them that the camera or
  the writer has just interrupted; workers never wait. A tile's bits depend neither on other tiles nor on the number
  of workers.
- **One tile at a time.** Batches are not faster, and OpenVINO 2026.4 adds the wrong bias when a sum over the last axis
  is followed by an addition and the batch is larger than one (it reads beyond the constant).
- **A first stage of our own** (`hcc_scope.inference.stem`) where the network begins as most do here: stretched counts,
  one convolution 3 x 3 from one channel, ReLU, 2 x 2 pooling. It reads a tile where it lies in the frame, so nothing is
  copied, and writes what the rest of the graph reads in place. Other networks run without it.
- **Two graphs for bfloat16** where there is no such stage. The precision hint also lowers what comes before the first
  convolution: a count of 31000 would be rounded to a multiple of 128 *before* the tile's mean is subtracted. So
  everything up to the first convolution is compiled in float32, the rest in bfloat16.
- **No cache of compiled models.** Compiling takes 0.1 s; reading it back from a cache was not faster.
- **Nobody is phoned.** ``import openvino`` reports to Google Analytics and writes below the home folder unless
  ``openvino_telemetry`` cannot be imported; it is made so before the first import, and OpenVINO then uses its own stub.
"""

from __future__ import annotations

import itertools
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import ModelError
from hcc_scope.inference.base_classifier import BaseClassifier
from hcc_scope.inference.openvino_graph import Precision, convert, parts_of, properties
from hcc_scope.inference.output_checks import last_line
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from hcc_scope.inference.base import EngineName
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.openvino_graph import GraphParts
    from hcc_scope.protocols import Tiles

__all__ = ["OpenVinoClassifier", "Precision", "has_bf16"]


def has_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 natively; elsewhere it would be emulated, slowly.

    Raises
    ------
    ModelError
        If OpenVINO is not installed.
    """
    return "BF16" in _capabilities()


class OpenVinoClassifier(BaseClassifier):
    """A TorchScript model as a `hcc_scope.protocols.Classifier`, compiled by OpenVINO for the CPU.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        As `hcc_scope.inference.torchscript.parse` returns it; not changed.
    card : ModelCard
        Tile size, normalisation, and whether it gives a distance.
    threads : int
        Workers: tiles that are under way at the same time, the caller's thread included.
    precision : {"float32", "bfloat16"}
        Of convolutions and matrix products.

    Raises
    ------
    ModelError
        If OpenVINO is not installed, cannot convert the model, or bfloat16 is requested and this CPU has none.
    ModelFormatError
        If the model does not return two logits for a tile, or not the distance that its card speaks of.
    """

    def __init__(
        self, module: torch.jit.ScriptModule, card: ModelCard, threads: int, precision: Precision = "float32"
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        ov = _import_openvino()
        if precision == "bfloat16" and not has_bf16():
            raise ModelError("this CPU has no bfloat16 instructions", hint="Use the engine openvino instead.")
        super().__init__(card)
        self._precision = precision
        parts = parts_of(ov, convert(ov, module, card), card, precision)
        try:
            self._workers = [_Worker(ov, parts, card.tile_px) for _ in range(threads)]
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot compile the model {card.name}: {last_line(error)}", hint="Use the engine torchscript."
            ) from error
        version = ov.get_version().partition("-")[0]
        kernels = ("stem+" if parts.stem else "") + self._workers[0].kernels
        self._engine = f"openvino {version} {kernels} {precision} 1 thread a tile"

    @property
    def name(self) -> EngineName:
        """Short name of the engine."""
        return "openvino" if self._precision == "float32" else "openvino-bf16"

    @property
    def engine(self) -> str:
        """Everything that the bits of a logit may depend on: version, kernels, precision."""
        return self._engine

    def _fill(self, tiles: Tiles, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> None:
        found = np.empty((len(tiles), 2 if distances is None else 3), np.float32)
        self._share(tiles, found)
        logits[:] = found[:, :2]
        if distances is not None:
            distances[:] = found[:, 2]

    def _share(self, tiles: Tiles, found: NDArray[np.float32]) -> None:
        """Fill `found`: every worker takes the next tile until there is none. None is at work when this returns."""
        turns = itertools.count()  # the interpreter lock makes taking a number atomic
        failures: list[BaseException] = []

        def work(worker: _Worker) -> None:
            while not failures and (index := next(turns)) < len(tiles):
                done = attempt(partial(worker.run, tiles[index], found[index]))
                if isinstance(done, Failure):
                    failures.append(done.error)

        # threads of one call: making one takes 0.1 ms, and a classifier then has nothing to close
        helpers = [
            threading.Thread(target=work, args=(worker,), name=f"hcc-worker-{number}", daemon=True)
            for number, worker in enumerate(self._workers[1 : len(tiles)], start=1)
        ]
        try:
            with suppress(RuntimeError):  # no thread is to be had: fewer workers do it as well
                for helper in helpers:
                    helper.start()
            work(self._workers[0])
        finally:
            _join(helpers, failures)
        failures.sort(key=lambda error: isinstance(error, Exception))  # Ctrl-C before anything else
        if not failures:
            return
        if isinstance(failures[0], RuntimeError):
            message = f"the model {self._model_name} failed on a tile: {last_line(failures[0])}"
            raise ModelError(message) from failures[0]
        raise failures[0]


def _join(helpers: Sequence[threading.Thread], failures: list[BaseException]) -> None:
    """Wait for every helper, whatever happens meanwhile: its worker's buffers belong to the next call as well."""
    for helper in helpers:
        while helper.is_alive():
            try:
                helper.join()
            except KeyboardInterrupt as error:
                failures.append(error)  # the workers stop after the tile that they are at


class _Worker:
    """One thread's way through the network."""

    def __init__(self, ov: Any, parts: GraphParts, tile_px: int) -> None:  # noqa: ANN401
        compiled = [ov.Core().compile_model(graph, "CPU", properties(hint)) for graph, hint in parts.graphs]
        self._requests = [one.create_infer_request() for one in compiled]
        for before, after in itertools.pairwise(self._requests):
            after.set_input_tensor(before.get_output_tensor())
        self._stem = parts.stem() if parts.stem else None
        if self._stem is None:
            self._buffer = np.zeros((1, 1, tile_px, tile_px), np.uint16)
            entrance = ov.Tensor(self._buffer, shared_memory=True)
        elif self._stem.output.dtype == np.float32:
            entrance = ov.Tensor(self._stem.output, shared_memory=True)
        else:  # numpy has no bfloat16: the same memory under another name
            entrance = ov.Tensor(self._stem.output, ov.Shape(self._stem.output.shape), ov.Type.bf16)
        self._requests[0].set_input_tensor(entrance)
        self.kernels = _kernels(compiled[-1])
        # views of the request's own memory, rewritten by every inference: logits (2,), and the distance (1,) if any
        last = self._requests[-1]
        n_outputs = len(compiled[-1].outputs)
        self._rows: list[NDArray[np.float32]] = [last.get_output_tensor(i).data.reshape(-1) for i in range(n_outputs)]

    def run(self, tile: NDArray[np.uint16], found: NDArray[np.float32]) -> None:
        """Fill `found` for a tile: its two logits, and its distance if the model gives one."""
        if self._stem is None:
            self._buffer[0, 0] = tile
        else:
            self._stem.run(tile)
        for request in self._requests:
            request.infer()
        found[:2] = self._rows[0]
        if len(self._rows) > 1:
            found[2] = self._rows[1][0]


def _capabilities() -> list[str]:
    found: list[str] = _import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return found


def _import_openvino() -> Any:  # noqa: ANN401 - it is not installed everywhere, and its types are not checked
    """Import openvino with its telemetry made unimportable: an import alone would send and write."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # documented: makes an import fail
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            f"OpenVINO is not installed or does not load ({error})",
            hint="Run pip install openvino, or choose the engine torchscript.",
        ) from error
    return openvino


def _kernels(compiled: Any) -> str:  # noqa: ANN401
    """Return the convolutions' kernels, e.g. ``brgconv_avx512_amx_bf16``: bits differ with them between CPUs."""
    kinds = set()
    for op in compiled.get_runtime_model().get_ordered_ops():
        info = op.get_rt_info()
        if str(info["layerType"].astype(str)) in ("Convolution", "FullyConnected", "MatMul"):
            kinds.add(str(info["primitiveType"].astype(str)))
    return "+".join(sorted(kinds)) or "cpu"
