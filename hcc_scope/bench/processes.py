"""A contender in its own process, and several of them taking turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Self

import psutil

from hcc_scope.errors import HccScopeError
from hcc_scope.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from hcc_scope.bench.figures import JsonObject

__all__ = ["ContenderProcess", "take_turns"]

_LOOK_S = 0.02
"""How often the memory of a contender that works is looked at; one look costs some 20 us."""
_TIMEOUT_S = 300.0
_ERROR_CHARACTERS = 2000
_OF_OUR_IMPORTS = ("OMP_WAIT_POLICY",)
"""Set here by importing `hcc_scope.inference`: ours do that again for themselves, a user's program does not."""


class ContenderProcess:
    """One contender, getting ready since it was made. A context manager.

    A separate process, because there is one Micro-Manager core per process, because the thread pools of two libraries
    in one process disturb each other, and because memory is then this contender's alone.

    Parameters
    ----------
    name : str
        For messages.
    target : str
        The contender's class, ``module:Class``.
    setup : mapping
        What the contender's class takes.
    """

    def __init__(self, name: str, target: str, setup: Mapping[str, object]) -> None:
        self.name = name
        # a file, not a pipe: it is not read while the contender works, and a full pipe would stop it
        self._words = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hcc_scope.bench.worker"],
            env={name: value for name, value in os.environ.items() if name not in _OF_OUR_IMPORTS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            encoding="utf-8",
        )
        self._send({"target": target, "setup": dict(setup)})
        self._facts: JsonObject | None = None

    def wait_ready(self) -> JsonObject:
        """Wait until the contender is ready; return its facts.

        Raises
        ------
        HccScopeError
            If it cannot be made ready.
        """
        if self._facts is None:
            self._facts = self._receive("getting ready")
        return self._facts

    def round(self, **request: object) -> JsonObject:
        """Let it work once.

        Returns
        -------
        dict
            The contender's answer, and ``peak_mib``, ``grown_mib``: its highest resident memory meanwhile, and by how
            much that is more than before.

        Raises
        ------
        HccScopeError
            If it fails.
        """
        self.wait_ready()
        with _MemoryWatch(self._process.pid) as memory:
            self._send(request)
            answer = self._receive("working")
        return {**answer, "peak_mib": memory.peak_mib, "grown_mib": memory.peak_mib - memory.before_mib}

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended: the answer, which will not come, shows why

    def _receive(self, doing: str) -> JsonObject:
        assert self._process.stdout is not None
        watchdog = threading.Timer(_TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
            watchdog.join()
        if not line:
            self._process.wait()
            self._words.seek(0)
            words = self._words.read()[-_ERROR_CHARACTERS:].strip()
            raise HccScopeError(f"the contender {self.name} ended while {doing}: {words or 'it reported nothing'}")
        answer: JsonObject = json.loads(line)
        if "error" in answer:
            raise HccScopeError(f"the contender {self.name} failed while {doing}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process. Idempotent."""
        if self._words.closed:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(_TIMEOUT_S if self._facts is not None else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()


class _MemoryWatch:
    """Looks at the resident memory of a process from time to time."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.before_mib = self.peak_mib = 0.0
        self._worker = Worker("memory", self._watch, lambda error, where: None)

    def _resident_mib(self) -> float:
        try:
            return float(self._process.memory_info().rss) / 2**20
        except psutil.NoSuchProcess:
            return 0.0

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.peak_mib = max(self.peak_mib, self._resident_mib())

    def __enter__(self) -> Self:
        self.before_mib = self.peak_mib = self._resident_mib()
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._worker.join()
        self.peak_mib = max(self.peak_mib, self._resident_mib())


def take_turns(
    contenders: Mapping[str, ContenderProcess], requests: Mapping[str, Mapping[str, object]], n_rounds: int
) -> dict[str, list[JsonObject]]:
    """Let contenders work in turns, every second round in reverse order, so that a drift of the machine cancels.

    What a round left in the system's write cache is written out before the next one, untimed: no round pays for the
    disk traffic of the one before.

    Returns
    -------
    dict
        Contender's name to its answers, one per round.
    """
    names = list(contenders)
    answers: dict[str, list[JsonObject]] = {name: [] for name in names}
    for number in range(n_rounds):
        for name in names if number % 2 == 0 else reversed(names):
            if hasattr(os, "sync"):
                os.sync()
            answers[name].append(contenders[name].round(**requests[name]))
    return answers
