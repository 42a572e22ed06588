"""The size of a pixel on the specimen, and how the camera lies over the stage: the one place that decides both.

The presets of the configuration give the size, or the rig file does: one size for all objectives, which replaces the
presets, or one by objective, which a preset that matches must not contradict. All mean a pixel without binning and
without a magnifier; the camera's binning and the magnifiers are taken into account here.

Micro-Manager's core takes the first preset that matches the present state, in the order of their names. Two that match
with different sizes are a mistake in the configuration that only its author can resolve, so none is taken.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.orientation import AFFINE_HINT, Orientation, linear_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.microscope.backend import Backend

__all__ = ["BINNING", "PixelSize", "PixelSizes"]

BINNING = "Binning"
"""Micro-Manager's standard name: the same for every camera that bins."""
_PAIR = re.compile(r"(\d+)\s*[xX*]\s*(\d+)")
_NUMBER = re.compile(r"\d+(?:\.0+)?")
_SAME = 1e-6
"""Relative difference up to which two sizes are one."""
_WHAT = "asking for the pixel size"
_CORE = "Core"
_HINT = (
    "Add ConfigPixelSize and PixelSize_um lines for the objective in use, or set pixel_size_um or um_per_px in the rig"
    " file."
)


@dataclass(frozen=True, slots=True)
class PixelSize:
    """What is known about a pixel in the present state of the devices."""

    um: float
    """0 if it is not known; `problem` then gives the reason."""
    orientation: Orientation = field(default_factory=Orientation)
    problem: str = ""
    hint: str = ""

    def known(self) -> PixelSize:
        """Return it, or raise `ConfigError` if the size is not known."""
        if self.problem:
            raise ConfigError(self.problem, hint=self.hint)
        return self


@dataclass(frozen=True, slots=True)
class _Preset:
    name: str
    settings: tuple[tuple[str, str, str], ...]
    """Device, property, value: all of them must hold."""
    um: float
    affine: tuple[float, float, float, float] | None
    """Linear part in um per px; None if the configuration gives none."""


def _without_binning(preset: _Preset, camera: str) -> frozenset[tuple[str, str, str]]:
    return frozenset(setting for setting in preset.settings if setting[:2] != (camera, BINNING))


class PixelSizes:
    """Reads the pixel size from the devices. In the core's thread only.

    Parameters
    ----------
    backend : Backend
    rig_file_um : float or None
        The rig file's value, without binning and magnifier; takes the place of the presets' sizes.
    um_per_px : mapping, optional
        The rig file's values by label of the objective, likewise.
    objective : str, optional
        Label of the device whose position names the objective.
    """

    def __init__(
        self,
        backend: Backend,
        rig_file_um: float | None,
        um_per_px: Mapping[str, float] | None = None,
        objective: str | None = None,
    ) -> None:
        self._backend = backend
        self._ask = backend.ask
        self._rig_file_um = rig_file_um
        self._um_per_px = um_per_px or {}
        self._objective = objective
        self._presets: tuple[_Preset, ...] | None = None
        self._mounted: dict[str, Orientation] = {}

    def forget(self) -> None:
        """Read the presets again: in an attached Micro-Manager they may be edited between two runs."""
        self._presets = None
        self._mounted.clear()

    def read(self, camera: str) -> PixelSize:
        """Return the pixel size in the present state."""
        matching = self._matching()
        affines = {preset.affine for preset in matching}
        names = " and ".join(f"'{preset.name}'" for preset in matching)
        um = self._rig_file_um
        if um is None:
            found = self._um_of(matching)
            if isinstance(found, PixelSize):
                return found
            um = found
        if len(affines) > 1:
            return PixelSize(
                0.0,
                problem=f"the pixel size presets {names} of the configuration all match the present state,"
                " and disagree on how the camera lies over the stage (PixelSizeAffine)",
                hint="Remove the wrong one, or give both the same.",
            )
        return self._with_affine(um, next(iter(affines), None), names, camera)

    def _um_of(self, matching: list[_Preset]) -> float | PixelSize:
        """Return the size that the rig file gives for the objective in use and the matching presets agree on."""
        label = self._objective_label()
        sizes = [(f"'{preset.name}' ({preset.um:g} um)", preset) for preset in matching]
        if label is not None and label in self._um_per_px:
            um = self._um_per_px[label]
            for text, preset in sizes:
                if preset.um != 0 and not abs(preset.um - um) <= _SAME * um:  # 0: an objective without calibration
                    return PixelSize(
                        0.0,
                        problem=f"um_per_px in the rig file gives {um:g} um for the objective '{label}', and the pixel"
                        f" size preset {text} of the configuration gives another size",
                        hint="Correct the wrong one, or remove it.",
                    )
            return um
        if not matching:
            return PixelSize(
                0.0,
                problem="the size of a pixel on the specimen is unknown: no pixel size preset of the configuration"
                " matches the present state"
                + (f", and um_per_px has no value for the objective '{label}'" if self._um_per_px else ""),
                hint=_HINT,
            )
        um = matching[0].um
        for _, preset in sizes:
            if not (math.isfinite(preset.um) and preset.um > 0):
                problem = f"a pixel size of {preset.um:g} um, from the preset '{preset.name}', is not possible"
                return PixelSize(0.0, problem=problem, hint=_HINT)
            if abs(preset.um - um) > _SAME * um:
                return PixelSize(
                    0.0,
                    problem=f"the pixel size presets {' and '.join(text for text, _ in sizes)} of the configuration all"
                    " match the present state, with different sizes",
                    hint="Remove the wrong one, or let each of them name the objective that it belongs to.",
                )
        return um

    def _objective_label(self) -> str | None:
        """Return the label of the objective in use; None if it has none, or the size does not depend on it."""
        if not self._um_per_px or self._objective is None:
            return None
        try:
            return str(self._ask(_WHAT, "get_state_label", self._objective))
        except DeviceError:
            return None  # two positions with one label: the core takes the first one's away

    def _with_affine(
        self, um: float, affine: tuple[float, float, float, float] | None, names: str, camera: str
    ) -> PixelSize:
        orientation = self._as_mounted(camera)
        if affine is not None:
            numbers = ", ".join(f"{value:g}" for value in affine)
            origin = "um_per_px" if self._objective_label() in self._um_per_px else "PixelSize_um"
            try:
                orientation = Orientation.of_preset(affine, um if self._rig_file_um is None else None, origin)
            except ValueError as error:
                return PixelSize(
                    0.0,
                    problem=f"the PixelSizeAffine ({numbers}) of the preset {names} cannot be used: {error}",
                    hint=AFFINE_HINT,
                )
        factor = self._binning(camera)
        if isinstance(factor, PixelSize):
            return factor
        if factor != 1 and self._rig_file_um is None:
            of_binnings = self._of_binnings(camera, um)
            if of_binnings is not None:
                return of_binnings
        magnification = float(self._ask(_WHAT, "get_magnification_factor"))
        if not (math.isfinite(magnification) and magnification > 0):
            return PixelSize(
                0.0,
                problem=f"the magnifiers report a magnification of {magnification:g}, so the pixel size is unknown",
                hint="Check the magnifier.",
            )
        return PixelSize(um * factor / magnification, orientation)

    def _as_mounted(self, camera: str) -> Orientation:
        """Return the orientation from the camera's own properties, where no affine was measured.

        Micro-Manager's cameras have properties for a mirrored mount or exchanged axes, and for whether
        their images are already corrected for it.
        """
        if camera not in self._mounted:
            values = {
                name: self._value(camera, f"Transpose{name}") for name in ("Correction", "XY", "MirrorX", "MirrorY")
            }
            x, y = (1.0, 0.0), (0.0, 1.0)
            if values["Correction"] == "0":
                if values["XY"] == "1":
                    x, y = y, x
                x = (-x[0] + 0.0, -x[1] + 0.0) if values["MirrorX"] == "1" else x
                y = (-y[0] + 0.0, -y[1] + 0.0) if values["MirrorY"] == "1" else y
            self._mounted[camera] = Orientation((*x, *y))
        return self._mounted[camera]

    def _binning(self, camera: str) -> float | PixelSize:
        if not self._ask(_WHAT, "has_property", camera, BINNING):
            return 1.0
        text = str(self._ask(_WHAT, "get_property", camera, BINNING))
        pairs, numbers = _PAIR.findall(text), _NUMBER.findall(text)
        across = down = 0
        if len(pairs) == 1:
            across, down = (int(one) for one in pairs[0])
        elif len(numbers) == 1:
            across = down = int(float(numbers[0]))
        if across < 1 or across != down:
            return PixelSize(
                0.0,
                problem=f"the binning '{text}' of camera '{camera}' does not give square pixels of a known size",
                hint="Set a binning such as 1, 2 or 2x2.",
            )
        return float(across)

    def _of_binnings(self, camera: str, um: float) -> PixelSize | None:
        """Return what is wrong if presets that differ by binning alone give different sizes; None if nothing is.

        The core multiplies the size of a preset by the binning. A size measured at each binning contains it.
        """
        assert self._presets is not None
        for here in self._matching():
            rest = _without_binning(here, camera)
            if len(rest) == len(here.settings):
                continue  # it holds at every binning
            for other in self._presets:
                if _without_binning(other, camera) == rest and abs(other.um - um) > _SAME * um:
                    return PixelSize(
                        0.0,
                        problem=f"the pixel size presets '{other.name}' ({other.um:g} um) and '{here.name}'"
                        f" ({here.um:g} um) of the configuration differ in binning alone, and Micro-Manager multiplies"
                        " their sizes by the binning",
                        hint="Let each give the size of a pixel without binning.",
                    )
        return None

    def _matching(self) -> list[_Preset]:
        """Return the presets that the devices' present state fits; each property is read once."""
        if self._presets is None:
            self._presets = tuple(self._all())
        now: dict[tuple[str, str], str | None] = {}
        found = []
        for preset in self._presets:
            for device, name, _ in preset.settings:
                if (device, name) not in now:
                    now[device, name] = self._value(device, name)
            if all(now[device, name] == value for device, name, value in preset.settings):
                found.append(preset)
        return found

    def _value(self, device: str, name: str) -> str | None:
        """Return a property's value; None if there is no such device or property: a preset that needs it never fits."""
        if device != _CORE and device not in self._backend.labels("get_loaded_devices"):
            return None
        if not self._ask(_WHAT, "has_property", device, name):
            return None
        return str(self._ask(_WHAT, "get_property", device, name))

    def _all(self) -> list[_Preset]:
        return [
            _Preset(
                name,
                self._backend.settings("get_pixel_size_config_data", name),
                float(self._ask(_WHAT, "get_pixel_size_um_by_id", name)),
                linear_part(self._backend.numbers("get_pixel_size_affine_by_id", name)),
            )
            for name in self._backend.labels("get_available_pixel_size_configs")
        ]
