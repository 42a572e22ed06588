"""References of a small camera for tests, made of shots as an operator takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.phantom import CameraPhysics
from hcc_scope.phantom.camera import vignetting_map
from hcc_scope.phantom.effects import DayEffect
from hcc_scope.shading.correction import Shading
from hcc_scope.shading.making import LEAST_SHOTS, Shots
from hcc_scope.shading.reference import Reference, Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.shading.making import Refusal

CAMERA = CameraPhysics()
VIGNETTE = DayEffect(vignetting=0.25, centre_yx=(0.1, -0.05))
SHAPE_YX = (256, 256)


def settings(shape_yx: tuple[int, int] = SHAPE_YX, **changes: object) -> Settings:
    fields = {
        "rig": "lab.rig.yaml",
        "cfg_sha256": "0" * 64,
        "camera": "Camera",
        "objective": "20x",
        "binning": "1",
        "roi": (0, 0, shape_yx[1], shape_yx[0]),
        "bit_depth": 16,
        "exposure_ms": 10.0,
        "em_gain": 1.0,
    }
    return Settings(**{**fields, **changes})


def shot(light: float | NDArray[np.float32], seed: int, day: DayEffect = VIGNETTE) -> NDArray[np.uint16]:
    """Expose an even field, or a given one, by the phantom's camera."""
    field = np.full(SHAPE_YX, light, np.float32) if isinstance(light, float) else light
    return CAMERA.expose(field, exposure_ms=10.0, noise_seed=seed, day=day)


def taken(shots: Shots, light: float, day: DayEffect = VIGNETTE) -> Reference | Refusal:
    """Take as many shots as are enough; the first refusal ends it."""
    shape_yx = shots.settings.shape_yx
    for i in range(LEAST_SHOTS[shots.kind]):
        refusal = shots.add(shot(np.full(shape_yx, light, np.float32), i, day), (500.0 * i, 0.0))
        if refusal is not None:
            return refusal
    return shots.finish()


def made(shape_yx: tuple[int, int] = SHAPE_YX, day: DayEffect = VIGNETTE, **changes: object) -> Shading:
    """Return the correction of the phantom's camera under a vignette."""
    here = settings(shape_yx, **changes)
    dark = taken(Shots("dark", here), 0.0, day)
    assert isinstance(dark, Reference), dark
    flat = taken(Shots("flat", here, dark), 1.0, day)
    assert isinstance(flat, Reference), flat
    return Shading(dark, flat)


def simple(dark: NDArray[np.float64] | float, flat: NDArray[np.float64] | float, **changes: object) -> Shading:
    """Return the correction by two given maps."""
    here = settings(**changes)
    maps = [np.broadcast_to(np.asarray(one, np.float64), here.shape_yx) for one in (dark, flat)]
    return Shading(Reference.of_map("dark", maps[0], here, shots=32), Reference.of_map("flat", maps[1], here, shots=16))


def vignette(shape_yx: tuple[int, int] = SHAPE_YX) -> NDArray[np.float64]:
    """Return the true light of `VIGNETTE`, with mean 1."""
    light = vignetting_map(shape_yx, VIGNETTE).astype(np.float64)
    return light / light.mean()
