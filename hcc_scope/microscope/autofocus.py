"""Focus an open microscope: move, look, decide (`hcc_scope.focus`), and go back where no height is accepted.

>>> autofocus = Autofocus(microscope)  # doctest: +SKIP
>>> autofocus.run(StopToken()).explanation  # doctest: +SKIP
'in focus at z = 0.12 um, -2.88 um from where it began'

Every height is approached from below, so that the play of the drive is the same in every frame, and what counts is the
height that the drive reports once the frame was taken. No move leads beyond the rig's limits.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError
from hcc_scope.focus import FocusSettings, find_focus, read_focus
from hcc_scope.focus.record import ENDED
from hcc_scope.microscope.backend import own_pixels
from hcc_scope.microscope.cleanup import Finally
from hcc_scope.microscope.core_thread import Stopped
from hcc_scope.microscope.demo_scene import refuse_to_paint
from hcc_scope.microscope.section_ends import put_settings_back
from hcc_scope.microscope.stall import stall_limit_s
from hcc_scope.quality import QualityLimits
from hcc_scope.tiling import TileGrid
from hcc_scope.workers import Failure, StopToken, attempt

if TYPE_CHECKING:
    from hcc_scope.focus import FocusReading, FocusResult
    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.protocols import StopSignal
    from hcc_scope.run_events import JsonValue

__all__ = ["Autofocus"]

_GRACE_S = 0.5
"""How long a move or an exposure that is under way may still take once stop was requested."""
_TURN_S = 1.0
"""How long the way back waits, after an error or a stop, for an exposure that is under way; it comes in any case."""
_RETURN_S = 5.0
"""How long it may then take."""
_PAINTED_FROM = 1_000_000_000
"""Number of the first frame of a painted scene, which decides its noise: none of a section has it."""


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
        self._frames = 0

    def run(self, stop: StopSignal, *, keep: bool = True, **facts: JsonValue) -> FocusResult:
        """Focus while the camera is free: a preview is ended, and no section may begin meanwhile.

        Parameters
        ----------
        stop : StopSignal
            Ends it at once; the focus drive is sent back to where it began.
        keep : bool
            Whether the focus drive stays at a height that is accepted.
        **facts
            Recorded with the event besides the curve.

        Raises
        ------
        CameraError
            If a section is being acquired, or no image comes in time.
        PlanError
            If there is no focus drive.
        FrameSizeError
            If the camera's image is smaller than one tile.
        DeviceError
            If a device fails or does not arrive, or was stopped in an emergency.
        Stopped
            If stop was requested.
        """
        microscope, hardware = self._microscope, self._microscope.hardware
        prepare = partial(hardware.prepare, None, None, hardware.halts)  # an emergency stop from now on counts
        with microscope.use.section(), Finally(partial(put_settings_back, microscope), "putting settings back"):
            microscope.thread.call("preparing the devices", prepare, stop=stop)
            return self.run_in_section(stop, keep=keep, **facts)

    def run_in_section(self, stop: StopSignal, *, keep: bool = True, **facts: JsonValue) -> FocusResult:
        """Focus between two exposures of a section, which has the camera already; see `run`."""
        microscope, hardware = self._microscope, self._microscope.hardware
        began_um, shape_yx = microscope.thread.call("asking the devices", self._begin, stop=stop)
        grid = TileGrid.for_frame(shape_yx, self._tile_px)
        span_um = None if microscope.limits is None else microscope.limits.z_um
        # with a backlash in the rig file, every move ends from below already (`hcc_scope.microscope.moves`)
        play_um = 0.0 if microscope.handling.backlash_z_um else self._settings.coarse_step_um
        drive = _Approach(self._settings, play_um, span_um, began_um)
        halts = hardware.halts

        def read_at(z_um: float) -> FocusReading:
            self._go(drive, z_um, stop)
            return self._look(grid, stop)

        found = attempt(lambda: find_focus(read_at, began_um, span_um, self._settings))
        error = found.error if isinstance(found, Failure) else None
        if drive.moved and (isinstance(found, Failure) or not (found.accepted and keep)):
            error = self._back(drive, began_um, stop, halts, error)
        if isinstance(found, Failure):
            facts = {"accepted": False, "reason": ENDED, "began_um": began_um, **facts}
        else:
            facts = {**found.as_facts(), **facts}
        if error is not None:
            facts["error"] = _words(error)
        microscope.events.add("focus", **facts)
        if isinstance(found, Failure):
            raise found.error
        if error is not None:
            raise error
        return found

    def _back(
        self, drive: _Approach, began_um: float, stop: StopSignal, halts: int, error: BaseException | None
    ) -> BaseException | None:
        """Bring the focus drive back after a search that has ended with this error, if any; return how it ends now."""
        on_the_way = None
        if error is None:
            returned = attempt(lambda: self._go(drive, began_um, stop))
            if not isinstance(returned, Failure):
                return None
            error = on_the_way = returned.error
        if self._microscope.hardware.halts != halts:  # after an emergency nothing moves by itself
            return error
        again = attempt(lambda: self._surely_back(drive, began_um, halts))
        if isinstance(again, Failure):
            error.add_note(f"then, bringing the focus back to z = {began_um:g} um: {again.error}")
        elif on_the_way is not None and not isinstance(on_the_way, Stopped):
            return None
        return error

    def _surely_back(self, drive: _Approach, began_um: float, halts: int) -> None:
        """Bring the focus drive back, later if the call that is under way does not end soon.

        Raises
        ------
        DeviceError
            If it is not there yet, or does not arrive.
        """
        hardware = self._microscope.hardware
        way, outcomes = drive.way(began_um), list[bool | Failure]()

        def back() -> None:
            if hardware.halts == halts:
                outcomes.append(attempt(lambda: all(hardware.apply({"z": z_um}, StopToken()) for z_um in way)))

        what = "bringing the focus back"
        if not self._microscope.thread.finish(what, back, turn_s=_TURN_S, end_s=_RETURN_S):
            raise DeviceError("it is not there yet, and goes there as soon as the devices let it")
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                raise outcome.error
        drive.at_um = began_um

    # --- in the core's thread ---

    def _begin(self) -> tuple[float, tuple[int, int]]:
        """Return where the focus drive is, and the size of the camera's image."""
        hardware = self._microscope.hardware
        hardware.need_focus()
        shape_yx, _bit_depth = hardware.need_grey()
        if self._scene is not None:
            refuse_to_paint(hardware.facts().library)
        hardware.read()  # the exposure, for the wait
        return self._z_um(), shape_yx

    def _z_um(self) -> float:
        """Return where the focus drive reports to be."""
        focus = self._microscope.hardware.focus
        z_um = float(self._microscope.backend.ask(f"reading focus '{focus}'", "get_position", focus))
        if not math.isfinite(z_um):
            raise DeviceError(
                f"'{focus}' reports that it is at z = {z_um}, which is no position",
                hint="Check that it is on, connected and homed.",
            )
        return round(z_um, 6) + 0.0

    def _snap(self) -> tuple[Shot, float]:
        return self._microscope.camera.snap(), self._z_um()

    # --- moving and looking ---

    def _go(self, drive: _Approach, z_um: float, stop: StopSignal) -> None:
        """Bring the focus drive to a height from below, and wait until it is there and at rest.

        Raises
        ------
        Stopped
            If stop was requested on the way.
        """
        microscope = self._microscope
        for step_um in drive.way(z_um):
            arrived = microscope.thread.call(
                "moving the focus",
                partial(microscope.hardware.apply, {"z": step_um}, stop),
                stop=stop,
                grace_s=_GRACE_S,
            )
            if not arrived:
                raise Stopped
        drive.at_um = z_um

    def _look(self, grid: TileGrid, stop: StopSignal) -> FocusReading:
        """Take a frame where the focus drive is, and measure it."""
        microscope, hardware = self._microscope, self._microscope.hardware
        exposure_s = hardware.exposure_ms / 1000
        shot, z_um = microscope.thread.call(
            f"the exposure of camera '{hardware.camera}'",
            self._snap,
            stop=stop,
            grace_s=_GRACE_S,
            timeout_s=stall_limit_s(exposure_s),
        )
        bit_depth = shot.readback.bit_depth
        pixels = own_pixels(shot.pixels, bit_depth)
        if self._scene is not None:
            pixels = self._scene.paint(
                grid.frame_shape_yx,
                stage_um=shot.stage_um or (0.0, 0.0, z_um),
                exposure_ms=shot.readback.exposure_ms,
                em_gain=shot.readback.em_gain,
                um_per_px=shot.readback.pixel_size_um,
                orientation=shot.readback.orientation,
                seq=_PAINTED_FROM + self._frames,
            )
        self._frames += 1
        return read_focus(pixels, grid, self._limits, bit_depth, z_um)


class _Approach:
    """The way to each height: from below, so that the play of the drive does not count."""

    def __init__(
        self, settings: FocusSettings, play_um: float, span_um: tuple[float, float] | None, began_um: float
    ) -> None:
        self._play_um = play_um
        lowest_um = began_um - settings.reach_um - settings.coarse_step_um
        self._lowest_um = lowest_um if span_um is None else max(lowest_um, span_um[0])
        self.at_um = math.inf
        """Where the drive is; unknown at first and after an error, and then taken for above."""
        self.moved = False
        """Whether it was sent anywhere."""

    def way(self, z_um: float) -> tuple[float, ...]:
        """Return the heights to go to: below the target first, unless the drive comes from there."""
        self.moved = True
        at_um, self.at_um = self.at_um, math.inf
        if z_um >= at_um or not self._play_um:
            return (z_um,)
        return (min(z_um, max(z_um - self._play_um, self._lowest_um)), z_um)


def _words(error: BaseException) -> str:
    """Return what an error reports, as half a sentence."""
    if isinstance(error, Stopped):
        first = "it was stopped"
    else:
        first = getattr(error, "message", None) or str(error) or type(error).__name__
    return "; ".join([first, *getattr(error, "__notes__", ())])
