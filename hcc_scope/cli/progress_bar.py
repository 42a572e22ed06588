"""A bar with the time that is left, for work that tells its steps; lines now and then where there is no terminal."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hcc_scope.formatting import capital, format_duration, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.cli.console import People

__all__ = ["steps_shown"]

_TELLINGS = 10
"""So many times a stage tells how far it is, where nobody sees a bar ..."""
_SAY_AFTER_S = 10.0
"""... but no more often: quick stages are told once."""


@contextmanager
def steps_shown(console: People) -> Iterator[Callable[[Any], None]]:
    """Yield what takes each step (``stage``, ``done``, ``total``, ``message``) and shows it."""
    with Progress(
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
    """What was told of a stage, and when it began."""

    task: TaskID
    began_s: float
    first_share: float
    n_told: int
    said_s: float


class _Shown:
    """Stages, each with a bar or with lines."""

    def __init__(self, console: People, bars: Progress) -> None:
        self._console, self._bars = console, bars
        self._stages: dict[str, _Stage] = {}

    def show(self, step: Any) -> None:  # noqa: ANN401 - a Step, or training's own type with the same fields
        """Show how far a stage is."""
        share = step.done / step.total if step.total else 1.0
        part = math.floor(share * _TELLINGS + 1e-9)
        now_s = time.monotonic()
        stage = self._stages.get(step.stage)
        if stage is None:
            task = self._bars.add_task(step.stage, total=step.total, message="")
            stage = self._stages[step.stage] = _Stage(task, now_s, share, part, now_s)
            if not self._console.is_terminal:
                self._console.note(f"{capital(step.stage)} ...")
        self._bars.update(stage.task, completed=step.done, total=step.total, message=step.message)
        due = part > stage.n_told and now_s >= stage.said_s + _SAY_AFTER_S
        if due and not self._console.is_terminal:
            words = f" ({step.message})" if step.message else ""
            self._console.note(f"{capital(step.stage)}: {percent(share)}{_left(stage, share, now_s)}{words}")
            stage.n_told, stage.said_s = part, now_s


def _left(stage: _Stage, share: float, now_s: float) -> str:
    """Return how long the rest of a stage may take."""
    if share <= stage.first_share or share >= 1.0:
        return ""
    left_s = (now_s - stage.began_s) * (1.0 - share) / (share - stage.first_share)
    return f", some {f'{left_s / 60:.0f} min' if left_s >= 90 else format_duration(left_s)} left"
