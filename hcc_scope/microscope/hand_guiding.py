"""The drawn sample of a guided section, between the operator's commands and the thread of the live frames."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.by_hand import Guide, Verdict
from hcc_scope.by_hand.words import PHASE_WORDS
from hcc_scope.errors import PlanError
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from hcc_scope.by_hand import Guidance, HandPhase, SampleKeeper, SkipReason
    from hcc_scope.microscope.hand_log import HandLog
    from hcc_scope.orientation import Orientation
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.tracking import Place

__all__ = ["Guided", "HandGuiding"]

_IN_HAND_AXES = "the arrow now shows where your hand has to go: its moves led elsewhere"
_IN_PICTURE_AXES = "the arrow shows again where the target lies in the picture"

_Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Guided:
    """A section whose fields are a random sample, drawn before they are visited by hand."""

    n_fields: int
    seed: int
    draws_itself: bool = False
    """Whether the fields are drawn as soon as the way has led round the section, without being asked for."""


class HandGuiding:
    """Guides one section, or leaves it free. Safe from any thread.

    What happens to the sample is written down first, and takes effect then.

    Parameters
    ----------
    guided : Guided or None
        None: fields are chosen freely.
    shape_yx : (rows, columns)
        Of a frame.
    um_per_px : float
    orientation : Orientation
        How the camera lies over the stage.
    log : HandLog
    """

    def __init__(
        self,
        guided: Guided | None,
        shape_yx: tuple[int, int],
        um_per_px: float,
        orientation: Orientation,
        log: HandLog,
    ) -> None:
        self._guided = guided
        self._guide = Guide(shape_yx, um_per_px, orientation)
        self._log = log
        self._lock = threading.RLock()
        self.keeper: SampleKeeper | None = None
        """Where the sample is written down; None: it ends with the run."""

    @property
    def phase(self) -> HandPhase:
        """Where the section is."""
        with self._lock:
            return "free" if self._guided is None else self._guide.phase

    @property
    def guidance(self) -> Guidance | None:
        """The way to the target; None if there is none."""
        with self._lock:
            return self._guide.guidance() if self.phase == "targets" else None

    @property
    def sample(self) -> DrawnSample | None:
        """The drawn fields; None before they are drawn."""
        with self._lock:
            return self._guide.sample

    # --- in the thread of the live frames ---

    def see(self, place: Place | None, t_s: float | None = None) -> str:
        """Take where the field is after a live frame that was exposed then; None while that is not known.

        Returns
        -------
        str
            What an operator must know: that fields were drawn unasked, or what the arrow means from now on; empty if
            nothing.
        """
        if self._guided is None:
            return ""
        with self._lock:
            if self._guide.see(place, t_s):
                self._log.add("arrow", in_hand_axes=self._guide.in_hand_axes)
                return _IN_HAND_AXES if self._guide.in_hand_axes else _IN_PICTURE_AXES
            if not (self._guided.draws_itself and self._guide.came_round()):
                return ""
            try:
                self.draw_fields(None)
            except PlanError as error:
                return str(error)
            drawn = f"once round: {counted(self._guided.n_fields, 'field')} drawn"
            return f"{drawn}. {self._guide.outline_remark}" if self._guide.outline_remark else drawn

    def drawn_at(self, place: Place | None, *, asked: bool) -> int | None:
        """Return the drawn field that a frame at a place shows, `asked` for or not; None if it shows none."""
        with self._lock:
            return None if self._guided is None else self._guide.drawn_at(place, asked=asked)

    def held_back(self) -> Verdict | None:
        """Return why nothing is captured by itself in this phase, whatever the frame is like; None if it is."""
        words = PHASE_WORDS.get(self.phase)
        return None if words is None else Verdict(*words)

    def reached(self, field: int, seq: int) -> None:
        """Note that a captured frame shows a drawn field; its tag states it in the store."""
        with self._lock:
            self._guide.reached(field, seq)

    # --- what the operator asks for ---

    def go_on(self, sample: DrawnSample) -> None:
        """Guide to the open fields of a sample that was drawn, and written down, in an earlier part of the section."""
        with self._lock:
            self._guide.take(sample)

    def undone(self, seq: int) -> None:
        """Note that a capture is undone; raises `StoreError` if it cannot be written down."""
        with self._lock:
            if self._guided is None or self._guide.sample is None:
                return
            if self.keeper is not None:
                self.keeper.undone(seq)
            self._guide.undone(seq)

    def mark_corner(self) -> int:
        """See `hcc_scope.by_hand.HandCommands`."""
        with self._lock:
            self._need_guided()
            n_corners = self._guide.mark_corner()
            self._log.add("corner")
            return n_corners

    @property
    def outline_remark(self) -> str:
        """What to look at before the outline is used, as a sentence; empty if nothing."""
        with self._lock:
            return self._guide.outline_remark

    def close_outline(self) -> _Outline:
        """See `hcc_scope.by_hand.HandCommands`."""
        with self._lock:
            self._need_guided()
            outline_um = self._guide.close_outline()
            self._log.add("outline", corners=len(outline_um), remark=self._guide.outline_remark)
            return outline_um

    def drive_again(self) -> None:
        """Forget the way round the section, and begin anew.

        Raises
        ------
        PlanError
            If the fields are drawn already, or the section is not guided.
        """
        with self._lock:
            self._need_guided()
            self._guide.drive_again()
            self._log.add("drive again")

    def draw_fields(self, outline_um: _Outline | None) -> None:
        """See `hcc_scope.by_hand.HandCommands`; raises `StoreError`, too, if they cannot be written down."""
        with self._lock:
            guided = self._need_guided()
            sample = self._guide.draw(guided.n_fields, guided.seed, outline_um)
            if self.keeper is not None:
                self.keeper.drawn(sample)
            self._guide.take(sample)
            self._log.add("drawn", fields=sample.n_drawn, seed=sample.seed, island=sample.island)

    def skip_target(self, reason: SkipReason) -> None:
        """See `hcc_scope.by_hand.HandCommands`; raises `StoreError`, too, if it cannot be written down.

        Raises
        ------
        PlanError
            If there is no target.
        """
        with self._lock:
            self._need_guided()
            target = self._guide.target
            if target is None:
                raise PlanError("there is no target to skip", hint="Draw the fields first, or end the section.")
            if self.keeper is not None:
                self.keeper.skipped(target, reason)
            self._guide.skipped(target, reason)
            self._log.add("skip", drawn_field=target, reason=reason)

    def _need_guided(self) -> Guided:
        if self._guided is None:
            raise PlanError(
                "the fields of this section are chosen freely, and none are drawn",
                hint="Begin a guided section to visit random fields.",
            )
        return self._guided
