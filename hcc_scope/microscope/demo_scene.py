"""The scene that the demo camera shows in place of its test pattern, and which cameras may be given one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hcc_scope.errors import RigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.hardware import StageUm
    from hcc_scope.orientation import Orientation

__all__ = ["Scene", "is_demo", "refuse_to_paint"]

_DEMO_LIBRARY = "DemoCamera"


class Scene(Protocol):
    """What the demo camera sees in place of its own test pattern (`hcc_scope.microscope.phantom_scene`)."""

    def expect(self, shape_yx: tuple[int, int], stage_um: StageUm, um_per_px: float, orientation: Orientation) -> None:
        """Prepare the field at a place that will be painted soon."""

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
        """Return the frame (y, x) that a camera would take there."""

    def close(self) -> None:
        """End what prepares fields in the background; it begins again when needed. Idempotent."""


def is_demo(library: str) -> bool:
    """Return whether a device adapter library is Micro-Manager's demo."""
    return library == _DEMO_LIBRARY


def refuse_to_paint(library: str) -> None:
    """Refuse to paint tissue onto a real rig.

    Raises
    ------
    RigError
        If the camera's adapter is not the demo's.
    """
    if not is_demo(library):
        raise RigError(
            f"a phantom scene can only be shown to the DemoCamera, and this camera is a '{library}'",
            hint="Leave the phantom out to acquire from a real camera.",
        )
