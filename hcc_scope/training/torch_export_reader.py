"""Run a ``torch.export`` program from another source without loading it as torch does.

``torch.export.load`` unpickles, evaluates expressions and looks names up, each of which can run code that the
file's author has put there. This reads the same file as data: weights as bytes, the graph as a list of operations, each
looked up among those in `_OPERATIONS`, which compute and do nothing else. What is beyond that is refused.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hcc_scope.errors import ModelFormatError
from hcc_scope.inference.archive import read_entries
from hcc_scope.inference.normalisation import mean_stretching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Program", "read_program"]

_GRAPH = "models/model.json"
_WEIGHTS = "data/weights/"
_CONSTANTS = "data/constants/"
_PLAIN = re.compile(
    r"models/model\.json|archive_format|archive_version|byteorder|\.data/\w+|"
    r"data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
)
"""What a program consists of. Sample inputs are pickled, and ours have none."""
_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""By their numbers in the format."""
_OPERATIONS = frozenset(
    """
    abs acos adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d add addcdiv addcmul
    addmm all alpha_dropout amax amin aminmax any arange argmax argmin argsort as_strided asin atan atan2 avg_pool1d
    avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_to cat
    ceil celu channel_shuffle chunk clamp clamp_max clamp_min clone col2im constant_pad_nd contiguous conv1d conv2d
    conv3d conv_transpose1d conv_transpose2d convolution copy cos cosh cosine_similarity cross cumprod cumsum detach
    diagonal diff div dot dropout einsum elu embedding eq erf erfc exp exp2 expand expand_as expm1
    feature_alpha_dropout feature_dropout fill flatten flip floor floor_divide fmod frac full full_like gather ge
    gelu glu grid_sampler grid_sampler_2d group_norm gru gt hardshrink hardsigmoid hardswish hardtanh hypot im2col
    index index_select instance_norm interpolate isfinite isinf isnan item kthvalue layer_norm le leaky_relu lerp
    lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid
    log_softmax logaddexp logical_and logical_not logical_or logical_xor logit logsumexp lstm lt masked_fill matmul
    max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d maximum mean median meshgrid min minimum mish mm
    movedim mul mv nan_to_num nansum narrow native_batch_norm native_dropout native_group_norm native_layer_norm ne
    neg new_full new_ones new_zeros norm numel one_hot ones ones_like outer pad permute pixel_shuffle
    pixel_unshuffle pow prelu prod reciprocal reflection_pad1d reflection_pad2d relu relu6 remainder renorm repeat
    repeat_interleave replication_pad1d replication_pad2d reshape rms_norm roll rot90 round rsqrt rsub scalar_tensor
    scaled_dot_product_attention scatter scatter_add select selu sgn sigmoid sign silu sin sinh slice softmax
    softplus softshrink sort special_expit split split_with_sizes sqrt square squeeze stack std std_mean sub sum
    swapaxes sym_numel sym_size t tan tanh tensordot threshold tile to topk transpose tril triu true_divide trunc
    type_as unbind unflatten unfold unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d var var_mean view view_as where zero zeros zeros_like _adaptive_avg_pool2d
    _assert_tensor_metadata _log_softmax _native_batch_norm_legit_no_training _native_multi_head_attention
    _safe_softmax _scaled_dot_product_flash_attention_for_cpu _softmax _to_copy _transformer_encoder_layer_fwd
    _unsafe_view _upsample_bicubic2d_aa _upsample_bilinear2d_aa
    """.split()
)
"""They compute and do nothing else; in place, with an underscore behind, as well."""
_TARGET = re.compile(r"torch\.ops\.aten\.([a-z0-9_]+)\.([A-Za-z0-9_]+)")
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "getitem")
}
"""Of sizes."""
_WRONG = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    RuntimeError,
    RecursionError,
    StopIteration,
    ArithmeticError,
    MemoryError,
)
"""What a graph that does not fit together raises."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, read as data."""

    what: str
    """What messages call it."""
    nodes: tuple[Mapping[str, Any], ...]
    given: Mapping[str, torch.Tensor]
    """Name to weight."""
    counts: str
    """The name of its input."""
    logits: str
    """The name of its first output."""

    def run(self, tiles: NDArray[np.uint16], *, external_scale: float | None = None) -> NDArray[np.float32]:
        """Return the logits (k, 2) of raw tiles (k, tile, tile), one at a time.

        Raises
        ------
        ModelFormatError
            If it has an operation that is not one of those that compute, or does not run.
        """
        rows = []
        try:
            with torch.inference_mode():
                for tile in tiles:
                    counts = torch.from_numpy(tile[None, None].astype(np.float32))
                    row = self._one(counts if external_scale is None else mean_stretching(counts) * external_scale)
                    rows.append(row.to(torch.float32))
            logits: NDArray[np.float32] = torch.cat(rows).numpy()
        except _WRONG as error:
            raise _refused(self.what, f"it does not run: {_first_line(error)}") from error
        return logits

    def _one(self, counts: torch.Tensor) -> torch.Tensor:
        values: dict[str, Any] = {**self.given, self.counts: counts}
        for node in self.nodes:
            positional, named = [], {}
            for one in node["inputs"]:
                value = _argument(one["arg"], values)
                if one.get("kind", 1) == 2:
                    named[str(one["name"])] = value
                else:
                    positional.append(value)
            found = _operation(self.what, str(node["target"]))(*positional, **named)
            names, several = _results(node["outputs"])
            if several:
                values.update(zip(names, found, strict=True))
            elif names:
                values[names[0]] = found
        logits = values[self.logits]
        if not isinstance(logits, torch.Tensor):
            raise TypeError("its first output is no tensor")
        return logits


def read_program(data: bytes, what: str) -> Program:
    """Return a program from the bytes of a ``model.pt2``; nothing in it is run, unpickled or looked up.

    Raises
    ------
    ModelFormatError
        If it is no program of one network in the present layout, or holds anything pickled.
    """
    entries = {name.partition("/")[2]: content for name, content in read_entries(data, what).items()}
    if _GRAPH not in entries:
        raise _refused(what, "it has no graph where torch 2.9 and later put it")
    pickled = next((name for name, content in entries.items() if content and not _PLAIN.fullmatch(name)), None)
    if pickled is not None:
        raise _refused(what, f"its part {pickled!r} could run anything when it is loaded")
    try:
        module = json.loads(entries[_GRAPH])["graph_module"]
        stored = {
            **_tensors(entries, _WEIGHTS, "model_weights_config.json", what),
            **_tensors(entries, _CONSTANTS, "model_constants_config.json", what),
        }
        given, counts = {}, []
        for spec in module["signature"]["input_specs"]:
            kind, content = next(iter(spec.items()))
            if kind == "user_input":
                counts.append(str(content["arg"]["as_tensor"]["name"]))
            else:
                key = content[f"{kind}_name"]
                given[str(content["arg"]["name"])] = stored[key]
        if len(counts) != 1 or any(next(iter(one)) != "user_output" for one in module["signature"]["output_specs"]):
            raise _refused(what, "it does not take counts alone and return what it makes of them")
        graph = module["graph"]
        return Program(what, tuple(graph["nodes"]), given, counts[0], str(graph["outputs"][0]["as_tensor"]["name"]))
    except _WRONG as error:
        raise _refused(what, f"its graph cannot be read: {_first_line(error)}") from error


def _tensors(entries: Mapping[str, bytes], folder: str, config: str, what: str) -> dict[str, torch.Tensor]:
    """Return the tensors that a configuration in a folder names, from their bytes."""
    found = {}
    for name, stored in json.loads(entries.get(folder + config, b'{"config": {}}'))["config"].items():
        meta, content = stored["tensor_meta"], bytearray(entries[folder + stored["path_name"]])
        if stored["use_pickle"]:
            raise _refused(what, f"its part {stored['path_name']!r} could run anything when it is loaded")
        dtype = _DTYPES[meta["dtype"]]
        flat = torch.frombuffer(content, dtype=dtype) if content else torch.zeros(0, dtype=dtype)
        shape, strides = ([int(one["as_int"]) for one in meta[key]] for key in ("sizes", "strides"))
        # refuses what lies beyond the bytes
        found[name] = torch.as_strided(flat, shape, strides, int(meta["storage_offset"]["as_int"]))
    return found


def _operation(what: str, target: str) -> Callable[..., Any]:
    if target in _ARITHMETIC:
        return _ARITHMETIC[target]
    named = _TARGET.fullmatch(target)
    if named is None or named[1].removesuffix("_") not in _OPERATIONS:
        raise _refused(what, f"its operation {target!r} is none of those that only compute")
    packet = getattr(torch.ops.aten, named[1])
    if named[2] not in packet.overloads():  # it has other attributes as well, some of which act
        raise _refused(what, f"torch {torch.__version__.partition('+')[0]} has no operation {target!r}")
    found: Callable[..., Any] = getattr(packet, named[2])
    return found


def _argument(arg: Mapping[str, Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what an operation takes
    kind, content = next(iter(arg.items()))
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return values[content["name"]]
        case "as_tensors":
            return [values[one["name"]] for one in content]
        case "as_optional_tensors":
            return [_argument(one, values) for one in content]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return _size(content, values)
        case "as_sym_ints":
            return [_size(one, values) for one in content]
        case "as_int" | "as_ints" | "as_float" | "as_floats" | "as_bool" | "as_bools" | "as_string":
            return content
        case "as_scalar_type":
            return _DTYPES[content]
        case "as_device":
            return torch.device("cpu")
        case "as_layout":
            return torch.strided
        case "as_memory_format":
            return torch.contiguous_format
    raise ValueError(f"an argument of the kind {kind!r}")


def _size(content: Mapping[str, Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number
    kind, value = next(iter(content.items()))
    return values[value] if kind == "as_name" else value


def _results(outputs: Sequence[Mapping[str, Any]]) -> tuple[list[str], bool]:
    """Return the names of what an operation returns, and whether it returns a sequence of them."""
    kinds = [next(iter(output.items())) for output in outputs]
    if len(kinds) == 1 and kinds[0][0] == "as_tensors":
        return [str(one["name"]) for one in kinds[0][1]], True
    names = [str(content["as_name"] if kind.startswith("as_sym") else content["name"]) for kind, content in kinds]
    return names, len(names) > 1


def _refused(what: str, why: str) -> ModelFormatError:
    return ModelFormatError(
        f"the program {what} was not run: {why}",
        hint="Delete the file: HCC-Scope itself runs model.pt. Or train or export the model again.",
    )


def _first_line(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return first or type(error).__name__
