"""Run independent pieces of work in separate processes, and leave no process behind.

Processes are spawned, not forked (torch's threads do not survive a fork), and each works on one task after the other.
Only the parent heeds Ctrl-C: it ends its children. A child that talks to a parent that is gone ends by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Protocol

from hcc_scope.child_processes import children_without_ctrl_c
from hcc_scope.errors import HccScopeError, TrainingError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

__all__ = ["Work", "run_all"]

_END_S = 5.0
"""How long a child may take to end before it is killed."""


class Work(Protocol):
    """A function of a module (so that another process finds it)."""

    def __call__(self, shared: Any, task: Any, send: Callable[[object], None]) -> None:  # noqa: ANN401
        """Do `task` with what all tasks share; `send` reports its progress."""


def run_all(
    work: Work, shared: object, tasks: Sequence[object], jobs: int, on_message: Callable[[int, object], None]
) -> None:
    """Do all tasks, `jobs` at a time, in their order; with one job in this very process.

    Parameters
    ----------
    work : function
    shared : object
        Sent to each process once.
    tasks : sequence
    jobs : int
    on_message : callable
        Takes the number of a task and what its work sent; None when it is done.

    Raises
    ------
    HccScopeError
        What a task raised: the same error as if it had been done here.
    TrainingError
        If a process dies, as the system kills one that takes too much memory.
    """
    if jobs <= 1 or len(tasks) <= 1:
        for number, task in enumerate(tasks):
            work(shared, task, lambda message, number=number: on_message(number, message))  # type: ignore[misc]
            on_message(number, None)
        return
    children: dict[Connection, SpawnProcess] = {}
    try:
        for _ in range(min(jobs, len(tasks))):
            with children_without_ctrl_c():
                connection, process = _start(work, shared)
                children[connection] = process
        _serve(children, tasks, on_message)
    finally:
        _end(children)


def _start(work: Work, shared: object) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, work, shared), name="hcc-scope fold", daemon=True)
    process.start()
    theirs.close()  # or its end would not be noticed
    return ours, process


def _serve(
    children: dict[Connection, SpawnProcess], tasks: Sequence[object], on_message: Callable[[int, object], None]
) -> None:
    waiting: Iterator[tuple[int, object]] = enumerate(tasks)
    at_work: dict[Connection, int] = {}

    def next_task(connection: Connection) -> None:
        number, task = next(waiting, (None, None))
        if number is not None:
            at_work[connection] = number
            _send(connection, children[connection], task)

    for connection in children:
        next_task(connection)
    while at_work:
        for ready in wait(list(at_work)):
            assert not isinstance(ready, int)
            kind, content = _received(ready, children[ready])  # type: ignore[index,arg-type]
            number = at_work[ready]  # type: ignore[index]
            if kind == "failed":
                raise content
            if kind == "message":
                on_message(number, content)
                continue
            del at_work[ready]  # type: ignore[arg-type]
            on_message(number, None)
            next_task(ready)  # type: ignore[arg-type]


def _send(connection: Connection, process: SpawnProcess, task: object) -> None:
    try:
        connection.send(task)
    except OSError:
        raise _died(process) from None


def _received(connection: Connection, process: SpawnProcess) -> tuple[str, Any]:
    try:
        kind, content = connection.recv()
    except (EOFError, OSError):
        raise _died(process) from None
    return kind, content


def _died(process: SpawnProcess) -> TrainingError:
    process.join(_END_S)
    code = process.exitcode
    how = f"was killed (signal {-code})" if code is not None and code < 0 else f"ended with code {code}"
    return TrainingError(
        f"a process that trained a network {how}",
        hint="If memory ran out, use fewer --jobs or a smaller --batch; finished networks are kept: use --resume.",
    )


def _end(children: dict[Connection, SpawnProcess]) -> None:
    for connection, process in children.items():
        connection.close()
        process.terminate()
    for process in children.values():
        process.join(_END_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _child(connection: Connection, work: Work, shared: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(message: object) -> None:
        try:
            connection.send(("message", message))
        except OSError:
            os._exit(1)  # the parent is gone

    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        done = attempt(lambda task=task: work(shared, task, send))  # type: ignore[misc]
        try:
            connection.send(("failed", _portable(done.error)) if isinstance(done, Failure) else ("done", None))
        except OSError:
            return


def _portable(error: BaseException) -> BaseException:
    """Return the error as it can be sent; one that is not meant for a user takes its traceback along."""
    if not isinstance(error, HccScopeError):
        error.add_note("in a process that trained a network:\n" + "".join(traceback.format_exception(error)))
    sendable = attempt(lambda: pickle.loads(pickle.dumps(error)))
    if isinstance(sendable, Failure):
        return TrainingError("".join(traceback.format_exception(error)))
    return error
