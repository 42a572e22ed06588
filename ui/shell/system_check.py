"""What a computer has and lacks for this program, as sentences for the welcome page. Touches no device."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import format_bytes
from hcc_scope.rig.adapters import core_interface, interface_mismatch, test_adapters_dir
from ui.control.system_usage import disk_free_bytes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Finding", "look_around"]

ENOUGH_BYTES = 20e9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    ok: bool
    words: str


def look_around(out_dir: Path) -> list[Finding]:
    """Return what is there and what is missing; imports nothing heavy."""
    return [_micro_manager(), _models(), _openvino(), _disk(out_dir), *_cuda()]


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _micro_manager() -> Finding:
    core, adapters = _package("pymmcore"), _package("mm-test-adapters")
    if core is None or adapters is None:
        missing = "pymmcore" if core is None else "mm-test-adapters"
        return Finding(False, f"Micro-Manager: the package {missing} is not installed; install HCC-Scope again")
    mismatch = interface_mismatch(test_adapters_dir())
    if mismatch is not None:
        return Finding(False, f"Micro-Manager: {mismatch}; install HCC-Scope again")
    return Finding(True, f"Micro-Manager core {core}, device interface {core_interface()}")


def _models() -> Finding:
    from hcc_scope.inference.catalogue import list_models

    entries = list_models()
    good = [entry.name for entry in entries if entry.problem is None]
    broken = [f"{entry.name}: {entry.problem}" for entry in entries if entry.problem is not None]
    if broken:
        return Finding(False, f"Model {broken[0]}")
    if not good:
        return Finding(False, "There is no model; sections can be stored, but not classified")
    return Finding(True, f"Models: {', '.join(good)}")


def _openvino() -> Finding:
    found = _package("openvino")
    if found is None:
        return Finding(False, "OpenVINO is not installed: the slower engine torchscript is used")
    return Finding(True, f"OpenVINO {found}")


def _cuda() -> list[Finding]:
    # nothing is missing without one: most microscopes' computers have none
    return [Finding(True, "An NVIDIA graphics card")] if shutil.which("nvidia-smi") else []


def _disk(out_dir: Path) -> Finding:
    free = disk_free_bytes(out_dir)
    if free is None:
        return Finding(False, f"The folder for sections cannot be reached: {out_dir}")
    words = f"{format_bytes(free)} free for sections in {out_dir}"
    return Finding(free >= ENOUGH_BYTES, words if free >= ENOUGH_BYTES else f"Only {words}")


def models_to_choose() -> list[tuple[str, str, str]]:
    """Return name, folder and a sentence of each usable model that travels with the program."""
    from hcc_scope.inference.catalogue import list_models

    try:
        entries = list_models()
    except HccScopeError:
        return []
    return [
        (entry.name, entry.name, entry.card.intended_use if entry.card is not None else "")
        for entry in entries
        if entry.problem is None
    ]
