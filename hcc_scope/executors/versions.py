"""The versions that results may depend on, of this process and of workers, and whether they differ."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hcc_scope.executors.tasks import WorkerFacts

__all__ = ["WorkerVersions", "describe_differences", "require_equal_versions", "versions_here"]

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
        raise _refusal(sentence, what)


def _refusal(sentence: str, what: str) -> UsageError:
    return UsageError(sentence, hint=f"{what} needs the same on all: install the same versions on every worker.")


class WorkerVersions:
    """Judges the workers of one command: those that are there when it connects, and those that join later.

    Parameters
    ----------
    note : callable
        Takes a sentence on the versions that differ; about each worker once.
    required_by : str, optional
        What needs the same versions on all, ``--check``; None: workers that differ may work.
    """

    def __init__(self, note: Callable[[str], None], required_by: str | None = None) -> None:
        self._note, self._required_by = note, required_by
        self._known: dict[tuple[str, tuple[tuple[str, str], ...]], str | None] = {}
        """In what the workers differ that were judged before."""
        self._here = versions_here()

    def begin(self, workers: Iterable[WorkerFacts]) -> None:
        """Judge the workers that are there.

        Raises
        ------
        UsageError
            If one of them may not work.
        """
        workers = tuple(workers)
        if self._required_by is not None:
            require_equal_versions(workers, self._required_by)
        self._known |= {_identity(worker): describe_differences([worker]) for worker in workers}
        if (sentence := describe_differences(workers)) is not None:
            self._note(sentence)

    def allow(self, versions: Mapping[str, str]) -> bool:
        """Return whether a result of an earlier command may count, by the versions that made it."""
        return self._required_by is None or all(versions.get(name) == one for name, one in self._here.items())

    def refuse(self, worker: WorkerFacts | None) -> UsageError | None:
        """Return why a result of a worker may not count, or None.

        Parameters
        ----------
        worker : WorkerFacts or None
            That made the result; None if it is not known any more, as after its death, which leaves no result.
        """
        if worker is None:
            return None
        identity = _identity(worker)
        if identity not in self._known:
            sentence = self._known[identity] = describe_differences([worker])
            if sentence is not None and self._required_by is None:
                self._note(sentence)
        found = self._known[identity]
        return None if found is None or self._required_by is None else _refusal(found, self._required_by)


def _identity(worker: WorkerFacts) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return what makes a worker another one: a new process may have the address of an old one."""
    return worker.name, tuple(sorted(worker.versions.items()))
