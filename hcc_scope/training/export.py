"""A trained network becomes a model's folder. The only place where TorchScript is written.

The folder is complete or absent: it is written beside its final place and renamed at the end.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save

from hcc_scope.errors import ModelError, StoreUnwritableError
from hcc_scope.inference.card import write_card
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard

__all__ = ["WEIGHTS_FILE", "export_model"]

WEIGHTS_FILE = "weights.safetensors"


def export_model(
    network: torch.nn.Module,
    test_tiles: NDArray[np.uint16],
    make_card: Callable[[str], ModelCard],
    folder: Path,
) -> Path:
    """Write artefact, weights, test tensors and card.

    Parameters
    ----------
    network : torch.nn.Module
        Raw counts (n, 1, tile, tile) to (logits (n, 2), features).
    test_tiles : ndarray
        (k, tile, tile) raw counts that the self-test will use.
    make_card : callable
        Takes the sha256 of the artefact, returns the card.
    folder : Path
        The model's folder; must not exist.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        If `folder` exists.
    StoreUnwritableError
        If it cannot be written.
    """
    if folder.exists():
        raise ModelError(f"the model folder {folder} exists", hint="Models are never overwritten; give a new name.")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if partial.exists():  # left by an export that was killed
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        weights = {key: value.contiguous() for key, value in network.state_dict().items()}
        network.load_state_dict(weights, assign=True)  # training may have left them channels-last
        script = torch.jit.script(network.eval())
        script.save(str(partial / MODEL_FILE))  # type: ignore[no-untyped-call]  # torch.jit has no types
        (partial / WEIGHTS_FILE).write_bytes(save(weights))
        np.save(partial / TEST_INPUT_FILE, test_tiles, allow_pickle=False)
        with torch.inference_mode():
            # tile by tile and unoptimised: what the engines have to reproduce
            rows = [script(torch.from_numpy(tile[None, None].copy()))[0] for tile in test_tiles]
        np.save(partial / TEST_OUTPUT_FILE, torch.cat(rows).numpy(), allow_pickle=False)
        sha256 = hashlib.sha256((partial / MODEL_FILE).read_bytes()).hexdigest()
        write_card(make_card(sha256), partial)
        partial.rename(folder)
    except OSError as error:
        raise StoreUnwritableError(f"the model folder {folder} cannot be written: {error.strerror or error}") from error
    return folder
