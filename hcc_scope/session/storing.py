"""The storage of a run: frames from their queue into the sink, and the sink closed at the end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.workers import Closed, guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.protocols import FrameSink
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.types import Frame
    from hcc_scope.workers import Channel

__all__ = ["StorageWorker"]


class StorageWorker:
    """Body of the storage thread: `run` returns when the queue is closed and empty, then `close` ends the sink.

    Parameters
    ----------
    sink : FrameSink
        Where frames are kept; closed by `close`.
    queue : Channel of Frame
        What acquisition delivers.
    ledger : FrameLedger
        Counts what is on disk.
    on_error : callable
        Takes the error and the name of the worker, if storage breaks down.
    """

    def __init__(
        self,
        *,
        sink: FrameSink,
        queue: Channel[Frame],
        ledger: FrameLedger,
        on_error: Callable[[BaseException, str], None],
    ) -> None:
        self._sink = sink
        self._queue = queue
        self._ledger = ledger
        self._on_error = on_error
        self._n_appended = sink.committed  # by earlier runs
        self.failed = False
        """Whether storage broke down."""
        self.over = threading.Event()
        """Set when no further frame will be committed."""

    @property
    def n_stored(self) -> int:
        """Frames 0 .. n_stored-1 are on disk."""
        return self._sink.committed

    def read(self, seq: int) -> Frame:
        """Read a stored frame back."""
        return self._sink.read(seq)

    def run(self) -> None:
        """Store frames until the queue is closed and empty."""
        while True:
            try:
                frame = self._queue.get()
            except Closed:
                return
            self._sink.append(frame)
            self._n_appended += 1
            self._ledger.commit(self.n_stored, time.monotonic_ns())

    def fail(self, error: BaseException, where: str) -> None:
        """Report that storage broke down, and free a source that waits for room in the queue."""
        self.failed = True
        self._on_error(error, where)
        self._queue.break_()

    def close(self) -> None:
        """Close the sink, also after an error: whatever can still reach the disk shall."""
        try:
            guard("store", self._close_sink, self.fail)
            self._ledger.close_storage(self.n_stored, time.monotonic_ns())
        finally:
            self.over.set()  # analysis waits for it

    def _close_sink(self) -> None:
        self._sink.close()
        if self.n_stored < self._n_appended and not self.failed:
            raise StoreError(
                f"only {self.n_stored} of {self._n_appended} frames are on disk although the store was closed"
            )
