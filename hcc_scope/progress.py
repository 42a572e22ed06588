"""The progress of long work: the one type in which everything reports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    OnProgress = Callable[["Progress"], None]
    """Takes each step of some work, in the thread that works."""

__all__ = ["Progress", "ignore_progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of some work."""

    stage: str
    """What is being done, in a word or two; stages of one name count together."""
    done: int
    total: int
    """0 while it is not known."""
    message: str = ""
    """The latest figures, as text."""


def ignore_progress(_step: Progress) -> None:
    """Take a step of some work and show it to no one."""
