"""Focus as a plan asks: at its fields, or at a few places before the first one, for a plane.

A search that finds no height leaves the focus drive where it began; the run continues with that height and reports
why. What is found is recorded as events of the kind ``focus`` (`hcc_scope.microscope.autofocus` adds the curves), and
each frame's tags state how its height was obtained.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hcc_scope.errors import PlanError
from hcc_scope.focus import fit_plane
from hcc_scope.focus.plane import FEWEST_POINTS
from hcc_scope.focus.record import describe_plane
from hcc_scope.formatting import counted
from hcc_scope.microscope.core_thread import Stopped
from hcc_scope.microscope.moves import PlaceMissedError
from hcc_scope.plans.focusing import plane_points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.focus import FocusPlane
    from hcc_scope.microscope.autofocus import Autofocus
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.plans import Focusing
    from hcc_scope.plans.models import Event, Place
    from hcc_scope.protocols import SourceListener, StopSignal
    from hcc_scope.run_events import JsonValue
    from hcc_scope.types import TagValue

__all__ = ["PlanFocus"]

_SLICE_S = 0.05
"""How soon a wait notices a pause."""
_KNOWN_UM = 4.0
"""A plane that is less well known decides no height: a search looks so far to each side of its best height."""
_SAME_UM = 0.5
"""A drive that rests reads back the same height within this: less than a depth of field, more than encoders' noise."""


class PlanFocus:
    """Focuses between the exposures of one section, which has the camera.

    Parameters
    ----------
    rig : MicroManager
    focusing : Focusing
        When.
    autofocus : Autofocus
        Does it.
    n_fields : int or None
        Fields of the plan; None for an open end.
    goes_on : bool
        Whether a part of the plan was taken before: a plan that focuses at its fields then focuses at the first one
        that is taken now.
    """

    def __init__(
        self,
        rig: MicroManager,
        focusing: Focusing,
        autofocus: Autofocus,
        n_fields: int | None,
        *,
        goes_on: bool = False,
    ) -> None:
        self._rig = rig
        self._focusing = focusing
        self._autofocus = autofocus
        self._n_fields = n_fields
        self._listener: SourceListener | None = None
        self._n_recorded = self._n_searched = self._n_refused = 0
        self._plane: FocusPlane | None = None
        self._by: tuple[int, float] | None = None
        """Number of the record that the present height comes from, and that height."""
        self._due = goes_on and focusing.mode in ("once", "every_k")

    def report_to(self, listener: SourceListener) -> None:
        """Report to this listener from now on."""
        self._listener = listener

    @property
    def remark(self) -> str | None:
        """How many searches found no height, and how many points the plane does not rest on; None if there is none."""
        parts = []
        if self._n_refused:
            parts.append(f"{self._n_refused} of {counted(self._n_searched, 'focusing')} found no height")
        if self._plane is not None and self._plane.outliers:
            parts.append(f"the focus plane leaves out {counted(len(self._plane.outliers), 'point')}")
        return " and ".join(parts) or None

    # --- at a field ---

    def is_due(self, index: int) -> bool:
        """Return whether to focus at the field of this number before its exposure.

        A search that was due at a field that the stage did not reach is due at the next.
        """
        self._due = self._due or self._focusing.is_due(index)
        return self._due

    def focus_at(self, index: int, event: Event, stop: StopSignal) -> bool:
        """Focus at a field where the stage is already.

        Returns
        -------
        bool
            False if a pause cut it short: the stage may be moved meanwhile, and the field is to be focused again.

        Raises
        ------
        CameraError, DeviceError
            If a device fails.
        Stopped
            If stop was requested.
        """
        left = self._focusing.n_left(index, self._n_fields)
        if left is not None and not self._focusing.is_due(index):
            left += 1
        where = {f"{axis}_um": event[axis] for axis in ("x", "y") if axis in event}
        outcome = self._search(f"focusing at field {index}", left, stop, field=index, **where)
        if outcome is None:
            return False
        self._due = False
        if outcome.z_um is not None:
            self._by = self._n_recorded - 1, outcome.z_um
        else:
            self._note(f"no focus was found at field {index}: {outcome.why}{outcome.kept}")
        return True

    def _search(self, what: str, n_left: int | None, stop: StopSignal, **facts: float) -> _Outcome | None:
        """Search once, and count it; None if a pause cut it short. A focus drive that misses a height finds none."""
        if self._listener is not None:
            self._listener.begin_aside(what, n_left)
        over = False
        try:
            result = self._autofocus.run_in_section(
                _StopOrPause(stop), keep=True, focus_seq=self._n_recorded, mode=self._focusing.mode, **facts
            )
            z_um, why = result.z_um if result.accepted else None, result.explanation
            kept = f"; z stays at {round(result.began_um, 2) + 0.0:.2f} um"
            over = True
        except PlaceMissedError as error:
            z_um, why, over = None, error.message, True
            notes = getattr(error, "__notes__", None) or ["the focus drive is back where it began"]
            kept = "; ".join(["", *notes])
        except Stopped:
            if stop.requested:
                raise
            return None
        finally:
            if self._listener is not None:
                self._listener.end_aside(n_left if n_left is None or not over else n_left - 1)
        self._n_recorded += 1
        self._n_searched += 1
        self._n_refused += z_um is None
        return _Outcome(z_um, why, kept)

    def _note(self, message: str) -> None:
        if self._listener is not None:
            self._listener.note(message)

    # --- a plane ---

    def needs_plane(self) -> bool:
        """Return whether a plane is to be laid before the first frame."""
        return self._focusing.mode == "plane"

    def lay_plane(
        self,
        places: Sequence[Place],
        go: Callable[[float, float], bool],
        hold: Callable[[], object],
        stop: StopSignal,
    ) -> bool:
        """Focus at well spread places of the plan, and lay a plane through the heights.

        Parameters
        ----------
        places : sequence of Place
            All of the plan.
        go : callable
            Brings the stage to x, y (um); False if stop was requested on the way. A place that it misses is left out.
        hold : callable
            Stands still while the run is paused.
        stop : StopSignal

        Returns
        -------
        bool
            False if stop was requested.

        Raises
        ------
        PlanError
            If too few heights were found, they do not lie in a plane, or it is hardly known at a place of the plan or
            leads beyond the limits of the focus drive there.
        CameraError, DeviceError
            If a device fails.
        Stopped
            If stop was requested during a search.
        """
        centres = np.array([(x_um, y_um) for _, x_um, y_um, _ in places])
        chosen = plane_points(centres, self._focusing.points)
        found: list[tuple[float, float, float]] = []
        records: list[int] = []
        reasons: list[str] = []
        for number, index in enumerate(chosen, start=1):
            x_um, y_um = centres[index].tolist()
            outcome = None
            while outcome is None:
                hold()
                try:
                    if stop.requested or not go(x_um, y_um):
                        return False
                except PlaceMissedError as error:
                    outcome = _Outcome(None, error.message)
                    continue
                what = f"focusing for the plane: point {number} of {len(chosen)}"
                outcome = self._search(what, len(chosen) - number + 1, stop, field=index, x_um=x_um, y_um=y_um)
            if outcome.z_um is not None:
                found.append((x_um, y_um, outcome.z_um))
                records.append(self._n_recorded - 1)
            else:
                reasons.append(outcome.why)
        if len(found) < FEWEST_POINTS:
            why = "; ".join(dict.fromkeys(reasons))
            raise PlanError(
                f"a focus plane needs {FEWEST_POINTS} points, and a height was found at {len(found)} of"
                f" {len(chosen)} only: {why}",
                hint="Focus on the specimen by hand first, choose more points, or focus at every k-th field.",
            )
        self._use(fit_plane(found), records, places)
        return True

    def _use(self, plane: FocusPlane, records: Sequence[int], places: Sequence[Place]) -> None:
        _check_known(plane, places)
        self._check_limits(plane, places)
        self._plane = plane
        self._by = self._n_recorded, plane.z0_um
        facts: dict[str, JsonValue] = {**plane.as_facts(), "focus_seqs": list(records)}
        self._rig.events.add("focus", focus_seq=self._n_recorded, mode="plane", plane=facts)
        self._n_recorded += 1
        self._note(describe_plane(plane))

    def _check_limits(self, plane: FocusPlane, places: Sequence[Place]) -> None:
        """Refuse a plane that would lead beyond the limits at any place of the plan."""
        span = None if self._rig.limits is None else self._rig.limits.z_um
        if span is None:
            return
        for number, (_, x_um, y_um, _) in enumerate(places, start=1):
            z_um = plane.z_um(x_um, y_um)
            if not span[0] <= z_um <= span[1]:
                end, limit = ("lower", span[0]) if z_um < span[0] else ("upper", span[1])
                raise PlanError(
                    f"the focus plane lies at z = {z_um:.2f} um at position {number} of the plan, beyond the stage's"
                    f" {end} limit of {limit:g} um",
                    hint="Move the plan or the specimen, or correct stage_limits_um in the rig file.",
                )

    # --- for each frame ---

    def with_height(self, event: Event) -> Event:
        """Return an event with the plane's height at its place, if there is a plane."""
        if self._plane is None:
            return event
        return {**event, "z": self._plane.z_um(event["x"], event["y"])}

    def tags(self, event: Event, z_um: float | None) -> dict[str, TagValue]:
        """Return how the height of a frame was obtained; nothing without a focus drive.

        Parameters
        ----------
        event : Event
            As it was carried out.
        z_um : float or None
            Where the focus drive was. A height that is not the one that was found was set by hand since.
        """
        if z_um is None:
            return {}
        if self._plane is not None and self._by is not None:
            return {"z_by": "plane", "focus_seq": self._by[0]}
        if "z" in event:
            return {"z_by": "plan"}
        if self._by is not None and abs(z_um - self._by[1]) <= _SAME_UM:
            return {"z_by": "focus", "focus_seq": self._by[0]}
        return {"z_by": "none"}


def _check_known(plane: FocusPlane, places: Sequence[Place]) -> None:
    """Refuse a plane that its own points lie far from, or that is hardly known at any place of the plan."""
    hint = "Choose more points, or focus at every k-th field."
    if plane.residual_um > _KNOWN_UM:
        raise PlanError(
            f"the heights that were found do not lie in a plane: they lie {plane.residual_um:.1f} um off it"
            " (root mean square)",
            hint=hint,
        )
    for number, (_, x_um, y_um, _) in enumerate(places, start=1):
        uncertain_um = plane.uncertainty_um(x_um, y_um)
        if uncertain_um > _KNOWN_UM:
            raise PlanError(
                f"the focus plane is known to {uncertain_um:.1f} um only at position {number} of the plan, far from"
                " where a height was found",
                hint=hint,
            )


class _Outcome(NamedTuple):
    """How one search ended."""

    z_um: float | None
    """The height that was found."""
    why: str
    """Why none was, as half a sentence."""
    kept: str = ""
    """What follows from that, as the rest of the sentence."""


class _StopOrPause:
    """A stop that is requested by a pause, too: a search that a pause cuts short begins again after it."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop

    @property
    def requested(self) -> bool:
        """Whether the search must end."""
        return self._stop.requested or self._stop.paused

    @property
    def paused(self) -> bool:
        """Whether the run is paused."""
        return self._stop.paused

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, or until the search must end; return whether it must."""
        until_s = time.monotonic() + timeout_s
        while not self.requested and (left_s := until_s - time.monotonic()) > 0:
            self._stop.wait(min(left_s, _SLICE_S))
        return self.requested

    def wait_while_paused(self) -> None:
        """Return at once: a pause ends the search."""
