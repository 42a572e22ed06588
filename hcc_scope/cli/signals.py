"""What a command makes of Ctrl-C, a polite kill, and the loss of its terminal; loads nothing that takes time."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcc_scope.cli.interrupt import EXIT_INTERRUPTED
from hcc_scope.errors import HccScopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["Interrupted", "called_on_signals"]


class Interrupted(HccScopeError):  # noqa: N818 - what happened, not a fault
    """Ctrl-C before there was anything to finish."""

    exit_code = EXIT_INTERRUPTED


@contextmanager
def called_on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have Ctrl-C, a polite kill and the loss of the terminal call `handler`, as a signal's handler is called."""
    # SIGHUP: the terminal was closed, or the connection to it was lost
    signals = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
