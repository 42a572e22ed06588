"""The words of a section by hand, one for each state, each with its explanation. Window and terminal share them.

A word is read from a metre away, with both hands on the stand.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from hcc_scope.by_hand.view import Verdict
from hcc_scope.formatting import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.by_hand.view import HandPhase, HandView

__all__ = ["EXPLANATIONS", "FIT", "PHASE_WORDS", "UNDONE", "screen_word", "verdict"]

EXPLANATIONS: Mapping[str, str] = MappingProxyType(
    {
        "lost": "The position is not known: go back to a place that was seen before, or begin a new island.",
        "too fast": "The picture moves farther from frame to frame than can be followed: move more slowly.",
        "no structure": "There is nothing to follow the motion by: bare glass, far out of focus, or no light.",
        "too dark": "The picture is too dark to be judged: check the light and the exposure.",
        "too bright": "Too many pixels are at full scale: lower the light or the exposure.",
        "moving": "The field moves: let the stage come to rest.",
        "waiting": "The field has only just come to rest: hold it still.",
        "no tissue": "Too little of the field is tissue: move to the section.",
        "focusing": "The picture is getting sharper: go on until it does not.",
        "blurred": "The picture is less sharp than the best seen lately: turn the focus to its best and past it once.",
        "already here": "A captured field covers too much of this one: move on.",
        "captured": "This field is captured: move on.",
        "undone": "The capture of this field was undone: move on, or press the key to capture it again.",
        "objective": "Another objective is in use than at the beginning of the section: turn back to it.",
        "frozen": "The camera delivers the same picture again and again: check it, and the light.",
        "off target": "This is not the target: follow the arrow.",
        "by key": "Fields are captured on request alone: press the key.",
    }
)
"""Each word for not capturing a frame, with what it means and what to do."""

FIT = "captured"
"""What a frame is called that is captured, and its field for as long as it stays there."""

UNDONE = "undone by the operator"
"""The reason with which an undone field is excluded from the score."""

PHASE_WORDS: Mapping[HandPhase, tuple[str, str]] = MappingProxyType(
    {
        "outline": ("drive round", "Drive once round the section, along its edge; nothing is captured meanwhile."),
        "mend": ("outline", "Check the outline on the map, mend it, and draw the fields."),
        "done": ("done", "Every drawn field was reached or skipped."),
    }
)
"""Word and sentence of the phases in which nothing is captured by itself."""

_OF_TRACKING = frozenset({"lost", "too fast", "no structure", "objective", "frozen"})
"""Words for a position that is not known: what the tracker remarks explains them best."""
_AT_REST = frozenset({"moving", "waiting"})
"""Words that ask for rest: on the way to a target the arrow is to be followed instead."""
_ALWAYS = _OF_TRACKING | {"too dark", "too bright"}
"""Words that matter in every phase."""


def verdict(word: str) -> Verdict:
    """Return the verdict of a word; of an empty one, that the frame is fit."""
    return Verdict(word, EXPLANATIONS[word]) if word else Verdict("")


def screen_word(view: HandView) -> tuple[str, str]:
    """Return the one word that a screen shows, and the sentence that explains it."""
    if view.phase in PHASE_WORDS and view.verdict.word not in _ALWAYS:
        return PHASE_WORDS[view.phase]
    if view.verdict.fit:
        return FIT, EXPLANATIONS[FIT]
    word = view.verdict.word
    if word in _AT_REST and view.guidance is not None and not view.guidance.within:
        word = "off target"
    if word == "off target" and view.guidance is not None and view.guidance.arrow_fields is None:
        return word, sentence(view.guidance.text)  # there is no arrow to be followed
    if word == "off target":
        return word, EXPLANATIONS[word]
    remark = view.track.remark if word in _OF_TRACKING else ""
    return word, remark or view.verdict.explanation
