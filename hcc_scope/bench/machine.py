"""The machine that the figures were measured on, and whether it was busy otherwise."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["BUSY_LOAD_PER_CORE", "busy_warning", "describe_machine", "load_average"]

BUSY_LOAD_PER_CORE = 0.25
"""Above this load average per core before the start, the page marks figures as disturbed."""

_CPUINFO = Path("/proc/cpuinfo")
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16")
_PACKAGES = (
    "hcc-scope",
    "numpy",
    "torch",
    "openvino",
    "tensorstore",
    "zarr",
    "acquire-zarr",
    "ome-writers",
    "pycromanager",
    "pymmcore",
)


def load_average() -> float:
    """Return the load average over the last minute; emulated by psutil on Windows, where it begins at 0."""
    return psutil.getloadavg()[0]


def describe_machine(folder: Path) -> JsonObject:
    """Return processor, memory, file system of `folder`, system, versions, and how busy the machine is now."""
    cpu, flags = _cpu()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return {
        "cpu": cpu,
        "cores": cores,
        "cpu_flags": [flag for flag in _TELLING_FLAGS if flag in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "file_system": _file_system(folder),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": _versions(),
        "load_average_at_start": round(load_average(), 2),
        "measured_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def busy_warning(machine: JsonObject) -> str | None:
    """Return a sentence if the machine had other work when the measurement began, else None."""
    load, cores = machine["load_average_at_start"], machine["cores"]
    if load <= BUSY_LOAD_PER_CORE * cores:
        return None
    return (
        f"The machine was busy when the measurement began (load average {load:.1f} on {cores} cores): "
        "absolute figures are too low, and ratios rougher than on a quiet one."
    )


def _cpu() -> tuple[str, frozenset[str]]:
    """Return the processor's name and feature flags; the flags are known on Linux only."""
    if not _CPUINFO.exists():
        return platform.processor() or platform.machine(), frozenset()
    facts: dict[str, str] = {}
    for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    # x86 writes "flags", ARM writes "Features"
    flags = facts.get("flags", facts.get("Features", "")).split()
    name = facts.get("model name") or platform.machine()
    if "model" in facts and "cpu family" in facts:  # virtual machines often hide the name
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    return name, frozenset(flags)


def _file_system(folder: Path) -> str:
    """Return the type of the file system below `folder`: a RAM disk syncs for nothing, and that must be known."""
    place = folder.resolve()
    mounts = [mount for mount in psutil.disk_partitions(all=True) if place.is_relative_to(mount.mountpoint)]
    if not mounts:
        return "unknown"
    return str(max(mounts, key=lambda mount: len(mount.mountpoint)).fstype)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
