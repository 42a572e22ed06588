"""Damaged and forged models: each is refused in a sentence or loads; nothing crashes, hangs or shows a traceback."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fuzz import Case, Finding, generator, run_cases

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["FAMILIES", "read_case", "run"]

TILE_PX = 32


def run(n: int, seed: int, *, families: tuple[str, ...] | None = None) -> list[Finding]:
    """Return what became of `n` cases of each family.

    Parameters
    ----------
    n : int
        Cases of each family.
    seed : int
        The same cases for the same seed.
    families : tuple of str, optional
        Of `FAMILIES`; all by default.
    """
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="hcc-scope-fuzz-") as folder:
        base = Path(folder) / "base"
        _make_base(base)
        # one process for all families: importing torch takes longer than a case
        cases = [
            Case(f"{family}, case {number}", (str(base), family, seed, number))
            for family in (FAMILIES if families is None else families)
            for number in range(n)
        ]
        for case, finding in zip(cases, run_cases("model", read_case, cases, limit_bytes=None), strict=True):
            findings.append(replace(finding, family=f"model: {case.payload[1]}"))
    return findings


def read_case(payload: tuple[str, str, int, int], folder: Path) -> str | None:
    """Damage a copy of a model as a case says, and read it."""
    base, family, seed, number = payload
    copy = Path(shutil.copytree(base, folder / "model"))
    FAMILIES[family](copy, generator(family, seed, number))
    return None


def _make_base(base: Path) -> None:
    import numpy as np
    import torch

    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.catalogue import find_model
    from hcc_scope.training.bioimageio import write_package
    from hcc_scope.training.export import export_model, to_torchscript

    torch.manual_seed(1)

    class Counts(torch.nn.Module):
        """Counts as the network takes them."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.to(torch.float32) / 65536.0

    network = torch.nn.Sequential(
        Counts(),
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
        torch.nn.Linear(64, 2),
    ).eval()  # fmt: skip
    shipped = read_card(find_model("phantom-meng2019"))
    changes = {"tile_px": TILE_PX, "unlike_training": None, "network": None, "engine_tolerance": 0.5}
    tiles = np.random.default_rng(1).integers(0, 65536, (2, TILE_PX, TILE_PX), dtype=np.uint16)
    export_model(to_torchscript(network), network, tiles, shipped.model_copy(update=changes), base)
    write_package(base, base / "it.zip", documentation="# It\n")


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the same with some bits flipped, cut off, put in twice, or replaced."""
    changed = bytearray(data)
    match rng.randrange(5):
        case 0 | 1:
            for _ in range(rng.choice((1, 1, 2, 8, 64))):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        case 2:
            del changed[rng.randrange(len(changed)) :]
        case 3:
            at = rng.randrange(len(changed))
            changed[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
        case 4:
            at = rng.randrange(len(changed))
            width = rng.choice((1, 2, 4, 8))
            changed[at : at + width] = rng.choice((b"\xff" * width, b"\0" * width, b"\x7f" * width))
    return bytes(changed)


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def _zipped(entries: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return whole.getvalue()


def _forged(data: bytes, rng: random.Random) -> bytes:
    """Return an archive with a damaged entry whose checksum is right."""
    entries = _entries(data)
    name = rng.choice([name for name, content in entries.items() if content])
    return _zipped(entries | {name: _damaged(entries[name], rng)})


def _reseal(folder: Path, data: bytes) -> None:
    """Write another artefact, and a card that names it."""
    card = folder / "card.yaml"
    before = hashlib.sha256((folder / "model.pt").read_bytes()).hexdigest()
    (folder / "model.pt").write_bytes(data)
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace(before, hashlib.sha256(data).hexdigest()), encoding="utf-8")


def _load(folder: Path) -> None:
    from hcc_scope.inference import load_model

    load_model(folder)


def _artefact(folder: Path, rng: random.Random) -> None:
    _reseal(folder, _damaged((folder / "model.pt").read_bytes(), rng))
    _load(folder)


def _forged_artefact(folder: Path, rng: random.Random) -> None:
    _reseal(folder, _forged((folder / "model.pt").read_bytes(), rng))
    _load(folder)


def _program(folder: Path, rng: random.Random) -> None:
    from hcc_scope.inference import load_model
    from hcc_scope.training.export import program_difference

    data = (folder / "model.pt2").read_bytes()
    (folder / "model.pt2").write_bytes(rng.choice((_damaged, _forged))(data, rng))
    program_difference(load_model(folder))


def _card(folder: Path, rng: random.Random) -> None:
    from hcc_scope.inference.card import read_card

    lines = (folder / "card.yaml").read_text(encoding="utf-8").splitlines()
    odd = (
        "true",
        "-1",
        "1e400",
        ".nan",
        "0_325",
        "[1, 2]",
        "{a: b}",
        "~",
        "'\x1b[31m'",
        "&a x",
        "*a",
        "!!python/none",
        "2020-13-45",
    )
    at = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[at] = lines[at].partition(":")[0] + ": " + rng.choice(odd)
        case 1:
            lines.insert(at, rng.choice(lines))
        case 2:
            del lines[at]
        case 3:
            lines = _damaged("\n".join(lines).encode(), rng).decode("utf-8", "replace").split("\n")
    (folder / "card.yaml").write_text("\n".join(lines), encoding="utf-8")
    read_card(folder)


def _test_tensor(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(("test_input.npy", "test_output.npy"))
    data = path.read_bytes()
    path.write_bytes(_damaged(data[:128], rng) + data[128:] if rng.random() < 0.7 else _damaged(data, rng))
    _load(folder)


def _weights(folder: Path, rng: random.Random) -> None:
    from hcc_scope.inference.catalogue import find_model
    from hcc_scope.training.predict import load_weights

    data = (find_model("phantom-meng2019") / "weights.safetensors").read_bytes()
    path = folder / "weights.safetensors"
    head = 8 + int.from_bytes(data[:8], "little")
    path.write_bytes(_damaged(data[:head], rng) + data[head:] if rng.random() < 0.7 else _damaged(data, rng))
    load_weights("meng2019", path, bit_depth=16)


def _package(folder: Path, rng: random.Random) -> None:
    from hcc_scope.inference import load_model
    from hcc_scope.training.bioimageio import check_package

    path = folder / "it.zip"
    path.write_bytes(rng.choice((_damaged, _forged))(path.read_bytes(), rng))
    check_package(path, load_model(folder))


FAMILIES: dict[str, Callable[[Path, random.Random], None]] = {
    "artefact": _artefact,
    "forged artefact": _forged_artefact,
    "program": _program,
    "card": _card,
    "test tensor": _test_tensor,
    "weights": _weights,
    "package": _package,
}
"""What is damaged, and how it is then read."""
