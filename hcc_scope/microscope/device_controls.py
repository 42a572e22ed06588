"""The actions that an operator's controls need, and the state that those show: one object per open microscope.

>>> controls = DeviceControls(microscope)  # doctest: +SKIP
>>> controls.read().camera.exposure_ms  # doctest: +SKIP
10.0
>>> controls.set_exposure_ms(20.0)  # doctest: +SKIP

Importing this module loads no Micro-Manager.

Design
------
- Every call goes through the core's thread and waits there for its turn: call it from a thread that may wait. The one
  exception is `DeviceControls.halt`, which asks the core at once, past whatever is queued.
- Moves return when they have begun: `RigState.busy` shows when they have ended, and another one may take their place.
- While a section is acquired, what would spoil it is refused; exposure, gain, temperature, shutter and focus are not,
  as every frame is stored with what was read back for it. While it is paused, the stage may be moved too.
- Every action is an event of the run (`hcc_scope.run_events`), also one that was refused.
- Every request is checked here and refused in a sentence: most drivers accept anything and do something else.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.exposure import takes_exposure
from hcc_scope.microscope.focus_now import focus_now
from hcc_scope.microscope.limits import ConfirmationNeeded, check_exposure, height_fault
from hcc_scope.microscope.moves import send_focus, send_stage
from hcc_scope.microscope.property_values import check_property_value, check_settable, property_text
from hcc_scope.microscope.rig_reader import BINNING, RigReader
from hcc_scope.microscope.rig_state import (
    CameraState,
    DeviceProperty,
    GroupState,
    ObjectiveState,
    PropertyKind,
    RigState,
)
from hcc_scope.microscope.roles import objective_labels
from hcc_scope.workers import ErrorLatch, Failure, attempt, guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from hcc_scope.microscope.camera_lease import UseState
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.run_events import JsonValue
    from hcc_scope.types import Frame

__all__ = [
    "CameraState",
    "ConfirmationNeeded",
    "DeviceControls",
    "DeviceProperty",
    "GroupState",
    "ObjectiveState",
    "PropertyKind",
    "RigState",
]

_ALWAYS: tuple[UseState, ...] = ("free", "paused", "section")
_NOT_MEANWHILE: tuple[UseState, ...] = ("free", "paused")
_FREE_ONLY: tuple[UseState, ...] = ("free",)
_SAME_PLACE_UM = 1.0
"""A stage at rest reports positions that differ by less."""
_ON_THE_WAY_S = 3.0
"""A slow stage's position is read less often than pictures come: that of a younger one may be a little old."""


class DeviceControls:
    """Reads and sets the devices of an open microscope. Safe from any thread; see the module for what waits.

    Every action raises `DeviceError` if the rig has no such thing, the value is not one that it takes, the device
    refuses, or a section that is being acquired would be spoilt.

    Parameters
    ----------
    microscope : MicroManager
        Open; its opener closes it.
    """

    def __init__(self, microscope: MicroManager) -> None:
        self._microscope = microscope
        self._hardware = microscope.hardware
        self._backend = microscope.backend
        self._reader = RigReader(microscope.backend, microscope.hardware)
        self._target_xy: tuple[float, float] | None = None
        self._target_z: float | None = None

    # --- reading ---

    def read(self) -> RigState:
        """Return everything that controls show; while a section is acquired, only the position is read again."""

        def ask() -> RigState:
            state = self._microscope.use.state
            if state == "free":
                self._look_up()  # another device may have become the camera
            return self._reader.state(sparing=state == "section")

        return self._microscope.thread.call("reading the devices", ask)

    def properties(self) -> tuple[DeviceProperty, ...]:
        """Return every property of every device. Slow on a real rig: hundreds of questions."""
        return self._microscope.thread.call("reading the properties", self._reader.properties)

    # --- camera ---

    def set_exposure_ms(self, exposure_ms: float, nearest: bool = False) -> None:
        """Set how long a frame is exposed.

        Parameters
        ----------
        exposure_ms : float
        nearest : bool
            Whether the nearest exposure that the camera can do will do.
        """
        self._need_number("exposure", exposure_ms, "ms")
        check_exposure(exposure_ms, self._microscope.handling)
        camera = self._hardware.camera
        what = f"setting the exposure of camera '{camera}'"

        def act() -> None:
            self._backend.ask(what, "set_exposure", exposure_ms)
            taken_ms = float(self._backend.ask(what, "get_exposure"))
            self._hardware.exposure_ms = taken_ms
            if takes_exposure(exposure_ms, taken_ms):
                return
            if not (nearest and taken_ms > 0):
                raise DeviceError(f"camera '{camera}' gives an exposure of {taken_ms:g} ms, not {exposure_ms:g} ms")
            check_exposure(taken_ms, self._microscope.handling)

        self._do(what, act, _ALWAYS, at_rest=True, action="exposure", facts={"exposure_ms": exposure_ms})

    def set_binning(self, binning: str) -> None:
        """Set how many pixels of the sensor make one of the image; the region of interest may change with it."""
        self._camera_property("binning", BINNING, binning, _FREE_ONLY)

    def set_roi(self, x: int, y: int, width: int, height: int) -> None:
        """Read out a part of the sensor alone: x, y, width, height in px of the present binning."""
        camera = self._hardware.camera
        what = f"setting the region of interest of camera '{camera}'"

        def act() -> None:
            full_width, full_height = self._reader.camera().full
            fits = 0 <= x and 0 <= y and x + width <= full_width and y + height <= full_height
            if width <= 0 or height <= 0 or not fits:
                raise DeviceError(
                    f"a region of {width} x {height} px at ({x}, {y}) does not lie on the sensor of"
                    f" {full_width} x {full_height} px"
                )
            self._backend.ask(what, "set_roi", int(x), int(y), int(width), int(height))

        self._do(
            what,
            act,
            _FREE_ONLY,
            at_rest=True,
            action="region",
            facts={"roi": [int(x), int(y), int(width), int(height)]},
        )

    def clear_roi(self) -> None:
        """Read out the whole sensor."""
        what = f"setting the region of interest of camera '{self._hardware.camera}'"

        def act() -> None:
            self._backend.ask(what, "clear_roi")
            self._reader.forget_size()  # what is read next is the whole

        self._do(what, act, _FREE_ONLY, at_rest=True, action="whole sensor", facts={})

    def set_em_gain(self, em_gain: float, confirmed: bool = False) -> None:
        """Set the electron-multiplying gain.

        Parameters
        ----------
        em_gain : float
        confirmed : bool
            Whether a person agreed to a gain above the rig file's limit.

        Raises
        ------
        ConfirmationNeeded
            If the gain is above the limit and not confirmed.
        """
        self._need_number("EM gain", em_gain, "")
        name = self._hardware.roles.em_gain
        self._camera_property("EM gain", name, property_text(em_gain), _ALWAYS, confirmed=confirmed)
        if confirmed:
            self._hardware.em_gain_agreed = em_gain

    def set_em_switch(self, on: bool) -> None:
        """Let the EM gain work, or bypass it."""
        hardware = self._hardware
        word = "" if hardware.roles.em_switch is None else hardware.em_switch.word(hardware.camera, on=on)
        self._camera_property("EM switch", hardware.roles.em_switch, word, _ALWAYS)

    def set_temperature_set_point(self, temperature_c: float) -> None:
        """Set the temperature that the sensor is cooled to, in degrees Celsius."""
        self._need_number("temperature", temperature_c, "°C")
        name = self._hardware.roles.temperature_set_point
        self._camera_property("cooling", name, property_text(temperature_c), _ALWAYS)

    def set_readout(self, readout: str) -> None:
        """Choose the read-out mode."""
        self._camera_property("read-out mode", self._hardware.roles.readout, readout, _FREE_ONLY)

    def _camera_property(
        self, what: str, name: str | None, value: str, when: tuple[UseState, ...], *, confirmed: bool = False
    ) -> None:
        camera = self._hardware.camera
        if name is None:
            raise DeviceError(
                f"camera '{camera}' has no {what} here", hint="If it has, name the property in the rig file's roles."
            )
        self._set_property(camera, name, value, when, confirmed=confirmed)

    # --- properties, presets, objective ---

    def set_property(self, device: str, name: str, value: str) -> None:
        """Set any property of any device; the rig file's limits of the camera hold here, too."""
        self._set_property(device, name, str(value), _FREE_ONLY)

    def need_settable(self, settings: Sequence[tuple[str, str, str]]) -> None:
        """Refuse settings, before the first of several is made, that the devices take in no state.

        Parameters
        ----------
        settings : sequence of (device, property, value)

        Raises
        ------
        DeviceError
            If there is no such property, it cannot be set, or takes a number and the value is none.
        """

        def check() -> None:
            for device, name, value in settings:
                check_settable(self._reader.need_property(device, name), value)

        self._microscope.thread.call("looking for properties", check)

    def _need_height_within_limits(self, settings: Sequence[tuple[str, str, str]]) -> None:
        fault = height_fault(settings, self._hardware.focus, self._hardware.limits)
        if fault is not None:
            raise DeviceError(fault)

    def _set_property(
        self, device: str, name: str, value: str, when: tuple[UseState, ...], *, confirmed: bool = False
    ) -> None:
        what = f"setting '{name}' of '{device}' to '{value}'"

        def act() -> None:
            check_property_value(self._reader.need_property(device, name), value)
            if not confirmed:
                self._hardware.need_within_limits([(device, name, value)])
            self._need_height_within_limits([(device, name, value)])
            with self._reader.size_may_change():
                self._backend.ask(what, "set_property", device, name, value)

        at_rest = device == self._hardware.camera
        self._do(
            what,
            act,
            when,
            at_rest=at_rest,
            action="property",
            facts={"device": device, "property": name, "value": value},
        )

    def apply_preset(self, group: str, preset: str) -> None:
        """Apply a preset of a configuration group."""
        what = f"applying preset '{preset}' of group '{group}'"

        def act() -> None:
            if not self._backend.ask(what, "is_config_defined", group, preset):
                raise DeviceError(f"the configuration has no preset '{preset}' in a group '{group}'")
            settings = self._backend.settings("get_config_data", group, preset)
            self._hardware.need_within_limits(settings)
            self._need_height_within_limits(settings)
            with self._reader.size_may_change():
                self._backend.ask(what, "set_config", group, preset)

        # at rest, as it may hold settings of the camera
        self._do(what, act, _FREE_ONLY, at_rest=True, action="preset", facts={"group": group, "preset": preset})

    def set_objective(self, label: str) -> None:
        """Turn to an objective; on a manual turret: record which one is in use."""
        device = self._hardware.roles.objective
        if device is None:
            raise DeviceError("the rig file names no device for the objective", hint="Name it in the rig file's roles.")
        what = f"turning '{device}' to '{label}'"

        def act() -> None:
            if label not in objective_labels(self._backend, device):
                raise DeviceError(f"'{device}' has no objective '{label}'")
            self._backend.ask(what, "set_state_label", device, label)

        self._do(what, act, _FREE_ONLY, action="objective", facts={"objective": label})

    # --- stage and focus ---

    def move_to_um(self, x_um: float, y_um: float) -> None:
        """Send the stage somewhere; returns when it has set off."""
        self._need_number("x", x_um, "um")
        self._need_number("y", y_um, "um")
        self._move(lambda: self._start_xy(x_um, y_um), _NOT_MEANWHILE, action="move", x_um=x_um, y_um=y_um)

    def move_by_um(self, dx_um: float, dy_um: float) -> None:
        """Send the stage a step further; while it is on its way, from where it is sent to."""
        self._need_number("x", dx_um, "um")
        self._need_number("y", dy_um, "um")

        def act() -> None:
            x_um, y_um = self._from_xy()
            self._start_xy(x_um + dx_um, y_um + dy_um)

        self._move(act, _NOT_MEANWHILE, action="step", dx_um=dx_um, dy_um=dy_um)

    def centre_on(self, frame: Frame, x_px: float, y_px: float) -> None:
        """Send the stage so that a point of a picture comes into the middle; returns when it has set off.

        Parameters
        ----------
        frame : Frame
            With the stage position and the pixel size of its exposure.
        x_px, y_px : float
            The point, from the left and the upper edge.

        Raises
        ------
        DeviceError
            Also while the stage moves, or if it did when the picture was taken.
        """
        self._need_number("x", x_px, "px")
        self._need_number("y", y_px, "px")
        if frame.stage_um is None or not frame.pixel_size_um:
            raise DeviceError("it is not known where this picture lies on the stage")
        here, um = frame.stage_um[:2], frame.pixel_size_um
        offset_px = np.array([x_px, y_px]) - np.array(frame.pixels.shape[::-1]) / 2

        def act() -> None:
            now = self._from_xy()
            age_s = (time.monotonic_ns() - frame.t_mono_ns) / 1e9
            moved = math.dist(here, now) > _SAME_PLACE_UM
            if self._reader.is_busy(self._need_stage()) or (moved and age_s < _ON_THE_WAY_S):
                raise DeviceError("the stage was on its way when this picture was taken: try again when it is at rest")
            orientation = self._hardware.slow().orientation
            x_um, y_um = (np.array(here) + orientation.to_stage_um(offset_px, um)).tolist()
            self._start_xy(x_um, y_um)

        self._move(act, _NOT_MEANWHILE, action="centre", x_px=x_px, y_px=y_px)

    def move_by_fields(self, columns: int, rows: int, *, in_picture: bool) -> None:
        """Send the stage whole fields further; while it is on its way, from where it is sent to.

        Parameters
        ----------
        columns, rows : int
            To the right and down.
        in_picture : bool
            Whether that is meant as the camera sees it, or along the stage's axes.
        """

        def act() -> None:
            facts = self._hardware.facts()
            height, width = facts.shape_yx
            if in_picture:
                step_px = np.array([columns * width, rows * height], dtype=np.float64)
                step_um = facts.orientation.to_stage_um(step_px, facts.pixel_size_um)
            else:
                step_um = np.array(facts.orientation.extent_um(facts.shape_yx, facts.pixel_size_um)) * (columns, rows)
            x_um, y_um = (np.array(self._from_xy()) + step_um).tolist()
            self._start_xy(x_um, y_um)

        self._move(act, _NOT_MEANWHILE, action="step", columns=columns, rows=rows)

    def home_origin(self) -> None:
        """Send the stage to the origin of its coordinates, (0, 0)."""
        self.move_to_um(0.0, 0.0)

    def move_z_to_um(self, z_um: float) -> None:
        """Send the focus drive somewhere; also while a section is acquired whose plan leaves the focus alone."""
        self._need_number("z", z_um, "um")
        self._move(lambda: self._start_z(z_um), _ALWAYS, action="focus", z_um=z_um)

    def move_z_by_um(self, dz_um: float) -> None:
        """Send the focus drive a step further; while it is on its way, from where it is sent to."""
        self._need_number("z", dz_um, "um")

        def act() -> None:
            focus = self._need_focus()
            on_its_way = self._target_z is not None and self._reader.is_busy(focus)
            z_um = self._target_z if on_its_way and self._target_z is not None else self._reader.z_um()
            self._start_z(z_um + dz_um)

        self._move(act, _ALWAYS, action="focus step", dz_um=dz_um)

    def focus_now(self) -> None:
        """Focus by the camera's image; also while a section is paused. Waits until it is over.

        Raises
        ------
        DeviceError
            Also if no height is accepted, with the reason; the focus drive is then back where it began.
        """
        self._need_focus()
        done = attempt(partial(focus_now, self._microscope))
        self._target_z = None
        self._note("focus now", done, {})
        if isinstance(done, Failure):
            raise done.error

    def halt(self) -> None:
        """Stop stage and focus at once, and drop the moves that wait. From any thread; waits for no other call.

        A run under way does not set off again: it ends at its next move.

        Raises
        ------
        DeviceError
            If a device does not take the order; the others were given it.
        """
        self._hardware.halts += 1  # first: whatever begins a move from now on sees it
        stopped = attempt(self._stop_all)
        self._note("emergency stop", stopped, {})
        if isinstance(stopped, Failure):
            raise stopped.error

    def _stop_all(self) -> None:
        errors = ErrorLatch()
        for device in (self._hardware.xy_stage, self._hardware.focus):
            if device:
                guard(f"stopping '{device}'", partial(self._stop, device), errors.set)
        if errors.error is not None:
            raise errors.error

    def _stop(self, device: str) -> None:
        self._backend.ask(f"stopping '{device}'", "stop", device)

    def _move(self, act: Callable[[], None], when: tuple[UseState, ...], *, action: str, **facts: JsonValue) -> None:
        halts = self._hardware.halts

        def act_unless_halted() -> None:
            if self._hardware.halts != halts:
                raise DeviceError("the stage was stopped before this move began")
            act()
            if self._hardware.halts != halts:  # the order to stop may have come just before the one to move
                self._stop_all()

        self._do("moving", act_unless_halted, when, action=action, facts=facts)

    def _need_stage(self) -> str:
        if not self._hardware.xy_stage:
            raise DeviceError("this rig has no motorised stage")
        return self._hardware.xy_stage

    def _need_focus(self) -> str:
        if not self._hardware.focus:
            raise DeviceError("this rig has no focus drive")
        return self._hardware.focus

    def _from_xy(self) -> tuple[float, float]:
        """Return where a step starts: where the stage is, or is sent to."""
        stage = self._need_stage()
        if self._target_xy is not None and self._reader.is_busy(stage):
            return self._target_xy
        here = self._reader.xy_um()
        assert here is not None  # there is a stage
        return here

    def _start_xy(self, x_um: float, y_um: float) -> None:
        stage, limits = self._need_stage(), self._hardware.limits
        if limits is not None:
            _need_within("x", x_um, limits.x_um)
            _need_within("y", y_um, limits.y_um)
        if self._reader.is_busy(stage):
            self._stop(stage)  # many stages refuse an order while they follow another
        send_stage(self._backend.ask, stage, x_um, y_um)
        self._target_xy = (x_um, y_um)

    def _start_z(self, z_um: float) -> None:
        focus, limits = self._need_focus(), self._hardware.limits
        if limits is not None:
            _need_within("z", z_um, limits.z_um)
        if self._reader.is_busy(focus):
            self._stop(focus)
        send_focus(self._backend.ask, focus, z_um)
        self._target_z = z_um

    # --- light ---

    def set_shutter(self, is_open: bool) -> None:
        """Open or close the shutter."""
        what = "opening the shutter" if is_open else "closing the shutter"
        act = partial(self._shutter, what, "set_shutter_open", is_open)
        self._do(what, act, _ALWAYS, action="shutter", facts={"open": is_open})

    def set_auto_shutter(self, on: bool) -> None:
        """Let the core open the shutter for each exposure by itself, or not."""
        what = "setting the automatic shutter"
        act = partial(self._shutter, what, "set_auto_shutter", on)
        self._do(what, act, _ALWAYS, at_rest=True, action="automatic shutter", facts={"on": on})

    def _shutter(self, what: str, name: str, value: bool) -> None:
        if not self._reader.shutter():
            raise DeviceError("this rig has no shutter")
        self._backend.ask(what, name, value)

    # --- how an action is done ---

    def _do(
        self,
        what: str,
        act: Callable[[], None],
        when: tuple[UseState, ...],
        *,
        at_rest: bool = False,
        action: str,
        facts: Mapping[str, JsonValue],
    ) -> None:
        """Act in the core's thread, unless a section forbids it; with the camera at rest if it must be."""

        def act_if_allowed() -> None:
            state = self._microscope.use.state
            if state not in when:
                raise DeviceError(
                    f"{what} would spoil the section that is being acquired",
                    hint="Stop it first." if when == _FREE_ONLY else "Pause or stop it first.",
                )
            rest = self._microscope.use.at_rest() if at_rest and state != "section" else nullcontext()
            with self._hardware.by_hand():
                outcomes = [attempt(partial(_within, rest, act))]
            self._hardware.changed()
            if state == "free":
                outcomes.append(attempt(self._look_up))  # a preset may have given a role to another device
            for outcome in outcomes:
                if isinstance(outcome, Failure):
                    raise outcome.error

        done = attempt(lambda: self._microscope.thread.call(what, act_if_allowed))
        self._note(action, done, facts)
        if isinstance(done, Failure):
            raise done.error

    def _note(self, action: str, done: Failure | None, facts: Mapping[str, JsonValue]) -> None:
        refused: dict[str, JsonValue] = {"refused": str(done.error)} if isinstance(done, Failure) else {}
        self._microscope.events.add("action", action=action, **facts, **refused)

    def _look_up(self) -> None:
        hardware = self._hardware
        stage, focus = hardware.xy_stage, hardware.focus
        hardware.look_up()
        if hardware.xy_stage != stage:
            self._target_xy = None
        if hardware.focus != focus:
            self._target_z = None

    @staticmethod
    def _need_number(what: str, value: float, unit: str) -> None:
        if not math.isfinite(value):
            raise DeviceError(f"{what} cannot be {value:g} {unit}".rstrip())


def _within(context: AbstractContextManager[None], act: Callable[[], None]) -> None:
    with context:
        act()


def _need_within(axis: str, value_um: float, span_um: tuple[float, float] | None) -> None:
    if span_um is not None and not span_um[0] <= value_um <= span_um[1]:
        raise DeviceError(
            f"{axis} = {value_um:g} um lies outside the stage's limits, {span_um[0]:g} to {span_um[1]:g} um"
        )
