"""What ages a sensor or spoils its frames, as sentences for the operator: a warm sensor, light on a high EM gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["COOLER_TOLERANCE_C", "ageing_concern", "cooler_concern", "report_cooler", "saturated_share"]

COOLER_TOLERANCE_C = 2.0
"""How far the sensor may be from its set point: a cooler that has settled stays within 1 °C, and one that has not is
off by tens."""
_SATURATED_SHARE = 0.001
_STEP_PX = 4


def cooler_concern(temperature_c: float | None, set_point_c: float | None) -> str | None:
    """Return as a sentence that the sensor is not at its set point; None if it is, or that is not known.

    Examples
    --------
    >>> cooler_concern(-41.0, -70.0)
    'the sensor is at -41.0 °C, 29.0 °C above its set point of -70.0 °C'
    >>> cooler_concern(-71.9, -70.0), cooler_concern(None, -70.0)
    (None, None)
    """
    if temperature_c is None or set_point_c is None or abs(temperature_c - set_point_c) <= COOLER_TOLERANCE_C:
        return None
    off_c = temperature_c - set_point_c
    side = "above" if off_c > 0 else "below"
    return f"the sensor is at {temperature_c:.1f} °C, {abs(off_c):.1f} °C {side} its set point of {set_point_c:.1f} °C"


def report_cooler(microscope: MicroManager) -> str | None:
    """Return as a sentence that the sensor of an open microscope is not at its set point, and add it to the run's log.

    Raises
    ------
    DeviceError
        If the camera cannot be read.
    """
    now = microscope.thread.call("reading the temperature", microscope.hardware.slow)
    concern = cooler_concern(now.temperature_c, now.temperature_set_point_c)
    if concern is not None:
        microscope.events.add(
            "reading",
            name="cooler",
            temperature_c=now.temperature_c,
            set_point_c=now.temperature_set_point_c,
            concern=concern,
        )
    return concern


def saturated_share(pixels: NDArray[np.uint16], bit_depth: int) -> float:
    """Return the share of pixels (y, x) at full scale, from every 4th one in both directions."""
    return float(np.mean(pixels[::_STEP_PX, ::_STEP_PX] >= 2**bit_depth - 1))


def ageing_concern(pixels: NDArray[np.uint16], bit_depth: int, em_gain: float | None) -> str | None:
    """Return as a sentence that a frame is saturated with EM gain, which ages the sensor; None if it is not.

    Parameters
    ----------
    pixels : (y, x) uint16
    bit_depth : int
        Of the camera.
    em_gain : float or None
        In effect; None and 1 are no gain.
    """
    if em_gain is None or em_gain <= 1 or saturated_share(pixels, bit_depth) <= _SATURATED_SHARE:
        return None
    return (
        f"the image is saturated with an EM gain of {em_gain:g}, which ages the sensor:"
        " lower the gain, the light or the exposure"
    )
