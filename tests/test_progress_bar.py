"""How a long command reports its progress without a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from hcc_scope.cli.console import People
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    import pytest


def shown(monkeypatch: pytest.MonkeyPatch, *, seconds_per_step: float, n_steps: int = 40) -> list[str]:
    clock = iter(range(10_000))
    monkeypatch.setattr("hcc_scope.cli.progress_bar.time.monotonic", lambda: next(clock) * seconds_per_step)
    stream = io.StringIO()
    with steps_shown(People(Console(file=stream, width=200))) as show:
        for done in range(n_steps + 1):
            show(Progress("folds", done, n_steps, f"fold {done}"))
        show(Progress("figures", 0, 0, ""))
    return stream.getvalue().splitlines()


def test_a_quick_stage_is_reported_once(monkeypatch: pytest.MonkeyPatch):
    assert shown(monkeypatch, seconds_per_step=0.1) == ["Folds ...", "Figures ..."]


def test_a_slow_stage_reports_every_tenth_with_the_remaining_time(monkeypatch: pytest.MonkeyPatch):
    lines = shown(monkeypatch, seconds_per_step=30.0)
    assert lines[:3] == [
        "Folds ...",
        "Folds: 10 %, some 18 min left (fold 4)",
        "Folds: 20 %, some 16 min left (fold 8)",
    ]
    assert lines[-2:] == ["Folds: 100 % (fold 40)", "Figures ..."]
    assert len(lines) == 12


def test_a_stage_is_reported_no_more_often_than_every_ten_seconds(monkeypatch: pytest.MonkeyPatch):
    lines = shown(monkeypatch, seconds_per_step=0.5)
    assert lines == ["Folds ...", "Folds: 50 %, some 10 s left (fold 20)", "Folds: 100 % (fold 40)", "Figures ..."]


def test_a_file_whose_name_looks_like_markup_does_not_end_the_bars():
    stream = io.StringIO()
    with steps_shown(People(Console(file=stream, width=200, force_terminal=True))) as show:
        show(Progress("check images", 1, 1, "M[/1].tif"))
    assert "M[/1].tif" in stream.getvalue()
