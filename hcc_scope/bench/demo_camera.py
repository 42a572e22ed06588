"""Micro-Manager's demo camera as a fast camera with a texture."""

from __future__ import annotations

from typing import Any

__all__ = ["show_texture"]


def show_texture(core: Any, side_px: int, exposure_ms: float) -> None:  # noqa: ANN401 - a class made at run time
    """Let the demo camera deliver frames of noise at full speed.

    With ``FastImage`` it does not draw a frame anew, but delivers the last one that it drew: one of noise, which
    compresses about as a real frame does.

    Parameters
    ----------
    core
        pycromanager's core, in the thread that owns it.
    side_px : int
        Height and width of the frames.
    exposure_ms : float
        The camera's pace.
    """
    camera = core.get_camera_device()
    for name, value in (
        ("OnCameraCCDXSize", side_px),
        ("OnCameraCCDYSize", side_px),
        ("Mode", "Noise"),
        ("FastImage", 0),
    ):
        core.set_property(camera, name, str(value))
    core.snap_image()
    core.set_property(camera, "FastImage", "1")
    core.set_exposure(exposure_ms)
