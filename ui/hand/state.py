"""What the readout shows of a live frame: the state with a sign that is none of colour alone, and the count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.by_hand import screen_word
from hcc_scope.by_hand.words import FIT
from hcc_scope.formatting import counted, sentence

if TYPE_CHECKING:
    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from ui.kit.symbols import Shape

__all__ = [
    "ENDED",
    "FINISHING",
    "NO_SECTION",
    "PREPARING",
    "SEQUENCE",
    "STARTING",
    "HandCount",
    "HandState",
    "count_of",
    "failed",
    "state_of",
]

_SIGNS: dict[str, Shape] = {
    FIT: "good",
    "done": "good",
    "lost": "bad",
    "too fast": "warning",
    "no structure": "warning",
    "too dark": "warning",
    "too bright": "warning",
    "objective": "warning",
    "frozen": "warning",
    "blurred": "warning",
    "no tissue": "unknown",
    "by key": "good",
}
"""Any other word is of something that goes on: moving, waiting ..."""
_URGENT = frozenset({"lost", "too fast", "no structure", "too dark", "too bright", "objective", "frozen"})


@dataclass(frozen=True, slots=True)
class HandState:
    """The state of a section by hand."""

    word: str
    explanation: str
    """What it means and what to do, as a sentence."""
    sign: Shape
    urgent: bool = False
    """Whether a screen reader interrupts what it reads: the operator has to act."""


NO_SECTION = HandState("no section", "Type the ids, choose the plan, and start the section.", "unknown")
FINISHING = HandState("finishing", "Nothing more is captured; what was is stored and classified.", "busy")
ENDED = HandState("ended", "The section is over. For the next one, check the ids and start.", "good")
PREPARING = HandState(
    "starting", "The section is being prepared: the model is loaded, camera and disk are checked.", "busy"
)
SEQUENCE = HandState(
    "sequence", "Every frame is stored, wherever the field is; Live and the panels show how it goes.", "busy"
)
STARTING = HandState("starting", "The first picture is on its way.", "busy")
_PAUSED = HandState(
    "paused",
    "Nothing is captured. Live (F5) shows the picture; after Resume (F9), go back to a known place first.",
    "busy",
)


def failed(cause: str) -> HandState:
    """Return the state of a section that failed; `cause` is why, as text."""
    return HandState("failed", sentence(cause), "bad", urgent=True)


def state_of(view: HandView | None, *, paused: bool = False) -> HandState:
    """Return the state after the newest live frame.

    Parameters
    ----------
    view : HandView or None
        None before the first frame of a section.
    paused : bool
        Whether the section is paused.
    """
    if paused:
        return _PAUSED
    if view is None:
        return STARTING
    word, explanation = screen_word(view)
    return HandState(word, explanation, _SIGNS.get(word, "busy"), word in _URGENT)


@dataclass(frozen=True, slots=True)
class HandCount:
    """How far the section is."""

    n: str
    """The number."""
    of: str
    """What it counts."""
    remark: str = ""
    """Fields that were skipped, and those that were kept although a rule spoke against it; empty without."""


def count_of(view: HandView | None, sample: DrawnSample | None = None) -> HandCount:
    """Return how many fields were captured, and of how many.

    In a guided section these are the drawn fields (`sample`): what was captured besides them does not count.
    """
    if view is None:
        return HandCount("–", "fields")
    remarks = []
    if sample is None:
        n, of = view.n_captured, "field" if view.n_captured == 1 else "fields"
    else:
        n, of = len(sample.reached), f"of {counted(sample.n_drawn, 'drawn field')}"
        if sample.skipped:
            remarks.append(f"{len(sample.skipped):,} skipped")
    if view.n_forced:
        remarks.append(f"{view.n_forced:,} kept all the same")
    return HandCount(f"{n:,}", of, ", ".join(remarks))
