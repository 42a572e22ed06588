"""The OpenVINO engines, and the only place where openvino is imported.

The same TorchScript module, compiled for this CPU in float32 or bfloat16.

Design
------
- **One tile at a time.** Batches are not faster, and OpenVINO 2026.4 adds the wrong bias when a sum over the last axis
  is followed by an addition and the batch is larger than one (it reads beyond the constant). A tile's bits then
  depend on that tile alone by construction.
- **No cache of compiled models.** Compiling takes 0.1 s; reading it back from a cache was not faster.
- **Two graphs for bfloat16.** The precision hint also lowers what comes before the first convolution: a count of 31000
  would be rounded to a multiple of 128 *before* the tile's mean is subtracted. So everything up to the first
  convolution is compiled in float32, the rest in bfloat16, and the second graph reads the first one's output in place.
- **Raw counts in.** The tile is copied once, into a uint16 buffer that the graph reads without another copy (views of
  a frame are not contiguous, and OpenVINO's strided tensors do not take uint16). Conversion and normalisation are in
  the graph.
- **Nobody is phoned.** ``import openvino`` reports to Google Analytics and writes below the home folder unless
  ``openvino_telemetry`` cannot be imported; it is made so before the first import, and OpenVINO then uses its own stub.
"""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hcc_scope.errors import ModelError
from hcc_scope.inference.tensors import check_finite, check_tiles, last_line, wrong_output

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.engines import EngineName

__all__ = ["OpenVinoClassifier", "Precision", "has_bf16"]

Precision = Literal["float32", "bfloat16"]

_HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})
"""What bfloat16 is worth it for; nothing before the first of these is lowered."""


def has_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 natively; elsewhere it would be emulated, slowly.

    Raises
    ------
    ModelError
        If OpenVINO is not installed.
    """
    return "BF16" in _capabilities()


class OpenVinoClassifier:
    """A TorchScript model as a `hcc_scope.protocols.Classifier`, compiled by OpenVINO for the CPU.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        As `hcc_scope.inference.torchscript.parse` returns it; not changed.
    card : ModelCard
        Tile size and normalisation.
    threads : int
        Threads within one operation, the caller's included.
    precision : {"float32", "bfloat16"}
        Of convolutions and matrix products.

    Raises
    ------
    ModelError
        If OpenVINO is not installed, cannot convert the model, or bfloat16 is asked for and this CPU has none.
    ModelFormatError
        If the model does not return two logits for a tile.
    """

    def __init__(
        self, module: torch.jit.ScriptModule, card: ModelCard, threads: int, precision: Precision = "float32"
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        ov = _import_openvino()
        core = ov.Core()
        if precision == "bfloat16" and not has_bf16():
            raise ModelError("this CPU has no bfloat16 instructions", hint="Use the engine openvino instead.")
        self._tile_px = card.tile_px
        self._model_name = card.name
        self._precision = precision
        self._lock = threading.Lock()
        graphs = [(_convert(ov, module, card), "f32")]
        if precision == "bfloat16":
            head, trunk = _divided(ov, graphs[0][0], card)
            graphs = [(head, "f32"), (trunk, "bf16")]
        try:
            compiled = [core.compile_model(graph, "CPU", _properties(threads, hint)) for graph, hint in graphs]
            self._requests = [one.create_infer_request() for one in compiled]
            for before, after in zip(self._requests, self._requests[1:], strict=False):
                after.set_input_tensor(before.get_output_tensor())
            self._buffer = np.zeros((1, 1, card.tile_px, card.tile_px), np.uint16)
            self._requests[0].set_input_tensor(ov.Tensor(self._buffer, shared_memory=True))
            # a view of the request's own memory, rewritten by every inference
            self._row: NDArray[np.float32] = self._requests[-1].get_output_tensor().data
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile the model {card.name}: {last_line(error)}") from error
        version = ov.get_version().partition("-")[0]
        self._engine = f"openvino {version} {_kernels(compiled[-1])} {precision} {threads} threads"

    @property
    def name(self) -> EngineName:
        """Short name of the engine."""
        return "openvino" if self._precision == "float32" else "openvino-bf16"

    @property
    def engine(self) -> str:
        """Everything that the bits of a logit may depend on: version, kernels, precision, threads."""
        return self._engine

    def classify(self, tiles: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return logits for raw tiles.

        Parameters
        ----------
        tiles : ndarray
            (n, tile, tile) uint16 raw counts; views with any strides are fine, n may be 0.

        Returns
        -------
        ndarray
            (n, 2) float32, columns *low*, *high*.

        Raises
        ------
        ModelError
            If the model fails, or a logit is not a finite number.
        """
        check_tiles(tiles, self._tile_px)
        logits = np.empty((len(tiles), 2), np.float32)
        with self._lock:
            for index, tile in enumerate(tiles):
                self._buffer[0, 0] = tile
                try:
                    for request in self._requests:
                        request.infer()
                except RuntimeError as error:
                    raise ModelError(f"the model {self._model_name} failed on a tile: {last_line(error)}") from error
                logits[index] = self._row[0]
        check_finite(logits, self._model_name)
        return logits


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


def _convert(ov: Any, module: torch.jit.ScriptModule, card: ModelCard) -> Any:  # noqa: ANN401
    """Return an openvino.Model: uint16 counts (1, 1, tile, tile) to logits (1, 2), nothing else."""
    shape = ov.PartialShape([1, 1, card.tile_px, card.tile_px])
    failures = (
        RuntimeError,
        ov.frontend.OpConversionFailure,
        ov.frontend.GeneralFailure,
        ov.frontend.NotImplementedFailure,
        ov.frontend.OpValidationFailure,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the converter's own use of torch.jit
            whole = ov.convert_model(module, input=(shape, ov.Type.f32))
        # features are computed anyway, but an output that nobody reads costs a copy
        model = ov.Model([whole.outputs[0]], whole.get_parameters(), card.name)
        steps = ov.preprocess.PrePostProcessor(model)
        steps.input().tensor().set_element_type(ov.Type.u16)
        steps.input().preprocess().convert_element_type(ov.Type.f32)
        if card.normalisation == "external":
            steps.input().preprocess().custom(lambda node: _stretched(ov, node, card.count_scale))
        model = steps.build()
    except failures as error:
        raise ModelError(f"OpenVINO cannot convert the model {card.name}: {last_line(error)}") from error
    found = model.output(0).get_partial_shape()
    if found != ov.PartialShape([1, 2]):
        raise wrong_output(card.name, found)
    return model


def _stretched(ov: Any, counts: Any, scale: float) -> Any:  # noqa: ANN401
    """Return the mean-stretched (Meng et al. 2019, eq. 1, 2) and scaled counts as part of a graph."""
    ops = ov.opset13
    mean = ops.reduce_mean(counts, ops.constant(np.array([2, 3])), True)
    return ops.multiply(ops.subtract(counts, mean), ops.constant(np.float32(scale))).output(0)


def _divided(ov: Any, model: Any, card: ModelCard) -> tuple[Any, Any]:  # noqa: ANN401
    """Divide a graph before its first heavy operation.

    The converter may have moved constants, such as the scale of the input, behind the cut: only the two graphs
    together mean what the model means.
    """
    first = next((op for op in model.get_ordered_ops() if op.get_type_name() in _HEAVY), None)
    if first is None:
        raise ModelError(f"the model {card.name} has nothing that bfloat16 would make faster")
    seam = first.input_value(0)
    head = ov.Model([seam], model.get_parameters(), f"{card.name}-head")
    entry = ov.opset13.parameter(seam.get_partial_shape(), ov.Type.f32)
    trunk_source = model.clone()  # the head keeps the original's nodes
    twin = next(op for op in trunk_source.get_ordered_ops() if op.get_type_name() in _HEAVY)
    for reader in twin.input_value(0).get_target_inputs():
        reader.replace_source_output(entry.output(0))
    try:
        return head, ov.Model([trunk_source.output(0)], [entry], f"{card.name}-trunk")
    except RuntimeError as error:  # a branch that goes round the first convolution
        raise ModelError(f"the model {card.name} cannot be divided for bfloat16: {last_line(error)}") from error


def _properties(threads: int, hint: str) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # pinned threads cannot give way to the camera's and the writer's
        "ENABLE_CPU_PINNING": False,
    }


def _kernels(compiled: Any) -> str:  # noqa: ANN401
    """Return the convolutions' kernels, e.g. ``brgconv_avx512_amx_bf16``: bits differ with them between CPUs."""
    kinds = set()
    for op in compiled.get_runtime_model().get_ordered_ops():
        info = op.get_rt_info()
        if str(info["layerType"].astype(str)) in ("Convolution", "FullyConnected", "MatMul"):
            kinds.add(str(info["primitiveType"].astype(str)))
    return "+".join(sorted(kinds)) or "cpu"
