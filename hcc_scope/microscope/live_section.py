"""The devices of one live section: prepared, used, read back, and left as they were found."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from hcc_scope.errors import CameraError
from hcc_scope.microscope.backend import own_pixels
from hcc_scope.microscope.cleanup import ALREADY, Finally
from hcc_scope.microscope.core_thread import Stopped
from hcc_scope.microscope.demo_scene import refuse_to_paint
from hcc_scope.microscope.limits import check_plan_exposure, em_gain_warning
from hcc_scope.microscope.section_ends import abandon_section, begin_section, end_section
from hcc_scope.microscope.sensor_care import cooler_concern, report_cooler
from hcc_scope.microscope.shot_frames import check_unchanged
from hcc_scope.number_text import plain_number
from hcc_scope.readings import LAMP_TAG
from hcc_scope.types import RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.hardware import CameraFacts
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.stall import FrameWatch
    from hcc_scope.protocols import StopSignal
    from hcc_scope.types import Sampling, TagValue

__all__ = ["GRACE_S", "LiveSection"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

GRACE_S = 0.5
"""How long an exposure that is under way may still take once stop was requested."""


class LiveSection:
    """The devices of one section. Making one prepares them: the preset and the exposure are set; nothing moves.

    Parameters
    ----------
    rig : MicroManager
        Opened; it stays open.
    config_group : (group, preset) or None
        Applied first: the pixel size may depend on it.
    exposure_ms : float or None
        None leaves the camera's own.
    scene : Scene, optional
        Replaces the demo camera's pixels; refused for any other camera.

    Raises
    ------
    CameraError, ConfigError
        If the camera cannot be used or takes another exposure, or the pixel size is unknown.
    PlanError
        If the exposure is beyond the rig file's limits, or there is no such preset.
    RigError
        If a scene is given and the camera is a real one.
    """

    def __init__(
        self,
        rig: MicroManager,
        *,
        config_group: tuple[str, str] | None = None,
        exposure_ms: float | None = None,
        scene: Scene | None = None,
    ) -> None:
        self.rig = rig
        self.scene = scene
        self.remark: Callable[[str], None] = _log.warning
        """Takes what deviates from the request although the run continues."""
        self._settings = config_group, exposure_ms
        self._lamp_level: TagValue = None
        check_plan_exposure(exposure_ms, rig.handling)
        self._halts = rig.hardware.halts
        """An emergency stop from now on counts, also one before the first move."""
        rig.use.release_for_section()
        self._prepared = True
        begin_section(rig)
        rig.thread.call("preparing the devices", partial(rig.hardware.prepare, config_group, exposure_ms))
        self.facts = rig.facts()
        """What the camera delivers, as promised to the store."""
        self._refuse_to_paint(self.facts)

    def show_scene(self) -> None:
        """Let others who look through the camera see the scene too."""
        self.rig.scene = self.scene

    def check_camera_limits(self) -> tuple[str, ...]:
        """Refuse an exposure beyond the rig file's limits that was left as it was; return what a person must know."""
        rig = self.rig
        now = rig.thread.call("asking the camera", rig.hardware.read)
        check_plan_exposure(now.exposure_ms, rig.handling, as_taken=True)
        warnings = [cooler_concern(now.temperature_c, now.temperature_set_point_c)]
        warning = em_gain_warning(now.em_gain, rig.handling)
        if warning is not None:
            rig.events.add("reading", name="em_gain", value=now.em_gain, warning=warning)
        warnings.append(warning)
        return tuple(one for one in warnings if one is not None)

    def spec(
        self,
        *,
        animal_id: str,
        section_id: str,
        tile_px: int,
        sampling: Sampling,
        expected_frames: int | None,
        model_sha256: str | None,
        software: Mapping[str, str] | None,
        provenance: Mapping[str, TagValue] | None,
        how: Mapping[str, TagValue],
    ) -> RunSpec:
        """Return what is known before the first frame; `how` the fields are chosen goes into its provenance, too."""
        rig, facts = self.rig, self.facts
        return RunSpec(
            frame_shape_yx=facts.shape_yx,
            bit_depth=facts.bit_depth,
            pixel_size_um=facts.pixel_size_um,
            animal_id=animal_id,
            section_id=section_id,
            tile_px=tile_px,
            camera_axes=facts.orientation.matrix,
            sampling=sampling,
            expected_frames=expected_frames,
            model_sha256=model_sha256,
            rig_sha256=rig.rig_sha256,
            software={**rig.versions, **(software or {})},
            provenance={
                **(provenance or {}),
                **({} if rig.rig_name is None else {"rig": rig.rig_name}),
                "camera": facts.label,
                "camera_library": facts.library,
                **how,
            },
        )

    def _refuse_to_paint(self, facts: CameraFacts) -> None:
        """Refuse to paint tissue onto a real rig."""
        if self.scene is not None:
            refuse_to_paint(facts.library)

    # --- while it runs ---

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the camera; put settings back at the end. A stop during a call of the core ends it quietly.

        Raises
        ------
        CameraError
            If another section has the camera.
        """
        try:
            with self.rig.use.section(), Finally(self._end, "putting settings back"):
                yield
        except Stopped:
            return
        finally:
            if self.scene is not None:
                self.scene.close()

    def _end(self) -> None:
        self._prepared = False
        end_section(self.rig, self.remark)

    def put_back(self) -> None:
        """Put back the settings that this section has changed; for one that never began. Idempotent."""
        if self._prepared:
            self._prepared = False
            abandon_section(self.rig)

    def begin(self, stop: StopSignal) -> None:
        """Look again, before anything is painted or exposed: something may have been changed since it was made.

        Raises
        ------
        CameraError
            If the frames would not be what was promised.
        """
        rig, promised = self.rig, self.facts
        prepare = partial(rig.hardware.prepare, *self._settings, self._halts)
        rig.thread.call("preparing the devices", prepare, stop=stop)
        facts = rig.thread.call("asking the camera", rig.hardware.facts, stop=stop)
        self._refuse_to_paint(facts)
        self._lamp_level = rig.thread.call("reading the lamp", self._read_lamp, stop=stop)
        report_cooler(rig)
        rig.camera.begin_run()
        if (facts.shape_yx, facts.pixel_size_um, facts.orientation.matrix, facts.bit_depth) != (
            promised.shape_yx,
            promised.pixel_size_um,
            promised.orientation.matrix,
            promised.bit_depth,
        ):
            raise CameraError("the camera's image or pixel size or bit depth has changed since the run was prepared")

    def _read_lamp(self) -> TagValue:
        """Return the level of the lamp that the rig file names; None where it names none, or the rig has none."""
        handling, ask = self.rig.handling, self.rig.backend.ask
        device, name = handling.lamp, handling.lamp_level
        what = "reading the lamp"
        if device is None or name is None or device not in self.rig.backend.labels("get_loaded_devices"):
            return None
        if not ask(what, "has_property", device, name):
            return None
        text = str(ask(what, "get_property", device, name))
        number = plain_number(text)
        return text if number is None else number

    @property
    def tags(self) -> dict[str, TagValue]:
        """What was read once and holds for every frame."""
        return {} if self._lamp_level is None else {LAMP_TAG: self._lamp_level}

    def objective(self) -> str | None:
        """Return the label of the objective in use; None if no device reports it."""
        return self.rig.thread.call("reading the objective", self.rig.hardware.objective)

    def hold(self, stop: StopSignal) -> float:
        """Stand still while the run is paused, and let others look through the camera; return for how many s."""
        if not stop.paused:
            return 0.0
        began = time.monotonic()
        with self.rig.use.pause():
            stop.wait_while_paused()
        return time.monotonic() - began

    def camera(self, what: str, body: Callable[[], T], watch: FrameWatch, stop: StopSignal | None = None) -> T:
        """Have the camera do something; `what` is the first half of a sentence about it."""
        return self.rig.thread.call(
            f"{what} camera '{self.rig.hardware.camera}'",
            body,
            stop=stop,
            grace_s=GRACE_S,
            timeout_s=watch.limit_s,
            last_state=watch.last_state,
        )

    def stop_camera(self) -> None:
        """Stop the camera; one in the middle of a long exposure is left to end it, and the next call waits for it."""
        with suppress(Stopped):
            self.rig.thread.call("stopping the camera", self.rig.camera.stop, stop=ALREADY, grace_s=GRACE_S)

    def checked_pixels(self, shot: Shot, spec: RunSpec) -> NDArray[np.uint16]:
        """Return an exposure's pixels (y, x), owned, as the camera delivered them.

        Raises
        ------
        RigError, CameraError
            If the state of the devices, or the size of the image, is no longer that of the run.
        """
        check_unchanged(shot.readback, spec)
        pixels = own_pixels(shot.pixels, shot.readback.bit_depth)
        if pixels.shape != spec.frame_shape_yx:
            raise CameraError(f"the image size changed from {spec.frame_shape_yx} to {pixels.shape} during the run")
        return pixels

    def painted(self, pixels: NDArray[np.uint16], shot: Shot, number: int) -> NDArray[np.uint16]:
        """Return the scene's pixels in place of the demo camera's, if there is a scene; not in the core's thread.

        Parameters
        ----------
        pixels : (y, x) uint16
        shot : Shot
            The exposure.
        number : int
            Of the exposure in the run, which decides its noise.
        """
        readback = shot.readback
        if self.scene is None or not readback.pixel_size_um:
            return pixels
        height, width = pixels.shape
        seen = self.scene.paint(
            (height, width),
            stage_um=shot.stage_um,
            exposure_ms=readback.exposure_ms,
            em_gain=readback.em_gain,
            um_per_px=readback.pixel_size_um,
            orientation=readback.orientation,
            seq=number,
        )
        seen.flags.writeable = False
        return seen
