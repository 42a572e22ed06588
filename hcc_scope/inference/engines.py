"""Make engines: those that this machine can have, and their number of threads.

Every engine runs the same checked TorchScript module, and answers for a tile with bits that depend on that tile alone.
Nothing is imported before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.cores import usable_cores
from hcc_scope.errors import ModelError
from hcc_scope.inference.base import AUTO, ENGINES, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from hcc_scope.inference.base import Engine, EngineName
    from hcc_scope.inference.card import ModelCard

__all__ = ["candidates", "check_engine", "default_threads", "make_engine"]

MOST_THREADS = 8
"""The parts of one tile are too small for more."""


def check_engine(name: str) -> None:
    """Refuse what is no engine's name and not ``auto``; whether this machine has the engine shows when it is made.

    Raises
    ------
    ModelError
        If there is no such engine.
    """
    known = (AUTO, *ENGINES)
    if name not in known:
        raise ModelError(f"there is no engine '{name}'", hint=f"Available: {', '.join(known)}.")


def default_threads(cores: int | None = None) -> int:
    """Return how many threads an engine gets: what the camera, the store and the quality checks leave over.

    1, 2, 3, 6, 8 threads on 1, 2, 4, 8, 16 cores. On two cores the engine gets both: the others mostly wait for the
    camera and the disk, and an engine with one thread would leave a core idle.

    Parameters
    ----------
    cores : int, optional
        Those that this process may use, if not given.
    """
    n = cores if cores is not None else usable_cores()
    others = 0 if n <= 2 else 1 if n <= 4 else 2
    return max(1, min(MOST_THREADS, n - others))


def make_engine(name: EngineName, module: torch.jit.ScriptModule, card: ModelCard, threads: int) -> Engine:
    """Return a model on an engine, not yet compared with anything.

    Raises
    ------
    ModelError
        If the engine is not installed, this machine cannot run it, or it cannot take the model.
    """
    match name:
        case "torchscript":
            from hcc_scope.inference.torchscript import TorchScriptClassifier

            return TorchScriptClassifier(module, card, threads)
        case "openvino" | "openvino-bf16":
            from hcc_scope.inference.openvino import OpenVinoClassifier

            return OpenVinoClassifier(module, card, threads, "bfloat16" if name == "openvino-bf16" else "float32")
        case "cuda":
            from hcc_scope.inference.cuda import CudaClassifier

            return CudaClassifier(module, card)


def candidates(note: Callable[[str], None]) -> list[EngineName]:
    """Return the engines that this machine may have, most promising first, the reference last.

    Parameters
    ----------
    note : callable
        Takes a sentence on an engine that ought to be here and is not. A machine without a GPU, or without bfloat16
        instructions, is nothing to speak of.
    """
    from hcc_scope.inference import cuda, openvino

    found: list[EngineName] = []
    if cuda.is_there():
        found.append("cuda")
    try:
        found += ["openvino-bf16", "openvino"] if openvino.has_bf16() else ["openvino"]
    except ModelError as error:
        note(f"Engine openvino is not used: {error}")
    return [*found, REFERENCE]
