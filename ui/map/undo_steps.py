"""What the editing of an outline and of fields shares: the steps that can be undone, and the next point. Without Qt."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["UndoSteps", "neighbour"]

T = TypeVar("T")

_MOST_STEPS = 200


class UndoSteps(Generic[T]):
    """The states before the last steps, no more than 200.

    Examples
    --------
    >>> steps = UndoSteps[str]()
    >>> steps.note("before")
    >>> bool(steps), steps.take_back(), steps.take_back()
    (True, 'before', None)
    """

    def __init__(self) -> None:
        self._before: list[T] = []

    def __bool__(self) -> bool:
        """Return whether there is a step to undo."""
        return bool(self._before)

    def note(self, state: T) -> None:
        """Keep the state before a step."""
        self._before.append(state)
        del self._before[:-_MOST_STEPS]

    def take_back(self) -> T | None:
        """Return the state before the last step, and forget it; None without a step."""
        return self._before.pop() if self._before else None

    def clear(self) -> None:
        """Forget all steps."""
        self._before.clear()


def neighbour(chosen: int | None, by: int, n: int) -> int | None:
    """Return the point before (-1) or after (1) the chosen one, round the ends; without one, the last or first of `n`.

    Examples
    --------
    >>> neighbour(None, 1, 3), neighbour(None, -1, 3), neighbour(2, 1, 3), neighbour(None, 1, 0)
    (0, 2, 0, None)
    """
    if not n:
        return None
    return (0 if by > 0 else n - 1) if chosen is None else (chosen + by) % n
