"""One call of `hcc_scope.executors.dask.DaskExecutor.each`: its tasks in the cluster, its setup, its messages."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hcc_scope.errors import HccScopeError
from hcc_scope.executors.setup import setup_digest
from hcc_scope.executors.tasks import WINDOW_PER_WORKER
from hcc_scope.executors.versions import describe_differences
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distributed import Client, Future, as_completed

    from hcc_scope.executors.attempts import Queue
    from hcc_scope.executors.dask import DaskExecutor
    from hcc_scope.executors.tasks import Setup, Task, TaskEnd, WorkerFacts

__all__ = ["LOOK_S", "ClusterCall"]

LOOK_S = 0.2
_MOST_DELIVERIES = 3
"""Of a setup to one worker, before what it answers is an error."""


class ClusterCall:
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
                self._done.thread_condition.wait(LOOK_S)

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
            found = _loaded(content, facts)
            value, error = (None, found) if isinstance(found, HccScopeError) else found
            if error is not None:
                return self._queue.fail(task, "raised", error, facts)
            return self._queue.succeed(task, value, facts)
        if outcome == "not prepared":
            error = _loaded(content, facts)
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
        send = partial(self._client.run, receive, self._content, self._digest, workers=addresses, on_error="return")
        found = attempt(send)
        if isinstance(found, Failure):
            if not isinstance(found.error, Exception):
                raise found.error
            self._executor.await_scheduler()  # the task comes back, as it still lacks it
            found = dict.fromkeys(addresses or (), found.error)
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


def _loaded(content: bytes, worker: WorkerFacts) -> Any:  # noqa: ANN401
    """Return what a worker pickled; in place of what cannot be read here, the error that states so."""
    found = attempt(lambda: pickle.loads(content))
    if not isinstance(found, Failure):
        return found
    if not isinstance(found.error, Exception):
        raise found.error
    differ = describe_differences([worker])
    return HccScopeError(
        f"what the worker {worker.name} on {worker.host} returns cannot be read here: "
        f"{type(found.error).__name__}: {found.error}{f' ({differ})' if differ else ''}",
        hint="Install the same versions on every worker.",
    )
