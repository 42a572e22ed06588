"""A trained network becomes a model's folder. The only place where TorchScript is written.

The folder is complete or absent: it is written beside its final place and renamed at the end.
"""

from __future__ import annotations

import copy
import hashlib
import io
import re
import shutil
import zipfile
from typing import TYPE_CHECKING, cast, get_args

import numpy as np
import torch
from safetensors.torch import save

from hcc_scope.errors import ModelError, ModelFormatError, ModelSelfTestError, TrainingError, UsageError
from hcc_scope.inference.card import write_card
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE
from hcc_scope.inference.model_files import read_regular
from hcc_scope.inference.torchscript import parse
from hcc_scope.storage.files import explain
from hcc_scope.storage.naming import RESERVED_NAMES, is_taken
from hcc_scope.training.config import NetworkName
from hcc_scope.training.folder_lock import lock_folder
from hcc_scope.training.licence import spdx_id
from hcc_scope.training.ood_distance import table_of
from hcc_scope.training.predict import load_weights, predict
from hcc_scope.training.torch_export import PROGRAM_FILE, largest_program_difference, to_program
from hcc_scope.training.torch_export_reader import read_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.loading import LoadedModel

__all__ = [
    "README_FILE",
    "WEIGHTS_FILE",
    "archive",
    "check_name",
    "copy_model",
    "export_model",
    "program_difference",
    "refuse_existing",
    "to_torchscript",
    "weights_difference",
]

WEIGHTS_FILE = "weights.safetensors"
README_FILE = "README.md"
"""The card for people, written from ``card.yaml``."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


def to_torchscript(network: torch.nn.Module) -> bytes:
    """Return the network as a TorchScript archive, for inference.

    In a fresh process the same weights give the same bytes. The graph is frozen, because the order of an unfrozen
    module's attributes changes from process to process, and what torch keeps for debugging is left out, because it
    holds the paths of the machine. Weights to train further are in ``weights.safetensors``.

    Parameters
    ----------
    network : torch.nn.Module
        Raw counts (n, 1, tile, tile) to logits (n, 2), alone or as the first of a tuple (with features and other
        outputs per tile); left as it is.
    """
    plain = copy.deepcopy(network).eval()
    # Training leaves the weights channels-last and asking for gradients. Cloned, because contiguous() keeps the strides
    # of a weight with one channel, which is in both layouts at once, and strides are part of the archive.
    layout = torch.contiguous_format
    plain.load_state_dict({k: v.clone(memory_format=layout) for k, v in plain.state_dict().items()}, assign=True)
    return archive(torch.jit.freeze(torch.jit.script(plain.requires_grad_(False))))


def archive(module: torch.jit.ScriptModule) -> bytes:
    """Return a frozen module as a TorchScript archive without what torch keeps for debugging."""
    saved, stripped = io.BytesIO(), io.BytesIO()
    torch.jit.save(module, saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stripped, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            if not name.endswith((".debug_pkl", "/serialization_id")):
                target.writestr(zipfile.ZipInfo(name), source.read(name))  # ZipInfo: no time of today
    return stripped.getvalue()


def export_model(
    artefact: bytes,
    network: torch.nn.Module,
    test_tiles: NDArray[np.uint16],
    card: ModelCard,
    folder: Path,
    *,
    weights_of: torch.nn.Module | None = None,
    describe: Callable[[ModelCard], str] | None = None,
    note: Callable[[str], None] | None = None,
) -> Path:
    """Write artefact, program, weights, test tensors and card.

    Parameters
    ----------
    artefact : bytes
        As `to_torchscript` returns it.
    network : torch.nn.Module
        The same network, for the program.
    test_tiles : ndarray
        (k, tile, tile) raw counts that the self-test will use.
    card : ModelCard
        Its sha256 is set here.
    folder : Path
        The model's folder; must not exist.
    weights_of : torch.nn.Module, optional
        The network to train further, if `network` only wraps it; its weights are written.
    describe : callable, optional
        Makes ``README.md`` of the finished card (`hcc_scope.report.card_markdown.card_markdown`).
    note : callable, optional
        Takes a sentence if there is no program: torch cannot export every network, and the model is whole without.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        If `folder` exists.
    StoreError
        If it cannot be written: `StoreUnwritableError`, `DiskFullError`.
    """
    refuse_existing(folder)
    module = parse(artefact, f"the model {card.name}")
    with torch.inference_mode():
        # tile by tile and unoptimised: what the engines have to reproduce
        rows = [_logits(module(torch.from_numpy(tile[None, None].copy()))) for tile in test_tiles]
    logits: NDArray[np.float32] = torch.cat(rows).numpy()
    inner = network if weights_of is None else weights_of
    weights = {key: value.detach().cpu().contiguous() for key, value in inner.state_dict().items()}
    files = {
        MODEL_FILE: artefact,
        WEIGHTS_FILE: save(weights),
        TEST_INPUT_FILE: _npy(test_tiles),
        TEST_OUTPUT_FILE: _npy(logits),
    }
    try:
        program = _agreeing_program(network, test_tiles, logits, card)
    except ModelError as error:
        if note is not None:
            note(f"the model {card.name} is written without {PROGRAM_FILE}: {error}")
    else:
        files[PROGRAM_FILE] = program
    sealed = card.model_copy(update={"sha256": hashlib.sha256(artefact).hexdigest()})
    return _write_folder(folder, files, sealed, describe)


def _logits(output: object) -> torch.Tensor:
    logits = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(logits, torch.Tensor):
        raise ModelError(f"the network returns {type(logits).__name__} where logits are expected")
    return logits


def _agreeing_program(
    network: torch.nn.Module, tiles: NDArray[np.uint16], logits: NDArray[np.float32], card: ModelCard
) -> bytes:
    program = to_program(network, card.tile_px)
    apart = largest_program_difference(program, tiles, logits, f"the program of the model {card.name}")
    if not apart <= card.engine_tolerance:
        raise ModelError(f"the torch.export program gives other logits (by {apart:.2g})")
    read_program(program, PROGRAM_FILE).run(tiles[:1])  # as its recipients will
    return program


def _npy(array: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _write_folder(
    folder: Path, files: Mapping[str, bytes], card: ModelCard, describe: Callable[[ModelCard], str] | None
) -> Path:
    with lock_folder(folder.parent, f"another export of {folder.name}", f".{folder.name}.lock"):
        refuse_existing(folder)
        return _write_alone(folder, files, card, describe)


def _write_alone(
    folder: Path, files: Mapping[str, bytes], card: ModelCard, describe: Callable[[ModelCard], str] | None
) -> Path:
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if partial.exists():  # left by an export that was killed
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        for name, data in files.items():
            (partial / name).write_bytes(data)
        write_card(card, partial)
        if describe is not None:
            (partial / README_FILE).write_text(describe(card), encoding="utf-8", newline="\n")
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        refuse_existing(folder)  # made meanwhile by another, which is no matter of the disk
        raise explain(error, f"the model folder {folder} cannot be written") from error
    return folder


def program_difference(model: LoadedModel) -> float | None:
    """Return how far the program beside a model is from its test output; None if there is none.

    The program is read as data (`hcc_scope.training.torch_export_reader`): nothing in the file is executed.

    Returns
    -------
    float or None
        Largest absolute difference of a logit.

    Raises
    ------
    ModelFormatError
        If it is no program that runs here.
    ModelSelfTestError
        If it gives other logits than the model.
    """
    path = model.folder / PROGRAM_FILE
    if not path.is_file():
        return None
    program = read_program(read_regular(path, f"the program {path}"), str(path))
    external = model.card.count_scale if model.card.normalisation == "external" else None
    found = program.run(model.test_input, external_scale=external)
    apart = float(np.abs(found - model.test_output).max()) if found.shape == model.test_output.shape else float("inf")
    if not apart <= model.card.engine_tolerance:
        raise ModelSelfTestError(
            f"the program {path} gives other logits than the model beside it: they differ by {apart:.3g}, tolerance "
            f"{model.card.engine_tolerance:g}",
            hint="Train or export the model again.",
        )
    return apart


def weights_difference(model: LoadedModel) -> float | None:
    """Return how far the logits of a network made of a model's weights are from the model's; None if it has none.

    Also None for a network that is not ours: of what its weights are, nothing is known.

    Raises
    ------
    ModelFormatError
        If they cannot be read.
    ModelSelfTestError
        If they are other weights than the model's.
    """
    path, card = model.folder / WEIGHTS_FILE, model.card
    if card.network not in get_args(NetworkName) or card.output != "logits" or not path.is_file():
        return None
    try:
        network = load_weights(cast("NetworkName", card.network), path, bit_depth=card.bit_depth)
    except TrainingError as error:
        raise ModelFormatError(error.message, hint="Train or export the model again.") from error
    logits = predict(network, table_of(model.test_input), range(len(model.test_input)), device="cpu").logits
    apart = float(np.abs(logits - model.test_output).max())
    if not apart <= card.engine_tolerance:
        raise ModelSelfTestError(
            f"{path} holds other weights than the model beside it: logits differ by {apart:.3g}, tolerance "
            f"{card.engine_tolerance:g}",
            hint="Train or export the model again.",
        )
    return apart


def copy_model(
    model: LoadedModel,
    folder: Path,
    name: str,
    *,
    licence: str | None = None,
    describe: Callable[[ModelCard], str] | None = None,
) -> Path:
    """Copy a model under another name, if its program and weights agree with it; nothing else in its folder.

    Parameters
    ----------
    model : LoadedModel
        Loading it has checked and tested it.
    folder : Path
        The new one; must not exist.
    name : str
        For the new card.
    licence : str, optional
        For the new card, an SPDX identifier; None: unchanged.
    describe : callable, optional
        As in `export_model`.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        If `folder` exists or program or weights do not agree; nothing is written then.
    UsageError
        If the name cannot be that of a folder everywhere, or the licence is no identifier.
    StoreError
        If it cannot be written.
    """
    check_name(name)
    stated = None if licence is None else spdx_id(licence)
    if licence is not None and stated is None:
        raise UsageError(
            f"{licence!r} is no licence's SPDX identifier",
            hint="Use one of https://spdx.org/licenses, for example CC-BY-4.0.",
        )
    refuse_existing(folder)
    program_difference(model)
    weights_difference(model)
    files = {}
    try:
        for part in (MODEL_FILE, PROGRAM_FILE, WEIGHTS_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE):
            if (model.folder / part).is_file():
                files[part] = (model.folder / part).read_bytes()
    except OSError as error:
        raise ModelFormatError(f"the model {model.folder} cannot be read: {error.strerror or error}") from error
    changes = {"name": name} if stated is None else {"name": name, "licence": stated}
    return _write_folder(folder, files, model.card.model_copy(update=changes), describe)


def check_name(name: str) -> None:
    """Raise `UsageError` if a model's name cannot be that of a folder everywhere."""
    if not _NAME.fullmatch(name) or name.partition(".")[0].upper() in RESERVED_NAMES:
        raise UsageError(
            f"the model's name {name!r} cannot be that of a folder everywhere",
            hint="Use up to 100 letters, digits, '-', '_' and '.', for example 'phantom-2'.",
        )


def refuse_existing(folder: Path) -> None:
    """Raise `ModelError` if a model's folder is there: models are never overwritten."""
    if is_taken(folder):
        raise ModelError(f"the model folder {folder} exists", hint="Models are never overwritten; give a new name.")
