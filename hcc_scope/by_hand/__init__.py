"""A section on a stand that is moved by hand: what is captured, and where to move next. Pure: no devices, no window."""

from hcc_scope.by_hand.guide import Guide
from hcc_scope.by_hand.judge import CaptureJudge
from hcc_scope.by_hand.keeper import GuidedSource, SampleKeeper
from hcc_scope.by_hand.view import Guidance, HandCommands, HandPhase, HandView, SkipReason, Verdict
from hcc_scope.by_hand.words import EXPLANATIONS, screen_word
from hcc_scope.types import CaptureRules

__all__ = [
    "EXPLANATIONS",
    "CaptureJudge",
    "CaptureRules",
    "Guidance",
    "Guide",
    "GuidedSource",
    "HandCommands",
    "HandPhase",
    "HandView",
    "SampleKeeper",
    "SkipReason",
    "Verdict",
    "screen_word",
]
