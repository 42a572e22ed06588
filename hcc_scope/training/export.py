"""A trained network becomes a model's folder. The only place where TorchScript is written.

The folder is complete or absent: it is written beside its final place and renamed at the end.
"""

from __future__ import annotations

import copy
import hashlib
import io
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save

from hcc_scope.errors import ModelError, StoreUnwritableError
from hcc_scope.inference.card import write_card
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE
from hcc_scope.inference.torchscript import parse

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard

__all__ = ["WEIGHTS_FILE", "export_model", "refuse_existing", "to_torchscript"]

WEIGHTS_FILE = "weights.safetensors"


def to_torchscript(network: torch.nn.Module) -> bytes:
    """Return the network as a TorchScript archive, for inference.

    In a fresh process the same weights give the same bytes. The graph is frozen, because the order of an unfrozen
    module's attributes changes from process to process, and what torch keeps for debugging is left out, because it
    holds the paths of the machine. Weights to train further are in ``weights.safetensors``.

    Parameters
    ----------
    network : torch.nn.Module
        Raw counts (n, 1, tile, tile) to (logits (n, 2), features); left as it is.
    """
    plain = copy.deepcopy(network).eval()
    # Training leaves the weights channels-last and asking for gradients. Cloned, because contiguous() keeps the strides
    # of a weight with one channel, which is in both layouts at once, and strides are part of the archive.
    layout = torch.contiguous_format
    plain.load_state_dict({k: v.clone(memory_format=layout) for k, v in plain.state_dict().items()}, assign=True)
    saved, stripped = io.BytesIO(), io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(plain.requires_grad_(False))), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stripped, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            if not name.endswith((".debug_pkl", "/serialization_id")):
                target.writestr(zipfile.ZipInfo(name), source.read(name))  # ZipInfo: no time of today
    return stripped.getvalue()


def export_model(
    artefact: bytes, network: torch.nn.Module, test_tiles: NDArray[np.uint16], card: ModelCard, folder: Path
) -> Path:
    """Write artefact, weights, test tensors and card.

    Parameters
    ----------
    artefact : bytes
        As `to_torchscript` returns it.
    network : torch.nn.Module
        The same network, for its weights.
    test_tiles : ndarray
        (k, tile, tile) raw counts that the self-test will use.
    card : ModelCard
        Its sha256 is set here.
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
    refuse_existing(folder)
    module = parse(artefact, f"the model {card.name}")
    with torch.inference_mode():
        # tile by tile and unoptimised: what the engines have to reproduce
        rows = [module(torch.from_numpy(tile[None, None].copy()))[0] for tile in test_tiles]
    weights = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if partial.exists():  # left by an export that was killed
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        (partial / MODEL_FILE).write_bytes(artefact)
        (partial / WEIGHTS_FILE).write_bytes(save(weights))
        np.save(partial / TEST_INPUT_FILE, test_tiles, allow_pickle=False)
        np.save(partial / TEST_OUTPUT_FILE, torch.cat(rows).numpy(), allow_pickle=False)
        write_card(card.model_copy(update={"sha256": hashlib.sha256(artefact).hexdigest()}), partial)
        partial.rename(folder)
    except OSError as error:
        raise StoreUnwritableError(f"the model folder {folder} cannot be written: {error.strerror or error}") from error
    return folder


def refuse_existing(folder: Path) -> None:
    """Raise `ModelError` if a model's folder is there: models are never overwritten."""
    if folder.exists():
        raise ModelError(f"the model folder {folder} exists", hint="Models are never overwritten; give a new name.")
