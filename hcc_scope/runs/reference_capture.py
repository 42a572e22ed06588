"""Take the shots of a dark or flat field on an open rig, one by one, and put every device back as it was found.

>>> with ReferenceCapture(rig, "dark") as capture:  # doctest: +SKIP
...     while capture.wanted:
...         shot = capture.shoot()
...     made = capture.finish()
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from hcc_scope.errors import CameraError, ConfigError
from hcc_scope.runs.references import need_references_dir, references_state, settings_now
from hcc_scope.shading.files import keep, load_reference
from hcc_scope.shading.making import LEAST_SHOTS, MOST_SHOTS, Refusal, Shots
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from types import TracebackType

    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.shading.reference import Reference, ReferenceKind, Settings
    from hcc_scope.types import Frame

__all__ = ["STEPS", "ReferenceCapture", "TakenShot", "refused"]

_STEP = 0.6
"""Of a field, between two shots of a flat field."""
_STEP_UM = 100.0
"""Where the size of a field is not known."""

STEPS: dict[ReferenceKind, tuple[str, ...]] = {
    "dark": (
        "Set exposure, gain, binning and region as for the sections.",
        "Switch the lamp off and keep the room dark; a shutter is closed and put back by the program.",
        "The program takes the shots and averages them.",
    ),
    "flat": (
        "Set objective, binning and region as for the sections, and Köhler illumination.",
        "Go to clean, blank glass (or defocus), with light between a third and three quarters of full scale.",
        "A motorised stage is moved between the shots; without one, move to another blank field for each shot.",
    ),
}
"""What the operator does, in order."""


@dataclass(frozen=True, slots=True)
class TakenShot:
    """One shot."""

    frame: Frame
    refusal: Refusal | None
    """Why it spoils the reference; None if it is in."""


class ReferenceCapture:
    """Takes one reference. One thread at a time, which may wait for the devices.

    Parameters
    ----------
    rig : OpenRig
        With the settings that the reference is for, and no section under way.
    kind : {"dark", "flat"}
    n_shots : int, optional
        The least number that is enough by default.

    Raises
    ------
    ConfigError
        If the rig file names no folder for references, or a flat field is taken before the dark field.
    CameraError
        If the number of shots is too small or too large.
    """

    def __init__(self, rig: OpenRig, kind: ReferenceKind, n_shots: int | None = None) -> None:
        least = LEAST_SHOTS[kind]
        self.n_shots = least if n_shots is None else n_shots
        if not least <= self.n_shots <= MOST_SHOTS:
            raise CameraError(f"a {kind} field takes {least} to {MOST_SHOTS} shots, not {self.n_shots}")
        self.kind = kind
        self.folder = need_references_dir(rig.rig)
        self._rig = rig
        self.settings: Settings = settings_now(rig)
        self._shots = Shots(kind, self.settings, self._dark() if kind == "flat" else None)
        self._stop = StopToken()
        self._undo = ExitStack()
        self._start_um: tuple[float, float] | None = None
        self._halts = 0
        self._step_um = (_STEP_UM, _STEP_UM)
        self.closes_shutter = False
        """Whether the light is shut out by the program; else the operator switches it off."""

    def _dark(self) -> Reference:
        state = references_state(self._rig, self.settings).dark
        if state.freshness != "fresh" or state.manifest is None:
            raise ConfigError(
                f"a flat field needs a dark field first, which is {state.freshness} ({state.reason})",
                hint="Take the dark field, at the same exposure and gain.",
            )
        if state.estimated:
            raise ConfigError(
                "a flat field needs a dark field that was taken: the one that fits assumes an offset",
                hint="Take the dark field, at the same exposure and gain.",
            )
        return load_reference(self.folder, state.manifest)

    @property
    def moves_stage(self) -> bool:
        """Whether the program moves to another field between shots; else the operator does."""
        return self.kind == "flat" and self._rig.has_xy_stage

    @property
    def n(self) -> int:
        """How many shots are in."""
        return self._shots.n

    @property
    def wanted(self) -> bool:
        """Whether another shot is wanted."""
        return self.n < self.n_shots and not self._stop.requested

    def cancel(self) -> None:
        """Take no further shot; from any thread."""
        self._stop.request()

    # -- the devices --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        from hcc_scope.microscope.device_controls import DeviceControls

        microscope = self._rig.microscope
        controls = DeviceControls(microscope)
        state = controls.read()
        microscope.thread.call("moving", microscope.hardware.forget)  # an emergency stop from now on is heeded
        self._halts = microscope.hardware.halts
        with ExitStack() as undo:
            if self.kind == "dark" and state.shutter_open is not None and state.auto_shutter is not None:
                undo.callback(controls.set_auto_shutter, state.auto_shutter)
                undo.callback(controls.set_shutter, state.shutter_open)
                controls.set_auto_shutter(False)
                controls.set_shutter(is_open=False)
                self.closes_shutter = True
            if self.moves_stage and state.xy_um is not None:
                self._start_um = state.xy_um
                if state.pixel_size_um > 0:
                    height, width = self.settings.shape_yx
                    self._step_um = (_STEP * width * state.pixel_size_um, _STEP * height * state.pixel_size_um)
                undo.callback(self._go_back, state.xy_um)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop = StopToken()  # the way back is not cancelled
        self._undo.__exit__(kind, error, trace)

    def _go(self, xy_um: tuple[float, float]) -> None:
        microscope = self._rig.microscope
        event = {"x": xy_um[0], "y": xy_um[1]}
        microscope.thread.call("moving", partial(microscope.hardware.apply, event, self._stop))

    def _go_back(self, xy_um: tuple[float, float]) -> None:
        if self._rig.microscope.hardware.halts == self._halts:  # after an emergency stop nothing moves by itself
            self._go(xy_um)

    def _place_um(self, index: int) -> tuple[float, float]:
        """Return where a shot is taken: rows of a square around the start, back and forth."""
        assert self._start_um is not None
        side = math.ceil(math.sqrt(self.n_shots))
        row, column = divmod(index, side)
        column = side - 1 - column if row % 2 else column
        middle = (side - 1) / 2
        return (
            self._start_um[0] + (column - middle) * self._step_um[0],
            self._start_um[1] + (row - middle) * self._step_um[1],
        )

    # -- the shots ----------------------------------------------------------------------------------------------------

    def shoot(self) -> TakenShot:
        """Move if the program moves, and take one shot.

        Raises
        ------
        HccScopeError
            If a device refuses.
        """
        from hcc_scope.microscope.preview import Preview

        if self._start_um is not None:
            self._go(self._place_um(self.n))
        frame = Preview(self._rig.microscope).snap()
        place = None if frame.stage_um is None or self._start_um is None else frame.stage_um[:2]
        return TakenShot(frame, self._shots.add(frame.pixels, place))

    def finish(self) -> Reference | Refusal:
        """Make the reference and keep it, or return why there is none. After `cancel` nothing is kept.

        Raises
        ------
        ConfigError
            If it cannot be written.
        CameraError
            If a setting of the rig changed between the shots.
        """
        if settings_now(self._rig) != self.settings:
            raise CameraError(
                "a setting of the camera or the microscope changed between the shots",
                hint="Take the reference again, and change nothing meanwhile.",
            )
        made = self._shots.finish()
        if isinstance(made, Refusal):
            return made
        if self._stop.requested:
            return Refusal(self.kind, "it was cancelled", "Take it again.")
        keep(self.folder, made)
        self._rig.microscope.events.add("reference", taken=self.kind, shots=self.n, sha256=made.manifest.pixels_sha256)
        return made


def refused(refusal: Refusal) -> CameraError:
    """Return the error of a reference that is refused, for the command line."""
    return CameraError(refusal.message, hint=refusal.hint)
