"""How a search for the focus ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hcc_scope.focus.settings import FocusSettings
    from hcc_scope.run_events import JsonValue

__all__ = ["REFUSALS", "FocusPoint", "FocusReason", "FocusResult", "describe_in_focus"]

FocusReason = Literal[
    "in_focus",
    "flat",
    "noisy",
    "two_peaks",
    "edge",
    "saturated",
    "no_tissue",
    "disagreeing",
    "drifting",
    "off_target",
    "no_room",
]
"""``in_focus`` is the accepted one; see docs/focus.md for the others."""

REFUSALS: dict[FocusReason, str] = {
    "flat": "the curve is flat: no height is clearly sharper than the others",
    "noisy": "the curve goes up and down: noise of the measure, vibration, or several layers",
    "two_peaks": "the curve has a second peak or a shoulder: dirt or another layer is sharp at another height",
    "edge": "the sharpest height lies at the edge of the range, so that it may lie beyond it",
    "saturated": "too many pixels are at full scale, where detail disappears",
    "no_tissue": "no tile shows tissue at any of these heights, or it is far out of focus",
    "disagreeing": "the two focus measures find different heights",
    "drifting": "the image changed during the search",
    "off_target": "the focus drive does not come to the height that it is sent to",
    "no_room": "the rig's limits leave too little room about this height",
}
"""Why a search was refused, as half a sentence for people."""


def describe_in_focus(z_um: float, began_um: float) -> str:
    """Return where the focus was found, as half a sentence for people.

    Examples
    --------
    >>> describe_in_focus(-0.001, 2.0)
    'in focus at z = 0.00 um, -2.00 um from where it began'
    """
    at_um, way_um = (round(value, 2) + 0.0 for value in (z_um, z_um - began_um))  # never -0.00
    return f"in focus at z = {at_um:.2f} um, {way_um:+.2f} um from where it began"


@dataclass(frozen=True, slots=True)
class FocusPoint:
    """One frame of a curve: medians over the tiles that are judged in all its frames."""

    z_um: float
    """Read back from the focus drive."""
    focus: float
    tenengrad: float


@dataclass(frozen=True, slots=True)
class FocusResult:
    """How a search ended."""

    reason: FocusReason
    z_um: float
    """The accepted height, or where the search began if none was accepted."""
    began_um: float
    """Where the search began, as read back."""
    curve: tuple[FocusPoint, ...]
    """Every frame, in the order in which they were taken; without a judged tile its measures mean nothing."""
    judged_tiles: int
    """How many tiles the curve rests on."""
    tiles: int
    """How many a frame has."""
    settings: FocusSettings
    around_um: tuple[float, float] | None = None
    """The heights to either side that are clearly blurrier; None if none was accepted."""

    @property
    def accepted(self) -> bool:
        """Whether a height was accepted."""
        return self.reason == "in_focus"

    @property
    def explanation(self) -> str:
        """How it ended, as half a sentence for people."""
        if self.accepted:
            return describe_in_focus(self.z_um, self.began_um)
        return REFUSALS[self.reason]

    def as_facts(self) -> dict[str, JsonValue]:
        """Return everything as JSON: the facts of the event ``focus`` (`hcc_scope.run_events`)."""
        return {
            "accepted": self.accepted,
            "reason": self.reason,
            "z_um": self.z_um,
            "began_um": self.began_um,
            "judged_tiles": self.judged_tiles,
            "tiles": self.tiles,
            "around_um": None if self.around_um is None else list(self.around_um),
            "curve": [
                {
                    "z_um": one.z_um,
                    "focus": one.focus if self.judged_tiles else None,
                    "tenengrad": one.tenengrad if self.judged_tiles else None,
                }
                for one in self.curve
            ],
            "settings": dict(self.settings.as_dict()),
        }
