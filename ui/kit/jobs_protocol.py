"""What a widget asks of whoever runs its slow work: a callable goes off the Qt thread, its end comes back on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JobRunner", "Worker"]

T = TypeVar("T")

Worker = Literal["rig", "disk", "model", "replay", "report"]
"""One worker is one thread: work on a worker is done in order, and never beside other work on it."""


class JobRunner(Protocol):
    """Runs slow work in the background."""

    def submit(
        self, worker: Worker, fn: Callable[[], T], done: Callable[[T], None], failed: Callable[[str], None]
    ) -> None:
        """Queue a piece of work; returns at once.

        Parameters
        ----------
        worker : {"rig", "disk", "model", "replay", "report"}
            Where it runs.
        fn : callable
            The work. It touches no widget.
        done : callable
            Takes what `fn` returned; called in the Qt thread.
        failed : callable
            Takes one sentence for a person if `fn` raised; called in the Qt thread. Exactly one of the two is called,
            unless the program ends before.
        """
