"""Cameras by model: the size of their images and pixels, as their makers state them."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["CAMERAS", "CameraModel", "find_camera"]


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A camera of the market."""

    name: str
    pattern: str
    """What texts about it contain (a regular expression, without regard to case)."""
    shape_yx: tuple[int, int]
    pixel_um: float
    """Side of a pixel on the sensor."""


CAMERAS = (
    CameraModel("Andor iXon 888", r"ixon\D{0,12}888|\b888\b|du-?888", (1024, 1024), 13.0),
    CameraModel("Andor iXon 897", r"ixon\D{0,12}897|\b897\b|du-?897", (512, 512), 16.0),
    CameraModel("Andor Zyla 4.2", r"zyla[ -]?4\.2", (2048, 2048), 6.5),
    CameraModel("Andor Zyla 5.5", r"zyla[ -]?5\.5", (2160, 2560), 6.5),
    CameraModel("Photometrics Evolve 512", r"evolve(?![ -]?128)", (512, 512), 16.0),
    CameraModel("Photometrics Evolve 128", r"evolve[ -]?128", (128, 128), 24.0),
    CameraModel("Photometrics Cascade II 1024", r"cascade[ -]?(ii[ -]?)?:?1024", (1024, 1024), 13.0),
    CameraModel("Photometrics Cascade II 512", r"cascade(?![ -]?(ii[ -]?)?:?1024)", (512, 512), 16.0),
    CameraModel("Photometrics Prime 95B", r"prime[ -]?95b", (1200, 1200), 11.0),
    CameraModel("Photometrics Prime BSI", r"prime[ -]?bsi", (2048, 2048), 6.5),
    CameraModel("QImaging Rolera EM-C2", r"rolera", (1002, 1004), 8.0),
    CameraModel("Hamamatsu ImagEM", r"imagem|c9100-(13|23|14)", (512, 512), 16.0),
    CameraModel("Hamamatsu ORCA-Flash4.0", r"flash ?4|c11440|c13440", (2048, 2048), 6.5),
)


def find_camera(*texts: str) -> CameraModel | None:
    """Return the camera that texts are about (a label, a value, the name of a file), or None if none names one."""
    for text in texts:
        for camera in CAMERAS:
            if re.search(camera.pattern, text, re.IGNORECASE):
                return camera
    return None
