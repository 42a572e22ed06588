"""A bar with the time that is left, for work that reports its steps; lines now and then where there is no terminal."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from hcc_scope.formatting import capital, format_duration, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.cli.console import People
    from hcc_scope.progress import OnProgress, Progress

__all__ = ["steps_shown"]

_LINES = 10
"""So many lines a stage writes at most, where there is no bar ..."""
_LINE_AFTER_S = 10.0
"""... and no more often: a quick stage has one line."""


@contextmanager
def steps_shown(console: People) -> Iterator[OnProgress]:
    """Yield what takes each step and shows it."""
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}", markup=False),
        console=console.console,
        disable=not console.is_terminal,
    ) as bars:
        yield _Shown(console, bars).show


@dataclass
class _Stage:
    """What was written of a stage, and when it began."""

    task: TaskID
    began_s: float
    first_share: float
    n_lines: int
    last_line_s: float


class _Shown:
    """Stages, each with a bar or with lines."""

    def __init__(self, console: People, bars: Bars) -> None:
        self._console, self._bars = console, bars
        self._stages: dict[str, _Stage] = {}

    def show(self, step: Progress) -> None:
        """Show how far a stage is."""
        share = step.done / step.total if step.total else 1.0
        part = math.floor(share * _LINES + 1e-9)
        now_s = time.monotonic()
        stage = self._stages.get(step.stage)
        if stage is None:
            task = self._bars.add_task(step.stage, total=step.total, message="")
            stage = self._stages[step.stage] = _Stage(task, now_s, share, part, now_s)
            if not self._console.is_terminal:
                self._console.note(f"{capital(step.stage)} ...")
        self._bars.update(stage.task, completed=step.done, total=step.total, message=step.message)
        due = part > stage.n_lines and now_s >= stage.last_line_s + _LINE_AFTER_S
        if due and not self._console.is_terminal:
            words = f" ({step.message})" if step.message else ""
            self._console.note(f"{capital(step.stage)}: {percent(share)}{_left(stage, share, now_s)}{words}")
            stage.n_lines, stage.last_line_s = part, now_s


def _left(stage: _Stage, share: float, now_s: float) -> str:
    """Return how long the rest of a stage may take."""
    if share <= stage.first_share or share >= 1.0:
        return ""
    left_s = (now_s - stage.began_s) * (1.0 - share) / (share - stage.first_share)
    return f", some {f'{left_s / 60:.0f} min' if left_s >= 90 else format_duration(left_s)} left"
