"""A model as a bioimage.io package (model description 0.5), for Fiji, ilastik, QuPath and others.

The package holds its own TorchScript: raw counts as float32 to the calibrated probabilities of *low* and *high*. Two
numbers that sum to 1 need no explanation where our card is not read; whatever else the artefact returns stays at home.
What is written here is checked in the tests by the makers' own validator, which also runs the model.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

from hcc_scope import __version__
from hcc_scope.errors import (
    ModelAlteredError,
    ModelError,
    ModelFormatError,
    ModelSelfTestError,
    StoreExistsError,
)
from hcc_scope.inference.archive import read_entries
from hcc_scope.inference.card import CARD_FILE
from hcc_scope.inference.loading import MODEL_FILE, load_model
from hcc_scope.inference.model_files import read_regular
from hcc_scope.inference.output_checks import last_line
from hcc_scope.inference.torchscript import parse
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.storage.files import explain
from hcc_scope.storage.naming import is_taken
from hcc_scope.training.export import README_FILE, archive
from hcc_scope.training.licence import spdx_id
from hcc_scope.training.probabilities import FirstOf, Probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.loading import LoadedModel

__all__ = ["DESCRIPTION_FILE", "check_package", "write_package"]

DESCRIPTION_FILE = "rdf.yaml"
FORMAT_VERSION = "0.5.4"
"""Of the model description: what today's Fiji, ilastik and QuPath read; newer validators read it as well."""

COVER_FILE = "cover.png"
INPUT_FILE = "test_input.npy"
OUTPUT_FILE = "test_output.npy"
MOST_TEST_TILES = 2
"""The package's test tensors; a model may bring hundreds."""
COVER_PX = (768, 384)
"""Width and height: two to one is required, and at most 500 KB, which raw pixels of this size stay below."""
TOLERANCE = 1e-3
"""Of a probability, relative and absolute."""

_METHOD = (
    "Meng, Gao, Wang, Tian: Deep learning based classification for metastasis of hepatocellular carcinoma with "
    "microscopic images. Proc. SPIE 10949, 109492L (2019)"
)
_METHOD_DOI = "10.1117/12.2512214"
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s,;]+")
_MOST_DESCRIPTION_BYTES = 1 << 20
_UNREADABLE = (KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError)
"""What reading a strange description raises: ValueError is a date that no calendar has."""


def write_package(
    model_folder: Path, out: Path, *, documentation: str | None = None, authors: Sequence[str] = ()
) -> Path:
    """Write a model as a bioimage.io package, after all its checks.

    Parameters
    ----------
    model_folder : Path
        A model's folder.
    out : Path
        The package, a ``.zip``; must not exist. Complete or absent.
    documentation : str, optional
        Markdown; by default the ``README.md`` of the folder.
    authors : sequence of str
        Their names, as the package shows them.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ModelError
        As `hcc_scope.inference.load_model`; also if there is no documentation, or the package's own graph does not
        give the model's probabilities.
    StoreExistsError
        If `out` exists.
    StoreError
        If it cannot be written.
    """
    if is_taken(out):
        raise StoreExistsError(f"the package {out} exists", hint="Packages are never overwritten; give a new name.")
    model = load_model(model_folder)
    if documentation is None:
        documentation = _readme(model_folder)
    files = _files(model, documentation)
    description = _description(model.card, files, authors)
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=110)
    _write_zip(out, {DESCRIPTION_FILE: text.encode(), **files})
    return out


def check_package(package: Path, model: LoadedModel) -> float:
    """Return the largest difference of a probability between a package and the model that it was made of.

    On the model's first test tiles, as many as a package takes.

    Raises
    ------
    ModelFormatError
        If it is no package of ours, or one of another model.
    ModelAlteredError
        If its weights are not those that it describes.
    ModelSelfTestError
        If its probabilities are not the model's.
    """
    try:
        entries = read_entries(read_regular(package, "it"), "it")
        if len(entries[DESCRIPTION_FILE]) > _MOST_DESCRIPTION_BYTES:
            raise ValueError(f"its {DESCRIPTION_FILE} has {len(entries[DESCRIPTION_FILE]):,} bytes")
        description = yaml.safe_load(entries[DESCRIPTION_FILE])
        sha256 = str(description["config"]["hcc_scope"]["model_sha256"])
        stated = str(description["weights"]["torchscript"]["sha256"])
        weights = entries[str(description["weights"]["torchscript"]["source"])]
    except (ModelFormatError, *_UNREADABLE) as error:
        reason = str(error).partition("\n")[0][:160]
        raise ModelFormatError(f"{package} is not a bioimage.io package of a model of HCC-Scope: {reason}") from error
    if sha256 != model.card.sha256:
        raise ModelFormatError(
            f"the package {package} was made of another model: sha256 {sha256[:12]}..., this one "
            f"{model.card.sha256[:12]}..."
        )
    if hashlib.sha256(weights).hexdigest() != stated:
        raise ModelAlteredError(
            f"the weights in the package {package} are not those that it describes", hint="Export the model again."
        )
    return _check(weights, model, str(package))[1]


def _check(weights: bytes, model: LoadedModel, what: str) -> tuple[NDArray[np.float32], float]:
    """Return what a package's graph makes of the test tiles, and how far that is from the model's probabilities."""
    tiles = model.test_input[:MOST_TEST_TILES]
    module, expected = parse(weights, what), _expected(model, tiles)
    try:
        found = _run(module, tiles)
    except (RuntimeError, torch.jit.Error, TypeError, ValueError) as error:  # the graph is the author's
        raise ModelFormatError(f"the graph of {what} does not take a tile: {last_line(error)}") from error
    if found.shape != expected.shape:
        raise ModelFormatError(f"{what} gives {found.shape} for {len(tiles)} tiles, not a probability per class")
    worst = float(np.abs(found - expected).max())
    if not worst <= TOLERANCE:
        raise ModelSelfTestError(f"{what} gives other probabilities than the model {model.card.name}: by {worst:.2g}")
    return found, worst


def _readme(folder: Path) -> str:
    try:
        return (folder / README_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"the model folder {folder} has no {README_FILE} that could document the package",
            hint="Make one with 'hcc-scope models export'.",
        ) from error


def _files(model: LoadedModel, documentation: str) -> dict[str, bytes]:
    """Return the package's files but for its description."""
    tiles = model.test_input[:MOST_TEST_TILES]
    weights = _probabilities(model)
    found, _worst = _check(weights, model, f"the package of {model.card.name}")
    if not re.search(r"^#.*[vV]alidation", documentation, re.MULTILINE):
        documentation += "\n## Validation\n\nThe card states none.\n"
    return {
        MODEL_FILE: weights,
        INPUT_FILE: _npy(tiles[:, None].astype(np.float32)),
        OUTPUT_FILE: _npy(found),
        COVER_FILE: _cover(tiles),
        README_FILE: documentation.encode(),
        CARD_FILE: (model.folder / CARD_FILE).read_bytes(),
    }


def _probabilities(model: LoadedModel) -> bytes:
    """Return the model with everything around it that our engines add, as a TorchScript archive."""
    card = model.card
    scale = card.count_scale if card.normalisation == "external" else None
    tile = torch.zeros((1, 1, card.tile_px, card.tile_px), dtype=torch.float32)
    with torch.inference_mode():
        several = isinstance(model.module(tile), tuple)
    inner: torch.nn.Module = torch.jit.script(FirstOf(model.module)) if several else model.module
    whole = Probabilities(inner, card.temperature, scale, softmax_inside=card.output == "probabilities")
    return archive(torch.jit.freeze(torch.jit.script(whole.eval().requires_grad_(False))))


def _run(module: torch.jit.ScriptModule, tiles: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return (k, 2) of tiles (k, tile, tile), given as the package is given them."""
    with torch.inference_mode():
        rows = [module(torch.from_numpy(tile[None, None].astype(np.float32))) for tile in tiles]
    found: NDArray[np.float32] = torch.cat(rows).numpy()
    return found


def _expected(model: LoadedModel, tiles: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the probabilities (k, 2) of *low* and *high* on the reference engine."""
    high = calibrate(log_odds(model.classifier().classify(tiles).logits), model.card.temperature)
    return np.stack([1 - high, high], axis=1)


def _description(card: ModelCard, files: Mapping[str, bytes], authors: Sequence[str]) -> dict[str, Any]:
    """Return the content of ``rdf.yaml``."""

    def source(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    licence = spdx_id(card.licence)
    side = {"type": "space", "size": card.tile_px, "unit": "micrometer", "scale": card.pixel_size_um}
    text = card.reference or _METHOD
    doi = _DOI.search(text)
    cited = {"text": text, "doi": doi[0].rstrip(".")} if doi else {"text": _METHOD, "doi": _METHOD_DOI}
    architecture = {} if card.network is None else {"architecture_type": card.network[:32]}
    return {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": _title(card.name),
        "description": f"{RESEARCH_USE_ONLY} {card.description}"[:1000],
        "authors": [{"name": name} for name in authors] or [{"name": "Made with HCC-Scope, author not given"}],
        "cite": [cited],
        **({} if licence is None else {"license": licence}),
        "tags": [
            "classification",
            "pytorch",
            "torchscript",
            "2d",
            "brightfield",
            "histology",
            "liver",
            "cancer",
            "hepatocellular-carcinoma",
            "research-use-only",
        ],
        "documentation": README_FILE,
        "covers": [COVER_FILE],
        "attachments": [source(CARD_FILE)],
        "inputs": [
            {
                "id": "counts",
                "description": f"Raw counts of a {card.bit_depth}-bit white-light camera; normalised inside the graph",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["white_light"]},
                    {**side, "id": "y"},
                    {**side, "id": "x"},
                ],
                "data": {"type": "float32", "range": [0, card.full_scale], "unit": "arbitrary unit"},
                "test_tensor": source(INPUT_FILE),
            }
        ],
        "outputs": [
            {
                "id": "probability",
                "description": "Calibrated P(low) and P(high) of a tile; only means over fields are to be read",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": list(card.classes)}],
                "data": {"type": "float32", "range": [0, 1], "unit": "arbitrary unit"},
                "test_tensor": source(OUTPUT_FILE),
            }
        ],
        "weights": {"torchscript": {**source(MODEL_FILE), "pytorch_version": torch.__version__.partition("+")[0]}},
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {"relative_tolerance": TOLERANCE, "absolute_tolerance": TOLERANCE, "output_ids": ["probability"]}
                ],
                "task": "classification",
                "modality": "white-light transmission microscopy",
                **architecture,
            },
            "hcc_scope": {
                "version": __version__,
                "model": card.name,
                "model_sha256": card.sha256,
                "temperature": card.temperature,
                "decision_threshold": card.decision_threshold,
            },
        },
    }


def _title(name: str) -> str:
    """Return the package's name: only some characters are allowed in it."""
    return ("HCC-Scope " + re.sub(r"[^A-Za-z0-9_+ ()-]", "-", name))[:128]


def _cover(tiles: NDArray[np.uint16]) -> bytes:
    """Return a PNG, two to one: two tiles side by side, or the upper half of the only one."""
    from PIL import Image

    picture = np.concatenate(list(tiles[:2]), axis=1) if len(tiles) > 1 else tiles[0][: tiles.shape[1] // 2]
    low, high = np.percentile(picture, (0.5, 99.5))
    grey = (picture.astype(np.float64) - low) / max(float(high - low), 1.0) * 255
    image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).resize(COVER_PX)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _write_zip(out: Path, files: Mapping[str, bytes]) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as package:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name)  # no time of today
                entry.compress_type = zipfile.ZIP_DEFLATED
                package.writestr(entry, data)
        partial.rename(out)
    except OSError as error:
        raise explain(error, f"the package {out} cannot be written") from error
    finally:
        with suppress(OSError):  # also where there is no such folder
            partial.unlink()
