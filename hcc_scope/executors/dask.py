"""The workers of a Dask cluster, through its scheduler: see ``docs/scale.md`` for how to start one.

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
import pickle
import time
import warnings
from collections import Counter
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.executors.attempts import Queue
from hcc_scope.executors.setup import setup_digest
from hcc_scope.executors.tasks import DEFAULT_RETRIES, WINDOW_PER_WORKER, WorkerFacts, any_failure
from hcc_scope.executors.versions import versions_here
from hcc_scope.formatting import counted
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from distributed import Client, Future, as_completed

    from hcc_scope.executors.tasks import Setup, Task, TaskEnd, TaskFailure

__all__ = ["DaskExecutor"]

_CONNECT_S = 10.0
_AWAY_S = 0.5
"""How long to say good-bye to a scheduler that does not answer."""
_PATIENCE_S = 60.0
"""How long a cluster may be without a scheduler or a worker."""
_COUNT_EVERY_S = 2.0
_LOOK_S = 0.2
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_MOST_DELIVERIES = 3
"""Of a setup to one worker, before what it answers is an error."""
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
            If one has no HCC-Scope.
        """
        from hcc_scope.executors.dask_worker import worker_facts

        found = self._connected.run(worker_facts, on_error="return")
        for address, facts in found.items():
            if isinstance(facts, ImportError) or (isinstance(facts, Exception) and "No module named" in str(facts)):
                raise UsageError(
                    f"the worker {address} cannot run HCC-Scope: {facts}",
                    hint=f"Install hcc-scope[cluster]=={versions_here()['hcc-scope']} in its Python.",
                )
        return tuple(sorted((f for f in found.values() if isinstance(f, WorkerFacts)), key=lambda facts: facts.name))

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
        call = _Call(self, self._connected, Queue(tasks, retries, retry), setup, on_message)
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
                raise HccScopeError(
                    f"the scheduler at {self.address} does not answer any more",
                    hint="Start this again once it does.",
                )
            time.sleep(_LOOK_S)

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
        if isinstance(attempt(lambda: client.wait_for_workers(1, timeout=_CONNECT_S)), Failure):
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


class _Call:
    """One call of `DaskExecutor.each`: its tasks in flight, its setup, its messages."""

    def __init__(
        self,
        executor: DaskExecutor,
        client: Client,
        queue: Queue,
        setup: Setup | None,
        on_message: Callable[[str, object], None] | None,
    ) -> None:
        from distributed import as_completed

        self._executor, self._client, self._queue, self._on_message = executor, client, queue, on_message
        self._name = f"hcc-scope-{uuid4().hex}"
        self._digest = None if setup is None else setup_digest(setup)
        self._content = None if setup is None else _packed(setup)
        self._at_work: dict[str, tuple[Task, Future[Any]]] = {}
        self._deliveries: Counter[str] = Counter()
        self._done: as_completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        self._subscribe()
        self._deliver(None)

    def ends(self, stop: Callable[[], bool] | None) -> Iterator[TaskEnd]:
        """Yield the end of each task."""
        stopped = False
        while True:
            if not stopped and stop and stop():
                stopped = True
                self._give_up(at_once=False)
            if not stopped:
                self._fill()
            if not self._at_work:
                return
            batch = self._done.next_batch(block=False)
            for future, result in batch:
                end = self._ended(future, result, stopped=stopped)
                if end is not None:
                    yield end
            self._pass_messages_on()
            if not batch:
                self._executor.check_workers()
                self._wait()

    def _wait(self) -> None:
        with self._done.thread_condition:
            if not self._done.has_ready():
                self._done.thread_condition.wait(_LOOK_S)

    def close(self, *, abandon: bool) -> None:
        """Leave nothing in the cluster."""
        connected = self._client.status == "running"
        if connected and abandon and self._at_work:
            self._give_up(at_once=True)
            futures = [future for _, future in self._at_work.values()]
            attempt(lambda: self._client.cancel(futures, force=True))
        self._done.clear()
        self._at_work.clear()
        if connected and self._on_message is not None:
            attempt(lambda: self._client.unsubscribe_topic(self._name))

    def _fill(self) -> None:
        room = WINDOW_PER_WORKER * max(1, self._executor.n_workers)
        while len(self._at_work) < room and (task := self._queue.begin()) is not None:
            self._submit(task)

    def _submit(self, task: Task) -> None:
        from hcc_scope.executors.dask_worker import run_task

        content = pickle.dumps((task.key, task.work, task.argument))
        future = self._client.submit(
            run_task,
            content,
            self._digest,
            self._name,
            reports=self._on_message is not None,
            key=f"{task.work.__name__}-{uuid4().hex}",
            pure=False,
        )
        self._at_work[str(future.key)] = task, future
        self._done.add(future)

    def _ended(self, future: Future[Any], result: Any, *, stopped: bool) -> TaskEnd | None:  # noqa: ANN401
        task, _ = self._at_work.pop(str(future.key))
        if future.status == "error":
            return self._failed(task, result[1])
        if future.status != "finished":  # cancelled: the connection to the scheduler broke
            self._executor.await_scheduler()
            self._subscribe()
            self._queue.put_back(task)
            return None
        outcome, facts, content = result
        if outcome == "done":
            value, error = pickle.loads(content)
            if error is not None:
                return self._queue.fail(task, "raised", error, facts)
            return self._queue.succeed(task, value, facts)
        if outcome == "not prepared":
            error = pickle.loads(content)
            error.add_note(f"on the worker {facts.name} on {facts.host}")
            raise error
        if outcome == "lacks the setup":
            self._deliver([facts.name])
        if not stopped:
            self._queue.put_back(task)
        return None

    def _failed(self, task: Task, error: BaseException) -> TaskEnd | None:
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            address = getattr(error.last_worker, "address", error.last_worker)
            died = HccScopeError(
                f"the workers that worked on it died, the last one at {address}",
                hint="If their memory ran out, start fewer workers on a machine.",
            )
            return self._queue.fail(task, "worker died", died, None)
        found = error if isinstance(error, Exception) else RuntimeError(repr(error))
        return self._queue.fail(task, "raised", found, None)

    def _deliver(self, addresses: list[str] | None) -> None:
        """Send the setup to workers; None: to all that are there."""
        from hcc_scope.executors.dask_worker import receive

        if self._content is None:
            return
        found = self._client.run(receive, self._content, self._digest, workers=addresses, on_error="return")
        for address, error in found.items():
            self._deliveries[address] += 1
            if error is not None and self._deliveries[address] > _MOST_DELIVERIES:
                raise HccScopeError(
                    f"what the tasks need does not reach the worker {address}: {type(error).__name__}: {error}",
                    hint="Is its disk full? Start it with another --local-directory, and start this again.",
                )

    def _give_up(self, *, at_once: bool) -> None:
        from hcc_scope.executors.dask_worker import give_up

        attempt(partial(self._client.run, give_up, self._name, at_once=at_once, on_error="return"))

    def _subscribe(self) -> None:
        if self._on_message is not None:
            self._client.subscribe_topic(self._name, lambda event: self._messages.put(event[1]))

    def _pass_messages_on(self) -> None:
        while self._on_message is not None:
            try:
                key, message = pickle.loads(self._messages.get_nowait())
            except Empty:
                return
            self._on_message(key, message)


def _packed(setup: Setup) -> bytes:
    return pickle.dumps((pickle.dumps(setup), {file.name: file.path.read_bytes() for file in setup.files}))
