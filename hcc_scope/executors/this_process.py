"""One task after the other in this very process: for one worker, and where a GPU is."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Self

from hcc_scope.cores import usable_cores
from hcc_scope.executors.attempts import Queue
from hcc_scope.executors.setup import Preparations, setup_digest
from hcc_scope.executors.tasks import DEFAULT_RETRIES, Here, WorkerFacts, any_failure
from hcc_scope.executors.versions import versions_here
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from hcc_scope.executors.tasks import Setup, Task, TaskEnd, TaskFailure

__all__ = ["ThisProcess"]


class ThisProcess:
    """An `Executor` without another process: a fault that ends its process ends the program.

    Parameters
    ----------
    n_threads : int, optional
        That work may use; None: the cores of this machine.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._facts = WorkerFacts("this process", socket.gethostname(), n_threads or usable_cores(), versions_here())
        self._preparations = Preparations(self._facts)

    n_workers = 1
    shares_files = True

    def describe(self) -> str:
        """Return where tasks run."""
        return "this process"

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return this process."""
        return (self._facts,)

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
        """Yield the end of each task; see `hcc_scope.executors.tasks.Executor`."""
        queue = Queue(tasks, retries, retry)
        prepared = None
        if setup is not None:
            files = {file.name: file.path for file in setup.files}
            prepared = self._preparations.prepare(setup, setup_digest(setup), files)
        while not (stop and stop()) and (task := queue.begin()) is not None:
            send = partial(on_message, task.key) if on_message else _ignore
            done = attempt(partial(task.work, task.argument, Here(self._facts, send, prepared)))
            if not isinstance(done, Failure):
                yield queue.succeed(task, done, self._facts)
                continue
            if not isinstance(done.error, Exception):
                raise done.error  # Ctrl-C
            end = queue.fail(task, "raised", done.error, self._facts)
            if end is not None:
                yield end

    def __enter__(self) -> Self:
        """Start nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Forget what was prepared."""
        self._preparations = Preparations(self._facts)


def _ignore(_message: object) -> None:
    """Take a message that nobody reads."""
