"""What runs in the workers of a Dask cluster: one task at a time in each of their processes."""

from __future__ import annotations

import pickle
import shutil
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import get_worker

from hcc_scope.executors.attempts import attempted, portable
from hcc_scope.executors.setup import Preparations
from hcc_scope.executors.tasks import Here, WorkerFacts
from hcc_scope.executors.versions import versions_here
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from typing import Literal

    from distributed import Worker

    Outcome = Literal["done", "lacks the setup", "not prepared", "not begun"]

__all__ = ["AbandonedError", "give_up", "receive", "run_task", "worker_facts"]

_MESSAGE_EVERY_S = 0.5
"""A scheduler passes all messages on: of each task two a second are enough."""
_MOST_SETUPS = 4
"""Kept in a worker's folder, for as many users at the same time."""


class AbandonedError(Exception):
    """The work is not wanted any more: raised in it where it reports its progress."""


class _State:
    """Of one worker; a process may have several."""

    def __init__(self, worker: Worker) -> None:
        self.facts = WorkerFacts(str(worker.address), socket.gethostname(), int(worker.state.nthreads), versions_here())
        self.folder = Path(worker.local_directory) / "hcc-scope"
        self.at_work = threading.Lock()
        self.preparations = Preparations(self.facts)
        self.setups: dict[str, bytes] = {}
        self.given_up: dict[str, bool] = {}
        """Calls of which no more task begins; True: and those at work end too."""


_states: dict[str, _State] = {}
_making = threading.Lock()


def _state_of(worker: Worker) -> _State:
    with _making:
        if worker.address not in _states:
            _states[worker.address] = _State(worker)
        return _states[worker.address]


def worker_facts(dask_worker: Worker) -> WorkerFacts:
    """Return what is to be known of a worker."""
    return _state_of(dask_worker).facts


def receive(content: bytes, digest: str, dask_worker: Worker) -> None:
    """Keep a setup and its files for the tasks to come.

    Parameters
    ----------
    content : bytes
        Pickled: the setup, pickled (what it holds may only be readable elsewhere), and the bytes of each of its files
        by name.
    digest : str
        Of the setup.
    """
    state = _state_of(dask_worker)
    if digest in state.setups:
        return
    setup, files = pickle.loads(content)
    folder = state.folder / digest
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    while len(state.setups) >= _MOST_SETUPS:
        oldest = next(iter(state.setups))
        del state.setups[oldest]
        shutil.rmtree(state.folder / oldest, ignore_errors=True)
    state.setups[digest] = setup


def give_up(call: str, dask_worker: Worker, *, at_once: bool) -> None:
    """Begin no more task of a call; `at_once`: and end those at work where they report their progress."""
    _state_of(dask_worker).given_up[call] = at_once


def run_task(content: bytes, digest: str | None, call: str, *, reports: bool) -> tuple[Outcome, WorkerFacts, bytes]:
    """Do a task here.

    Parameters
    ----------
    content : bytes
        Pickled: the key of the task, its work and its argument.
    digest : str, optional
        Of the setup that it needs.
    call : str
        Under which its progress is reported.
    reports : bool
        Whether anything listens to progress.

    Returns
    -------
    tuple
        What became of it, where, and pickled what the work returned (`hcc_scope.executors.attempts.attempted`), or
        why the setup could not be prepared.
    """
    worker = get_worker()
    state = _state_of(worker)
    with state.at_work:
        if call in state.given_up:
            return "not begun", state.facts, b""
        prepared: Any = None
        if digest is not None:
            if digest not in state.setups:
                return "lacks the setup", state.facts, b""
            setup, folder = state.setups[digest], state.folder / digest
            prepared = attempt(partial(state.preparations.prepare_packed, setup, digest, folder))
            if isinstance(prepared, Failure):
                return "not prepared", state.facts, pickle.dumps(portable(prepared.error, state.facts))

        def body() -> Any:  # noqa: ANN401
            key, work, argument = pickle.loads(content)
            return work(argument, Here(state.facts, _Sender(worker, state, call, key, reports=reports), prepared))

        return "done", state.facts, attempted(body, state.facts)


class _Sender:
    """Sends what work reports, at most so often."""

    def __init__(self, worker: Worker, state: _State, call: str, key: str, *, reports: bool) -> None:
        self._worker, self._state, self._call, self._key, self._reports = worker, state, call, key, reports
        self._next_s = 0.0

    def __call__(self, message: object) -> None:
        """Send a message, or leave it out.

        Raises
        ------
        AbandonedError
            If nobody wants the task any more.
        """
        if self._state.given_up.get(self._call):
            raise AbandonedError(f"the task {self._key} is not wanted any more")
        now_s = time.monotonic()
        if self._reports and now_s >= self._next_s:
            self._next_s = now_s + _MESSAGE_EVERY_S
            self._worker.log_event(self._call, pickle.dumps((self._key, message)))
