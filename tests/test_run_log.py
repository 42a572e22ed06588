"""The log of a run: lines with checksums, a bounded size, and a disk that does not take it."""

from __future__ import annotations

import errno
import math
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import StoreError
from hcc_scope.report.run_log_text import changed_properties, event_lines
from hcc_scope.run_events import RunEvent
from hcc_scope.storage import run_log
from hcc_scope.storage.recover import recover
from hcc_scope.storage.run_log import RUN_LOG, RunLog, RunLogWriter, read_run_log
from hcc_scope.storage.writer import create_store
from tests.commands import cli
from tests.storage_cases import make_frame, make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.run_events import JsonValue


def event(kind: str, **facts: JsonValue) -> RunEvent:
    return RunEvent(datetime.now(UTC), kind, facts)


def fail_on(sentence: str) -> None:
    pytest.fail(sentence)


def read(store: Path) -> RunLog:
    log = read_run_log(store)
    assert log is not None
    return log


def test_what_is_written_is_read_again(tmp_path: Path):
    events = [event("move", at_um={"x": math.nan, "y": 1.5}), event("message", text="f\u00fcr\n"), event("action")]
    writer = RunLogWriter(tmp_path, fail_on)
    for one in events:
        writer.add(one)
    writer.close()
    writer.close()
    writer.add(event("late"))
    log = read(tmp_path)
    assert (log.problems, log.torn) == ((), b"")
    assert [(one.t_utc, one.kind) for one in log.events] == [(one.t_utc, one.kind) for one in events]
    assert log.events[0].facts == {"at_um": {"x": "nan", "y": 1.5}}
    assert read_run_log(tmp_path / "none") is None


def test_whatever_a_device_reports_is_one_line_of_bounded_length(tmp_path: Path):
    writer = RunLogWriter(tmp_path, fail_on)
    writer.add(
        event("property", value="1\n2026-01-01 action: stop\x00\x1b[2J\udcff\u2028", **{"a\nb": "x" * 10_000_000})
    )
    writer.add(event("reading", value=np.float32(0.5), n=np.int64(3)))
    writer.close()
    assert writer.path.stat().st_size < 10_000
    hostile, numbers = read(tmp_path).events
    assert numbers.facts == {"value": "0.5", "n": "3"}
    (line,) = event_lines([hostile])
    assert r"property: value 1\n2026-01-01 action: stop\x00\x1b[2J\udcff\u2028; a\nb xxx" in line
    assert line.isprintable()
    assert line.endswith("x... (10000000 characters)")


def test_a_changed_line_is_reported_and_the_others_are_read(tmp_path: Path):
    writer = RunLogWriter(tmp_path, fail_on)
    for n in range(3):
        writer.add(event("move", n=n))
    writer.close()
    path = tmp_path / RUN_LOG
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7') + b'{"t_utc')
    log = read(tmp_path)
    assert [one.facts["n"] for one in log.events] == [0, 2]
    assert log.problems == (f"line 2 of {path} is unreadable: its checksum is wrong",)
    assert log.torn == b'{"t_utc'


def test_a_long_run_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_log, "_USUAL_BYTES", 4000)
    monkeypatch.setattr(run_log, "_MOST_BYTES", 8000)
    writer = RunLogWriter(tmp_path, fail_on)
    for n in range(1000):
        writer.add(event("move", n=n))
    writer.add(event("device_state", when="after"))
    writer.close()
    events = read(tmp_path).events
    kept = [one for one in events if one.kind == "move"]
    assert 10 < len(kept) < 60
    assert [one.kind for one in events[-2:]] == ["device_state", "left_out"]
    assert events[-1].facts == {"n": 1000 - len(kept)}
    assert (tmp_path / RUN_LOG).stat().st_size < 8000


def test_a_full_disk_costs_one_sentence_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    problems: list[str] = []
    real, written = run_log.write_all, threading.Event()

    def write(handle: int, data: bytes) -> None:
        if b"second" not in data:
            real(handle, data)
            return
        real(handle, data[:10])
        written.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_log, "write_all", write)
    writer = RunLogWriter(tmp_path, problems.append)
    writer.add(event("first"))
    writer.add(event("second"))
    assert written.wait(30)
    for _ in range(5):
        writer.add(event("third"))
    writer.close()
    assert len(problems) == 1
    assert "no space is left" in problems[0]
    assert "the frames are not affected" in problems[0]
    log = read(tmp_path)
    assert [one.kind for one in log.events] == ["first"]
    assert log.torn == b""


def test_a_log_that_cannot_be_made_is_a_problem_and_no_error(tmp_path: Path):
    problems: list[str] = []
    writer = RunLogWriter(tmp_path / "absent", problems.append)
    writer.add(event("move"))
    writer.close()
    assert len(problems) == 1


def test_a_disk_that_hangs_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    go_on = threading.Event()
    monkeypatch.setattr(run_log, "_END_S", 0.05)
    monkeypatch.setattr(run_log, "_WAITING_BYTES", 1000)
    monkeypatch.setattr(run_log, "write_all", lambda _handle, _data: go_on.wait(30))
    problems: list[str] = []
    writer = RunLogWriter(tmp_path, problems.append)
    for n in range(100):
        writer.add(event("move", n=n))
    writer.close()
    assert len(problems) == 1
    assert "incomplete" in problems[0]
    go_on.set()


def test_recover_cuts_an_unfinished_line_and_a_store_without_a_log_is_whole(tmp_path: Path):
    with create_store(tmp_path, make_spec()) as sink:
        sink.append(make_frame(0))
        writer = RunLogWriter(sink.path, fail_on)
        writer.add(event("move"))
        writer.close()
    path = sink.path / RUN_LOG
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"t_')
    report = recover(sink.path)
    assert f"{RUN_LOG}: an unfinished last line of 4 bytes cut off" in report.changes
    assert path.read_bytes() == whole
    assert not report.problems
    path.write_bytes(b"junk\n" + whole)
    assert recover(sink.path).problems == (f"line 1 of {path} is unreadable: it is no JSON (line 1: Expecting value)",)
    path.unlink()
    assert not recover(sink.path).problems


def test_a_run_without_a_frame_leaves_no_log(tmp_path: Path):
    sink = create_store(tmp_path, make_spec())
    RunLogWriter(sink.path, fail_on).close()
    sink.close()
    assert sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_words_of_a_log():
    camera: dict[str, JsonValue] = {"Gain": "1", "Gone": "2"}
    before: dict[str, JsonValue] = {
        "core": {"exposure_ms": 10.0},
        "properties": {"Camera": camera, "Core": {"A": "1"}},
    }
    after: dict[str, JsonValue] = {
        "core": {"exposure_ms": 20.0},
        "properties": {"Camera": {"Gain": "3"}, "Core": {"A": "2"}},
    }
    assert changed_properties(before, after) == ["Core.exposure_ms: 10 -> 20", "Camera.Gain: 1 -> 3"]
    lines = list(event_lines([event("device_state", when="before", **before), event("device_state", **after)]))
    assert lines[0][25:] == "devices before the run: 3 properties of 2 devices"
    assert lines[2:] == ["  changed: Core.exposure_ms: 10 -> 20", "  changed: Camera.Gain: 1 -> 3"]


def test_the_command_refuses_a_store_without_a_log(tmp_path: Path):
    with create_store(tmp_path, make_spec()) as sink:
        sink.append(make_frame(0))
    result = cli("log", str(sink.path))
    assert result.code == StoreError.exit_code
    assert "has no run_log.jsonl" in result.err
