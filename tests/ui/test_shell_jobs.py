"""Slow work: in order on its lane, beside that on others, its end in the Qt thread, its errors in words."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QObject
from shell_parts import wait_for

from hcc_scope.errors import DeviceError
from ui.kit.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication

    from ui.kit.error_report import ErrorReport


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    del qapp
    made = Jobs()
    yield made
    assert made.close() == ()


def test_work_is_done_elsewhere_in_order_and_ends_here(jobs: Jobs):
    here, threads, ends = threading.get_ident(), [], []

    def work(n: int) -> int:
        threads.append(threading.get_ident())
        return n * n

    for n in range(20):
        jobs.submit("disk", lambda n=n: work(n), lambda square: ends.append((square, threading.get_ident())))
    assert jobs.n_open == 20
    wait_for(lambda: len(ends) == 20, "all ends")
    assert [square for square, _ in ends] == [n * n for n in range(20)]
    assert {thread for _, thread in ends} == {here}
    assert len(set(threads)) == 1
    assert here not in threads
    assert jobs.n_open == 0


def test_a_lane_that_hangs_holds_up_no_other(jobs: Jobs):
    free, ends = threading.Event(), []
    jobs.submit("rig", free.wait, lambda _: ends.append("rig"))
    jobs.submit("disk", lambda: None, lambda _: ends.append("disk"))
    wait_for(lambda: ends == ["disk"], "the other lane")
    wait_for(lambda: jobs.busy_s("rig") > 0.05, "the lane to count its time")
    assert jobs.busy_s("disk") == 0.0
    free.set()
    wait_for(lambda: ends == ["disk", "rig"], "the lane that hung")


def test_errors_come_as_sentences_with_details(jobs: Jobs):
    sentences: list[str] = []
    reports: list[ErrorReport] = []
    jobs.error_reported.connect(reports.append)

    def refuse() -> None:
        raise DeviceError("camera 'A' does not answer", hint="Switch it on.")

    def break_() -> None:
        raise ZeroDivisionError("division by zero")

    for body in (refuse, break_):
        jobs.submit("rig", body, failed=sentences.append)
    wait_for(lambda: len(sentences) == 2, "both errors")
    assert sentences[0] == "Camera 'A' does not answer. Switch it on."
    assert sentences[1].startswith("A bug in HCC-Scope (ZeroDivisionError: division by zero)")
    assert [report.sentence for report in reports] == sentences
    assert "in refuse" in reports[0].details
    assert "Traceback" in reports[1].details


def test_a_bug_in_a_callback_is_reported_and_the_rest_continues(jobs: Jobs):
    reports: list[ErrorReport] = []
    ends: list[int] = []
    jobs.error_reported.connect(reports.append)
    jobs.submit("disk", lambda: 1, lambda n: ends.append(n // 0))
    jobs.submit("disk", lambda: 2, ends.append)
    wait_for(lambda: ends == [2], "the second")
    assert "ZeroDivisionError" in reports[0].sentence


def test_nothing_is_delivered_to_a_widget_that_is_gone(jobs: Jobs):
    from shiboken6 import delete

    class Receiver(QObject):
        def take(self, _value: object) -> None:
            raise AssertionError("it is gone")

        def take_more(self, _first: int, _value: object) -> None:
            raise AssertionError("it is gone")

    receiver, reports = Receiver(), []
    jobs.error_reported.connect(reports.append)
    jobs.submit("disk", lambda: None, receiver.take)
    jobs.submit("disk", lambda: None, partial(receiver.take_more, 1))
    delete(receiver)
    wait_for(lambda: jobs.n_open == 0, "its end")
    assert reports == []


def test_work_can_speak_on_the_way(jobs: Jobs):
    heard: list[str] = []

    def work() -> None:
        jobs.post(lambda: heard.append("half"))

    jobs.submit("model", work, lambda _: heard.append("whole"))
    wait_for(lambda: len(heard) == 2, "both")
    assert heard == ["half", "whole"]


def test_closing_skips_waiting_jobs_and_names_hanging_ones(qapp: QApplication):
    del qapp
    jobs, free, done = Jobs(), threading.Event(), []
    jobs.submit("rig", free.wait)
    wait_for(lambda: jobs.busy_s("rig") > 0, "the lane to begin")
    jobs.submit("rig", lambda: done.append(1))
    began = time.monotonic()
    assert jobs.close(timeout_s=0.1) == ("rig",)
    assert time.monotonic() - began < 5
    jobs.submit("rig", lambda: done.append(2))  # too late: not begun
    free.set()
    assert jobs.close(timeout_s=5) == ()
    assert done == []
