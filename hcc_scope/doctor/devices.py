"""Checks of the rig's files and devices. What they change for a moment is put back, also after an error."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.doctor.results import failed, not_tried, passed, warned
from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.formatting import counted, format_number, full_stop, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hcc_scope.doctor.results import Fact, Result
    from hcc_scope.doctor.subject import Subject
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.shading.freshness import ReferencesState
    from hcc_scope.types import StageLimits

__all__ = [
    "as_found",
    "camera",
    "configuration",
    "devices_load",
    "drawing",
    "judge_picture",
    "judge_references",
    "judge_temperature",
    "references",
    "small_way",
    "stage",
    "temperature",
]

SATURATED_SHARE = 0.01
"""Above this share of pixels at full scale a picture is no measurement; as for tiles (`hcc_scope.quality`)."""
_TEMPERATURE_C = 2.0
"""A cooled sensor that is farther from its set point has not settled."""
WAY_XY_UM = 50.0
WAY_Z_UM = 2.0
"""How far stage and focus are moved: less than a field, less than a section is thick."""
DEMO_LIBRARY = "DemoCamera"
_SAME = (
    "exposure_ms", "binning", "roi", "bit_depth", "em_gain", "em_switch", "temperature_set_point_c", "readout",
)  # fmt: skip
"""What must be as before of the camera."""


def configuration(subject: Subject) -> Result:
    """Check the rig's files line by line."""
    checked = subject.checked_rig
    if checked.warnings:
        more = f" (and {counted(len(checked.warnings) - 1, 'more warning')})" if len(checked.warnings) > 1 else ""
        return warned(f"{checked.warnings[0]}{more}", "hcc-scope config lint lists all", n=len(checked.warnings))
    files = " and ".join(str(path) for path in (checked.rig.path, checked.rig.config) if path is not None)
    return passed(f"no fault in {files}")


def devices_load(subject: Subject) -> Result:
    """Load the configuration."""
    versions = subject.rig.microscope.versions
    facts = subject.camera
    height, width = facts.shape_yx
    words = (
        f"camera '{facts.label}' ({facts.library}), {width} x {height} px, {facts.bit_depth} bits, "
        f"{facts.pixel_size_um:g} um/px"
    )
    found: dict[str, Fact] = {
        "library": facts.library,
        "pixel_size_um": facts.pixel_size_um,
        "core": versions.get("micro-manager"),
    }
    stated = subject.checked_rig.rig.warnings
    contradictions = [sentence for sentence in subject.rig.warnings() if sentence not in stated]
    if contradictions:
        return warned(f"{full_stop(words)} {' '.join(contradictions)}", "Correct the rig file", **found)
    return passed(words, **found)


@contextmanager
def drawing(subject: Subject) -> Iterator[None]:
    """Let the demo camera draw each picture anew, where it is set to repeat one; nothing for any other camera."""
    label = subject.camera.label
    if subject.camera.library != DEMO_LIBRARY or subject.property_value(label, "FastImage") != "1":
        yield
        return
    subject.set_property(label, "FastImage", "0")
    try:
        yield
    finally:
        subject.set_property(label, "FastImage", "1")


def camera(subject: Subject) -> Result:
    """Take a picture, and check that it is one."""
    with drawing(subject):
        picture = subject.snap()
    return judge_picture(picture.pixels, subject.camera.bit_depth, picture.seconds)


def judge_picture(pixels: NDArray[np.uint16], bit_depth: int, seconds: float) -> Result:
    """Judge one picture.

    Parameters
    ----------
    pixels : (y, x) uint16
    bit_depth : int
        Of the camera.
    seconds : float
        How long it took.
    """
    low, high = int(pixels.min()), int(pixels.max())
    full_scale = 2**bit_depth - 1
    saturated = float(np.count_nonzero(pixels >= full_scale) / pixels.size)
    facts = {
        "mean_counts": round(float(pixels.mean()), 1),
        "saturated_share": round(saturated, 4),
        "seconds": round(seconds, 3),
    }
    if low == high:
        advice = "Check shutter, lamp, cap and the camera's cable"
        words = f"every pixel of the picture is {low}: the camera delivers no image"
        return failed(words, advice, exit_code=CameraError.exit_code, **facts)
    words = (
        f"a picture in {format_number(seconds, 2)} s: {low} to {high} of {full_scale} counts, mean {pixels.mean():.0f}"
    )
    if saturated > SATURATED_SHARE:
        words += f", {percent(saturated)} of the pixels saturated"
        return warned(words, "Lower exposure, gain or lamp before a section", **facts)
    return passed(words, **facts)


def temperature(subject: Subject) -> Result:
    """Check that the sensor is as cold as it was asked to be."""
    state = subject.controls.read().camera
    return judge_temperature(state.temperature_c, state.temperature_set_point_c)


def judge_temperature(found_c: float | None, wanted_c: float | None) -> Result:
    """Judge the temperature of the sensor against its set point; None: the rig has no such thing."""
    if found_c is None:
        return not_tried(
            "the camera reports no temperature here", "If it can, name the property in the rig file's roles"
        )
    if wanted_c is None:
        return not_tried(f"{found_c:g} °C, and the rig file names no role temperature_set_point")
    facts = {"temperature_c": found_c, "set_point_c": wanted_c}
    words = f"{found_c:g} °C, set point {wanted_c:g} °C"
    if abs(found_c - wanted_c) > _TEMPERATURE_C:
        advice = "Wait until the cooler has settled; if it does not, check fan, coolant and the cooler's power"
        return warned(words, advice, **facts)
    return passed(words, **facts)


# --- stage ---


def small_way(here_um: float, way_um: float, span_um: tuple[float, float] | None) -> float | None:
    """Return a target near to where an axis is, within its limits; None if there is no room.

    Parameters
    ----------
    here_um : float
    way_um : float
        How far, in whichever direction has room.
    span_um : (low, high) or None
        The limits.
    """
    for target in (here_um + way_um, here_um - way_um):
        if span_um is None or span_um[0] <= target <= span_um[1]:
            return target
    return None


def stage(subject: Subject) -> Result:
    """Move stage and focus drive a little, read where they are, and move them back: only if this was asked for."""
    microscope = subject.rig.microscope
    hardware = microscope.hardware
    if microscope.handling.stand == "manual":
        return not_tried("the stand is moved by hand")
    if not hardware.xy_stage and not hardware.focus:
        return not_tried("this rig has neither a motorised stage nor a focus drive")
    if not subject.options.move:
        return not_tried("nothing moves unless it is asked for (--move)", "Do so where nothing can be hit")
    home, out = _ways(subject)
    if out is None:
        return failed(
            f"the devices stand beyond the limits of the rig file, at {_shown(home)}",
            "Move them back by hand, or correct stage_limits_um in the rig file",
            exit_code=DeviceError.exit_code,
        )
    with subject.prepared():
        try:
            _go(subject, out)
            reached = _places(subject)
        finally:
            _go(subject, home)
    back = _places(subject)
    off = max(abs(back[axis] - home[axis]) for axis in home)
    missed = max(abs(reached[axis] - out[axis]) for axis in out)
    ways = " and ".join(_way_words(home))
    words = f"moved by {ways} and back: {missed:.2f} um from the target, {off:.2f} um from the start"
    return passed(words, missed_um=round(missed, 3), back_off_um=round(off, 3))


def _way_words(home: dict[str, float]) -> list[str]:
    return [
        *([f"{WAY_XY_UM:g} um (x, y)"] if "x" in home else []),
        *([f"{WAY_Z_UM:g} um (z)"] if "z" in home else []),
    ]


def _ways(subject: Subject) -> tuple[dict[str, float], dict[str, float] | None]:
    """Return where the devices are, and where they can go; None if an axis has no room for that."""
    home = _places(subject)
    limits = subject.rig.microscope.limits
    out: dict[str, float] = {}
    for axis, here_um in home.items():
        target = small_way(here_um, WAY_Z_UM if axis == "z" else WAY_XY_UM, _span(limits, axis))
        if target is None or small_way(here_um, 0.0, _span(limits, axis)) is None:
            return home, None
        out[axis] = target
    return home, out


def _span(limits: StageLimits | None, axis: str) -> tuple[float, float] | None:
    if limits is None:
        return None
    return {"x": limits.x_um, "y": limits.y_um, "z": limits.z_um}[axis]


def _places(subject: Subject) -> dict[str, float]:
    """Return where stage and focus drive report to be, by axis."""
    state = subject.controls.read()
    place: dict[str, float] = {}
    if state.xy_um is not None:
        place |= {"x": state.xy_um[0], "y": state.xy_um[1]}
    if state.z_um is not None:
        place["z"] = state.z_um
    return place


def _shown(place: dict[str, float]) -> str:
    return ", ".join(f"{axis} = {value:.1f}" for axis, value in place.items()) + " um"


def _go(subject: Subject, place: dict[str, float]) -> None:
    """Go to a place, with the checks of a section: within the limits, waited for, and read back."""
    from hcc_scope.workers import StopToken

    microscope = subject.rig.microscope
    microscope.thread.call("moving", partial(microscope.hardware.apply, dict(place), StopToken()))


# --- what is left behind ---


def as_found(subject: Subject) -> Result:
    """Check that the devices are as they were when the rig was opened."""
    assert subject.state_before is not None  # the rig is open
    changed = changes(subject.state_before, subject.controls.read())
    if changed:
        return failed(
            f"not as found after the checks: {'; '.join(changed)}",
            "Set it back before a section, and report this",
            exit_code=DeviceError.exit_code,
        )
    return passed("every setting is as it was found")


def changes(before: RigState, after: RigState) -> list[str]:
    """Return what differs between two states of a rig, as text; its positions and temperature do not count."""
    pairs = [(name, getattr(before.camera, name), getattr(after.camera, name)) for name in _SAME]
    pairs += [(name, getattr(before, name), getattr(after, name)) for name in ("shutter_open", "auto_shutter")]
    pairs += [
        (f"preset of {group}", state.current, after.groups[group].current)
        for group, state in before.groups.items()
        if group in after.groups
    ]
    if before.objective is not None and after.objective is not None:
        pairs.append(("objective", before.objective.current, after.objective.current))
    return [f"{name} was {one} and is {other}" for name, one, other in pairs if one != other]


def references(subject: Subject) -> Result:
    """Check that there are dark and flat fields for the rig as it is set now."""
    if subject.checked_rig.rig.references_dir is None:
        return not_tried("the rig file names no references_dir")
    from hcc_scope.runs.references import references_state

    return judge_references(references_state(subject.rig))


def judge_references(state: ReferencesState) -> Result:
    """Judge the references of a rig."""
    if state.freshness == "fresh":
        return passed(state.describe(), freshness=state.freshness)
    advice = (
        "Sections are classified uncorrected until then: take them with hcc-scope reference dark and reference flat"
    )
    return warned(state.describe(), advice, freshness=state.freshness)
