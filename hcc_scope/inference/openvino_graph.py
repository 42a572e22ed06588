"""A model as OpenVINO's graphs: converted, taken apart, and its first stage recognised and replaced by ours.

Works on the objects of the package that `hcc_scope.inference.openvino` imports and passes in.

A graph may begin in any way. The stem takes its first operations over only where it computes the same for *every*
tile: the operations are those of `hcc_scope.inference.stem`, used by no other, with constant weights; and what comes
before them is linear, and equals mean stretching on tiles that would show a difference.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hcc_scope.errors import ModelError
from hcc_scope.inference.output_checks import check_distance_output, last_line, wrong_distance, wrong_output
from hcc_scope.inference.stem import Stem
from hcc_scope.inference.torchscript import without_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard

__all__ = ["GraphParts", "Precision", "convert", "parts_of", "properties"]

Precision = Literal["float32", "bfloat16"]

_HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})
"""What bfloat16 is worth it for; nothing before the first of these is lowered."""
_LINEAR = frozenset(
    {"Parameter", "Constant", "Add", "Subtract", "ReduceMean", "ReduceSum", "Reshape", "Squeeze", "Unsqueeze"}
)
"""Operations that are linear in their inputs, whatever these are (or affine: a constant would show in the probes)."""
_SAME_STRETCHING = 1e-4
"""Relative difference up to which two normalisations are one: OpenVINO's own float32 mean is off by up to 1.5e-5."""


@dataclass(frozen=True, slots=True)
class GraphParts:
    """The parts of a worker, first to last."""

    stem: Callable[[], Stem] | None
    """Makes a first stage, whose output the first graph reads; or None."""
    graphs: tuple[tuple[Any, str], ...]
    """openvino.Model and precision hint; each reads the one before."""


def convert(ov: Any, module: torch.jit.ScriptModule, card: ModelCard) -> Any:  # noqa: ANN401
    """Return an openvino.Model: uint16 counts (1, 1, tile, tile) to logits (1, 2), and maybe a distance (1,)."""
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
            whole = ov.convert_model(without_attributes(module), input=(shape, ov.Type.f32))
        whole.reshape(shape)  # a scripted model does not keep it
        check_distance_output(len(whole.outputs), card.name, promised=card.unlike_training is not None)
        # features are computed anyway, but an unused output costs a copy
        wanted = [whole.outputs[0]] if card.unlike_training is None else [whole.outputs[0], whole.outputs[2]]
        model = ov.Model(wanted, whole.get_parameters(), card.name)
        steps = ov.preprocess.PrePostProcessor(model)
        steps.input().tensor().set_element_type(ov.Type.u16)
        steps.input().preprocess().convert_element_type(ov.Type.f32)
        if card.normalisation == "external":
            steps.input().preprocess().custom(lambda node: _stretched(ov, node, card.count_scale))
        model = steps.build()
    except failures as error:
        raise ModelError(
            f"OpenVINO cannot convert the model {card.name}: {last_line(error)}",
            hint="Use the engine torchscript; or save the model with torch.jit.trace, of which OpenVINO takes more.",
        ) from error
    found = model.output(0).get_partial_shape()
    if found != ov.PartialShape([1, 2]):
        raise wrong_output(card.name, found)
    if card.unlike_training is not None:
        distance = model.output(1).get_partial_shape()
        if distance != ov.PartialShape([1]):
            raise wrong_distance(card.name, distance)
    return model


def _stretched(ov: Any, counts: Any, scale: float) -> Any:  # noqa: ANN401
    """Return the mean-stretched (Meng et al. 2019, eq. 1, 2) and scaled counts as part of a graph."""
    ops = ov.opset13
    mean = ops.reduce_mean(counts, ops.constant(np.array([2, 3])), True)
    return ops.multiply(ops.subtract(counts, mean), ops.constant(np.float32(scale))).output(0)


def parts_of(ov: Any, model: Any, card: ModelCard, precision: Precision) -> GraphParts:  # noqa: ANN401
    """Return the parts of a worker: with a first stage of our own where the network begins so.

    Raises
    ------
    ModelError
        If bfloat16 is requested and the model has nothing that it would make faster, or cannot be divided.
    """
    return _with_stem(ov, model, card, precision) or _without_stem(ov, model, card, precision)


def _without_stem(ov: Any, model: Any, card: ModelCard, precision: Precision) -> GraphParts:  # noqa: ANN401
    """Return the whole model, divided before its first heavy operation for bfloat16."""
    if precision == "float32":
        return GraphParts(None, ((model, "f32"),))
    first = _first_heavy(model)
    if first is None:
        raise ModelError(f"the model {card.name} has nothing that bfloat16 would make faster")
    try:
        return GraphParts(None, ((_head(ov, model, first), "f32"), (_trunk(ov, model, first.input_value(0)), "bf16")))
    except RuntimeError as error:  # a branch that goes round the first convolution
        raise ModelError(f"the model {card.name} cannot be divided for bfloat16: {last_line(error)}") from error


def _with_stem(ov: Any, model: Any, card: ModelCard, precision: Precision) -> GraphParts | None:  # noqa: ANN401
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
    return GraphParts(make, ((trunk, "f32" if precision == "float32" else "bf16"),))


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
    request = ov.Core().compile_model(head, "CPU", properties("f32")).create_infer_request()
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
    trunk = ov.Model(list(twins.outputs), [entry], f"{model.get_friendly_name()}-trunk")
    if layout == "NCHW" and kind == "float32":
        return trunk
    steps = ov.preprocess.PrePostProcessor(trunk)
    steps.input().tensor().set_layout(ov.Layout(layout))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    if kind == "bfloat16":
        steps.input().tensor().set_element_type(ov.Type.bf16)
    return steps.build()


def properties(hint: str) -> dict[str, Any]:
    """Return how a graph is compiled: for one thread, in a precision (``f32``, ``bf16``)."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        # pinned threads cannot give way to the camera's and the writer's
        "ENABLE_CPU_PINNING": False,
    }
