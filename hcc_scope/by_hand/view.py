"""What the operator of a hand-moved stand sees, and what can be asked for. Immutable values, polled by a window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from hcc_scope.types import SkipReason

if TYPE_CHECKING:
    from hcc_scope.tracking import TrackView
    from hcc_scope.types import Frame

__all__ = ["Guidance", "HandCommands", "HandPhase", "HandView", "SkipReason", "Verdict"]

HandPhase = Literal["free", "outline", "mend", "targets", "done"]
"""``free``: fields are chosen freely. The others are of a guided section: the operator drives round the section
(nothing is captured), the outline can be mended, the drawn fields are visited, none is left."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the newest frame is captured."""

    word: str
    """Why not, for the screen (``moving``, ``blurred``, ``already here`` ...); empty if it is fit."""
    explanation: str = ""
    """What it means and what to do, as a sentence."""

    @property
    def fit(self) -> bool:
        """Whether the frame is captured by itself."""
        return not self.word


@dataclass(frozen=True, slots=True)
class Guidance:
    """The way to the target."""

    target: int
    """Its number in the order in which the fields were drawn."""
    target_um: tuple[float, float]
    """(x, y) of its centre, in the coordinates of its island."""
    n_drawn: int
    n_reached: int
    n_skipped: int
    arrow_fields: tuple[float, float] | None
    """(right, down) as the operator sees the picture, in widths and heights of a field; None while the position is not
    known."""
    distance_um: float | None
    within: bool = False
    """Whether the field is as near to the target as it must be."""
    text: str = ""
    """For the screen: ``left 2.3 fields, up 0.5 (785 um)``."""
    picture_um: tuple[float, float] = (1.0, 1.0)
    """Width and height of a field, as the operator sees the picture."""

    @property
    def arrow_deg(self) -> float:
        """The arrow's direction as the operator sees the picture: 0 to the right, 90 down; 0 without one."""
        right, down = self.arrow_fields or (0.0, 0.0)
        return math.degrees(math.atan2(down * self.picture_um[1], right * self.picture_um[0]))


@dataclass(frozen=True, slots=True)
class HandView:
    """What is known after the newest live frame."""

    frame: Frame
    """The live frame. It is stored only if it is captured."""
    track: TrackView
    verdict: Verdict
    phase: HandPhase
    automatic: bool
    """Whether frames are captured by themselves."""
    n_seen: int
    """Live frames so far."""
    n_captured: int
    """Frames that were captured and not undone."""
    n_forced: int
    """Of these, the ones that were kept although a rule spoke against it."""
    captured_seq: int | None = None
    """Number in the store of the frame that was captured last; None before the first."""
    guidance: Guidance | None = None
    """In the phase ``targets`` alone."""
    places_um: tuple[tuple[int, float, float], ...] = ()
    """(island, x, y) of the captured fields whose position is known, in order."""
    message: str = ""
    """The last thing worth telling an operator; empty if nothing."""


class HandCommands(Protocol):
    """What an operator can ask for during a section by hand; safe from any thread, takes effect with the next frame."""

    def view(self) -> HandView | None:
        """Return what is known after the newest live frame; None before the first. Waits for nothing."""

    def set_automatic(self, *, on: bool) -> None:
        """Capture frames by themselves, or on request alone."""

    def capture(self) -> None:
        """Capture the field as soon as a frame of it is fit, without waiting for it to be at rest for long."""

    def keep_anyway(self) -> None:
        """Capture the next frame, whatever speaks against it. It is counted, and the report states it."""

    def new_island(self) -> None:
        """Begin a new coordinate frame at the present field."""

    def mark_corner(self) -> int:
        """Take the present place as the next corner of the outline, and return how many there are.

        Three or more replace the drive round the section.

        Raises
        ------
        PlanError
            If the position is not known.
        """

    def close_outline(self) -> tuple[tuple[float, float], ...]:
        """End the drive round the section and return its outline, to be mended or used.

        Raises
        ------
        PlanError
            If the course surrounds no area.
        """

    def drive_again(self) -> None:
        """Forget the way round the section and its outline, and begin it anew.

        Raises
        ------
        PlanError
            If the fields are drawn already.
        """

    def draw_fields(self, outline_um: tuple[tuple[float, float], ...] | None = None) -> None:
        """Draw the random fields inside the outline; `outline_um` is a mended one.

        Raises
        ------
        PlanError
            If they do not fit.
        """

    def skip_target(self, reason: SkipReason) -> None:
        """Skip the present target for a reason that is recorded."""
