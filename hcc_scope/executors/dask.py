"""The workers of a Dask cluster, through its scheduler: see ``docs/cluster.md`` for how to start one.

Nothing here opens a port: the client connects to a scheduler, and what it gets back comes over that connection.

- Workers need no file of this machine: a setup is sent to each once, and again to one that joins later or is restarted.
- A worker that dies takes its tasks with it; the scheduler gives them to others. Only a task that takes down several
  workers comes back as a failure.
- When the connection to the scheduler breaks, the scheduler forgets our tasks; they are submitted again as soon as it
  answers. If it does not within `_PATIENCE_S`, the call ends with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from typing import TYPE_CHECKING, Self

from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.executors.attempts import Queue
from hcc_scope.executors.dask_call import LOOK_S, ClusterCall
from hcc_scope.executors.tasks import DEFAULT_RETRIES, WorkerFacts, any_failure
from hcc_scope.executors.versions import versions_here
from hcc_scope.formatting import counted
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from distributed import Client

    from hcc_scope.executors.tasks import Setup, Task, TaskEnd, TaskFailure

__all__ = ["DaskExecutor"]

_CONNECT_S = 10.0
_AWAY_S = 0.5
"""How long to say good-bye to a scheduler that does not answer."""
_PATIENCE_S = 60.0
"""How long a cluster may be without a scheduler or a worker."""
_COUNT_EVERY_S = 2.0
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_START = "Start one with 'dask worker {}'"


class DaskExecutor:
    """An `Executor` on a Dask cluster.

    Parameters
    ----------
    address : str
        Of its scheduler: ``tcp://host:8786``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: Client | None = None
        self._n_workers = 0
        self._counted_s = 0.0
        self._without_worker_s: float | None = None
        self._log_levels: dict[str, int] = {}

    shares_files = False

    @property
    def n_workers(self) -> int:
        """How many worker processes there are; looked up every few seconds at most."""
        if time.monotonic() - self._counted_s > _COUNT_EVERY_S:
            self._count()
        return self._n_workers

    def describe(self) -> str:
        """Return where tasks run."""
        hosts = {worker.host for worker in self.workers()}
        return f"{counted(self.n_workers, 'worker')} on {counted(len(hosts), 'machine')} (Dask, {self.address})"

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the workers that are there now.

        Raises
        ------
        UsageError
            If one has no HCC-Scope, or an error of one cannot be read here.
        HccScopeError
            If the scheduler does not answer any more.
        """
        from hcc_scope.executors.dask_worker import worker_facts

        found = attempt(lambda: self._connected.run(worker_facts, on_error="return"))
        if isinstance(found, Failure):
            raise self._no_answer(found.error)
        for address, facts in found.items():
            if isinstance(facts, ImportError) or (isinstance(facts, Exception) and "No module named" in str(facts)):
                raise UsageError(
                    f"the worker {address} cannot run HCC-Scope: {facts}",
                    hint=f"Install hcc-scope[cluster]=={versions_here()['hcc-scope']} in its Python.",
                )
        return tuple(sorted((f for f in found.values() if isinstance(f, WorkerFacts)), key=lambda facts: facts.name))

    def _no_answer(self, error: BaseException) -> BaseException:
        """Return why the workers cannot be asked."""
        if not isinstance(error, Exception):
            return error
        if self._connected.status != "running" or isinstance(error, OSError):
            found = HccScopeError(self._gone, hint="Start this again once it does.")
        else:  # Dask sends an error of a worker as it is, and its kind may be unknown here
            found = UsageError(
                f"a worker of the cluster at {self.address} fails with an error that cannot be read here "
                f"({type(error).__name__})",
                hint=f"Install hcc-scope[cluster]=={versions_here()['hcc-scope']} and its packages in the Python of "
                "every worker.",
            )
        found.__cause__ = error
        return found

    @property
    def _gone(self) -> str:
        return f"the scheduler at {self.address} does not answer any more"

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
        call = ClusterCall(self, self._connected, Queue(tasks, retries, retry), setup, on_message)
        done = False
        try:
            yield from call.ends(stop)
            done = True
        finally:
            call.close(abandon=not done)

    @property
    def _connected(self) -> Client:
        if self._client is None:
            raise ValueError("this executor was not entered")
        return self._client

    def _count(self) -> None:
        info = attempt(lambda: self._connected.scheduler_info(n_workers=0))
        now_s = time.monotonic()
        self._counted_s = now_s
        if isinstance(info, Failure):  # the connection may come back
            if not isinstance(info.error, Exception):
                raise info.error
            return
        self._n_workers = int(info["n_workers"])
        if self._n_workers:
            self._without_worker_s = None
        elif self._without_worker_s is None:
            self._without_worker_s = now_s

    def check_workers(self) -> None:
        """Raise an error if there has been no worker for long.

        Raises
        ------
        HccScopeError
            Then.
        """
        if self.n_workers == 0 and self._without_worker_s is not None:
            if time.monotonic() - self._without_worker_s > _PATIENCE_S:
                raise HccScopeError(
                    f"the cluster at {self.address} has had no worker for {_PATIENCE_S:.0f} s",
                    hint=f"{_START.format(self.address)}, and start this again.",
                )

    def await_scheduler(self) -> None:
        """Wait until the scheduler answers again.

        Raises
        ------
        HccScopeError
            If it does not.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._connected.status != "running":
            if self._connected.status in ("closed", "closing") or time.monotonic() > deadline_s:
                raise HccScopeError(self._gone, hint="Start this again once it does.")
            time.sleep(LOOK_S)

    def __enter__(self) -> Self:
        """Connect, and see that scheduler and workers can run HCC-Scope.

        Raises
        ------
        UsageError
            If the extra ``cluster`` is not installed, no scheduler answers, it has no worker, or one of them has no
            HCC-Scope.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise UsageError(
                f"a cluster needs Dask distributed, which is not installed here ({error})",
                hint="Install it with: pip install 'hcc-scope[cluster]'.",
            ) from None
        for name in _LOGGERS:  # they report a lost connection with a traceback; ours are sentences
            self._log_levels[name] = logging.getLogger(name).level
            logging.getLogger(name).setLevel(logging.CRITICAL)
        entered = attempt(lambda: self._enter(Client))
        if isinstance(entered, Failure):
            self.__exit__(None, None, None)
            raise entered.error
        return self

    def _enter(self, client: type[Client]) -> None:
        answer = attempt(
            lambda: asyncio.run(_answer(self.address))
        )  # a client that fails would leave its thread behind
        if isinstance(answer, Failure):
            if not isinstance(answer.error, Exception):
                raise answer.error
            raise UsageError(
                f"no scheduler answers at {self.address}",
                hint="Start one with 'dask scheduler', and give the address that it prints, such as tcp://host:8786.",
            ) from answer.error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that differ are our own sentence
            self._client = client(self.address, timeout=_CONNECT_S, set_as_default=False, name="hcc-scope")
        self._check()

    def _check(self) -> None:
        client = self._connected
        missing = attempt(lambda: client.run_on_scheduler(versions_here))
        if isinstance(missing, Failure):
            if not isinstance(missing.error, ImportError):
                raise missing.error
            raise UsageError(
                f"the scheduler at {self.address} runs in a Python without HCC-Scope",
                hint=f"Install hcc-scope[cluster]=={versions_here()['hcc-scope']} there, and start it again.",
            )
        waited = attempt(lambda: client.wait_for_workers(1, timeout=_CONNECT_S))
        if isinstance(waited, Failure):
            if not isinstance(waited.error, Exception):
                raise waited.error
            raise UsageError(f"the scheduler at {self.address} has no worker", hint=f"{_START.format(self.address)}.")
        self._count()
        self.workers()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Disconnect; the cluster goes on."""
        client, self._client = self._client, None
        if client is not None:
            attempt(lambda: client.close(timeout=_CONNECT_S if client.status == "running" else _AWAY_S))
        for name, level in self._log_levels.items():
            logging.getLogger(name).setLevel(level)


async def _answer(address: str) -> None:
    """Connect as a client does.

    Raises
    ------
    Exception
        If nothing answers, or something else than Dask does.
    """
    from distributed import Security
    from distributed.comm.core import connect

    arguments = Security().get_connection_args("client")
    # `timeout` is that of the connection alone: what is no scheduler may take it and stay silent
    comm = await asyncio.wait_for(connect(address, timeout=_CONNECT_S, **arguments), _CONNECT_S + 1.0)
    await comm.close()
