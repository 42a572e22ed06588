"""Cameras by model: the size of their images and pixels, and whether a public source confirms it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.rig.camera_roles import CameraKind

__all__ = ["CAMERAS", "CameraModel", "find_camera"]


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A camera of the market."""

    key: str
    """How options name it."""
    name: str
    kind: CameraKind | None
    """Whose roles and templates belong to it; None: there are none, as of cameras without EM gain."""
    pattern: str
    """What texts about it contain (a regular expression, without regard to case)."""
    shape_yx: tuple[int, int]
    pixel_um: float
    """Side of a pixel on the sensor."""
    verified: bool = False
    """Whether published measurements or programs confirm both; if not, files that follow from them say so."""


CAMERAS = (
    CameraModel(
        "ixon-888", "Andor iXon 888", "andor", r"ixon\D{0,12}888|\b888\b|du-?888", (1024, 1024), 13.0, verified=True
    ),
    CameraModel(
        "ixon-897", "Andor iXon 897", "andor", r"ixon\D{0,12}897|\b897\b|du-?897", (512, 512), 16.0, verified=True
    ),
    CameraModel("zyla-4.2", "Andor Zyla 4.2", None, r"zyla[ -]?4\.2", (2048, 2048), 6.5),
    CameraModel("zyla-5.5", "Andor Zyla 5.5", None, r"zyla[ -]?5\.5", (2160, 2560), 6.5),
    CameraModel("evolve-512", "Photometrics Evolve 512", "pvcam", r"evolve(?![ -]?128)", (512, 512), 16.0),
    CameraModel("evolve-128", "Photometrics Evolve 128", None, r"evolve[ -]?128", (128, 128), 24.0),
    CameraModel(
        "cascade-1024", "Photometrics Cascade II 1024", "pvcam", r"cascade[ -]?(ii[ -]?)?:?1024", (1024, 1024), 13.0
    ),
    CameraModel(
        "cascade-512",
        "Photometrics Cascade II 512",
        "pvcam",
        r"cascade(?![ -]?(ii[ -]?)?:?1024)",
        (512, 512),
        16.0,
        verified=True,
    ),
    CameraModel("prime-95b", "Photometrics Prime 95B", None, r"prime[ -]?95b", (1200, 1200), 11.0),
    CameraModel("prime-bsi", "Photometrics Prime BSI", None, r"prime[ -]?bsi", (2048, 2048), 6.5),
    CameraModel("rolera-em-c2", "QImaging Rolera EM-C2", "qcam", r"rolera", (1002, 1004), 8.0, verified=True),
    CameraModel(
        "imagem-1k", "Hamamatsu ImagEM 1K", "hamamatsu", r"imagem[ -]?(x2[ -]?)?1k|c9100-(14|24)", (1024, 1024), 13.0
    ),
    CameraModel(
        "imagem",
        "Hamamatsu ImagEM",
        "hamamatsu",
        r"imagem(?![ -]?(x2[ -]?)?1k)|c9100-(13|23)",
        (512, 512),
        16.0,
        verified=True,
    ),
    CameraModel(
        "orca-flash4", "Hamamatsu ORCA-Flash4.0", None, r"flash ?4|c11440|c13440", (2048, 2048), 6.5, verified=True
    ),
    CameraModel("demo", "Demo camera", "demo", r"^dcam$", (2048, 2048), 6.5, verified=True),
)


def find_camera(*texts: str) -> CameraModel | None:
    """Return the camera that texts are about (a label, a value, the name of a file), or None if none names one."""
    for text in texts:
        found = [(match.start(), camera) for camera in CAMERAS if (match := _search(camera, text)) is not None]
        if found:
            return min(found, key=lambda one: one[0])[1]
    return None


def _search(camera: CameraModel, text: str) -> re.Match[str] | None:
    return re.search(camera.pattern, text, re.IGNORECASE)
