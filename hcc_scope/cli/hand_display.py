"""A section by hand in a terminal: the state, the number, the arrow, and the keys that stand for buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.by_hand.words import screen_word
from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.by_hand import Guidance, HandView, SkipReason
    from hcc_scope.runs.hand_section import HandRun

__all__ = ["KEYS_HELP", "HandScreen", "arrow_sign"]

_SKIPS: dict[str, SkipReason] = {"g": "bare glass", "f": "fold", "n": "not reachable"}
KEYS_HELP = (
    "Keys: Space, Enter or Page Down captures (during the drive round the section: draws the fields now), a by itself"
    " or by key, k keep all the same, u undo, i new island, p pause; skip the target: g bare glass, f fold, n not"
    " reachable."
)


_ARROWS = "→↘↓↙←↖↑↗"


def arrow_sign(degrees: float) -> str:
    """Return the sign for an arrow, to the nearest eighth of a turn: 0 to the right, 90 down.

    Examples
    --------
    >>> arrow_sign(3.0), arrow_sign(-135.0), arrow_sign(90.0)
    ('→', '↖', '↓')
    """
    return _ARROWS[round(degrees / 45) % 8]


class HandScreen:
    """What a terminal shows of a section by hand. Asked again and again; acts on the keys that were pressed.

    Parameters
    ----------
    run : HandRun
    pressed : callable
        Returns the keys pressed since it was asked last.
    encoding : str
        Of the terminal; one that has no arrows is shown words alone.
    """

    def __init__(self, run: HandRun, pressed: Callable[[], str], encoding: str = "utf-8") -> None:
        self._run = run
        self._pressed = pressed
        self._has_arrows = _can_show(_ARROWS, encoding)
        self._note = ""
        """What became of the last key; empty if it did what it stands for."""
        self._n_reported = 0

    def rows(self) -> list[tuple[str, str]]:
        """Return names and texts: state, fields, the way to the target, and what an operator must know."""
        self._heed_keys()
        view = self._run.hand.view()
        if view is None:
            return [("state", "waiting for the first picture")]
        word, explanation = screen_word(view)
        rows = [("state", f"{word.upper()}: {explanation.rstrip('.')}"), ("fields", _fields(view))]
        if view.guidance is not None:
            rows.append(("target", self._way(view.guidance)))
        note = self._note or view.message
        return [*rows, *([("note", note)] if note else [])]

    def news(self) -> list[str]:
        """Return a line if fields were captured since it was asked last."""
        self._heed_keys()
        view = self._run.hand.view()
        if view is None or view.n_captured == self._n_reported:
            return []
        self._n_reported = view.n_captured
        return [f"{counted(view.n_captured, 'field')} captured"]

    def _way(self, way: Guidance) -> str:
        if way.arrow_fields is None or way.within or not self._has_arrows:
            return way.text
        return f"{arrow_sign(way.arrow_deg)} {way.text}"

    def _heed_keys(self) -> None:
        for key in self._pressed():
            self._note = ""
            try:
                self._carry_out(key)
            except HccScopeError as error:
                self._note = str(error)

    def _carry_out(self, key: str) -> None:
        hand, session, view = self._run.hand, self._run.section.session, self._run.hand.view()
        if key in " \r\n":
            if view is not None and view.phase in ("outline", "mend"):
                hand.draw_fields()
            else:
                hand.capture()
        elif key in _SKIPS:
            hand.skip_target(_SKIPS[key])
        elif key == "a":
            hand.set_automatic(on=view is None or not view.automatic)
        elif key == "k":
            hand.keep_anyway()
        elif key == "u":
            if self._run.undo() is None:
                self._note = "there is no capture to undo"
        elif key == "i":
            hand.new_island()
        elif key == "p":
            if session.snapshot().paused:
                session.resume()
            else:
                session.pause()


def _fields(view: HandView) -> str:
    text = f"{view.n_captured} captured"
    if view.guidance is not None:
        way = view.guidance
        text += f"; {way.n_reached + way.n_skipped} of {way.n_drawn} drawn ones visited"
    if view.n_forced:
        text += f"; {view.n_forced} kept all the same"
    return text if view.automatic else f"{text}; by key"


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
