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

__all__ = ["KEYS_HELP", "HandScreen"]

_SKIPS: dict[str, SkipReason] = {"g": "bare glass", "f": "fold", "n": "not reachable"}
KEYS_HELP = (
    "Keys: Space or Enter captures (after the drive round the section: draws the fields), a by itself or by key,"
    " k keep all the same, u undo, i new island, p pause; skip the target: g bare glass, f fold, n not reachable."
)


class HandScreen:
    """What a terminal shows of a section by hand. Asked again and again; acts on the keys that were pressed.

    Parameters
    ----------
    run : HandRun
    pressed : callable
        Returns the keys pressed since it was asked last.
    """

    def __init__(self, run: HandRun, pressed: Callable[[], str]) -> None:
        self._run = run
        self._pressed = pressed
        self._note = ""
        """What became of the last key; empty if it did what it stands for."""
        self._n_told = 0

    def rows(self) -> list[tuple[str, str]]:
        """Return names and texts: state, fields, the way to the target, and what an operator must know."""
        self._heed_keys()
        view = self._run.hand.view()
        if view is None:
            return [("state", "waiting for the first picture")]
        word, explanation = screen_word(view)
        rows = [("state", f"{word.upper()}: {explanation.rstrip('.')}"), ("fields", _fields(view))]
        if view.guidance is not None:
            rows.append(("target", describe_way(view.guidance)))
        note = self._note or view.message
        return [*rows, *([("note", note)] if note else [])]

    def news(self) -> list[str]:
        """Return a line if fields were captured since it was asked last."""
        self._heed_keys()
        view = self._run.hand.view()
        if view is None or view.n_captured == self._n_told:
            return []
        self._n_told = view.n_captured
        return [f"{counted(view.n_captured, 'field')} captured"]

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


def describe_way(way: Guidance) -> str:
    """Return the way to the target, with its distance."""
    return way.text if way.distance_um is None or way.within else f"{way.text} ({way.distance_um:.0f} um)"
