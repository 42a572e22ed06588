"""The versions that results may depend on, of this process and of workers, and whether they differ."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.executors.tasks import WorkerFacts

__all__ = ["describe_differences", "require_equal_versions", "versions_here"]

_PACKAGES = ("hcc-scope", "torch", "openvino", "llvmlite", "numpy", "scipy", "tensorstore")
_ABSENT = "not installed"


def versions_here() -> dict[str, str]:
    """Return the versions that results may depend on, by name."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = _ABSENT
    return found


def describe_differences(workers: Iterable[WorkerFacts]) -> str | None:
    """Return in what workers differ from this process, as one sentence; None if in nothing.

    Parameters
    ----------
    workers : iterable of WorkerFacts
        This process is compared with them: it reads what they return.
    """
    here = versions_here()
    parts = []
    for name in here:
        others: dict[str, list[str]] = {}
        for worker in workers:
            found = worker.versions.get(name, _ABSENT)
            if found != here[name]:
                others.setdefault(found, []).append(worker.name)
        parts += [f"{name} is {here[name]} here and {found} on {', '.join(who)}" for found, who in others.items()]
    return f"versions differ between workers: {'; '.join(parts)}" if parts else None


def require_equal_versions(workers: Iterable[WorkerFacts], what: str) -> None:
    """Refuse workers whose versions differ from this process's.

    Parameters
    ----------
    workers : iterable of WorkerFacts
    what : str
        That needs it: ``--check``.

    Raises
    ------
    UsageError
        If a version differs.
    """
    if (sentence := describe_differences(workers)) is not None:
        raise UsageError(sentence, hint=f"{what} needs the same on all: install the same versions on every worker.")
