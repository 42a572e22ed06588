"""Between the operator of a hand-moved stand and the thread of the live frames: wishes one way, the view the other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.workers import LatestSlot

if TYPE_CHECKING:
    from hcc_scope.by_hand import HandView

__all__ = ["HandDesk", "Wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator wants of the next live frame."""

    automatic: bool = True
    """Frames are captured by themselves."""
    asked: bool = False
    """The field is captured as soon as a frame of it is fit."""
    forced: bool = False
    """The frame is captured whatever speaks against it."""
    new_island: bool = False
    """A new coordinate frame begins here."""


class HandDesk:
    """Takes wishes from any thread, and hands them to the next live frame."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wishes = Wishes()
        self._view: LatestSlot[HandView] = LatestSlot()

    def wish(self, **changes: bool) -> None:
        """Change fields of `Wishes`."""
        with self._lock:
            self._wishes = replace(self._wishes, **changes)

    def take(self) -> Wishes:
        """Return the wishes for a frame; those that hold for one frame alone are then fulfilled."""
        with self._lock:
            wishes = self._wishes
            self._wishes = replace(wishes, forced=False, new_island=False)
            return wishes

    def show(self, view: HandView) -> None:
        """Replace what the operator sees."""
        self._view.put(view)

    def view(self) -> HandView | None:
        """Return what the operator sees; None before the first live frame."""
        return self._view.get()
