"""A frame made of one exposure and what the devices reported with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.errors import CameraError, RigError
from hcc_scope.microscope.sensor_care import cooler_concern
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.hardware import Readback
    from hcc_scope.types import RunSpec, TagValue

__all__ = ["check_unchanged", "frame_of", "tags_of"]


def check_unchanged(readback: Readback, spec: RunSpec) -> None:
    """Refuse an exposure in another state than the run began in: its frames would not fit the others.

    Raises
    ------
    RigError
        If the pixel size or the camera's orientation changed.
    CameraError
        If the bit depth changed.
    """
    if readback.pixel_size_um <= 0:
        raise RigError(
            "the pixel size is no longer known: what a pixel size preset depends on (the objective, for example)"
            " was changed during the run",
            hint="Start a new run for another objective.",
        )
    if readback.pixel_size_um != spec.pixel_size_um:
        raise RigError(
            f"the pixel size changed from {spec.pixel_size_um:g} to {readback.pixel_size_um:g} um during the"
            " run: the objective was changed",
            hint="Start a new run for another objective.",
        )
    if readback.orientation.matrix != spec.camera_axes:
        raise RigError(
            "how the camera lies over the stage (PixelSizeAffine) changed during the run",
            hint="Start a new run for another state of the microscope.",
        )
    if readback.bit_depth != spec.bit_depth:
        raise CameraError(
            f"the bit depth changed from {spec.bit_depth} to {readback.bit_depth} during the run",
            hint="Start a new run for another camera setting.",
        )


def tags_of(shot: Shot, event: Mapping[str, Any] | None = None) -> dict[str, TagValue]:
    """Return the tags of an exposure: the camera's own, those of the plan's event, and what was read back."""
    readback = shot.readback
    event = {} if event is None else event
    tags: dict[str, TagValue] = dict(shot.camera_tags)
    tags.update({f"axis_{name}": value for name, value in event.get("axes", {}).items()})
    tags.update(event.get("tags", {}))
    tags.update({f"planned_{axis}_um": event[axis] for axis in ("x", "y", "z") if axis in event})
    if readback.readout is not None:
        tags["readout"] = readback.readout
    if readback.temperature_set_point_c is not None:
        tags["temperature_set_point_c"] = readback.temperature_set_point_c
    concern = cooler_concern(readback.temperature_c, readback.temperature_set_point_c)
    if concern is not None:
        tags["cooler"] = concern
    return tags


def frame_of(seq: int, shot: Shot, pixels: NDArray[np.uint16], section_id: str, tags: Mapping[str, TagValue]) -> Frame:
    """Return the frame of an exposure.

    Parameters
    ----------
    seq : int
        Its number in the run.
    shot : Shot
    pixels : (y, x) uint16
        Owned and read-only.
    section_id : str
    tags : mapping
    """
    readback = shot.readback
    return Frame(
        seq=seq,
        pixels=pixels,
        t_mono_ns=shot.t_mono_ns,
        t_utc=shot.t_utc,
        exposure_ms=readback.exposure_ms,
        section_id=section_id,
        em_gain=readback.em_gain,
        stage_um=shot.stage_um,
        camera_frame=shot.camera_frame,
        pixel_size_um=readback.pixel_size_um,
        bit_depth=readback.bit_depth,
        temperature_c=readback.temperature_c,
        objective=readback.objective,
        tags=tags,
    )
