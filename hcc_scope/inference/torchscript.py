"""The TorchScript engine, and the only place where ``torch.jit.load`` is called.

Same bits, always
-----------------
A live score must equal its replay, so a tile's logits may depend on that tile alone. The engine therefore

- runs tile by tile, never a batch: a frame's tiles differ in number with their quality, and kernels may differ with
  the batch. It is also the fast way: batches of 16 spend their time in page faults (docs/decisions).
- sets the number of threads on purpose, in whichever thread it is called from, and puts the old number back.
- copies each tile into one contiguous float32 buffer: views, strides and byte orders make no difference.
- waits for its threads without spinning (`hcc_scope.inference` sets that), so that a busy core costs little.
- is frozen and optimised when it is made, and warmed up by its self-test (`WARM_UP_RUNS`), so that the profiling
  executor has compiled what it will ever compile before the first frame.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference.archive import checked_archive
from hcc_scope.inference.base_classifier import BaseClassifier
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.inference.output_checks import (
    check_distance_output,
    last_line,
    wrong_distance,
    wrong_output,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.base import EngineName
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.protocols import Tiles

__all__ = ["WARM_UP_RUNS", "TorchScriptClassifier", "copy_to", "last_squashing", "parse", "without_attributes"]

WARM_UP_RUNS = 3
"""How often a tile has to be classified before the first frame.

The profiling executor profiles twice and runs optimised code from the third call on.
"""


_HANDED_ON = frozenset(
    f"aten::{name}"
    for name in (
        *("to", "float", "double", "half", "bfloat16", "type_as", "clone", "detach", "contiguous", "clamp"),
        *("clamp_min", "clamp_max", "clip", "view", "reshape", "flatten", "squeeze", "unsqueeze", "permute"),
        *("transpose", "t", "select", "slice", "cat", "concat", "stack", "hstack"),
    )
)
"""Operations that leave a probability one: of another type or shape, side by side, or kept off 0 and 1."""
_SQUASHING = {
    **dict.fromkeys(("aten::sigmoid", "aten::sigmoid_", "aten::hardsigmoid", "aten::hardsigmoid_"), "sigmoid"),
    **dict.fromkeys(("aten::softmax", "aten::_softmax"), "softmax"),
}
_OF_A_NEWER_TORCH = ("maximum supported version", "Unknown builtin op", "Unknown type name")


def parse(data: bytes, what: str, device: str = "cpu") -> torch.jit.ScriptModule:
    """Parse a TorchScript archive that was checked before.

    Parameters
    ----------
    data : bytes
        The file's bytes: those whose sha256 was compared, not read a second time.
    what : str
        The file's path, for the message.
    device : str
        Where its weights go.

    Raises
    ------
    ModelFormatError
        If it is no TorchScript archive, damaged, of a newer torch, or its program may act (`checked_archive`).
    """
    plain = checked_archive(data, what)
    try:
        module: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]  # torch.jit has no types
            io.BytesIO(plain), map_location=device
        )
    except (RuntimeError, ValueError, IndexError, OverflowError, torch.jit.Error) as error:
        raise _cannot_be_loaded(what, error) from error
    module.eval()
    return module


def _cannot_be_loaded(what: str, error: BaseException) -> ModelFormatError:
    """Return the error for an archive that is whole, and that this torch cannot read."""
    mine = torch.__version__.partition("+")[0]
    if any(words in str(error) for words in _OF_A_NEWER_TORCH):
        return ModelFormatError(
            f"{what} was saved by a newer torch than the {mine} that is installed here ({_first_line(error)})",
            hint=f"Save it again with torch {mine} or an older one.",
        )
    return ModelFormatError(f"{what} cannot be read by torch {mine}: {_first_line(error)}")


def last_squashing(module: torch.jit.ScriptModule) -> str | None:
    """Return ``"sigmoid"`` or ``"softmax"`` if that is the last that a graph makes of its first output, else None.

    Looks through changes of shape and type, and through columns that are put together.
    """
    frozen = without_attributes(module)
    graph = frozen.inlined_graph  # kept: its nodes do not outlive it
    value = next(iter(graph.outputs()))
    if value.node().kind() == "prim::TupleConstruct":
        value = next(iter(value.node().inputs()))
    found: set[str | None] = set()
    open_values, seen = [value], set()
    while open_values:
        node = open_values.pop().node()
        if node in seen:
            continue
        seen.add(node)
        if node.kind() == "prim::ListConstruct":
            open_values += node.inputs()
        elif node.kind() in _HANDED_ON:
            open_values.append(next(iter(node.inputs())))
        else:
            found.add(_SQUASHING.get(node.kind()))
    return found.pop() if len(found) == 1 else None


def copy_to(module: torch.jit.ScriptModule, device: str, what: str) -> torch.jit.ScriptModule:
    """Return a copy of a parsed module on another device.

    Written to memory and parsed again: moving a copy would leave the constants of a frozen model where they are.
    """
    data: bytes = module.save_to_buffer()
    return parse(data, what, device)


class TorchScriptClassifier(BaseClassifier):
    """A TorchScript model as a `hcc_scope.protocols.Classifier`, on the CPU in float32.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        As `parse` returns it; raw counts (n, 1, tile, tile) to logits (n, 2), alone or as the first of a tuple whose
        third, if there is one, is the distance (n,) from the training tiles.
    card : ModelCard
        Tile size, normalisation, and whether it gives a distance.
    threads : int
        Threads within one operation.
    """

    def __init__(self, module: torch.jit.ScriptModule, card: ModelCard, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        super().__init__(card)
        self._external_scale = card.count_scale if card.normalisation == "external" else None
        self._threads = threads
        self._module = _optimised(module)
        self._engine = (
            f"torchscript {torch.__version__} {torch.backends.cpu.get_cpu_capability()} float32 {threads} threads"
        )

    @property
    def name(self) -> EngineName:
        """Short name of the engine."""
        return "torchscript"

    @property
    def engine(self) -> str:
        """Everything that the bits of a logit may depend on: version, instruction set, precision, threads."""
        return self._engine

    def _fill(self, tiles: Tiles, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> None:
        # float32 holds 16-bit counts exactly, and models that do not convert by themselves take it too
        counts = torch.empty((1, 1, self._tile_px, self._tile_px), dtype=torch.float32)
        buffer = counts.numpy()
        with _threads(self._threads), torch.inference_mode():
            for index, tile in enumerate(tiles):
                buffer[0, 0] = tile
                logits[index], distance = self._one(counts)
                if distances is not None:
                    distances[index] = distance

    def _one(self, counts: torch.Tensor) -> tuple[NDArray[np.float32], float]:
        """Return the (2,) logits of one tile (1, 1, tile, tile), and its distance; NaN if the model gives none."""
        inputs = counts
        if self._external_scale is not None:
            inputs = mean_stretching(counts) * self._external_scale
        try:
            output = self._module(inputs)
        except (RuntimeError, torch.jit.Error) as error:  # what the graph raises itself is no RuntimeError
            raise ModelError(f"the model {self._model_name} failed on a tile: {last_line(error)}") from error
        logits = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (1, 2):
            found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise wrong_output(self._model_name, found)
        if not logits.is_floating_point():
            raise wrong_output(self._model_name, f"whole numbers ({logits.dtype})")
        check_distance_output(
            len(output) if isinstance(output, tuple) else 1, self._model_name, promised=self._measures
        )
        row: NDArray[np.float32] = logits[0].to(torch.float32).numpy()
        if not self._measures:
            return row, float("nan")
        distance = output[2]
        if not isinstance(distance, torch.Tensor) or tuple(distance.shape) != (1,):
            found = tuple(distance.shape) if isinstance(distance, torch.Tensor) else type(distance).__name__
            raise wrong_distance(self._model_name, found)
        return row, float(distance)


def without_attributes(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Return a model with its attributes as constants: a scripted one looks settings up, which not every engine can."""
    try:
        frozen: torch.jit.ScriptModule = torch.jit.freeze(module)
    except RuntimeError:  # it was saved frozen
        return module
    return frozen


def _optimised(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Return the fastest form of a model that torch can make of it: some valid models are too much for its passes."""
    for passes in ((torch.jit.freeze, torch.jit.optimize_for_inference), (torch.jit.freeze,)):
        candidate = module
        try:
            for one in passes:
                candidate = one(candidate)
        except RuntimeError:  # e.g. padding="same" given as a word, or a model that was saved frozen
            continue
        return candidate
    return module


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Run with `n` intra-operation threads. torch keeps the number per calling thread, hence not just once."""
    before = torch.get_num_threads()
    if before != n:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        if before != n:
            torch.set_num_threads(before)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
