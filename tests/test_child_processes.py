"""Ctrl-C while processes are started: it reaches no child, and takes effect when all are known."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from hcc_scope.child_processes import children_without_ctrl_c

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


IN_THE_MEANTIME = """
import signal
from hcc_scope.child_processes import children_without_ctrl_c
signal.signal(signal.SIGINT, signal.default_int_handler)
after = False
try:
    with children_without_ctrl_c():
        signal.raise_signal(signal.SIGINT)
        after = True
    after = False
except KeyboardInterrupt:
    assert after
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    print("interrupted")
"""


def test_a_ctrl_c_in_the_meantime_takes_effect_at_the_end():
    # in a process of its own: what else runs in this one may handle signals in a way of its own
    done = subprocess.run([sys.executable, "-c", IN_THE_MEANTIME], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr


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
