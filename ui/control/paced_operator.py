"""The simulated operator at the pace of a person: the window shows a hand that moves as fast as one does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.by_hand import HandView
    from hcc_scope.microscope.hand_operator import HandOperator

__all__ = ["PacedOperator"]

_LATE_S = 0.5
"""Later than this, the clock begins anew: after a pause, or on a slow computer, nothing is caught up with."""


class PacedOperator:
    """Waits before each frame until the operator's clock has come so far; a `HandOperator`.

    Parameters
    ----------
    operator : HandOperator
        Whose clock runs by frames.
    clock_s, sleep : callable
        Of the wall.
    """

    def __init__(
        self,
        operator: HandOperator,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._operator, self._clock_s, self._sleep = operator, clock_s, sleep
        self._offset_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether the operator is done."""
        return self._operator.over

    def before_frame(self, view: HandView | None) -> float:
        """Move to where the hand is at the next exposure, and wait until it is due."""
        t_s = self._operator.before_frame(view)
        now_s = self._clock_s()
        if self._offset_s is None or now_s - self._offset_s - t_s > _LATE_S:
            self._offset_s = now_s - t_s
        wait_s = self._offset_s + t_s - now_s
        if wait_s > 0:
            self._sleep(wait_s)
        return t_s
