"""How one attempt at a task ends, as it can be sent between processes, and when a task is tried again."""

from __future__ import annotations

import pickle
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import HccScopeError
from hcc_scope.executors.tasks import TaskEnd, TaskFailure
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hcc_scope.executors.tasks import Reason, Task, WorkerFacts

__all__ = ["Queue", "attempted", "portable"]


def attempted(body: Callable[[], Any], worker: WorkerFacts) -> bytes:
    """Return, pickled, ``(value, None)`` or ``(None, the error)``; a value that cannot be pickled is an error."""
    done = attempt(lambda: pickle.dumps((body(), None)))
    return pickle.dumps((None, portable(done.error, worker))) if isinstance(done, Failure) else done


def portable(error: BaseException, worker: WorkerFacts) -> Exception:
    """Return the error as it can be sent; one that is not meant for a user takes its traceback along."""
    if not isinstance(error, HccScopeError):
        error.add_note(f"in {worker.name} on {worker.host}:\n" + "".join(traceback.format_exception(error)))
    error.__cause__ = error.__context__ = None
    if isinstance(error, Exception) and not isinstance(attempt(lambda: pickle.loads(pickle.dumps(error))), Failure):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


class Queue:
    """Tasks that wait, those that failed first, and how often each was begun."""

    def __init__(self, tasks: Iterable[Task], retries: int, retry: Callable[[TaskFailure], bool]) -> None:
        self._tasks = iter(tasks)
        self._waiting: deque[Task] = deque()
        self._begun: dict[str, int] = {}
        self._retries, self._retry = retries, retry
        self._exhausted = False

    def __len__(self) -> int:
        """Return how many tasks were taken from the iterable and wait."""
        return len(self._waiting)

    @property
    def exhausted(self) -> bool:
        """Whether the iterable has no more; those that wait may still be there."""
        return self._exhausted

    def fetch(self) -> bool:
        """Take one more task from the iterable; return whether there was one.

        Raises
        ------
        ValueError
            If it has the key of another that is not done.
        """
        if self._exhausted:
            return False
        task = next(self._tasks, None)
        if task is None:
            self._exhausted = True
            return False
        if task.key in self._begun:
            raise ValueError(f"two tasks have the key '{task.key}'")
        self._begun[task.key] = 0
        self._waiting.append(task)
        return True

    def begin(self) -> Task | None:
        """Return the next task, now begun once more; None if there is none."""
        if not self._waiting and not self.fetch():
            return None
        task = self._waiting.popleft()
        self._begun[task.key] += 1
        return task

    def put_back(self, task: Task) -> None:
        """Return a task that did not begin after all."""
        self._begun[task.key] -= 1
        self._waiting.appendleft(task)

    def succeed(self, task: Task, value: object, worker: WorkerFacts | None) -> TaskEnd:
        """Return the end of a task whose work returned a value."""
        return TaskEnd(task.key, value, None, worker, self._begun.pop(task.key))

    def fail(self, task: Task, reason: Reason, error: Exception, worker: WorkerFacts | None) -> TaskEnd | None:
        """Return the end of a task that failed, or None if it waits for another try."""
        failure = TaskFailure(reason, error)
        if self._begun[task.key] <= self._retries and self._retry(failure):
            self._waiting.appendleft(task)
            return None
        return TaskEnd(task.key, None, failure, worker, self._begun.pop(task.key))
