"""Who moves a hand-moved stand between two live frames: a person, or the simulated operator of the demo rig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hcc_scope.by_hand import HandView

__all__ = ["HandOperator"]


class HandOperator(Protocol):
    """Moves the specimen and sees the screen; a person needs no such object.

    Its clock runs by frames and not by the wall, so that a run on a slow computer is the same run.
    """

    def before_frame(self, view: HandView | None) -> float:
        """Move to where the hand is at the next exposure. In the core's thread.

        Parameters
        ----------
        view : HandView or None
            What is on the screen; None before the first frame.

        Returns
        -------
        float
            The time of that exposure in s, on the operator's own clock.
        """

    @property
    def over(self) -> bool:
        """Whether the operator is done, and the section ends."""
