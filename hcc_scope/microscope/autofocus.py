"""Focus an open microscope: move, look, decide (`hcc_scope.focus`), and go back where no height is accepted.

>>> autofocus = Autofocus(microscope)  # doctest: +SKIP
>>> autofocus.run(StopToken()).explanation  # doctest: +SKIP
'in focus at z = 0.12 um, -2.88 um from where it began'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.focus import FocusSettings
from hcc_scope.quality import QualityLimits

if TYPE_CHECKING:
    from hcc_scope.focus import FocusReading, FocusResult
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.protocols import StopSignal
    from hcc_scope.run_events import JsonValue

__all__ = ["Autofocus"]


class Autofocus:
    """Focuses a microscope, with the camera as it is set.

    Parameters
    ----------
    microscope : MicroManager
        Open; its opener closes it.
    scene : Scene, optional
        What the demo camera sees; refused for any other camera.
    settings : FocusSettings, optional
    limits : QualityLimits, optional
        What counts as tissue, and as saturated.
    tile_px : int
        Side of a tile.
    """

    def __init__(
        self,
        microscope: MicroManager,
        *,
        scene: Scene | None = None,
        settings: FocusSettings = FocusSettings(),  # noqa: B008 - frozen
        limits: QualityLimits = QualityLimits(),  # noqa: B008 - frozen
        tile_px: int = 512,
    ) -> None:
        self._microscope = microscope
        self._scene = scene
        self._settings = settings
        self._limits = limits
        self._tile_px = tile_px

    def run(self, stop: StopSignal, **facts: JsonValue) -> FocusResult:
        """Focus while the camera is free: a preview is ended, and nothing else may use the camera meanwhile.

        Parameters
        ----------
        stop : StopSignal
            Ends it at once; the focus drive is sent back to where it began.
        **facts
            Recorded with the event besides the curve.

        Raises
        ------
        CameraError
            If a section is being acquired, or no image comes in time.
        PlanError
            If there is no focus drive.
        DeviceError
            If a device fails or does not arrive, or was stopped in an emergency.
        Stopped
            If stop was requested.
        """
        with self._microscope.use.section():
            return self.run_in_section(stop, **facts)

    def run_in_section(self, stop: StopSignal, **facts: JsonValue) -> FocusResult:
        """Focus between two exposures of a section, which has the camera already; see `run`."""
        raise NotImplementedError

    def look(self, stop: StopSignal) -> FocusReading:
        """Take one frame where the focus drive is, and return its reading: for a focus coach."""
        raise NotImplementedError
