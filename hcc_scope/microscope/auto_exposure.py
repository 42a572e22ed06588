"""Find the exposure that brings the image to a wanted level, without clipping. The EM gain is left alone.

A sensor is linear: level = offset + slope * exposure. Two or three shots give both, the exposure that follows is set
and looked at. The brightest pixels are followed in the same way, and must stay below full scale. An image that is
saturated says nothing about the slope: its exposure is halved until it is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.errors import CameraError
from hcc_scope.microscope.exposure import exposure_span_ms, takes_exposure
from hcc_scope.microscope.sensor_care import saturated_share
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.device_controls import DeviceControls
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.preview import Preview
    from hcc_scope.types import Frame

__all__ = ["TARGET_LEVEL", "ExposureFound", "Reading", "auto_exposure", "find_exposure", "reading_of"]

TARGET_LEVEL = 0.5
"""Mean of the image as a share of full scale."""
TOP_LEVEL = 0.95
"""The brightest pixels (99.9th percentile) stay below this share of full scale."""
LONGEST_MS = 10_000.0
"""No longer exposure is tried, unless the rig file's limits allow it: some cameras would expose for an hour."""
_TOLERANCE = 0.05
"""How far the mean may stay from the target, as a share of it."""
_TOP_PERCENTILE = 99.9
_CLIPPED_SHARE = 0.001
_MOST_HALVINGS = 16
_MOST_CORRECTIONS = 3
_LEAST_RISE = 0.005
"""Of full scale: two shots that differ by less show no slope."""
_LONGER = 4.0
"""Factor to the next exposure while no slope shows."""
_SLACK = 1.01

Outcome = Literal["reached", "limited"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One shot."""

    exposure_ms: float
    """As read back."""
    level: float
    """Mean as a share of full scale."""
    top: float
    """99.9th percentile as a share of full scale."""
    clipped: float
    """Share of pixels at full scale."""

    @property
    def is_clipped(self) -> bool:
        """Whether it says nothing about how bright the scene is."""
        return self.clipped > _CLIPPED_SHARE


@dataclass(frozen=True, slots=True)
class ExposureFound:
    """The exposure that is set now."""

    exposure_ms: float
    level: float
    target: float
    outcome: Outcome
    """``limited``: the target was not reached, for the reason in `reason`."""
    reason: str
    readings: tuple[Reading, ...]
    """All shots, in order; the last one is at `exposure_ms`."""

    def sentence(self) -> str:
        """Return it for people."""
        words = f"Exposure {self.exposure_ms:.4g} ms, mean level {100 * self.level:.0f} % of full scale"
        return f"{words}." if self.outcome == "reached" else f"{words}: {self.reason}."


def find_exposure(
    measure: Callable[[float], Reading],
    start_ms: float,
    span_ms: tuple[float, float] | None = None,
    target: float = TARGET_LEVEL,
) -> ExposureFound:
    """Find the exposure at which the image has a mean level.

    Parameters
    ----------
    measure : callable
        Sets an exposure in ms, takes a shot, and returns what it showed.
    start_ms : float
        The present exposure.
    span_ms : (float, float), optional
        The shortest and the longest exposure; never left.
    target : float
        Share of full scale, above 0 and below `TOP_LEVEL`.

    Raises
    ------
    CameraError
        If the image is saturated at the shortest exposure, or does not become brighter with a longer one.
    """
    if not 0 < target < TOP_LEVEL:
        raise CameraError(f"a level of {target:g} is no share of full scale between 0 and {TOP_LEVEL:g}")
    low, high = (start_ms / 2**_MOST_HALVINGS, max(start_ms, LONGEST_MS)) if span_ms is None else span_ms
    readings = [measure(min(max(start_ms, low), high))]
    while readings[-1].is_clipped:
        now = readings[-1].exposure_ms
        if now <= low * _SLACK or len(readings) > _MOST_HALVINGS:
            raise CameraError(
                f"the image is saturated even at an exposure of {now:g} ms",
                hint="Reduce the light, or the EM gain.",
            )
        readings.append(measure(max(low, now / 2)))
    first = readings[-1]
    second = _second(measure, first, low, high, target)
    readings.append(second)
    darker, brighter = sorted((first, second), key=lambda one: one.exposure_ms)
    while _too_alike(darker, brighter) and brighter.exposure_ms * _SLACK < high and len(readings) < _MOST_HALVINGS:
        brighter = measure(min(high, _LONGER * brighter.exposure_ms))  # a dim scene
        readings.append(brighter)
    if brighter.is_clipped:  # brighter by more than was foreseen: only the darker one is known, and that 0 ms is dark
        darker, brighter = Reading(0.0, 0.0, 0.0, 0.0), darker
    elif _too_alike(darker, brighter):
        levels = f"{100 * darker.level:.1f} % of full scale at {darker.exposure_ms:g} ms"
        raise CameraError(
            f"the image does not become brighter with the exposure: its mean level is {levels}"
            f" and {100 * brighter.level:.1f} % at {brighter.exposure_ms:g} ms",
            hint="Check that the lamp is on, the shutter open and the light path set to the camera.",
        )
    wanted, why = _wanted(darker, brighter, low, high, target)
    asked_ms = wanted
    for _ in range(_MOST_CORRECTIONS):
        asked_ms = wanted
        readings.append(measure(wanted))
        last = readings[-1]
        if not last.is_clipped and (why or abs(last.level - target) <= _TOLERANCE * target):
            break
        if last.is_clipped:
            wanted = max(low, wanted / 2)
            continue
        # once more through the last shot, which is nearest to the wanted level
        far = abs(darker.exposure_ms - last.exposure_ms) > abs(brighter.exposure_ms - last.exposure_ms)
        other = darker if far else brighter
        darker, brighter = sorted((other, last), key=lambda one: one.exposure_ms)
        if brighter.level - darker.level <= 0:
            break
        wanted, why = _wanted(darker, brighter, low, high, target)
    last = readings[-1]
    if last.is_clipped:
        raise CameraError(
            f"the image is saturated at {last.exposure_ms:g} ms although it was not before: the light changes",
            hint="Keep the light constant and try again.",
        )
    reached = abs(last.level - target) <= _TOLERANCE * target
    reason = "" if reached else why or "the light changes from shot to shot"
    if not reached and not takes_exposure(asked_ms, last.exposure_ms):
        reason = f"the camera takes {last.exposure_ms:.4g} ms for the {asked_ms:.4g} ms that are needed"
    return ExposureFound(
        last.exposure_ms, last.level, target, "reached" if reached else "limited", reason, tuple(readings)
    )


def _too_alike(darker: Reading, brighter: Reading) -> bool:
    """Return whether two shots show no slope: one exposure, or levels that noise alone could set apart."""
    return brighter.exposure_ms <= _SLACK * darker.exposure_ms or brighter.level - darker.level < _LEAST_RISE


def _second(measure: Callable[[float], Reading], first: Reading, low: float, high: float, target: float) -> Reading:
    """Take a shot at another exposure: nearer to the target, and far enough from the first to show the slope."""
    longer = min(high, 2 * first.exposure_ms)
    may_be_longer = longer > _SLACK * first.exposure_ms and 2 * first.top < 1 and first.level < target
    return measure(longer if may_be_longer else max(low, first.exposure_ms / 2))


def _wanted(darker: Reading, brighter: Reading, low: float, high: float, target: float) -> tuple[float, str]:
    """Return the exposure for the target, and why it is another one; empty if it is not."""

    def at(level: float, one: float, other: float) -> float:
        slope = (other - one) / (brighter.exposure_ms - darker.exposure_ms)
        return float("inf") if slope <= 0 else darker.exposure_ms + (level - one) / slope

    wanted, why = at(target, darker.level, brighter.level), ""
    unclipped = at(TOP_LEVEL, darker.top, brighter.top)
    if wanted > unclipped:
        wanted, why = unclipped, "a longer exposure would clip the brightest places"
    if wanted > high * _SLACK:
        wanted, why = high, f"{high:g} ms is the longest exposure that rig and camera allow"
    elif wanted < low / _SLACK:
        wanted, why = low, f"{low:g} ms is the shortest exposure that rig and camera allow"
    return min(max(wanted, low), high), why


def reading_of(frame: Frame) -> Reading:
    """Return what a frame shows of its exposure."""
    full_scale = 2**frame.bit_depth - 1
    sampled = frame.pixels[::4, ::4]
    return Reading(
        frame.exposure_ms,
        float(sampled.mean(dtype=np.float64)) / full_scale,
        float(np.percentile(sampled, _TOP_PERCENTILE)) / full_scale,
        saturated_share(frame.pixels, frame.bit_depth),
    )


def auto_exposure(
    microscope: MicroManager, controls: DeviceControls, preview: Preview, target: float = TARGET_LEVEL
) -> ExposureFound:
    """Set the camera's exposure so that the image has a mean level; a live picture continues.

    Parameters
    ----------
    microscope : MicroManager
        Open.
    controls : DeviceControls
        Of that microscope.
    preview : Preview
        Takes the shots.
    target : float
        Share of full scale.

    Raises
    ------
    CameraError
        If a section is being acquired; or if no exposure gives it, and the one of before is then set again.
    DeviceError
        If the camera refuses.
    """
    microscope.use.refuse_during_section()
    camera = controls.read().camera
    span_ms = exposure_span_ms(camera.exposure_limits_ms, microscope.handling.exposure_ms)
    if span_ms is not None and microscope.handling.exposure_ms is None:
        span_ms = (span_ms[0], min(span_ms[1], max(camera.exposure_ms, LONGEST_MS)))
    if span_ms is not None and span_ms[0] <= 0:  # many cameras state 0 as their shortest, and mean less than a line
        span_ms = (min(span_ms[1], 0.001), span_ms[1])

    def measure(exposure_ms: float) -> Reading:
        controls.set_exposure_ms(exposure_ms, nearest=True)  # some count in whole ms or lines
        return reading_of(preview.snap())

    found = attempt(lambda: find_exposure(measure, camera.exposure_ms, span_ms, target))
    if isinstance(found, Failure):
        back = attempt(lambda: controls.set_exposure_ms(camera.exposure_ms))
        if isinstance(back, Failure):
            found.error.add_note(f"then, setting the exposure of before: {back.error}")
        raise found.error
    microscope.events.add(
        "action", action="auto_exposure", exposure_ms=found.exposure_ms, level=found.level, outcome=found.outcome
    )
    return found
