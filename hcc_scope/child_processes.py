"""Start processes that only the one that starts them can end, whatever keys are pressed meanwhile."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["children_without_ctrl_c"]


@contextmanager
def children_without_ctrl_c() -> Iterator[None]:
    """Start processes that a terminal's Ctrl-C does not reach: the one that started them ends them.

    They inherit that the signal is blocked; a handler of their own would come a second too late, when they have
    imported. A Ctrl-C in the meantime is not lost: it takes effect at the end of the block, with all children known.
    On Windows, where nothing is inherited, children have to ignore the signal by themselves.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    masks = hasattr(signal, "pthread_sigmask")
    if masks:
        resource_tracker.ensure_running()  # spawning starts it otherwise, and that unblocks the signal
    pressed: list[int] = []
    # beside the mask: another thread of this process may take the signal, and the handler runs in this one
    handler = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, signal.default_int_handler if handler is None else handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)
