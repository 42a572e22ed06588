"""The network as a ``torch.export`` program: the successor of TorchScript, which upstream deprecates.

The program is written beside the TorchScript artefact and gives the same logits; HCC-Scope itself runs the artefact.
It takes raw counts as float32 (which holds counts of 16 bits exactly), any number of tiles at once. What torch keeps
for debugging is left out: it holds the paths of the machine.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.export

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["PROGRAM_FILE", "largest_program_difference", "program_logits", "to_program"]

PROGRAM_FILE = "model.pt2"

_NOISY = ("torch.fx.experimental.symbolic_shapes", "torch.export")
"""These log a whole graph for a network that cannot be exported, and a traceback for a file that is no program."""


def to_program(network: torch.nn.Module, tile_px: int) -> bytes:
    """Return the network as a saved ``torch.export`` program.

    Parameters
    ----------
    network : torch.nn.Module
        Raw counts (n, 1, tile, tile) to logits (n, 2), alone or as the first of a tuple; left as it is.
    tile_px : int
        Side of a tile: the program takes no other. The number of tiles n is free.

    Raises
    ------
    ModelError
        If torch cannot export this network, with its reason. Whoever writes a model can do without the program.
    """
    plain = copy.deepcopy(network).eval().requires_grad_(False)
    layout = torch.contiguous_format  # training leaves the weights channels-last
    plain.load_state_dict({k: v.cpu().clone(memory_format=layout) for k, v in plain.state_dict().items()}, assign=True)
    with _quiet():
        exported = attempt(lambda: _exported(plain, tile_px))
    if isinstance(exported, Failure):
        if not isinstance(exported.error, Exception):  # Ctrl-C
            raise exported.error
        raise ModelError(f"torch.export cannot make a program of this network: {_reason(exported.error)}") from (
            exported.error
        )
    return exported


def _exported(plain: torch.nn.Module, tile_px: int) -> bytes:
    # two tiles: of one, torch would conclude that it is always one
    example = torch.zeros((2, 1, tile_px, tile_px), dtype=torch.float32)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(plain, (example,), dynamic_shapes=({0: batch},), strict=False)
    program.example_inputs = None  # two tiles of zeros are most of the file
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    saved = io.BytesIO()
    torch.export.save(program, saved)
    return saved.getvalue()


def program_logits(
    program: bytes, tiles: NDArray[np.uint16], what: str, *, external_scale: float | None = None
) -> NDArray[np.float32]:
    """Run a program that was made here on raw tiles (k, tile, tile), one at a time; return logits (k, 2).

    Loading it as torch does unpickles, and can run anything: for files of others there is
    `hcc_scope.training.torch_export_reader`.

    Parameters
    ----------
    program : bytes
        As `to_program` returns it.
    tiles : ndarray
        (k, tile, tile) raw counts.
    what : str
        The file's path, for messages.
    external_scale : float, optional
        The card's ``count_scale`` if mean stretching is not inside the program.

    Raises
    ------
    ModelFormatError
        If it is no program that torch can load and run, naming `what`.
    """

    def run() -> NDArray[np.float32]:
        module = torch.export.load(io.BytesIO(program)).module()
        rows = []
        with torch.inference_mode():
            for tile in tiles:
                counts = torch.from_numpy(tile[None, None].astype(np.float32))
                output = module(counts if external_scale is None else mean_stretching(counts) * external_scale)
                rows.append(output[0] if isinstance(output, (tuple, list)) else output)
        logits: NDArray[np.float32] = torch.cat(rows).numpy()
        return logits

    with _quiet():
        found = attempt(run)
    if isinstance(found, Failure):
        if not isinstance(found.error, Exception):
            raise found.error
        raise ModelFormatError(f"{what} is not a torch.export program that runs here: {_reason(found.error)}") from (
            found.error
        )
    return found


def largest_program_difference(
    program: bytes,
    tiles: NDArray[np.uint16],
    logits: NDArray[np.float32],
    what: str,
    *,
    external_scale: float | None = None,
) -> float:
    """Return the largest absolute difference of a program's logits to `logits` (k, 2); infinite if their shapes differ.

    Raises
    ------
    ModelFormatError
        As `program_logits`.
    """
    found = program_logits(program, tiles, what, external_scale=external_scale)
    if found.shape != logits.shape:
        return float("inf")
    worst = float(np.abs(found - logits).max())
    return worst if np.isfinite(worst) else float("inf")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's remarks on graphs, and on what will change in its next version, from the user's screen."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        # it prints the graph of a network that it cannot export, beside raising
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return first or type(error).__name__
