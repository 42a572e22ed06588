"""The seam for independent tasks: what every executor keeps to, and what each does when something dies."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.executors import dask
from hcc_scope.executors.attempts import Queue
from hcc_scope.executors.choice import open_executor
from hcc_scope.executors.dask import DaskExecutor
from hcc_scope.executors.local import LocalExecutor
from hcc_scope.executors.tasks import SentFile, Setup, Task, WorkerFacts, any_failure, worker_died
from hcc_scope.executors.this_process import ThisProcess
from hcc_scope.executors.versions import describe_differences, require_equal_versions, versions_here
from tests.executor_parts import add, die, die_once, never_end, not_to_be_sent, read_numbers, unreadable, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.executors.tasks import Executor

HERE = WorkerFacts("this", "host", 1, versions_here())


def left_behind() -> list[psutil.Process]:
    """Processes of an executor."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture(params=["this process", "processes", "cluster"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "cluster":
        made: Executor = DaskExecutor(request.getfixturevalue("dask_cluster"))
    else:
        made = ThisProcess() if request.param == "this process" else LocalExecutor(2)
    with made:
        yield made


def numbers(path: Path) -> Setup:
    path.write_text("1000", encoding="utf-8")
    return Setup(read_numbers, 100, (SentFile.of(path, "sub/number.txt"),))


def test_every_task_ends_and_no_more_are_taken_than_are_in_flight(executor: Executor, tmp_path: Path) -> None:
    taken, ended, most = 0, 0, 0

    def tasks() -> Iterator[Task]:
        nonlocal taken, most
        for number in range(40):
            taken += 1
            most = max(most, taken - ended)
            yield Task(f"n{number}", add, number)

    heard: dict[str, list[object]] = {}
    ends = {}
    setup = numbers(tmp_path / "number.txt")
    for end in executor.each(tasks(), setup=setup, on_message=lambda key, m: heard.setdefault(key, []).append(m)):
        ends[end.key] = end
        ended += 1
    failed = ends.pop("n3")
    assert {key: end.value[0] for key, end in ends.items()} == {f"n{n}": n + 1100 for n in range(40) if n != 3}
    assert most <= 4 * executor.n_workers + 1
    assert heard["n7"] == ["adding 7"]
    assert failed.failure is not None
    assert (failed.failure.text, failed.failure.reason, failed.attempts) == ("ValueError: three", "raised", 3)
    preparations = {end.value[1]: set[str]() for end in ends.values()}
    for end in ends.values():
        preparations[end.value[1]].add(end.value[2])
    assert [len(found) for found in preparations.values()] == [1] * len(preparations)
    workers = {worker.name: worker for worker in executor.workers()}
    assert len(workers) == executor.n_workers
    assert all(workers[end.worker.name] == end.worker for end in ends.values())
    assert all(worker.versions == versions_here() for worker in workers.values())


def test_after_a_request_to_stop_nothing_begins_and_what_is_at_work_ends(executor: Executor, tmp_path: Path) -> None:
    done = tmp_path / "done"
    stopped = False

    def begun(_key: str, _message: object) -> None:
        nonlocal stopped
        stopped = True
        done.touch()

    tasks = (Task(f"n{number}", until, str(done)) for number in range(1000))
    ends = list(executor.each(tasks, stop=lambda: stopped, on_message=begun))
    assert 1 <= len(ends) <= 4 * executor.n_workers
    assert all(end.value == str(done) for end in ends)


def test_a_worker_that_dies_does_not_take_its_tasks_along(tmp_path: Path, dask_cluster: str) -> None:
    for executor in (LocalExecutor(2), DaskExecutor(dask_cluster)):
        mark = tmp_path / type(executor).__name__
        tasks = [Task("dies", die_once, str(mark)), *(Task(str(n), until, str(tmp_path)) for n in range(4))]
        with executor:
            ends = {end.key: end for end in executor.each(tasks)}
        assert ends["dies"].value == "alive"
        assert all(end.failure is None for end in ends.values())


def test_a_task_that_always_kills_its_process_is_given_up_with_the_reason() -> None:
    with LocalExecutor(1) as executor:
        (end,) = executor.each([Task("dies", die)], retries=1)
        assert end.failure is not None
        assert (end.failure.reason, end.attempts) == ("worker died", 2)
        assert "the process that worked on it" in end.failure.text
        assert "use fewer workers" in end.failure.text
        assert not left_behind()


def test_ctrl_c_leaves_no_process_behind() -> None:
    def interrupted(_key: str, process: object) -> None:
        assert psutil.pid_exists(process)
        assert left_behind()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), LocalExecutor(2) as executor:
        list(executor.each((Task(str(n), never_end, n) for n in range(3)), on_message=interrupted))
    assert not left_behind()


def test_ctrl_c_frees_the_workers_of_a_cluster(dask_cluster: str) -> None:
    def interrupted(_key: str, _process: object) -> None:
        raise KeyboardInterrupt

    with DaskExecutor(dask_cluster) as executor:
        with pytest.raises(KeyboardInterrupt):
            list(executor.each((Task(str(n), never_end, n) for n in range(3)), on_message=interrupted))
        (end,) = executor.each([Task("next", die_once, __file__)])
    assert end.value == "alive"


def test_a_value_that_cannot_be_sent_and_a_setup_that_fails_are_errors(tmp_path: Path) -> None:
    setup = numbers(tmp_path / "number.txt")
    (tmp_path / "number.txt").write_text("1001", encoding="utf-8")
    with LocalExecutor(1) as executor:
        (end,) = executor.each([Task("it", not_to_be_sent)], retries=0)
        assert end.failure is not None
        assert "pickle" in end.failure.text
        with pytest.raises(HccScopeError, match=r"number\.txt is not the file that was sent"):
            list(executor.each([Task("it", add, 1)], setup=setup))


def test_a_queue_keeps_no_task_that_ended_and_takes_no_key_twice() -> None:
    queue = Queue((Task(key, add) for key in "aba"), 1, any_failure)
    a = queue.begin()
    assert a is not None
    assert queue.fail(a, "raised", ValueError("x"), HERE) is None
    assert queue.begin() is a  # before those that wait
    end = queue.fail(a, "raised", ValueError("x"), HERE)
    assert (end.attempts, end.failure.text) == (2, "ValueError: x")
    b = queue.begin()
    queue.put_back(b)
    assert queue.begin() is b
    assert queue.succeed(b, 5, HERE).attempts == 1
    assert queue.begin().key == "a"
    assert queue.begin() is None
    twice = Queue((Task(key, add) for key in "cc"), 1, worker_died)
    assert twice.fail(twice.begin(), "raised", ValueError(), HERE).attempts == 1
    again = Queue((Task(key, add) for key in "cc"), 1, any_failure)
    again.begin()
    with pytest.raises(ValueError, match="two tasks have the key 'c'"):
        again.begin()


def test_what_cannot_be_read_here_is_a_sentence(dask_cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with DaskExecutor(dask_cluster) as executor:
        (end,) = executor.each([Task("a", unreadable)], retries=0)
        assert end.failure is not None
        assert isinstance(end.failure.error, HccScopeError)
        assert "cannot be read here: ModuleNotFoundError: No module named 'of_later'" in end.failure.text

        def run(*_arguments: object, **_how: object) -> None:  # as Dask, if it cannot read the traceback of an error
            raise AssertionError

        monkeypatch.setattr(executor._client, "run", run)
        with pytest.raises(UsageError, match=f"a worker of the cluster at {dask_cluster} fails with an error that can"):
            executor.workers()


def test_versions_that_differ_are_named_and_refused_where_they_must_not() -> None:
    same, older = (
        replace(HERE, name="tcp://a:1"),
        replace(HERE, name="tcp://b:2", versions={**HERE.versions, "torch": "2.5"}),
    )
    assert describe_differences([same]) is None
    require_equal_versions([same], "--check")
    assert describe_differences([same, older]) == (
        f"versions differ between workers: torch is {HERE.versions['torch']} here and 2.5 on tcp://b:2"
    )
    with pytest.raises(UsageError, match="--check needs the same on all"):
        require_equal_versions([same, older], "--check")


@pytest.mark.parametrize(("workers", "kind", "n"), [(1, ThisProcess, 1), (3, LocalExecutor, 3)])
def test_processes_share_the_cores(workers: int, kind: type, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hcc_scope.executors.local.usable_cores", lambda: 8)
    monkeypatch.setattr("hcc_scope.executors.this_process.usable_cores", lambda: 8)
    executor = open_executor(workers)
    assert type(executor) is kind
    assert [worker.n_threads for worker in executor.workers()] == [8 // n] * n


def test_options_that_exclude_each_other_and_addresses_without_a_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_CONNECT_S", 0.2)
    with pytest.raises(UsageError, match="Give one of them"):
        open_executor(2, "tcp://localhost:8786")
    with pytest.raises(UsageError, match="0 workers do nothing"):
        open_executor(0)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(UsageError, match=f"no scheduler answers at {address}"), open_executor(None, address):
            raise AssertionError


def test_a_cluster_is_used_without_opening_a_port(dask_cluster: str) -> None:
    def listening() -> set[tuple[object, ...]]:
        return {tuple(c.laddr) for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}

    before = listening()
    level = logging.getLogger("distributed.client").level
    with DaskExecutor(dask_cluster) as executor:
        assert executor.describe() == f"2 workers on 1 machine (Dask, {dask_cluster})"
        assert listening() == before
    assert logging.getLogger("distributed.client").level == level


def test_a_scheduler_or_workers_that_do_not_come_back_are_a_sentence(
    dask_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DaskExecutor(dask_cluster) as executor:
        executor.await_scheduler()
        executor.check_workers()
        monkeypatch.setattr(dask, "_PATIENCE_S", -1.0)
        monkeypatch.setattr(type(executor._connected), "scheduler_info", lambda _client, **_: {"n_workers": 0})
        executor._count()
        with pytest.raises(HccScopeError, match=f"the cluster at {dask_cluster} has had no worker for"):
            executor.check_workers()
        executor._connected.close()
        with pytest.raises(HccScopeError, match="does not answer any more"):
            executor.await_scheduler()
