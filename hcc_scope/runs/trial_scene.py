"""Tissue for the demo camera of a rig that is tried: its own patterns are none, and nothing would be classified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.phantom import Specimen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.hardware import StageUm
    from hcc_scope.orientation import Orientation
    from hcc_scope.types import TagValue

__all__ = ["TissueScene"]

_EXPOSURE_MS = 10.0


class TissueScene:
    """A phantom in focus wherever the rig looks; a `hcc_scope.microscope.demo_scene.Scene`.

    It is painted at the model's size of a pixel and with the light that the model knows, whatever objective, exposure
    and gain the rig has: what is tried is the rig, and not whether the model fits.

    Parameters
    ----------
    centre_um : (x, y)
        Place of the stage that shows the section's middle.
    um_per_px, model_um_per_px : float
        Of the rig and of the model.
    """

    def __init__(self, centre_um: tuple[float, float], um_per_px: float, model_um_per_px: float) -> None:
        self._phantom = PhantomScene(Specimen(1, "try", "S1", "high", day="try"))
        self._centre_um = centre_um
        self._scale = model_um_per_px / um_per_px
        self._um_per_px = model_um_per_px

    @property
    def provenance(self) -> dict[str, TagValue]:
        """Facts to record with a section, so that it is not taken for tissue."""
        return self._phantom.provenance

    def expect(self, shape_yx: tuple[int, int], stage_um: StageUm, um_per_px: float, orientation: Orientation) -> None:
        """Do nothing: a few fields need no preparation."""

    def paint(
        self,
        shape_yx: tuple[int, int],
        *,
        stage_um: StageUm | None,
        exposure_ms: float,
        em_gain: float | None,
        um_per_px: float,
        orientation: Orientation,
        seq: int,
    ) -> NDArray[np.uint16]:
        """Return the frame (y, x) that the phantom's camera takes there."""
        del exposure_ms, em_gain, um_per_px
        x_um, y_um = self._centre_um if stage_um is None else stage_um[:2]
        x_um, y_um = self._scale * (x_um - self._centre_um[0]), self._scale * (y_um - self._centre_um[1])
        return self._phantom.paint(
            shape_yx,
            stage_um=(x_um, y_um, None),
            exposure_ms=_EXPOSURE_MS,
            em_gain=1.0,
            um_per_px=self._um_per_px,
            orientation=orientation,
            seq=seq,
        )

    def close(self) -> None:
        """Let everything go."""
        self._phantom.close()
