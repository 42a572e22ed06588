"""A section that may pause by itself, in a terminal: why it is paused, and the key that continues it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import capital

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.session import Session

__all__ = ["ENDED", "PauseScreen"]

ENDED = "the section ended where it would have "
"""So begins the remark of a section that ended where it would have paused, without a terminal."""

_KEYS = "c continues, Ctrl-C ends the section"


class PauseScreen:
    """What a display shows of such a section (`hcc_scope.cli.display.Beside`). Asked again and again; acts on the keys.

    Without a terminal, in which a person could press one, the section ends in order where it would pause.

    Parameters
    ----------
    session : Session
    pressed : callable
        Returns the keys pressed since it was asked last.
    attended : bool
        Whether there is a terminal.
    ring : callable
        Rings the terminal's bell.
    """

    def __init__(
        self, session: Session, pressed: Callable[[], str], *, attended: bool, ring: Callable[[], object]
    ) -> None:
        self._session = session
        self._pressed, self._attended, self._ring = pressed, attended, ring
        self._reason = ""
        self._unsaid: list[str] = []

    def rows(self) -> list[tuple[str, str]]:
        """Return the key that continues a paused section."""
        self._look()
        return [("keys", _KEYS)] if self._reason else []

    def news(self) -> list[str]:
        """Return why the section has paused, once."""
        self._look()
        unsaid, self._unsaid = self._unsaid, []
        return unsaid

    def _look(self) -> None:
        reason = self._session.snapshot().pause_reason
        keys = self._pressed()  # also those of before, which mean nothing
        if reason and "c" in keys and reason == self._reason:
            self._session.resume()
            reason = ""
        if reason and reason != self._reason:
            self._begin(reason)
        self._reason = reason

    def _begin(self, reason: str) -> None:
        if self._attended:
            self._unsaid.append(f"{capital(reason)}. {capital(_KEYS)}.")
            self._ring()
            return
        self._session.remark(f"{ENDED}{reason.removesuffix(', then continue')}")
        self._session.stop()
