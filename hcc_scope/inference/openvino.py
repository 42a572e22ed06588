"""The OpenVINO engines, and the only place where openvino is imported.

The same TorchScript module, compiled for this CPU in float32 or bfloat16.

Design
------
- **Lanes.** Each thread takes whole tiles through the network, with requests and buffers of its own. Threads that share
  the layers of one tile wait for one another some twenty times a tile, and for whichever of them the camera or the
  writer has just interrupted; lanes never wait. A tile's bits depend neither on other tiles nor on the number of lanes.
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
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hcc_scope.errors import ModelError
from hcc_scope.inference.stem import Stem
from hcc_scope.inference.tensors import check_finite, check_tiles, last_line, wrong_output
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.engines import EngineName
    from hcc_scope.protocols import Tiles

__all__ = ["OpenVinoClassifier", "Precision", "has_bf16"]

Precision = Literal["float32", "bfloat16"]

_HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})
"""What bfloat16 is worth it for; nothing before the first of these is lowered."""
_LINEAR = frozenset(
    {"Parameter", "Constant", "Add", "Subtract", "ReduceMean", "ReduceSum", "Reshape", "Squeeze", "Unsqueeze"}
)
"""Operations that are linear in their inputs, whatever these are (or affine: a constant would show in the probes)."""
_SAME_STRETCHING = 1e-4
"""Relative difference up to which two normalisations are one: OpenVINO's own float32 mean is off by up to 1.5e-5."""


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
        Lanes: tiles that are under way at the same time, the caller's thread included.
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
        if precision == "bfloat16" and not has_bf16():
            raise ModelError("this CPU has no bfloat16 instructions", hint="Use the engine openvino instead.")
        self._tile_px = card.tile_px
        self._model_name = card.name
        self._precision = precision
        self._lock = threading.Lock()
        model = _convert(ov, module, card)
        parts = _with_stem(ov, model, card, precision) or _without_stem(ov, model, card, precision)
        try:
            self._lanes = [_Lane(ov, parts, card.tile_px) for _ in range(threads)]
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile the model {card.name}: {last_line(error)}") from error
        version = ov.get_version().partition("-")[0]
        kernels = ("stem+" if parts.stem else "") + self._lanes[0].kernels
        self._engine = f"openvino {version} {kernels} {precision} 1 thread a tile"

    @property
    def name(self) -> EngineName:
        """Short name of the engine."""
        return "openvino" if self._precision == "float32" else "openvino-bf16"

    @property
    def engine(self) -> str:
        """Everything that the bits of a logit may depend on: version, kernels, precision."""
        return self._engine

    def classify(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return logits for raw tiles.

        Parameters
        ----------
        tiles : ndarray or sequence of ndarray
            (n, tile, tile) uint16 raw counts, or n times (tile, tile); any strides are fine, n may be 0.

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
            self._share(tiles, logits)
        check_finite(logits, self._model_name)
        return logits

    def _share(self, tiles: Tiles, logits: NDArray[np.float32]) -> None:
        """Fill `logits`: every lane takes the next tile until there is none. No lane is at work when this returns."""
        turns = itertools.count()  # the interpreter lock makes taking a number atomic
        failures: list[BaseException] = []

        def work(lane: _Lane) -> None:
            while not failures and (index := next(turns)) < len(tiles):
                done = attempt(partial(lane.run, tiles[index], logits[index]))
                if isinstance(done, Failure):
                    failures.append(done.error)

        # threads of one call: making one takes 0.1 ms, and a classifier then has nothing to close
        helpers = [
            threading.Thread(target=work, args=(lane,), name=f"hcc-lane-{number}", daemon=True)
            for number, lane in enumerate(self._lanes[1 : len(tiles)], start=1)
        ]
        try:
            with suppress(RuntimeError):  # no thread is to be had: fewer lanes do it as well
                for helper in helpers:
                    helper.start()
            work(self._lanes[0])
        finally:
            _join(helpers, failures)
        failures.sort(key=lambda error: isinstance(error, Exception))  # Ctrl-C before anything else
        if not failures:
            return
        if isinstance(failures[0], RuntimeError):
            raise ModelError(f"the model {self._model_name} failed on a tile: {last_line(failures[0])}") from failures[
                0
            ]
        raise failures[0]


def _join(helpers: Sequence[threading.Thread], failures: list[BaseException]) -> None:
    """Wait for every helper, whatever happens meanwhile: its lane's buffers belong to the next call as well."""
    for helper in helpers:
        while helper.is_alive():
            try:
                helper.join()
            except KeyboardInterrupt as error:
                failures.append(error)  # the lanes stop after the tile that they are at


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a lane is made of, first to last."""

    stem: Callable[[], Stem] | None
    """Makes a first stage, whose output the first graph reads; or None."""
    graphs: tuple[tuple[Any, str], ...]
    """openvino.Model and precision hint; each reads the one before."""


class _Lane:
    """One thread's way through the network."""

    def __init__(self, ov: Any, parts: _Parts, tile_px: int) -> None:  # noqa: ANN401
        compiled = [ov.Core().compile_model(graph, "CPU", _properties(hint)) for graph, hint in parts.graphs]
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
        # a view of the request's own memory, rewritten by every inference
        self._row: NDArray[np.float32] = self._requests[-1].get_output_tensor().data

    def run(self, tile: NDArray[np.uint16], logits: NDArray[np.float32]) -> None:
        """Fill the (2,) `logits` of a tile."""
        if self._stem is None:
            self._buffer[0, 0] = tile
        else:
            self._stem.run(tile)
        for request in self._requests:
            request.infer()
        logits[:] = self._row[0]


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


def _without_stem(ov: Any, model: Any, card: ModelCard, precision: Precision) -> _Parts:  # noqa: ANN401
    """Return the whole model, divided before its first heavy operation for bfloat16."""
    if precision == "float32":
        return _Parts(None, ((model, "f32"),))
    first = _first_heavy(model)
    if first is None:
        raise ModelError(f"the model {card.name} has nothing that bfloat16 would make faster")
    try:
        return _Parts(None, ((_head(ov, model, first), "f32"), (_trunk(ov, model, first.input_value(0)), "bf16")))
    except RuntimeError as error:  # a branch that goes round the first convolution
        raise ModelError(f"the model {card.name} cannot be divided for bfloat16: {last_line(error)}") from error


def _with_stem(ov: Any, model: Any, card: ModelCard, precision: Precision) -> _Parts | None:  # noqa: ANN401
    """Return the model with a first stage of our own, or None if it does not begin that way or none runs here."""
    found = _stem_chain(model, card.tile_px)
    if found is None:
        return None
    convolution, bias, pooling = found
    weights = convolution.input_value(1).get_node()
    if not _is_linear(convolution.input_value(0).get_node()):
        return None
    try:
        scale = _stretching(ov, _head(ov, model, convolution), card.tile_px)
        trunk = _trunk(ov, model, pooling.output(0), layout="NHWC", kind=precision)
    except RuntimeError:  # a branch that goes round it
        return None
    if scale is None:
        return None
    taps = np.asarray(weights.get_data(), np.float32) * scale
    make = partial(Stem, taps, np.asarray(bias, np.float32).reshape(-1), card.tile_px, precision)
    try:
        make()
    except (ModelError, ValueError):  # not on this processor, or not for these shapes: OpenVINO alone does it
        return None
    return _Parts(make, ((trunk, "f32" if precision == "float32" else "bf16"),))


def _first_heavy(model: Any) -> Any:  # noqa: ANN401
    return next((op for op in model.get_ordered_ops() if op.get_type_name() in _HEAVY), None)


def _stem_chain(model: Any, tile_px: int) -> tuple[Any, NDArray[np.float32], Any] | None:  # noqa: ANN401
    """Return convolution, bias and pooling of a model that begins as `Stem` does, or None."""
    convolution = _first_heavy(model)
    if convolution is None or convolution.get_type_name() != "Convolution":
        return None
    wanted = {"strides": [1, 1], "dilations": [1, 1], "pads_begin": [1, 1], "pads_end": [1, 1]}
    taps = convolution.input_value(1).get_node()
    if _static(convolution.input_value(0)) != [1, 1, tile_px, tile_px] or taps.get_type_name() != "Constant":
        return None
    if not _has(convolution, wanted) or _static(convolution.input_value(1))[1:] != [1, 3, 3]:
        return None
    addition = _only_reader(convolution, "Add")
    activation = addition and _only_reader(addition, "Relu")
    pooling = activation and _only_reader(activation, "MaxPool")
    wanted = {"kernel": [2, 2], "strides": [2, 2], "dilations": [1, 1], "pads_begin": [0, 0], "pads_end": [0, 0]}
    if not pooling or not _has(pooling, wanted):
        return None
    for side in (0, 1):
        term = addition.input_value(side).get_node()
        if term.get_type_name() == "Constant":
            n_maps = _static(convolution.input_value(1))[0]
            fits = _static(addition.input_value(side)) in ([1, n_maps, 1, 1], [n_maps, 1, 1])
            return (convolution, np.asarray(term.get_data(), np.float32), pooling) if fits else None
    return None


def _static(value: Any) -> list[int]:  # noqa: ANN401
    """Return the shape of a value of a graph; empty if it is not known before the graph runs."""
    shape = value.get_partial_shape()
    return list(shape.to_shape()) if shape.is_static else []


def _has(op: Any, wanted: dict[str, list[int]]) -> bool:  # noqa: ANN401
    attributes = op.get_attributes()
    return all(list(attributes.get(name, value)) == value for name, value in wanted.items())


def _only_reader(op: Any, kind: str) -> Any:  # noqa: ANN401
    """Return the only operation that reads the first output of `op`, if it is of that kind; else None."""
    readers = list(op.output(0).get_target_inputs())
    if len(readers) != 1 or readers[0].get_node().get_type_name() != kind:
        return None
    return readers[0].get_node()


def _is_linear(last: Any) -> bool:  # noqa: ANN401
    """Return whether everything that leads to an operation is linear: what holds for some tiles then holds for all."""
    waiting, seen = [last], set()
    while waiting:
        op = waiting.pop()
        if op.get_friendly_name() in seen:
            continue
        seen.add(op.get_friendly_name())
        kind = op.get_type_name()
        operands = [op.input_value(i).get_node() for i in range(op.get_input_size())]
        constants = [operand.get_type_name() == "Constant" for operand in operands]
        linear = (
            kind in _LINEAR
            or (kind == "Convert" and op.get_element_type().is_real())
            or (kind == "Multiply" and any(constants))
            or (kind == "Divide" and constants[1])
        )
        if not linear:
            return False
        waiting += operands
    return True


def _stretching(ov: Any, head: Any, tile_px: int) -> np.float32 | None:  # noqa: ANN401
    """Return the factor by which a linear graph multiplies counts less their mean, or None if it does anything else.

    Asked of the graph itself, with tiles of very different light and a single bright pixel: there are many ways to
    write a mean.
    """
    request = ov.Core().compile_model(head, "CPU", _properties("f32")).create_infer_request()
    rng = np.random.default_rng(2019)
    shape = (1, 1, tile_px, tile_px)
    dark, bright = (rng.integers(*range_, shape, dtype=np.uint16) for range_ in ((0, 600), (20_000, 65_536)))
    spot, board = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    spot[0, 0, 1, 2] = board[..., ::2, ::2] = board[..., 1::2, 1::2] = 65_535
    factors = []
    for counts in (dark, bright, spot, board):
        found = request.infer([counts])[0].astype(np.float64)
        stretched = counts.astype(np.float64) - counts.mean(dtype=np.float64)
        factor = float((found * stretched).sum() / np.square(stretched).sum())
        if not np.allclose(found, factor * stretched, rtol=0.0, atol=_SAME_STRETCHING * np.abs(found).max()):
            return None
        factors.append(factor)
    if factors[0] == 0.0 or not np.allclose(factors, factors[0], rtol=_SAME_STRETCHING, atol=0.0):
        return None
    return np.float32(factors[0])


def _head(ov: Any, model: Any, first: Any) -> Any:  # noqa: ANN401
    """Return the graph up to the input of an operation; it shares its nodes with `model`."""
    return ov.Model([first.input_value(0)], model.get_parameters(), f"{model.get_friendly_name()}-head")


def _trunk(ov: Any, model: Any, seam: Any, *, layout: str = "NCHW", kind: Precision = "float32") -> Any:  # noqa: ANN401
    """Return the graph behind a value of `model`, which is left as it is.

    The converter may have moved constants, such as the scale of the input, behind the cut: only head and trunk
    together mean what the model means.

    Parameters
    ----------
    ov, model
        The package, and the whole graph.
    seam
        The value (1, channels, y, x) that the trunk is given.
    layout, kind
        How the given values lie in memory.
    """
    names = [op.get_friendly_name() for op in model.get_ordered_ops()]
    twins = model.clone()
    twin = twins.get_ordered_ops()[names.index(seam.get_node().get_friendly_name())].output(seam.get_index())
    entry = ov.opset13.parameter(seam.get_partial_shape(), ov.Type.f32)
    for reader in twin.get_target_inputs():
        reader.replace_source_output(entry.output(0))
    trunk = ov.Model([twins.output(0)], [entry], f"{model.get_friendly_name()}-trunk")
    if layout == "NCHW" and kind == "float32":
        return trunk
    steps = ov.preprocess.PrePostProcessor(trunk)
    steps.input().tensor().set_layout(ov.Layout(layout))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    if kind == "bfloat16":
        steps.input().tensor().set_element_type(ov.Type.bf16)
    return steps.build()


def _properties(hint: str) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": 1,
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
