"""Ctrl-C while processes are started: it reaches no child, and takes effect when all are known."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hcc_scope.child_processes import children_without_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """Whatever a test before has left: by the system's own handling the signal would end this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_ctrl_c_in_the_meantime_takes_effect_at_the_end():
    before = signal.getsignal(signal.SIGINT)
    after = False
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it is raised is what is tested
        with children_without_ctrl_c():
            signal.raise_signal(signal.SIGINT)
            after = True
        after = False
    assert after
    assert signal.getsignal(signal.SIGINT) is before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_children_do_not_get_it():
    context = multiprocessing.get_context("spawn")
    with children_without_ctrl_c():
        child = context.Process(target=signal.raise_signal, args=(signal.SIGINT,))
        child.start()
    child.join(60)
    assert child.exitcode == 0  # by the signal it would end with a traceback, and 1


def test_other_threads_may_start_processes_too():
    def start() -> object:
        with children_without_ctrl_c():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(start).result() is signal.getsignal(signal.SIGINT)
