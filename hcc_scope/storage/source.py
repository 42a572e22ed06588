"""A store as a source of frames: replay and catch-up run the same pipeline as a camera."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.protocols import StopSignal
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import Frame, RunSpec

__all__ = ["StoreSource"]


class StoreSource:
    """Replays a store. A `hcc_scope.protocols.FrameSource` whose frames wait: ``live`` is False.

    Frames keep their `seq`. A damaged frame is reported and left out, so `seq` then has a gap: a score must not change
    its order or its numbering for it.

    Parameters
    ----------
    store : SectionStore
        An open store; what it had when it was opened is replayed.
    on_damaged : callable, optional
        Takes each damaged frame's error as it is met, in the thread that iterates.
    ahead : int
        Frames read in advance, so that decoding overlaps with analysis.
    tile_px : int, optional
        Of the model that analyses the frames: tiles are cut from whole frames, so it need not be the recorded one,
        which is taken by default.
    """

    def __init__(
        self,
        store: SectionStore,
        *,
        on_damaged: Callable[[StoreDamagedError], None] | None = None,
        ahead: int = 3,
        tile_px: int | None = None,
    ) -> None:
        self._store = store
        self._on_damaged = on_damaged
        self._ahead = ahead
        self._tile_px = store.spec.tile_px if tile_px is None else tile_px
        self.damaged: list[StoreDamagedError] = []
        """Every damaged frame's error of the last iteration, in order."""

    @property
    def spec(self) -> RunSpec:
        """The run's spec, with the number of frames that are there, and the size of the tiles that are cut now."""
        return replace(self._store.spec, expected_frames=self._store.n_frames, tile_px=self._tile_px)

    @property
    def live(self) -> bool:
        """False: frames wait."""
        return False

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Yield the frames in order of `seq`, until the last or until stop is requested."""
        self.damaged = []
        for item in self._store.read_ahead(range(self._store.n_frames), self._ahead):
            if isinstance(item, StoreDamagedError):
                self.damaged.append(item)
                if self._on_damaged is not None:
                    self._on_damaged(item)
            else:
                yield item
            if stop.requested:
                return
