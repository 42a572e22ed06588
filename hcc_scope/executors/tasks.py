"""The values that travel between those who have tasks and those who run them, and the protocol of an executor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from hcc_scope.errors import HccScopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = [
    "DEFAULT_RETRIES",
    "WINDOW_PER_WORKER",
    "Executor",
    "Here",
    "Reason",
    "SentFile",
    "Setup",
    "Task",
    "TaskEnd",
    "TaskFailure",
    "WorkerFacts",
    "any_failure",
    "worker_died",
]

DEFAULT_RETRIES = 2
"""How many more times a task that failed is tried."""
WINDOW_PER_WORKER = 4
"""Tasks in flight for each worker: enough that none waits, few enough that a million never stand in memory."""

Reason = Literal["raised", "worker died"]
"""Why a task failed: its work raised an error, or the process in which it ran ended."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker, for messages and for records of what results rest on."""

    name: str
    """Of one worker, and no other: ``process 1``, or the address of a worker of a cluster."""
    host: str
    """Name of its computer."""
    n_threads: int
    """Threads that work may use in it, so that all workers of a computer share its cores."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """`hcc_scope.executors.versions.versions_here` of it."""


@dataclass(frozen=True, slots=True)
class Here:
    """What work knows of the worker that runs it."""

    worker: WorkerFacts
    send: Callable[[object], None]
    """Reports progress: any value that can be pickled. A cluster passes on a few a second, and the last."""
    prepared: Any = None
    """What `Setup.prepare` returned in this worker; None without a setup."""


@dataclass(frozen=True, slots=True)
class Task:
    """One independent piece of work."""

    key: str
    """Names it: unique among the tasks of a call."""
    work: Callable[[Any, Here], Any]
    """A function of a module, so that another process finds it: ``work(argument, here)``. It may run more than once:
    what it writes, it has to write beside and rename."""
    argument: Any = None
    """Anything that can be pickled; small."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that every worker needs: sent to each once, and checked by its hash wherever it arrives."""

    path: Path
    """On the machine that has the tasks."""
    name: str
    """Under which the worker finds it; may have folders: ``tests/input.npy``."""
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str | None = None) -> Self:
        """Return a file as it is now; its name is that of the path unless given.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with path.open("rb") as file:
            return cls(path, name or path.name, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, slots=True)
class Setup:
    """What each worker prepares once, before its first task: loads a model, opens a data set."""

    prepare: Callable[[Any, Mapping[str, Path], WorkerFacts], Any]
    """A function of a module: ``prepare(argument, files, worker)``; work finds what it returns in `Here.prepared`.
    `files` gives the path of each file by its name; those of one setup lie in one folder, as they lay where they came
    from."""
    argument: Any = None
    """Anything that can be pickled; sent once to each worker."""
    files: tuple[SentFile, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """Why there is no value."""

    reason: Reason
    error: Exception
    """What the work raised, or a sentence about the process that ended."""

    @property
    def text(self) -> str:
        """The reason as one line."""
        words = str(self.error) if isinstance(self.error, HccScopeError) else _with_its_kind(self.error)
        return " ".join(words.split())


def _with_its_kind(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """The end of one task."""

    key: str
    value: Any
    """What its work returned; None if it failed."""
    failure: TaskFailure | None
    worker: WorkerFacts | None
    """That ran it last; None if that is not known any more."""
    attempts: int = 1
    """How many times it was begun."""


def any_failure(_failure: TaskFailure) -> bool:
    """Try again whatever the reason."""
    return True


def worker_died(failure: TaskFailure) -> bool:
    """Try again only what a worker took down with it: for work whose errors never pass."""
    return failure.reason == "worker died"


class Executor(Protocol):
    """Runs independent tasks. A context manager; leaving it leaves no process, connection or task behind."""

    @property
    def n_workers(self) -> int:
        """How many tasks run at the same time; of a cluster it may change."""

    @property
    def shares_files(self) -> bool:
        """Whether workers see the files of this machine; if not, work has to return what is to be written."""

    def describe(self) -> str:
        """Return where tasks run, for people: ``2 processes of 1 thread each on this machine``."""

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the workers that are there now, with their versions."""

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
        """Yield the end of each task as it comes, in no particular order.

        Parameters
        ----------
        tasks : iterable of Task
            Taken one by one, `WINDOW_PER_WORKER` for each worker in flight at most.
        setup : Setup, optional
            What each worker prepares once; kept for the next call with an equal setup.
        retries : int
            How many more times a task that failed is tried; a later failure is its end.
        retry : callable
            Which failures are worth another try.
        stop : callable
            Asked often; once it returns True, no task begins any more, those at work end and are yielded, and the
            iteration is over.
        on_message : callable, optional
            Takes the key of a task and what its work sent; called in the thread that iterates.

        Raises
        ------
        HccScopeError
            If a worker cannot prepare what `setup` asks for, or the cluster goes away; ends that were yielded stay
            true. An iteration that is left early, as by Ctrl-C, abandons the tasks at work.
        """

    def __enter__(self) -> Self:
        """Start what has to be started."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End everything."""
