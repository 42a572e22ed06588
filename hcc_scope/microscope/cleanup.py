"""Clean-up that always runs, and a stop that is always requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["ALREADY", "Finally"]


class Finally:
    """Does something at the end, whatever the end is; if both fail, the first error is the one that is raised."""

    def __init__(self, body: Callable[[], None], what: str) -> None:
        self._body = body
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = attempt(self._body)
        if isinstance(outcome, Failure):
            if error is None or isinstance(error, GeneratorExit):
                raise outcome.error
            error.add_note(f"then, {self._what}: {outcome.error}")


class _Already:
    """A stop that was requested before the wait began."""

    requested = True
    paused = False

    def wait(self, timeout_s: float) -> bool:
        """Return at once."""
        del timeout_s
        return True

    def wait_while_paused(self) -> None:
        """Return at once."""


ALREADY = _Already()
