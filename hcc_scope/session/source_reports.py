"""What a source reports besides its frames, passed on to the ledger with the time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.session.ledger import FrameLedger

__all__ = ["SourceReports"]


class SourceReports:
    """A `hcc_scope.protocols.SourceListener`.

    Parameters
    ----------
    ledger : FrameLedger
        Shows messages, and takes into the time left what the source does besides its frames.
    remark : callable
        Takes a sentence that stays with the outcome.
    skip : callable
        Takes the reason of a field that is left out.
    """

    def __init__(self, ledger: FrameLedger, remark: Callable[[str], None], skip: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._remark = remark
        self._skip = skip

    def begin_aside(self, what: str, n_left: int | None) -> None:
        """Note that the source begins something that gives no frame."""
        self._ledger.begin_aside(what, n_left, time.monotonic_ns())

    def end_aside(self, n_left: int | None) -> None:
        """Note that this is over."""
        self._ledger.end_aside(n_left, time.monotonic_ns())

    def note(self, message: str) -> None:
        """Show a message; the run continues."""
        self._ledger.set_message(message)

    def remark(self, sentence: str) -> None:
        """Show what deviates from the request, and keep it with the outcome."""
        self._remark(sentence)

    def skip(self, why: str) -> None:
        """Count a field that is left out."""
        self._skip(why)

    def miss(self, why: str) -> None:
        """Count a frame that cannot be read; the source's own remark lists them at the end."""
        self._ledger.count_lost(1)
        self._ledger.set_message(why)
