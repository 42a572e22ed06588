"""Checks that the camera does what it is set to: another value, one picture, and the old value again.

A camera reacts if it reports the new value and the picture's mean follows it. A value that is only read back is a
warning: a driver may keep a value that never reaches the sensor. Where the exposure showed no light, the EM gain cannot
show anything either, and that it is read back is all that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.doctor.devices import DEMO_LIBRARY, drawing
from hcc_scope.doctor.results import failed, not_tried, passed, warned
from hcc_scope.errors import CameraError
from hcc_scope.formatting import format_number
from hcc_scope.microscope.exposure import takes_exposure
from hcc_scope.microscope.property_values import property_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Subject

__all__ = ["em_gain", "exposure", "judge_reaction", "other_exposure_ms", "other_gain"]

_BRIGHT = 0.4
"""Mean of a picture, as a share of full scale, above which exposure and gain are lowered rather than raised."""
_FOLLOWS = 0.1
"""Least change of the mean that counts as the picture's reaction, as a share of it, or of what light adds to it."""
_NO_LIGHT = "there is too little light to see it in the picture"
_DEMO = "the demo camera draws the same picture whatever its gain is"


def other_exposure_ms(now_ms: float, spans_ms: tuple[tuple[float, float] | None, ...], *, bright: bool) -> float | None:
    """Return twice the exposure or half of it, within the limits; None if neither fits.

    Parameters
    ----------
    now_ms : float
    spans_ms : tuple of (shortest, longest) or None
        Of the camera and of the rig file.
    bright : bool
        Whether half is the first choice.
    """
    order = (now_ms / 2, now_ms * 2) if bright else (now_ms * 2, now_ms / 2)
    for other in order:
        if all(span is None or span[0] <= other <= span[1] for span in spans_ms):
            return other
    return None


def other_gain(now: float, span: tuple[float, float] | None, most: float | None) -> float | None:
    """Return another EM gain: a lower one if there is any, as a higher one ages the sensor; None if none fits.

    Parameters
    ----------
    now : float
    span : (lowest, highest) or None
        Of the camera.
    most : float or None
        The rig file's limit.
    """
    low = 1.0 if span is None else max(1.0, span[0])
    if now > low:
        return float(max(low, now // 2))
    higher = max(now + 1.0, 2.0 * now)
    fits = (span is None or higher <= span[1]) and (most is None or higher <= most)
    return higher if fits else None


def exposure(subject: Subject) -> Result:
    """Set another exposure, take a picture, and set the old one again."""
    controls = subject.controls
    camera = controls.read().camera
    now_ms = camera.exposure_ms
    with drawing(subject):
        before = subject.snap().pixels
        full_scale = 2**camera.bit_depth - 1
        bright = float(before.mean()) > _BRIGHT * full_scale
        spans = (camera.exposure_limits_ms, subject.rig.microscope.handling.exposure_ms)
        other_ms = other_exposure_ms(now_ms, spans, bright=bright)
        if other_ms is None:
            return not_tried(f"the camera and the rig file allow no other exposure than {now_ms:g} ms")
        try:
            controls.set_exposure_ms(other_ms)
            after = subject.snap().pixels
            reported_ms = controls.read().camera.exposure_ms
        finally:
            subject.put_exposure_back(now_ms)
    means = (float(before.mean()), float(after.mean()))
    found = judge_reaction("exposure", now_ms, other_ms, reported_ms, means, takes_exposure, " ms")
    if _follow(means, other_ms - now_ms, max(means[0], 1.0)):
        subject.signal_counts = (means[1] - means[0]) * now_ms / (other_ms - now_ms)
    return found


def _follow(means: tuple[float, float], change: float, of: float) -> bool:
    """Return whether the mean changes as the setting does, and by enough of a level."""
    difference = means[1] - means[0]
    return difference * change > 0 and abs(difference) > _FOLLOWS * of


def em_gain(subject: Subject) -> Result:
    """Set another EM gain, take a picture, and set the old one again."""
    controls = subject.controls
    camera = controls.read().camera
    now, name = camera.em_gain, subject.rig.microscope.hardware.roles.em_gain
    if now is None or name is None:
        return not_tried("the rig file names no role em_gain")
    if camera.em_switch is False:
        return not_tried("the camera's EM register is switched off")
    other = other_gain(now, camera.em_gain_limits, subject.rig.microscope.handling.em_gain_max)
    if other is None:
        return not_tried(f"neither camera nor rig file allow another EM gain than {now:g}")
    with drawing(subject):
        before = float(subject.snap().pixels.mean())
        if other > now and before * other / now > 2**camera.bit_depth - 1:
            return not_tried(f"the picture is too bright for an EM gain of {other:g}", "Lower the light and try again")
        try:
            controls.set_em_gain(other)
            after = float(subject.snap().pixels.mean())
            reported = controls.read().camera.em_gain
        finally:
            subject.set_property(camera.label, name, property_text(now))
    unseen = _DEMO if subject.camera.library == DEMO_LIBRARY else _NO_LIGHT if subject.signal_counts is None else ""
    return judge_reaction(
        "EM gain",
        now,
        other,
        reported,
        (before, after),
        lambda one, two: abs(one - two) < 0.5,
        "",
        signal=subject.signal_counts,
        unseen=unseen,
    )


def judge_reaction(
    what: str,
    now: float,
    other: float,
    reported: float | None,
    means: tuple[float, float],
    same: Callable[[float, float], bool],
    unit: str,
    *,
    signal: float | None = None,
    unseen: str = "",
) -> Result:
    """Judge whether a camera did what it was set to.

    Parameters
    ----------
    what : str
        What was set.
    now, other : float
        The value before, and the one that was set.
    reported : float or None
        What the camera then reported.
    means : (float, float)
        Mean counts of the pictures before and after.
    same : callable
        Whether two values are the same to this camera.
    unit : str
        Of the values, with a blank before it.
    signal : float, optional
        Counts that light adds to the mean before; the whole mean, with the camera's offset, where that is not known.
    unseen : str
        Why the picture cannot show it; empty if it should.
    """
    before, after = means
    follows = _follow(means, other - now, max(before if signal is None else signal, 1.0))
    reads_back = reported is not None and same(other, reported)
    shown = f"{now:g} to {other:g}{unit}"
    facts = {
        "asked": other,
        "reported": reported,
        "mean_before": round(before, 1),
        "mean_after": round(after, 1),
    }
    picture = f"the picture's mean goes from {format_number(before, 0)} to {format_number(after, 0)} counts"
    if reads_back and follows:
        return passed(f"{shown}: read back, and {picture}", **facts)
    if reads_back and unseen:
        return passed(f"{shown}: read back; {unseen}", **facts)
    if reads_back:
        advice = (
            "Let light onto the camera and try again; if it stays so, check the camera's settings and the rig's roles"
        )
        return warned(f"{shown}: read back, but {picture}", advice, **facts)
    if follows:
        return warned(
            f"{shown}: {picture}, but the camera reports {reported}", "Trust no recorded value of it", **facts
        )
    words = f"the {what} was set from {shown}; the camera reports {reported}, and {picture}"
    return failed(
        words, "Check the camera's settings and its role in the rig file", exit_code=CameraError.exit_code, **facts
    )
