"""The rig file's limits of the camera: what it refuses, and what a person must agree to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError

if TYPE_CHECKING:
    from hcc_scope.types import RigHandling

__all__ = ["ConfirmationNeeded", "check_em_gain", "em_gain_warning"]


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
    """Refuse an EM gain above the rig file's limit that nobody agreed to.

    Raises
    ------
    ConfirmationNeeded
        If it is above it.
    """
    warning = em_gain_warning(em_gain, handling)
    if warning is not None:
        raise ConfirmationNeeded(warning, hint="Confirm it, or set a lower one.")
