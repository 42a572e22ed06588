"""Set the devices of one loaded configuration, and read them back. Runs in the core's thread only."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import CameraError, DeviceError, PlanError
from hcc_scope.microscope.em_switch import EmSwitch
from hcc_scope.microscope.exposure import takes_exposure
from hcc_scope.microscope.limits import check_em_gain, check_setting, height_fault
from hcc_scope.microscope.moves import Moves, tolerances_um
from hcc_scope.microscope.pixel_size import PixelSizes
from hcc_scope.microscope.restore import FoundSettings
from hcc_scope.microscope.roles import (
    CAMERA_ROLES,
    RigKeyError,
    check_roles,
    check_um_per_px,
    present_roles,
    without_absent,
)
from hcc_scope.run_events import RunEvents
from hcc_scope.types import RigHandling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hcc_scope.microscope.backend import Backend
    from hcc_scope.microscope.pixel_size import PixelSize
    from hcc_scope.orientation import Orientation
    from hcc_scope.protocols import StopSignal
    from hcc_scope.types import RigRoles, StageLimits, StageTolerance

__all__ = ["CameraFacts", "Hardware", "Readback"]

_FRESH_S = 1.0
"""Age up to which what changes slowly (temperature, objective ...) is not asked for again."""
_ROOM_FOR = 16
"""Images that a buffer should hold at least."""
_READ_SHARE = 0.05
"""Largest share of the time that reading the stage may take during a full-rate sequence."""

StageUm = tuple[float, float, float | None]


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What the configuration's camera delivers."""

    label: str
    library: str
    """Name of the device adapter library: ``DemoCamera``, ``Andor`` ..."""
    shape_yx: tuple[int, int]
    bit_depth: int
    pixel_size_um: float
    orientation: Orientation
    """How the camera lies over the stage."""


@dataclass(frozen=True, slots=True)
class Readback:
    """What changes rarely, as the devices report it."""

    exposure_ms: float
    em_gain: float | None
    temperature_c: float | None
    temperature_set_point_c: float | None
    objective: str | None
    pixel_size_um: float
    """0 if it is not known in this state."""
    orientation: Orientation
    bit_depth: int
    readout: str | None


def _tidy(position_um: float) -> float:
    """Return a position without the noise of floating point (steps times step size) and without -0.0."""
    return round(float(position_um), 6) + 0.0


class Hardware:
    """The devices that the configuration gives a role.

    Parameters
    ----------
    backend : Backend
        With a configuration loaded.
    roles : RigRoles
    limits : StageLimits or None
        No move leads beyond them.
    pixel_size_um : float or None
        Without binning and magnifier; replaces the value of the configuration.
    stage_tolerance : StageTolerance, optional
        How near to its target a device must come; derived from the field's size without it.
    handling : RigHandling, optional
        Limits, pixel sizes by objective, and what stage and shutter need.

    Raises
    ------
    CameraError
        If there is no camera.
    ConfigError
        If a role names a property or device that is not there, or a pixel size an objective that is not there.
    """

    def __init__(
        self,
        backend: Backend,
        roles: RigRoles,
        limits: StageLimits | None,
        pixel_size_um: float | None,
        stage_tolerance: StageTolerance | None = None,
        handling: RigHandling | None = None,
    ) -> None:
        self.backend = self._backend = backend
        self._ask = backend.ask
        self.roles = self._roles = roles
        self.limits = self._limits = limits
        self._um_per_px = {} if handling is None else handling.um_per_px
        self._pixel_sizes = PixelSizes(backend, pixel_size_um, self._um_per_px, roles.objective)
        self._stage_tolerance = stage_tolerance
        self.events = RunEvents()
        """What happens to the devices; a section keeps it in its store while it runs."""
        self.handling = RigHandling() if handling is None else handling
        self._moves = Moves(backend, limits, self.events, self.handling)
        self.em_switch = EmSwitch(backend, roles)
        self.camera = self.xy_stage = self.focus = ""
        self._look_up()
        self._slow: tuple[float, Readback] | None = None
        self._stage: tuple[float, float, StageUm | None] = (0.0, 0.0, None)
        self._applied: dict[str, object] = {}
        self.halts = self._halts_before = 0
        """How often the stage was stopped in an emergency; see `apply`."""
        self._found: FoundSettings | None = None
        self.em_gain_agreed: float | None = None
        """The EM gain above the rig file's limit that a person has agreed to last."""
        self.exposure_ms = 0.0
        """The last one that was read back; a wait for the camera needs it without asking."""
        self._check_roles()

    def _look_up(self) -> None:
        """Find out which devices have a role now."""
        self.camera = self._ask("looking for the camera", "get_camera_device")
        if not self.camera:
            raise CameraError(
                "the configuration names no camera",
                hint="Add the line 'Property,Core,Camera,<label>' after 'Property,Core,Initialize,1'.",
            )
        self.xy_stage = self._ask("looking for the stage", "get_xy_stage_device")
        self.focus = self._ask("looking for the focus drive", "get_focus_device")

    def look_up(self) -> None:
        """Find out again which devices have a role: it may have been given to another one. Not during a run.

        Roles that the present camera cannot play are then as in a rig that has no such thing.

        Raises
        ------
        CameraError
            If no device is the camera any more.
        """
        self._look_up()
        self._use(present_roles(self._backend, self.camera, self._expected_roles()))

    def _check_roles(self) -> None:
        roles = self._expected_roles()
        check_roles(self._backend, self.camera, roles)
        check_um_per_px(self._backend, roles, self._um_per_px)
        self._use(roles)

    def _expected_roles(self) -> RigRoles:
        """Return the roles without the ready-made ones that this camera does not have."""
        return without_absent(self._backend, self.camera, self._roles)

    def absent_roles(self) -> dict[str, str]:
        """Return the roles that the kind of the camera promises and this camera does not have, with their names."""
        assumed = self._roles.assumed
        return {
            role: getattr(self._roles, role)
            for role in CAMERA_ROLES
            if role in assumed and not getattr(self.roles, role)
        }

    def _use(self, roles: RigRoles) -> None:
        self.roles = roles
        self.em_switch = EmSwitch(self._backend, roles)

    # --- reading ---

    def shape_yx(self) -> tuple[int, int]:
        """Return the size of the camera's image, in pixels.

        Raises
        ------
        CameraError
            If it has none: a camera that combines others, and was given none of them, for example.
        """
        what = f"asking camera '{self.camera}'"
        width, height = self._ask(what, "get_image_width"), self._ask(what, "get_image_height")
        if width <= 0 or height <= 0:
            raise CameraError(
                f"camera '{self.camera}' has no image size ({width} x {height} pixels)",
                hint="Check its region of interest and that the camera is on.",
            )
        return height, width

    def need_room(self, buffer_size_mb: int) -> None:
        """Refuse a buffer that is smaller than one image.

        Raises
        ------
        CameraError
            If there is no image size.
        RigKeyError
            If the buffer is too small.
        """
        height, width = self.shape_yx()
        needed_mib = math.ceil(self._ask(f"asking camera '{self.camera}'", "get_image_buffer_size") / 2**20)
        if needed_mib > buffer_size_mb:
            raise RigKeyError(
                "buffer_size_mb",
                f"buffer_size_mb is {buffer_size_mb} MiB, and one image of {width} x {height} px takes"
                f" {needed_mib} MiB",
                hint=f"Set it to {_ROOM_FOR * needed_mib} or more.",
            )

    def need_grey(self) -> tuple[tuple[int, int], int]:
        """Return the image's size (y, x) and bit depth; raise `CameraError` if it has none, or is not grey."""
        what = f"asking camera '{self.camera}'"
        shape_yx = self.shape_yx()
        n_cameras = int(self._ask(what, "get_number_of_camera_channels"))
        if n_cameras != 1:
            raise CameraError(
                f"camera '{self.camera}' delivers {n_cameras} images for each exposure: it combines several cameras",
                hint="Make one of them the camera: 'Property,Core,Camera,<label>' in the configuration, or a preset.",
            )
        components = self._ask(what, "get_number_of_components")
        n_bytes, bit_depth = self._ask(what, "get_bytes_per_pixel"), self._ask(what, "get_image_bit_depth")
        if components != 1 or n_bytes not in (1, 2):
            kind = "colour" if components != 1 else f"{8 * n_bytes}-bit"
            raise CameraError(
                f"camera '{self.camera}' delivers {kind} images; only 8 and 16 bit grey ones can be classified",
                hint="Set its pixel type to 8 or 16 bit grey.",
            )
        return shape_yx, bit_depth

    def facts(self) -> CameraFacts:
        """Return what the camera delivers.

        Raises
        ------
        CameraError
            If it has no image size or delivers colour or float pixels.
        ConfigError
            If the size of a pixel is not known, or not one only.
        """
        shape_yx, bit_depth = self.need_grey()
        size = self.pixel_size().known()
        library = self._ask("asking for the camera's adapter", "get_device_library", self.camera)
        return CameraFacts(self.camera, library, shape_yx, bit_depth, size.um, size.orientation)

    def _number(self, name: str | None) -> float | None:
        if name is None:
            return None
        text = self._ask(f"reading {name} of camera '{self.camera}'", "get_property", self.camera, name)
        try:
            value = float(text)
        except ValueError:
            return None  # such as an empty string while the camera cools down: not known is not an error
        return value if math.isfinite(value) else None

    def forget(self, halts_before: int | None = None) -> None:
        """Take nothing for known that was read or set before: a new run begins.

        Parameters
        ----------
        halts_before : int, optional
            `halts` when the run was asked for; an emergency stop since then keeps it from moving. Without it, now.
        """
        self._slow = None
        self._stage = (0.0, 0.0, None)
        self._applied = {}
        self._halts_before = self.halts if halts_before is None else halts_before
        self._pixel_sizes.forget()
        self._moves.forget()

    def changed(self) -> None:
        """Forget what changes rarely, and where the last move ended: something has just been changed."""
        self._slow = None
        self._moves.forget()

    def pixel_size(self) -> PixelSize:
        """Return the size of a pixel on the specimen and how the camera lies over the stage, as far as is known."""
        return self._pixel_sizes.read(self.camera)

    def pixel_size_um(self) -> float:
        """Return the size of a pixel on the specimen; 0 if it is not known."""
        return self.pixel_size().um

    def objective(self) -> str | None:
        """Return the label of the objective in use, or its position if that has none; None if no device reports it."""
        device = self.roles.objective
        if device is None:
            return None
        try:
            return str(self._ask("reading the objective", "get_state_label", device))
        except DeviceError:
            # of two positions with the same label in the configuration, the core takes the first one's away
            return f"position {self._ask('reading the objective', 'get_state', device)}"

    def slow(self) -> Readback:
        """Return what changes rarely, at most a second old: for a full-rate sequence, which leaves no time to ask."""
        if self._slow is not None and time.monotonic() - self._slow[0] < _FRESH_S:
            return self._slow[1]
        return self.read()

    def read(self) -> Readback:
        """Return what changes rarely, as it is now."""
        now = time.monotonic()
        what = f"asking camera '{self.camera}'"
        roles = self.roles
        size = self.pixel_size()
        readback = Readback(
            exposure_ms=float(self._ask(what, "get_exposure")),
            em_gain=self.em_switch.gain(self.camera, self._number(roles.em_gain)),
            temperature_c=self._number(roles.temperature),
            temperature_set_point_c=self._number(roles.temperature_set_point),
            objective=self.objective(),
            pixel_size_um=size.um,
            orientation=size.orientation,
            bit_depth=self._ask(what, "get_image_bit_depth"),
            readout=roles.readout and self._ask(what, "get_property", self.camera, roles.readout),
        )
        self._slow = (now, readback)
        self.exposure_ms = readback.exposure_ms
        return readback

    def stage_um(self) -> StageUm | None:
        """Return where the stage reports to be, now; None without an XY stage.

        Raises
        ------
        DeviceError
            If it cannot be read, or is no position: a value that is not a number does not locate a field.
        """
        if not self.xy_stage:
            return None
        began = time.monotonic()
        place = self._moves.xy(self.xy_stage) | (self._moves.z(self.focus) if self.focus else {})
        for axis, value_um in place.items():
            if not math.isfinite(value_um):
                device = self.focus if axis == "z" else self.xy_stage
                raise DeviceError(
                    f"'{device}' reports that it is at {axis} = {value_um}, which is no position",
                    hint="Check that it is on, connected and homed.",
                )
        x_um, y_um, z_um = (_tidy(place[axis]) if axis in place else None for axis in ("x", "y", "z"))
        assert x_um is not None and y_um is not None  # noqa: PT018 - the stage has both
        now = time.monotonic()
        self._stage = (now, now - began, (x_um, y_um, z_um))
        return self._stage[2]

    def stage_now_and_then(self) -> StageUm | None:
        """Return the position, asking again only as often as leaves the camera's buffer its time.

        The demo stage answers in 2 us and is read for every frame; one on a serial line takes tens of ms.
        """
        read_at, took_s, stage_um = self._stage
        if stage_um is not None and time.monotonic() - read_at < took_s / _READ_SHARE:
            return stage_um
        return self.stage_um()

    def same_camera(self) -> None:
        """Check that no other device was made the camera since the run began.

        Raises
        ------
        DeviceError
            If the devices were stopped.
        """
        now = self._ask("looking for the camera", "get_camera_device")
        if now and now != self.camera:  # none at all: the error of the exposure is clearer
            raise DeviceError(f"the camera was changed from '{self.camera}' to '{now}' during the run")

    # --- settings that a section changes ---

    def remember_settings(self) -> None:
        """Note what is found, for `put_back`; what was noted for a section that never began stays."""
        if self._found is None:
            self._found = FoundSettings(self)

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Change settings for the operator: these are not put back."""
        found = self._found
        if found is not None:
            found.look()
        try:
            yield
        finally:
            if found is not None:
                found.set_by_hand()

    def put_back(self) -> list[str]:
        """Put back what sections have changed since `remember_settings`; return what could not be put back, as text."""
        found, self._found = self._found, None
        self._slow = None
        return [] if found is None else found.put_back()

    def _use_auto_shutter(self) -> None:
        wanted = self.handling.auto_shutter
        if wanted is not None and self._ask("looking for the shutter", "get_shutter_device"):
            self._ask("setting the automatic shutter", "set_auto_shutter", wanted)
            self.events.add("property", device="Core", property="AutoShutter", value=wanted)

    # --- acting ---

    def prepare(
        self, config_group: tuple[str, str] | None, exposure_ms: float | None, halts_before: int | None = None
    ) -> None:
        """Apply a plan's constant settings, so that what is read next (pixel size ...) is true during the run.

        Parameters
        ----------
        config_group : (group, preset) or None
        exposure_ms : float or None
        halts_before : int, optional
            See `forget`.

        Raises
        ------
        PlanError
            If there is no such preset.
        CameraError
            If the camera takes another exposure than the plan's.
        """
        self.forget(halts_before)
        self.remember_settings()
        self._use_auto_shutter()
        if config_group is not None:
            self._preset(*config_group)
            self._applied = {"config_group": list(config_group)}
        self._look_up()  # a preset may give a role to another device
        self._check_roles()
        self.em_switch.check(self.camera)
        height, width = self.shape_yx()
        size = self.pixel_size()
        field_um = size.orientation.extent_um((height, width), size.um)
        self._moves.xy_tolerance_um, self._moves.z_tolerance_um = tolerances_um(field_um, self._stage_tolerance)
        if exposure_ms is not None:
            self._expose_for(exposure_ms)

    def apply(self, event: dict[str, Any], stop: StopSignal) -> bool:
        """Bring the devices to the positions of an event, and wait until they are there.

        Returns
        -------
        bool
            False if stop was requested on the way; the stage was then halted.

        Raises
        ------
        PlanError
            If the event leads beyond the limits, needs a stage or preset that is not there.
        CameraError
            If the camera takes another exposure than the event's.
        PlaceMissedError
            If a device does not arrive (`hcc_scope.microscope.moves`).
        DeviceError
            If a device refuses, or the stage was stopped in an emergency since the run began: it must not move again by
            itself.
        """
        if self._halted(stop):
            return False
        if "config_group" in event and self._applied.get("config_group") != event["config_group"]:
            self._preset(*event["config_group"])
            self._applied = {"config_group": event["config_group"]}  # a preset may change the exposure, too
        if "exposure" in event and self._applied.get("exposure") != event["exposure"]:
            self._expose_for(event["exposure"])
        xy = z = None
        if "x" in event:
            self.need_xy_stage()
            xy = (self.xy_stage, event["x"], event["y"])
        if event.get("z") is not None:
            self.need_focus()
            z = (self.focus, event["z"])
        arrived = self._moves.go(xy, z, stop, lambda: self._halted(stop))
        return arrived and not self._halted(stop)

    def must_still_be_there(self, event: dict[str, Any], stage_um: StageUm | None) -> None:
        """Check that the stage was at the position of the event when the exposure had ended.

        Raises
        ------
        DeviceError
            If it was not.
        """
        target = {axis: event[axis] for axis in ("x", "y", "z") if event.get(axis) is not None}
        if target and stage_um is not None:
            self._moves.must_still_be(target, dict(zip(("x", "y", "z"), stage_um, strict=True)))

    def _halted(self, stop: StopSignal) -> bool:
        """Return whether the stage was halted and the run is ending; raise if it does not know that it must."""
        if self.halts == self._halts_before:
            return False
        if stop.requested:
            return True
        raise DeviceError(
            "the stage was stopped in an emergency, so the run has ended", hint="Start a new run when it is safe."
        )

    def _expose_for(self, exposure_ms: float) -> None:
        """Set the exposure; drivers silently take the nearest that they can do, which may be far away."""
        what = f"setting the exposure of camera '{self.camera}'"
        self._ask(what, "set_exposure", exposure_ms)
        self._slow = None
        taken_ms = float(self._ask(what, "get_exposure"))
        if not takes_exposure(exposure_ms, taken_ms):
            raise CameraError(
                f"the plan wants an exposure of {exposure_ms:g} ms, but camera '{self.camera}' gives {taken_ms:g} ms",
                hint="Change exposure_ms in the plan to what the camera can do.",
            )
        self._applied["exposure"] = exposure_ms
        self.events.add("property", device=self.camera, property="Exposure", value=taken_ms, asked=exposure_ms)

    def need_preset(self, group: str, preset: str) -> None:
        """Refuse a preset that the configuration does not have, or that goes beyond the rig file's limits.

        Raises
        ------
        PlanError
            If there is none, or it sends the focus drive beyond its limits.
        DeviceError, ConfirmationNeeded
            See `need_within_limits`.
        """
        if not self._ask("looking for a preset", "is_config_defined", group, preset):
            raise PlanError(
                f"the plan asks for the preset '{preset}' of group '{group}', which the configuration does not have",
                hint=f"Its groups are: {', '.join(self._backend.labels('get_available_config_groups'))}.",
            )
        settings = self._backend.settings("get_config_data", group, preset)
        self.need_within_limits(settings)
        fault = height_fault(settings, self.focus, self._limits)
        if fault is not None:
            raise PlanError(f"the preset '{preset}' of group '{group}' is refused: {fault}")

    def need_within_limits(self, settings: Iterable[tuple[str, str, str]]) -> None:
        """Refuse settings of the camera beyond the rig file's limits, whichever way they are made.

        Parameters
        ----------
        settings : iterable of (device, property, value)
            What is set together: a preset, or a single property.

        Raises
        ------
        DeviceError, ConfirmationNeeded
            If the exposure or the EM gain would be beyond them, also an EM gain that a switch would let take effect.
        """
        own = {name: value for device, name, value in settings if device == self.camera}
        gain, switch = self.roles.em_gain, self.roles.em_switch
        for name, value in own.items():
            check_setting(name, value, gain, self.handling)
        if switch in own and gain not in own and self.em_switch.may_mean_on(self.camera, own[switch]):
            now = self._number(gain)
            if now is not None and now != self.em_gain_agreed:
                check_em_gain(now, self.handling)

    def _preset(self, group: str, preset: str) -> None:
        self.need_preset(group, preset)
        if self._found is not None:
            self._found.add_preset(group, preset)
        what = f"applying preset '{preset}' of group '{group}'"
        self._ask(what, "set_config", group, preset)
        self._ask(what, "wait_for_config", group, preset)
        self._slow = None
        self.events.add("property", group=group, preset=preset)

    def need_xy_stage(self) -> None:
        """Raise `PlanError` if there is no XY stage to move."""
        if not self.xy_stage:
            raise PlanError(
                "the plan moves the stage, but the configuration has no XY stage",
                hint="Use a sequence or time series without a position, or add 'Property,Core,XYStage,<label>'.",
            )

    def need_stages(self, xy_stage: str | None, z_stage: str | None) -> None:
        """Raise `PlanError` if a plan's coordinates belong to another stage or focus drive than those of this rig.

        Parameters
        ----------
        xy_stage, z_stage : str or None
            Labels; None belongs to any.
        """
        for wanted, here, what in ((xy_stage, self.xy_stage, "XY stage"), (z_stage, self.focus, "focus drive")):
            if wanted is not None and wanted != here:
                raise PlanError(
                    f"the plan's positions are those of the {what} '{wanted}', and this rig's is '{here}'"
                    if here
                    else f"the plan's positions are those of the {what} '{wanted}', and this rig has none",
                    hint="Make a plan of the list with 'hcc-scope plan import LIST --rig RIG --out PLAN'; its options"
                    " --xy-stage and --z-stage name devices of the list that are this rig's under another label.",
                )

    def need_focus(self, what: str = "the plan moves the focus", instead: str = "Leave z out of the plan") -> None:
        """Raise `PlanError` if there is no focus drive to move.

        Parameters
        ----------
        what : str
            What needs it, as the start of a sentence.
        instead : str
            What to do without one, likewise.
        """
        if not self.focus:
            raise PlanError(
                f"{what}, but the configuration has no focus drive",
                hint=f"{instead}, or add 'Property,Core,Focus,<label>'.",
            )
