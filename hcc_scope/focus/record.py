"""A search or a plane as it was recorded: the event ``focus`` of a run, read back for people.

An event holds `hcc_scope.focus.FocusResult.as_facts`, or a plane (`hcc_scope.focus.FocusPlane.as_facts`) under the key
``plane``, and who asked for it: ``mode`` (of the plan, or ``operator``), ``focus_seq`` (its number in the run, which
the tags of frames refer to), ``field`` and ``x_um``, ``y_um``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hcc_scope.focus.plane import FocusPlane, PlanePoint
from hcc_scope.focus.result import REFUSALS, FocusPoint, describe_in_focus
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hcc_scope.run_events import RunEvent

__all__ = ["ENDED", "FocusRecord", "PlaneRecord", "describe_plane", "focus_records", "read_record"]

ENDED = "ended"
"""The reason of a search that a stop or an error ended."""


@dataclass(frozen=True, slots=True)
class FocusRecord:
    """One search."""

    t_utc: datetime
    focus_seq: int | None
    """Its number in the run; None if no plan asked for it."""
    mode: str
    """``once``, ``every_k``, ``plane``; ``operator`` or empty if no plan asked for it."""
    field: int | None
    """Number of the plan's field where it was done, from 0."""
    accepted: bool
    reason: str
    """`hcc_scope.focus.FocusReason`, `ENDED`, or one that this version does not know."""
    z_um: float
    """The accepted height, or where it began."""
    began_um: float
    curve: tuple[FocusPoint, ...]
    """In the order in which the frames were taken; empty for a search that was ended."""
    judged_tiles: int
    tiles: int
    bracket_um: tuple[float, float] | None
    """Heights to both sides that are clearly less sharp than the accepted one; None without one."""
    error: str | None = None
    """What ended the search, or kept the focus drive from going back."""

    @property
    def where(self) -> str:
        """Where and why it was done, in a few words."""
        if self.field is None:
            return "on request"
        return f"at field {self.field}" + (", for the plane" if self.mode == "plane" else "")

    @property
    def explanation(self) -> str:
        """How it ended, as half a sentence."""
        if self.reason == ENDED:
            return f"the search was ended: {self.error or 'the reason is not known'}"
        if self.accepted:
            found = describe_in_focus(self.z_um, self.began_um)
            return found if self.error is None else f"{found}; then: {self.error}"
        why = REFUSALS.get(self.reason, f"the reason is '{self.reason}'")  # type: ignore[call-overload]
        then = f"back at z = {round(self.began_um, 2) + 0.0:.2f} um" if self.error is None else f"then: {self.error}"
        return f"no focus was found: {why}; {then}"

    @property
    def is_drawn(self) -> bool:
        """Whether the curve shows anything: it does not if no tile was judged."""
        return bool(self.curve) and self.judged_tiles > 0


@dataclass(frozen=True, slots=True)
class PlaneRecord:
    """A plane that was laid through the heights of several searches."""

    t_utc: datetime
    focus_seq: int | None
    plane: FocusPlane
    focus_seqs: tuple[int, ...]
    """Number of the search behind each of its points."""

    @property
    def where(self) -> str:
        """Where it holds, in a few words."""
        return "of the section"

    @property
    def explanation(self) -> str:
        """What is known of it, as half a sentence."""
        return describe_plane(self.plane)


def describe_plane(plane: FocusPlane) -> str:
    """Return what is known of a plane, as half a sentence."""
    used = len(plane.points) - len(plane.outliers)
    tilt = 1000 * math.hypot(plane.slope_x, plane.slope_y)
    text = f"focus plane through {counted(used, 'point')}, residual {plane.residual_um:.2f} um, tilt {tilt:.2f} um/mm"
    apart = [
        f"x = {plane.points[i].x_um:.0f}, y = {plane.points[i].y_um:.0f} um ({plane.residuals_um[i]:+.2f} um)"
        for i in plane.outliers
    ]
    return f"{text}; left out: {'; '.join(apart)}" if apart else text


def focus_records(events: Iterable[RunEvent]) -> tuple[FocusRecord | PlaneRecord, ...]:
    """Return what the events of a run hold about focusing, in order; what cannot be read is left out."""
    return tuple(record for event in events if (record := read_record(event)) is not None)


def read_record(event: RunEvent) -> FocusRecord | PlaneRecord | None:
    """Return what an event holds about focusing; None if it is about something else, or damaged."""
    if event.kind != "focus":
        return None
    facts = event.facts
    try:
        if "plane" in facts:
            return _plane_record(event.t_utc, facts, cast("Mapping[str, Any]", facts["plane"]))
        return _search_record(event.t_utc, facts)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _search_record(t_utc: datetime, facts: Mapping[str, Any]) -> FocusRecord:
    ended = facts["reason"] == ENDED
    judged_tiles = 0 if ended else int(facts["judged_tiles"])
    error = facts.get("error")
    return FocusRecord(
        t_utc=t_utc,
        focus_seq=_whole(facts.get("focus_seq")),
        mode=str(facts.get("mode", "")),
        field=_whole(facts.get("field")),
        accepted=facts["accepted"] is True,
        reason=str(facts["reason"]),
        z_um=_number(facts["began_um"] if ended else facts["z_um"]),
        began_um=_number(facts["began_um"]),
        curve=() if ended else tuple(_point(one, judged=judged_tiles > 0) for one in facts["curve"]),
        judged_tiles=judged_tiles,
        tiles=0 if ended else int(facts["tiles"]),
        bracket_um=_span(facts.get("around_um")),
        error=None if error is None else str(error),
    )


def _point(one: Mapping[str, Any], *, judged: bool) -> FocusPoint:
    """Return one frame; its measures mean nothing, and may be missing, where no tile was judged."""
    if not judged:
        return FocusPoint(_number(one["z_um"]), 0.0, 0.0)
    return FocusPoint(_number(one["z_um"]), _number(one["focus"]), _number(one["tenengrad"]))


def _plane_record(t_utc: datetime, facts: Mapping[str, Any], plane: Mapping[str, Any]) -> PlaneRecord:
    points = tuple(PlanePoint(*(_number(value) for value in point)) for point in plane["points_um"])
    residuals = tuple(_number(value) for value in plane["residuals_um"])
    outliers = tuple(int(i) for i in plane["outliers"])
    if len(residuals) != len(points) or not all(0 <= i < len(points) for i in outliers):
        raise ValueError("a plane whose parts do not fit together")
    return PlaneRecord(
        t_utc=t_utc,
        focus_seq=_whole(facts.get("focus_seq")),
        plane=FocusPlane(
            **{name: _number(plane[name]) for name in ("x0_um", "y0_um", "z0_um", "slope_x", "slope_y", "residual_um")},
            points=points,
            residuals_um=residuals,
            outliers=outliers,
        ),
        focus_seqs=tuple(int(seq) for seq in plane.get("focus_seqs", ())),
    )


def _number(value: object) -> float:
    """Return a finite number; raise ValueError if it is none: nothing else can be drawn."""
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return number


def _span(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - whatever a file holds
    if value is None:
        return None
    low, high = value
    return _number(low), _number(high)


def _whole(value: object) -> int | None:
    return value if type(value) is int else None
