"""A section on a stand that is moved by hand: what is captured, and where to move next. Pure: no devices, no window."""

from hcc_scope.by_hand.judge import CaptureJudge
from hcc_scope.by_hand.view import Guidance, HandCommands, HandPhase, HandView, SkipReason, Verdict
from hcc_scope.by_hand.words import EXPLANATIONS, screen_word
from hcc_scope.types import CaptureRules

__all__ = [
    "EXPLANATIONS",
    "CaptureJudge",
    "CaptureRules",
    "Guidance",
    "HandCommands",
    "HandPhase",
    "HandView",
    "SkipReason",
    "Verdict",
    "screen_word",
]
