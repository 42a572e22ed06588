"""A bar with the time that is left, for work that tells its steps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.cli.console import People

__all__ = ["steps_shown"]


@contextmanager
def steps_shown(console: People) -> Iterator[Callable[[Any], None]]:
    """Yield what takes each step (``stage``, ``done``, ``total``, ``message``) and shows it.

    A bar on a terminal; elsewhere one line when a stage begins.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}"),
        console=console.console,
        disable=not console.is_terminal,
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: Any) -> None:  # noqa: ANN401 - a Step, or training's own type with the same fields
            if step.stage not in tasks:
                tasks[step.stage] = progress.add_task(step.stage, total=step.total, message="")
                if not console.is_terminal:
                    console.note(f"{step.stage} ...")
            progress.update(tasks[step.stage], completed=step.done, total=step.total, message=step.message)

        yield show
