"""Reads the state that an operator's controls show from the devices. Runs in the core's thread only."""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.pixel_size import BINNING
from hcc_scope.microscope.rig_state import CameraState, DeviceProperty, GroupState, ObjectiveState, RigState
from hcc_scope.microscope.roles import objective_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.microscope.backend import Backend
    from hcc_scope.microscope.hardware import Hardware
    from hcc_scope.microscope.rig_state import PropertyKind

__all__ = ["BINNING", "EXPOSURE", "RigReader"]

EXPOSURE = "Exposure"
_CORE = "Core"
"""The core's own label among the devices: its properties are roles, which do not change during a run."""
_KINDS: dict[int, PropertyKind] = {2: "number", 3: "integer"}
"""Micro-Manager's PropertyType; 1 is a text, 0 undefined."""
_WHAT = "reading the devices"


def _natural(text: str) -> tuple[float, str]:
    """Sort key that puts ``2`` before ``16``, and ``2x2`` before ``4x4``."""
    number = re.match(r"\d+(\.\d+)?", text)
    return (float(number[0]) if number else float("inf"), text)


def _factors(binning: str) -> tuple[int, int] | None:
    """Return how many pixels of the sensor make one of the image, across and down: of ``2``, ``2x2`` or ``1x4``."""
    numbers = [int(number) for number in re.findall(r"\d+", binning)]
    if len(numbers) not in (1, 2) or 0 in numbers:
        return None
    return numbers[0], numbers[-1]


class RigReader:
    """Asks the devices of one loaded configuration."""

    def __init__(self, backend: Backend, hardware: Hardware) -> None:
        self._backend = backend
        self._ask = backend.ask
        self._hardware = hardware
        self._full_at: dict[str, tuple[int, int]] = {}
        """Width and height of the whole sensor by binning, as far as they were seen."""
        self._full_of = ""
        """Which camera's that is."""
        self._last: RigState | None = None

    # --- one device ---

    def exists(self, device: str, name: str) -> bool:
        """Return whether a device has a property of that name."""
        return bool(self._ask(_WHAT, "has_property", device, name))

    def text(self, device: str, name: str) -> str:
        """Return a property's value."""
        return str(self._ask(f"reading {name} of '{device}'", "get_property", device, name))

    def _number(self, device: str, name: str | None) -> float | None:
        if name is None:
            return None
        try:
            return float(self.text(device, name))
        except ValueError:
            return None  # not known at this moment is not an error

    def limits(self, device: str, name: str | None) -> tuple[float, float] | None:
        """Return the least and the largest value that a property takes; None if it has no limits."""
        if name is None or not self._ask(_WHAT, "has_property_limits", device, name):
            return None
        low = self._ask(_WHAT, "get_property_lower_limit", device, name)
        high = self._ask(_WHAT, "get_property_upper_limit", device, name)
        return float(low), float(high)

    def allowed(self, device: str, name: str | None) -> tuple[str, ...]:
        """Return the only values that a property takes; empty if it takes others."""
        if name is None:
            return ()
        return tuple(sorted(self._backend.labels("get_allowed_property_values", device, name), key=_natural))

    # --- the whole ---

    def camera(self) -> CameraState:
        """Return the camera's state."""
        hardware, roles = self._hardware, self._hardware.roles
        camera = hardware.camera
        readback = hardware.read()
        has_binning = self.exists(camera, BINNING)
        binning = self.text(camera, BINNING) if has_binning else ""
        roi = self._backend.roi()
        return CameraState(
            label=camera,
            library=str(self._ask(_WHAT, "get_device_library", camera)),
            exposure_ms=readback.exposure_ms,
            exposure_limits_ms=self.limits(camera, EXPOSURE) if self.exists(camera, EXPOSURE) else None,
            binning=binning,
            binnings=self.allowed(camera, BINNING) if has_binning else (),
            roi=roi,
            full=self._full_size(binning, roi),
            bit_depth=readback.bit_depth,
            em_gain=self._number(camera, roles.em_gain),
            em_gain_limits=self.limits(camera, roles.em_gain),
            em_switch=None if roles.em_switch is None else hardware.em_switch.is_on(camera),
            temperature_c=readback.temperature_c,
            temperature_set_point_c=readback.temperature_set_point_c,
            readout=readback.readout,
            readouts=self.allowed(camera, roles.readout),
        )

    def _full_size(self, binning: str, roi: tuple[int, int, int, int]) -> tuple[int, int]:
        """Return width and height of the whole sensor: no core reports it, so it is the largest size seen so far.

        What was seen at one binning holds for the others, as a region of interest may hide the rest by then.
        """
        if self._full_of != self._hardware.camera:
            self._full_of, self._full_at = self._hardware.camera, {}
        x, y, width, height = roi
        seen = [(x + width, y + height)]
        if binning in self._full_at:
            seen.append(self._full_at[binning])
        elif here := _factors(binning):
            for other, (full_width, full_height) in self._full_at.items():
                if there := _factors(other):
                    seen.append((full_width * there[0] // here[0], full_height * there[1] // here[1]))
        self._full_at[binning] = max(one[0] for one in seen), max(one[1] for one in seen)
        return self._full_at[binning]

    def forget_size(self) -> None:
        """Forget the sensor's size: the camera was changed in a way that may have changed it."""
        self._full_at = {}

    @contextmanager
    def size_may_change(self) -> Iterator[None]:
        """Note the sensor's size before something that may change the image's, and forget it if the sensor changed.

        Another binning changes the image and not the sensor.
        """
        before = self._size_and_binning()
        if before is not None:
            self._full_size(before[1], self._backend.roi())
        yield
        after = self._size_and_binning()
        if before is not None and after is not None and after[0] != before[0] and after[1] == before[1]:
            self.forget_size()

    def _size_and_binning(self) -> tuple[tuple[int, int], str] | None:
        """Return the image's width and height and the binning; None without a camera."""
        camera = str(self._ask(_WHAT, "get_camera_device"))
        if not camera:
            return None
        size = int(self._ask(_WHAT, "get_image_width")), int(self._ask(_WHAT, "get_image_height"))
        return size, self.text(camera, BINNING) if self.exists(camera, BINNING) else ""

    def objective(self) -> ObjectiveState | None:
        """Return the objectives and the one in use; None if the rig file names no device for them."""
        device = self._hardware.roles.objective
        if device is None:
            return None
        current = self._hardware.objective()
        assert current is not None  # there is a device
        return ObjectiveState(objective_labels(self._backend, device), current)

    def groups(self) -> dict[str, GroupState]:
        """Return the configuration groups; their present presets come from the core's memory, at no cost."""
        return {
            group: GroupState(
                self._backend.labels("get_available_configs", group),
                str(self._ask(_WHAT, "get_current_config_from_cache", group)),
            )
            for group in self._backend.labels("get_available_config_groups")
        }

    def state(self, *, sparing: bool) -> RigState:
        """Return everything.

        Parameters
        ----------
        sparing : bool
            Ask for the stage's position only, and no more often than leaves the camera's buffer its time; the rest is
            as last read. For a section under way.
        """
        hardware = self._hardware
        if sparing and self._last is not None:
            stage_um = hardware.stage_now_and_then()
            return self._with_place(self._last, stage_um)
        shutter = self.shutter()
        state = RigState(
            camera=self.camera(),
            groups=self.groups(),
            objective=self.objective(),
            pixel_size_um=hardware.pixel_size_um(),
            xy_um=None,
            z_um=None,
            limits=hardware.limits,
            shutter_open=bool(self._ask(_WHAT, "get_shutter_open")) if shutter else None,
            auto_shutter=bool(self._ask(_WHAT, "get_auto_shutter")) if shutter else None,
            busy=self._busy(shutter),
        )
        self._last = self._with_place(state, hardware.stage_um())
        return self._last

    def _with_place(self, state: RigState, stage_um: tuple[float, float, float | None] | None) -> RigState:
        if stage_um is not None:
            return replace(state, xy_um=stage_um[:2], z_um=stage_um[2])
        focus = self._hardware.focus  # a focus drive without a stage
        return replace(state, z_um=self.z_um() if focus else None)

    def xy_um(self) -> tuple[float, float] | None:
        """Return where the stage is; None without one."""
        stage_um = self._hardware.stage_um()
        return None if stage_um is None else stage_um[:2]

    def z_um(self) -> float:
        """Return where the focus drive is; there must be one."""
        focus = self._hardware.focus
        return round(float(self._ask(f"reading focus '{focus}'", "get_position", focus)), 6) + 0.0

    def shutter(self) -> str:
        """Return the label of the shutter; empty if there is none."""
        return str(self._ask(_WHAT, "get_shutter_device"))

    def _busy(self, shutter: str) -> bool:
        hardware = self._hardware
        devices = (hardware.camera, hardware.xy_stage, hardware.focus, shutter, hardware.roles.objective)
        return any(self.is_busy(device) for device in devices if device)

    def is_busy(self, device: str) -> bool:
        """Return whether a device is at work."""
        return bool(self._ask(f"asking '{device}'", "device_busy", device))

    def properties(self) -> tuple[DeviceProperty, ...]:
        """Return every property of every device, as it is now."""
        return tuple(
            self._property(device, name)
            for device in self._backend.labels("get_loaded_devices")
            if device != _CORE
            for name in self._backend.labels("get_device_property_names", device)
        )

    def _property(self, device: str, name: str) -> DeviceProperty:
        return DeviceProperty(
            device=device,
            name=name,
            value=self.text(device, name),
            read_only=bool(self._ask(_WHAT, "is_property_read_only", device, name)),
            pre_init=bool(self._ask(_WHAT, "is_property_pre_init", device, name)),
            allowed=self.allowed(device, name),
            limits=self.limits(device, name),
            kind=_KINDS.get(self._backend.number("get_property_type", device, name), "text"),
        )

    def need_property(self, device: str, name: str) -> DeviceProperty:
        """Return one property.

        Raises
        ------
        DeviceError
            If it is not there; with the name that is probably meant.
        """
        message = f"there is no property '{name}' of a device '{device}'"
        devices = self._backend.labels("get_loaded_devices")
        if device not in devices:
            raise DeviceError(message, hint=_meant(device, [one for one in devices if one != _CORE], "Devices"))
        if not self.exists(device, name):
            names = self._backend.labels("get_device_property_names", device)
            raise DeviceError(message, hint=_meant(name, names, f"Properties of '{device}'"))
        return self._property(device, name)


def _meant(text: str, known: Sequence[str], what: str) -> str:
    """Return as a hint which name a text is a slip of, or which names there are."""
    folded = {one.casefold(): one for one in known}
    near = folded.get(text.strip().casefold()) or next(iter(difflib.get_close_matches(text, known, n=1)), None)
    return f"{what} are: {', '.join(known)}." if near is None else f"Did you mean '{near}'?"
