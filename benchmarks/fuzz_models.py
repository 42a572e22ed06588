"""Damaged and forged models: each is refused in a sentence or loads; nothing crashes, hangs or shows a traceback.

Run ``python -m benchmarks.fuzz_models --cases 500 --seed 1``. The cases are loaded in a process of their own, which a
broken file may kill; it is started again after the case that killed it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hcc_scope.errors import HccScopeError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BAD", "FAMILIES", "Finding", "run"]

TILE_PX = 32
BAD: frozenset[str] = frozenset({"wrong", "crashed", "hung"})
Outcome = Literal["refused", "read", "wrong", "crashed", "hung"]
_START_S, _CASE_S = 120.0, 5.0
"""What a process and a case may take, on a busy machine; a case takes a tenth of a second on a quiet one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one case."""

    family: str
    case: str
    outcome: Outcome
    words: str
    """What was said: the sentence, the exception, the signal."""


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

    Raises
    ------
    RuntimeError
        If the process that loads them does not start.
    """
    wanted = tuple(FAMILIES) if families is None else families
    cases = [(family, case) for family in wanted for case in range(n)]
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(findings) < len(cases):
            finished, ending = _child(Path(folder), cases[len(findings) :], seed)
            findings += finished
            if ending is not None:
                if not (Path(folder) / "ready").exists():
                    raise RuntimeError(ending[1])
                family, case = cases[len(findings)]
                findings.append(Finding(family, str(case), *ending))
    return findings


def _child(folder: Path, cases: list[tuple[str, int]], seed: int) -> tuple[list[Finding], tuple[Outcome, str] | None]:
    """Run cases in a process; return what it finished, and what ended it before it had finished all."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fuzz_models", "--child", str(folder)]
    ending: tuple[Outcome, str] | None = None
    with (folder / "cases.json").open("w+") as given, (folder / "errors").open("w+") as errors:
        json.dump(cases, given)
        given.seek(0)
        with subprocess.Popen(
            [*command, "--seed", str(seed)], stdin=given, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as child:
            watch = threading.Timer(_START_S + len(cases) * _CASE_S, child.kill)
            watch.start()
            finished = [Finding(*json.loads(line)) for line in child.stdout or ()]
            code = child.wait()
            hung = not watch.is_alive()
            watch.cancel()
            watch.join()
        errors.seek(0)
        said = errors.read()[-300:]
    if len(finished) < len(cases):
        ending = ("hung", "took too long") if hung else ("crashed", f"exit {code}: {said}")
    return finished, ending


# --- in the child -----------------------------------------------------------------------------------------------------


def _work(folder: Path, seed: int) -> None:
    base = folder / "base"
    if not base.exists():
        _make_base(base)
    (folder / "ready").touch()
    for family, case in json.load(sys.stdin):
        rng = random.Random(f"{seed} {family} {case}")
        copy = Path(shutil.copytree(base, folder / "case", dirs_exist_ok=True))
        found = attempt(partial(FAMILIES[family], copy, rng))
        outcome: Outcome = "read"
        words = ""
        if isinstance(found, Failure):
            words = str(found.error)
            outcome = "refused" if isinstance(found.error, HccScopeError) and _is_sentence(words) else "wrong"
            if outcome == "wrong":
                words = f"{type(found.error).__name__}: {words}"[:400]
        shutil.rmtree(copy)
        sys.stdout.write(json.dumps([family, str(case), outcome, words]) + "\n")
        sys.stdout.flush()


def _is_sentence(text: str) -> bool:
    return "\n" not in text and "Traceback" not in text and len(text) < 900


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


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=100, help="of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", action="append", choices=sorted(FAMILIES))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        _work(options.child, options.seed)
        return
    findings = run(options.cases, options.seed, families=tuple(options.family) if options.family else None)
    bad = [finding for finding in findings if finding.outcome in BAD]
    for finding in bad:
        sys.stdout.write(f"{finding.family} {finding.case}: {finding.outcome}: {finding.words}\n")
    counts = Counter((finding.family, finding.outcome) for finding in findings)
    for (family, outcome), number in sorted(counts.items()):
        sys.stdout.write(f"{family}: {number} {outcome}\n")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    _main()
