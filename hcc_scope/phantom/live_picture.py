"""What a camera sees of a specimen that a hand moves: motion blur, defocus, dirt, uneven light, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.orientation import Orientation
from hcc_scope.phantom.camera import CameraPhysics
from hcc_scope.phantom.effects import stable_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.phantom.effects import DayEffect
    from hcc_scope.phantom.hand_motion import Pose
    from hcc_scope.phantom.specimen import Specimen

__all__ = ["LivePicture", "Optics"]


_BLUR_STEP_PX = 2.0
"""Distance of the positions that are averaged; structure of the tissue is larger."""
_MOST_HALVINGS = 7


@dataclass(frozen=True, slots=True)
class Optics:
    """What is wrong with the light's way, and stays where it is while the specimen moves."""

    vignetting: float | None = None
    """Light missing in the corners; None: that of the specimen's day."""
    gradient: tuple[float, float] = (0.0, 0.0)
    """Light added from the left to the right edge and from the top to the bottom edge, as a share of the mean."""
    n_dirt: int = 0
    """Specks on the sensor's window."""
    dirt_depth: float = 0.3
    """Light that a speck takes away in its middle, at most."""
    seed: int = 0

    def light_map(self, shape_yx: tuple[int, int]) -> NDArray[np.float32]:
        """Return the factor (y, x) on the light, without vignetting."""
        height, width = shape_yx
        down = (np.arange(height, dtype=np.float32) / np.float32(height) - np.float32(0.5))[:, None]
        right = (np.arange(width, dtype=np.float32) / np.float32(width) - np.float32(0.5))[None, :]
        light = 1.0 + np.float32(self.gradient[0]) * right + np.float32(self.gradient[1]) * down
        rng = stable_rng("dirt", self.seed)
        for _ in range(self.n_dirt):
            y, x = int(rng.integers(height)), int(rng.integers(width))
            radius = float(rng.uniform(3.0, 18.0)) * width / 1024
            depth = float(rng.uniform(0.3, 1.0)) * self.dirt_depth
            reach = math.ceil(2.5 * radius)
            top, left = max(y - reach, 0), max(x - reach, 0)
            rows = np.arange(top, min(y + reach, height))[:, None] - y
            columns = np.arange(left, min(x + reach, width))[None, :] - x
            speck = depth / (1.0 + np.exp((np.hypot(rows, columns) - radius) / (0.15 * radius)))
            light[top : top + rows.shape[0], left : left + columns.shape[1]] *= 1.0 - speck
        return np.asarray(light, dtype=np.float32)


class LivePicture:
    """A camera over a specimen that is being moved.

    Parameters
    ----------
    specimen : Specimen
    shape_yx : (rows, columns)
    um_per_px : float
        With the usual objective.
    optics : Optics, optional
        Perfect without it, but for the specimen's day.
    physics : CameraPhysics, optional
    orientation : Orientation, optional
        How the camera lies over the axes of the poses: turned by quarters or mirrored; a tilt is left out.
    """

    def __init__(
        self,
        specimen: Specimen,
        shape_yx: tuple[int, int],
        um_per_px: float,
        *,
        optics: Optics | None = None,
        physics: CameraPhysics | None = None,
        orientation: Orientation | None = None,
    ) -> None:
        self._orientation = Orientation() if orientation is None else orientation
        height, width = shape_yx
        self._upright_yx = (width, height) if self._orientation.swaps_axes else (height, width)
        self.specimen = specimen
        self.shape_yx = shape_yx
        self.um_per_px = um_per_px
        self._physics = CameraPhysics() if physics is None else physics
        optics = Optics() if optics is None else optics
        self._light = optics.light_map(shape_yx)
        self._day: DayEffect = specimen.day_effect
        if optics.vignetting is not None:
            self._day = replace(self._day, vignetting=optics.vignetting)

    def expose(
        self, pose: Pose, *, noise_seed: int, exposure_ms: float = 10.0, em_gain: float = 1.0
    ) -> NDArray[np.uint16]:
        """Return the frame (y, x) that the camera takes around a pose.

        The specimen moves evenly during the exposure, of which the pose is the middle.

        Parameters
        ----------
        pose : Pose
        noise_seed : int
            The same seed gives the same noise.
        exposure_ms, em_gain : float
        """
        if pose.lens <= 0.0 or pose.light <= 0.0:
            field = np.zeros(self.shape_yx, dtype=np.float32)
        else:
            field = np.ascontiguousarray(self._orientation.as_seen(self.field(pose, exposure_ms)))
            field *= self._light
            if pose.light != 1.0:
                field *= np.float32(pose.light)
        return self._physics.expose(
            field, exposure_ms=exposure_ms, em_gain=em_gain, noise_seed=noise_seed, day=self._day
        )

    def field(self, pose: Pose, exposure_ms: float) -> NDArray[np.float32]:
        """Return the transmitted light relative to bare glass, averaged over the exposure, in the axes of the poses."""
        um_per_px = self.um_per_px * pose.lens
        steps = self._steps(pose, exposure_ms)
        height, width = (side + more for side, more in zip(self._upright_yx, _reach(steps), strict=True))
        field = self.specimen.render(pose.x_um, pose.y_um, pose.z_um, (height, width), um_per_px)
        for down, right in steps:
            field = field[_first(-down), _first(-right)] + field[_first(down), _first(right)]
            field *= np.float32(0.5)
        return field

    def painted_um(self, pose: Pose, exposure_ms: float = 10.0) -> tuple[float, float]:
        """Return where the middle of the exposure's path is in the picture: the pose, rounded as `field` does.

        The specimen is painted in whole pixels, and an error of half a pixel is not one of who locates the picture.
        """
        um_per_px = self.um_per_px * (pose.lens or 1.0)
        down, right = _reach(self._steps(pose, exposure_ms))
        place = []
        for at_um, side, more in ((pose.x_um, self._upright_yx[1], right), (pose.y_um, self._upright_yx[0], down)):
            centre_px = math.floor(at_um / um_per_px + 0.5 + 1e-6) - (side + more) // 2 + side // 2 + more / 2
            place.append(centre_px * um_per_px)
        return place[0], place[1]

    def _steps(self, pose: Pose, exposure_ms: float) -> list[tuple[int, int]]:
        um_per_px = self.um_per_px * (pose.lens or 1.0)
        return _halved_steps(np.array([pose.vy_um_s, pose.vx_um_s]) * exposure_ms / 1e3 / um_per_px)


def _reach(steps: list[tuple[int, int]]) -> tuple[int, int]:
    """Return how many rows and columns a picture loses by being averaged with itself at those steps."""
    return sum(abs(down) for down, _ in steps), sum(abs(right) for _, right in steps)


def _first(step: int) -> slice:
    """Return the part of an axis without its first `step` places, or its last if that is negative."""
    return slice(step, None) if step >= 0 else slice(None, step)


def _halved_steps(path_px: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return half the path, a quarter, ... in whole pixels (down, right).

    Averaging a picture with itself, moved by each in turn, averages it over positions all along the path.
    """
    length = float(np.abs(path_px).max())
    n = min(_MOST_HALVINGS, math.ceil(math.log2(length / _BLUR_STEP_PX))) if length > _BLUR_STEP_PX else 0
    steps = [np.rint(path_px / 2**k).astype(int) for k in range(1, n + 1)]
    return [(int(step[0]), int(step[1])) for step in steps if step.any()]
