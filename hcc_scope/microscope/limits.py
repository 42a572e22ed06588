"""The rig file's limits of camera and focus drive: what they refuse, and what a person must agree to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError, PlanError
from hcc_scope.microscope.exposure import takes_exposure
from hcc_scope.number_text import taken_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.types import RigHandling, StageLimits

__all__ = [
    "ConfirmationNeeded",
    "check_em_gain",
    "check_exposure",
    "check_plan_exposure",
    "check_setting",
    "em_gain_warning",
    "exposure_fault",
    "height_fault",
]

_EXPOSURE = "Exposure"
"""Micro-Manager's standard name of the property."""
_POSITION = "Position"
"""The property by which Micro-Manager's focus drives move as well."""
_EXPOSURE_HINT = "Set another exposure, or limits: exposure_ms in the rig file."


class ConfirmationNeeded(DeviceError):  # noqa: N818 - no failure: a question to a person
    """A setting that is possible, but that a person must agree to first."""


def em_gain_warning(em_gain: float | None, handling: RigHandling) -> str | None:
    """Return as a sentence that an EM gain is above the rig file's limit, or None if it is not, or is not known.

    Examples
    --------
    >>> from hcc_scope.types import RigHandling
    >>> em_gain_warning(500.0, RigHandling(em_gain_max=300.0))
    "an EM gain of 500 is above the rig file's limit of 300 and ages the sensor"
    >>> em_gain_warning(300.0, RigHandling(em_gain_max=300.0))
    """
    most = handling.em_gain_max
    if em_gain is None or most is None or em_gain <= most:
        return None
    return f"an EM gain of {em_gain:g} is above the rig file's limit of {most:g} and ages the sensor"


def check_em_gain(em_gain: float, handling: RigHandling) -> None:
    """Refuse an EM gain above the rig file's limit: a person must agree to it.

    Raises
    ------
    ConfirmationNeeded
        If it is above it.
    """
    warning = em_gain_warning(em_gain, handling)
    if warning is not None:
        raise ConfirmationNeeded(
            warning,
            hint="Set a lower one, confirm it where the camera's EM gain is set, or raise limits: em_gain in the rig"
            " file.",
        )


def exposure_fault(exposure_ms: float | None, handling: RigHandling) -> str | None:
    """Return as a sentence that an exposure is beyond the rig file's limits, or None if it is not, or is not given.

    Examples
    --------
    >>> from hcc_scope.types import RigHandling
    >>> exposure_fault(5000.0, RigHandling(exposure_ms=(0.01, 2000.0)))
    "an exposure of 5000 ms is beyond the rig file's limits, 0.01 to 2000 ms"
    """
    span = handling.exposure_ms
    if exposure_ms is None or span is None or span[0] <= exposure_ms <= span[1]:
        return None
    return f"an exposure of {exposure_ms:g} ms is beyond the rig file's limits, {span[0]:g} to {span[1]:g} ms"


def check_exposure(exposure_ms: float, handling: RigHandling) -> None:
    """Refuse an exposure beyond the rig file's limits.

    Raises
    ------
    DeviceError
        With the limits.
    """
    fault = exposure_fault(exposure_ms, handling)
    if fault is not None:
        raise DeviceError(fault, hint=_EXPOSURE_HINT)


def check_setting(name: str, value: str, em_gain: str | None, handling: RigHandling) -> None:
    """Refuse a property of the camera that is beyond the rig file's limits, whichever way it is set.

    Parameters
    ----------
    name, value : str
        The property; its value counts as the core reads it.
    em_gain : str or None
        Name of the property that holds the EM gain.
    handling : RigHandling

    Raises
    ------
    DeviceError, ConfirmationNeeded
        With the limits.
    """
    if name == _EXPOSURE:
        check_exposure(taken_number(value), handling)
    elif name == em_gain:
        check_em_gain(taken_number(value), handling)


def check_plan_exposure(exposure_ms: float | None, handling: RigHandling, *, as_taken: bool = False) -> None:
    """Refuse a plan whose exposure, or the camera's own that it leaves, is beyond the rig file's limits.

    Parameters
    ----------
    exposure_ms : float or None
    handling : RigHandling
    as_taken : bool
        Whether the camera reports the exposure: it may have rounded one that is allowed.

    Raises
    ------
    PlanError
        With the limits.
    """
    fault = exposure_fault(exposure_ms, handling)
    if fault is None:
        return
    if as_taken and any(takes_exposure(limit_ms, exposure_ms or 0.0) for limit_ms in handling.exposure_ms or ()):
        return
    raise PlanError(fault, hint=_EXPOSURE_HINT)


def height_fault(settings: Iterable[tuple[str, str, str]], focus: str, limits: StageLimits | None) -> str | None:
    """Return as a sentence that properties send the focus drive beyond its limits, or None if they do not.

    Parameters
    ----------
    settings : iterable of (device, property, value)
        One property, or those of a preset, which may give the role of the focus drive to another device.
    focus : str
        The present focus drive.
    limits : StageLimits or None

    Examples
    --------
    >>> from hcc_scope.types import StageLimits
    >>> allowed = StageLimits((0.0, 9.0), (0.0, 9.0), (-10.0, 20.0))
    >>> height_fault([("Camera", "Binning", "2"), ("Z", "Position", "25")], "Z", allowed)
    "z = 25 um lies outside the stage's limits, -10 to 20 um"
    >>> height_fault([("Z", "Position", "15")], "Z", allowed)
    """
    span_um = None if limits is None else limits.z_um
    if span_um is None:
        return None
    known = list(settings)
    drives = {focus, *(value for device, name, value in known if (device, name) == ("Core", "Focus"))}
    for device, name, value in known:
        if device in drives and name == _POSITION:
            try:
                z_um = float(value)
            except ValueError:
                continue  # no number: the device refuses it
            if not span_um[0] <= z_um <= span_um[1]:
                return f"z = {z_um:g} um lies outside the stage's limits, {span_um[0]:g} to {span_um[1]:g} um"
    return None
