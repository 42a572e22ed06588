"""The scene of the demo camera: the phantom's field at the position that the stage *reads back*.

The demo camera exposes, buffers and tags for real; only its test pattern is replaced. The field that the plan visits
next is grown in the background while the present one is exposed, which warms the specimen's own cache and nothing
else: what is painted depends on the read-back position alone.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.orientation import Orientation
from hcc_scope.phantom import CameraPhysics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.phantom import Specimen
    from hcc_scope.types import TagValue

__all__ = ["PhantomScene", "noise_seed"]


def noise_seed(specimen: Specimen, seq: int) -> int:
    """Return what decides the noise of one frame of a specimen."""
    return zlib.crc32(f"{specimen.seed}/{specimen.animal}/{specimen.section}/{seq}".encode())


class PhantomScene:
    """A phantom specimen under a camera; a `hcc_scope.microscope.demo_scene.Scene`.

    Parameters
    ----------
    specimen : Specimen
    physics : CameraPhysics, optional
        The camera that takes the place of the demo camera's sensor.
    """

    def __init__(self, specimen: Specimen, physics: CameraPhysics | None = None) -> None:
        self.specimen = specimen
        self._physics = CameraPhysics() if physics is None else physics
        self._pool: ThreadPoolExecutor | None = None
        self._coming: deque[Future[NDArray[np.float32]]] = deque()

    @property
    def provenance(self) -> dict[str, TagValue]:
        """Facts to record with a section, so that it is not taken for tissue."""
        specimen = self.specimen
        return {
            "specimen": "phantom",
            "phantom_seed": specimen.seed,
            "phantom_class": specimen.tumour_class,
            "phantom_day": specimen.day,
        }

    def expect(
        self,
        shape_yx: tuple[int, int],
        stage_um: tuple[float, float, float | None],
        um_per_px: float,
        orientation: Orientation = Orientation(),  # noqa: B008 - frozen
    ) -> None:
        """Begin to grow a field in the background; fields are painted in the order in which they are expected.

        Parameters
        ----------
        shape_yx : (rows, columns)
        stage_um : (x, y, z)
            Where the stage is about to be sent.
        um_per_px : float
        orientation : Orientation, optional
            How the camera lies over the stage.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="hcc-scene")
        x_um, y_um, z_um = stage_um
        self._coming.append(self._pool.submit(self._seen, (x_um, y_um, z_um), shape_yx, um_per_px, orientation))

    def _seen(
        self,
        stage_um: tuple[float, float, float | None],
        shape_yx: tuple[int, int],
        um_per_px: float,
        orientation: Orientation,
    ) -> NDArray[np.float32]:
        """Return the field that the camera sees; the phantom is drawn upright, and a tilt is left out."""
        x_um, y_um, z_um = stage_um
        height, width = shape_yx
        upright = (width, height) if orientation.swaps_axes else (height, width)
        field = self.specimen.render(x_um, y_um, z_um or 0.0, upright, um_per_px)
        return np.ascontiguousarray(orientation.as_seen(field))

    def paint(
        self,
        shape_yx: tuple[int, int],
        *,
        stage_um: tuple[float, float, float | None] | None,
        exposure_ms: float,
        em_gain: float | None,
        um_per_px: float,
        seq: int,
        orientation: Orientation = Orientation(),  # noqa: B008 - frozen
    ) -> NDArray[np.uint16]:
        """Return the frame that the phantom's camera takes.

        Parameters
        ----------
        shape_yx : (rows, columns)
        stage_um : (x, y, z) or None
            As read back; None (no stage) is the section's middle, a z of None is in focus.
        exposure_ms, em_gain
            As read back; a gain of None or below 1 counts as 1.
        um_per_px : float
        seq : int
            Number of the frame, which decides its noise.
        orientation : Orientation, optional
            How the camera lies over the stage.

        Returns
        -------
        (y, x) ndarray of uint16
        """
        if self._coming:
            self._coming.popleft().result()  # it may be growing the very chunks that are needed now
        field = self._seen((0.0, 0.0, None) if stage_um is None else stage_um, shape_yx, um_per_px, orientation)
        return self._physics.expose(
            field,
            exposure_ms=exposure_ms,
            em_gain=max(1.0, em_gain or 1.0),
            noise_seed=noise_seed(self.specimen, seq),
            day=self.specimen.day_effect,
        )

    def close(self) -> None:
        """End the background thread after the field in hand; it begins again when needed. Idempotent."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)  # a run must end at once when it is stopped
        self._pool = None
        self._coming.clear()
