"""Processes of this machine that each work on one task after the other, and none of which is left behind.

Processes are spawned, not forked (torch's threads do not survive a fork). Only the parent heeds Ctrl-C: it ends its
children. A child that talks to a parent that is gone ends by itself. One that dies, as the system kills a process that
takes too much memory, is replaced, and its task is tried again.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import threading
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Self

from hcc_scope.child_processes import children_without_ctrl_c
from hcc_scope.cores import usable_cores
from hcc_scope.errors import HccScopeError
from hcc_scope.executors.attempts import Queue, attempted, portable
from hcc_scope.executors.setup import Preparations, setup_digest
from hcc_scope.executors.tasks import DEFAULT_RETRIES, WINDOW_PER_WORKER, Here, WorkerFacts, any_failure
from hcc_scope.executors.versions import versions_here
from hcc_scope.formatting import counted
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import TracebackType

    from hcc_scope.executors.tasks import Setup, Task, TaskEnd, TaskFailure

__all__ = ["LocalExecutor"]

_END_S = 5.0
"""How long a child may take to end before it is killed."""
_LOOK_S = 0.2
"""How often `stop` is asked while nothing comes."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What the numerical libraries read when they are loaded."""


@dataclass(slots=True)
class _Child:
    connection: Connection
    process: SpawnProcess
    facts: WorkerFacts
    digest: str | None = None
    """Of the setup that it was given."""
    task: Task | None = None
    """At work."""


class LocalExecutor:
    """An `Executor` of spawned processes.

    Parameters
    ----------
    n_workers : int, optional
        Processes; None: as many as this machine has cores.
    n_threads : int, optional
        That work may use in each process; None: so that all processes share the cores.
    """

    def __init__(self, n_workers: int | None = None, n_threads: int | None = None) -> None:
        cores = usable_cores()
        self.n_workers = n_workers or cores
        self._n_threads = n_threads or max(1, cores // self.n_workers)
        self._host, self._versions = socket.gethostname(), versions_here()
        self._children: list[_Child] = []

    shares_files = True

    def describe(self) -> str:
        """Return where tasks run."""
        return f"{counted(self.n_workers, 'process', 'processes')} on this machine"

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the processes, started or not: all of this Python, with its versions."""
        return tuple(map(self._facts, range(self.n_workers)))

    def _facts(self, place: int) -> WorkerFacts:
        return WorkerFacts(f"process {place + 1}", self._host, self._n_threads, self._versions)

    def each(
        self,
        tasks: Iterable[Task],
        *,
        setup: Setup | None = None,
        retries: int = DEFAULT_RETRIES,
        retry: Callable[[TaskFailure], bool] = any_failure,
        stop: Callable[[], bool] | None = None,
        on_message: Callable[[str, object], None] | None = None,
    ) -> Iterator[TaskEnd]:
        """Yield the end of each task as it comes; see `hcc_scope.executors.tasks.Executor`."""
        queue = Queue(tasks, retries, retry)
        digest = None if setup is None else setup_digest(setup)
        done = False
        try:
            while True:
                if not (stop and stop()):
                    self._hand_out(queue, setup, digest)
                at_work = [child for child in self._children if child.task is not None]
                if not at_work:
                    break
                for child in self._ready(at_work, queue, stop):
                    end = self._heard(child, queue, on_message)
                    if end is not None:
                        yield end
            done = True
        finally:
            if not done:
                self._end()

    def _hand_out(self, queue: Queue, setup: Setup | None, digest: str | None) -> None:
        """Give each process that waits a task; start one more where there are more tasks than processes."""
        for child in list(self._children):
            if child.task is None and (task := queue.begin()) is not None:
                self._give(child, task, queue, setup, digest)
        while len(self._children) < self.n_workers and (task := queue.begin()) is not None:
            self._give(self._start(), task, queue, setup, digest)

    def _give(self, child: _Child, task: Task, queue: Queue, setup: Setup | None, digest: str | None) -> None:
        new_setup = None if child.digest == digest else setup
        content = pickle.dumps(
            (pickle.dumps((task.work, task.argument)), new_setup and pickle.dumps(new_setup), digest)
        )
        child.task = task
        if isinstance(attempt(partial(child.connection.send_bytes, content)), Failure):
            # it ended while it waited: the task has not begun
            child.task = None
            self._forget(child)
            queue.put_back(task)
            return
        child.digest = digest

    def _start(self) -> _Child:
        context = multiprocessing.get_context("spawn")
        taken = {child.facts.name for child in self._children}
        facts = next(facts for facts in self.workers() if facts.name not in taken)
        with children_without_ctrl_c():
            ours, theirs = context.Pipe()
            process = context.Process(target=_child, args=(theirs, facts), name=f"hcc-scope {facts.name}", daemon=True)
            process.start()
            theirs.close()  # or its end would not be noticed
            child = _Child(ours, process, facts)
            self._children.append(child)
        return child

    def _ready(self, at_work: list[_Child], queue: Queue, stop: Callable[[], bool] | None) -> list[_Child]:
        """Return the processes that have sent something; take tasks from the iterable while none has."""
        by_connection = {child.connection: child for child in at_work}
        while True:
            room = len(queue) + len(at_work) < WINDOW_PER_WORKER * self.n_workers
            idle = room and not queue.exhausted and not (stop and stop())
            found = wait(list(by_connection), 0 if idle else _LOOK_S)
            if found:
                return [by_connection[one] for one in found]  # type: ignore[index]  # of what it was given
            if idle:
                queue.fetch()

    def _heard(self, child: _Child, queue: Queue, on_message: Callable[[str, object], None] | None) -> TaskEnd | None:
        task = child.task
        assert task is not None
        received = attempt(child.connection.recv)
        if isinstance(received, Failure):
            if not isinstance(received.error, (EOFError, OSError)):
                raise received.error
            died = _died(child)
            self._forget(child)
            return queue.fail(task, "worker died", died, child.facts)
        kind, content = received
        if kind == "message":
            if on_message is not None:
                on_message(task.key, content)
            return None
        if kind == "not prepared":
            raise content
        child.task = None
        value, error = pickle.loads(content)
        if error is not None:
            return queue.fail(task, "raised", error, child.facts)
        return queue.succeed(task, value, child.facts)

    def _forget(self, child: _Child) -> None:
        self._children.remove(child)
        _end_all([child])

    def _end(self) -> None:
        children, self._children = self._children, []
        _end_all(children)

    def __enter__(self) -> Self:
        """Start nothing yet: processes start with the first tasks."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End all processes."""
        self._end()


def _died(child: _Child) -> HccScopeError:
    child.process.join(_END_S)
    code = child.process.exitcode
    how = f"was killed (signal {-code})" if code is not None and code < 0 else f"ended with code {code}"
    return HccScopeError(f"the process that worked on it {how}", hint="If memory ran out, use fewer workers.")


def _end_all(children: list[_Child]) -> None:
    for child in children:
        child.connection.close()
        child.process.terminate()
    for child in children:
        child.process.join(_END_S)
        if child.process.is_alive():
            child.process.kill()
            child.process.join()
        child.process.close()


def _child(connection: Connection, facts: WorkerFacts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _THREAD_VARIABLES:  # before anything loads a numerical library
        os.environ[name] = str(facts.n_threads)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    preparations = Preparations(facts)

    def send(message: object) -> None:
        try:
            connection.send(("message", message))
        except OSError:
            os._exit(1)  # the parent is gone

    while True:
        try:
            content = connection.recv_bytes()
        except (EOFError, OSError):
            return
        task, setup, digest = pickle.loads(content)
        if setup is not None:
            prepared = attempt(partial(preparations.prepare_packed, setup, digest))
            if isinstance(prepared, Failure):
                connection.send(("not prepared", portable(prepared.error, facts)))
                continue
        here = Here(facts, send, preparations.prepared if digest is not None else None)
        try:
            connection.send(("end", attempted(partial(_do, task, here), facts)))
        except OSError:
            return


def _do(task: bytes, here: Here) -> object:
    work, argument = pickle.loads(task)
    return work(argument, here)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
