"""A live picture: the camera's newest image, again and again, without taking any out of its buffer.

The buffer is in another mode than for data: it overwrites its oldest images, so it never overflows and nothing has to
keep up. What is shown is not stored. A section ends a preview, and lets none begin
(`hcc_scope.microscope.camera_lease`).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.clocks import Patience
from hcc_scope.errors import CameraError
from hcc_scope.formatting import counted
from hcc_scope.microscope.backend import own_pixels
from hcc_scope.microscope.core_thread import Stopped
from hcc_scope.microscope.demo_scene import refuse_to_paint
from hcc_scope.microscope.stall import STALL_HINT, stall_limit_s
from hcc_scope.orientation import Orientation
from hcc_scope.types import Frame
from hcc_scope.workers import ErrorLatch, Failure, LatestSlot, StopToken, Worker, attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["Preview"]

_SHORTEST_S = 1 / 30
"""Time between two looks at the camera's buffer: no one sees more than 30 pictures a second."""


class Preview:
    """Looks through a microscope's camera. `start` and `stop` as often as wanted, from any thread that may wait.

    Parameters
    ----------
    microscope : MicroManager
        Open; its opener closes it, which ends the preview too.
    scene : Scene, optional
        Replaces the demo camera's pixels; refused for any other camera.

    Raises
    ------
    RigError
        If a scene is given and the camera is a real one.
    """

    def __init__(self, microscope: MicroManager, scene: Scene | None = None) -> None:
        self._microscope = microscope
        self._scene = scene
        self._slot: LatestSlot[Frame] = LatestSlot()
        self._errors = ErrorLatch()
        self._stop = StopToken()
        self._worker: Worker | None = None
        self._seq = 0
        self._orientation = Orientation()
        self._seen: tuple[int, NDArray[np.uint16] | None] = (0, None)
        """Images in the camera's buffer at the last look, and the newest of them."""
        self._silent = Patience()
        self._interval_s = 0.0
        """How long the last image took to come."""
        self._painting = threading.Lock()
        self._life = threading.RLock()
        """Held while it begins or ends: an end must not come in between."""
        if scene is not None:
            refuse_to_paint(microscope.facts().library)
        microscope.scene = scene

    @property
    def running(self) -> bool:
        """Whether pictures are coming."""
        return self._worker is not None and self._worker.alive

    @property
    def error(self) -> BaseException | None:
        """Why the last preview ended by itself, or None."""
        return self._errors.error

    def start(self, exposure_ms: float | None = None) -> None:
        """Begin; does nothing if it runs already.

        Parameters
        ----------
        exposure_ms : float, optional
            As the camera is set, if not given.

        Raises
        ------
        CameraError
            If a section is being acquired, another preview is shown, or the camera's images are not grey.
        DeviceError
            If the camera refuses.
        """
        with self._life:
            if not self.running:
                self._start(exposure_ms)

    def _start(self, exposure_ms: float | None) -> None:
        microscope = self._microscope
        self.stop()  # what is left of one that ended by itself
        microscope.use.begin_preview(self)
        begun = attempt(lambda: microscope.thread.call("starting the preview", partial(self._begin, exposure_ms)))
        if isinstance(begun, Failure):
            microscope.use.forget_preview(self)
            raise begun.error
        self._errors, self._stop = ErrorLatch(), StopToken()
        self._worker = Worker("preview", self._look, self._errors.set)
        self._worker.start()

    def _begin(self, exposure_ms: float | None) -> None:
        hardware, backend = self._microscope.hardware, self._microscope.backend
        self._look_up()
        hardware.need_grey()
        if exposure_ms is not None:
            backend.ask(f"setting the exposure of camera '{hardware.camera}'", "set_exposure", exposure_ms)
        hardware.changed()
        self._start_camera()

    def _look_up(self) -> None:
        """Use the present camera: another device may have become the camera."""
        if self._microscope.use.state == "free":
            self._microscope.hardware.look_up()

    def _start_camera(self) -> None:
        self._seen, self._interval_s = (0, None), 0.0
        self._silent.restart()
        camera = self._microscope.hardware.camera
        self._microscope.backend.ask(f"starting camera '{camera}'", "start_continuous_sequence_acquisition", 0.0)

    def _stop_camera(self) -> None:
        self._microscope.camera.stop()

    def latest(self) -> Frame | None:
        """Return the newest picture, its pixels its own; None before the first. Waits for nothing.

        After `stop` it is the last one that was shown.
        """
        return self._slot.get()

    def snap(self) -> Frame:
        """Expose once and return that frame; a running preview then continues.

        Raises
        ------
        CameraError
            If a section is being acquired, or no image comes in time.
        DeviceError
            If the camera refuses.
        """
        self._microscope.use.refuse_during_section()
        exposure_s = self._microscope.hardware.exposure_ms / 1000
        frame = self._microscope.thread.call("taking one picture", self._snap, timeout_s=stall_limit_s(exposure_s))
        frame = self._painted(frame)
        self._slot.put(frame)
        return frame

    def _snap(self) -> Frame:
        self._microscope.use.refuse_during_section()  # again: one may have begun while this waited for its turn
        hardware = self._microscope.hardware
        self._look_up()
        hardware.need_grey()
        with self._microscope.use.at_rest():
            shot = self._microscope.camera.snap()
        return self._frame(shot.pixels, shot.t_mono_ns, shot.t_utc)

    def stop(self) -> None:
        """End; does nothing if it does not run. Waits for the camera."""
        with self._life:
            self._stop.request()
            worker, self._worker = self._worker, None
            if worker is None:
                return
            worker.join()
            if self._scene is not None:
                self._scene.close()
            exposure_s = self._microscope.hardware.exposure_ms / 1000
            try:
                self._microscope.thread.call(
                    "ending the preview", self._stop_camera, timeout_s=stall_limit_s(exposure_s)
                )
            finally:
                self._microscope.use.forget_preview(self)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the camera for something that it only takes at rest. In the core's thread."""
        running = self.running
        if running:
            self._stop_camera()
        try:
            yield
        finally:
            if running:
                self._start_camera()

    # --- looking ---

    def _look(self) -> None:
        """Body of the preview's thread: one look after the other, until `stop` or an error."""
        while not self._stop.requested:
            began = time.monotonic()
            try:
                frame = self._microscope.thread.call("looking through the camera", self._newest, stop=self._stop)
            except Stopped:
                return
            exposure_s = self._microscope.hardware.exposure_ms / 1000
            if frame is not None:
                self._slot.put(self._painted(frame))
            self._stop.wait(max(0.001, began + max(_SHORTEST_S, min(exposure_s, 0.5)) - time.monotonic()))

    def _newest(self) -> Frame | None:
        """Return the newest image; None before the first. In the core's thread."""
        hardware, backend = self._microscope.hardware, self._microscope.backend
        what = f"asking camera '{hardware.camera}'"
        if not backend.ask(what, "is_sequence_running"):
            raise CameraError(f"camera '{hardware.camera}' stopped by itself during the preview")
        waiting = int(backend.ask(what, "get_remaining_image_count"))
        pixels = backend.last() if waiting else None
        frame = None if pixels is None else self._frame(pixels, time.monotonic_ns(), datetime.now(UTC))
        self._check_alive(frame, waiting)
        return frame

    def _check_alive(self, frame: Frame | None, waiting: int) -> None:
        """Raise `CameraError` if the camera delivers nothing any more: the newest image then is an old one."""
        n_before, pixels_before = self._seen
        silent_s = self._silent.spent_s()
        if frame is not None and (
            # a buffer that has room for one image only always holds one
            waiting != n_before or pixels_before is None or not np.array_equal(frame.pixels, pixels_before)
        ):
            self._seen = waiting, frame.pixels
            self._interval_s = silent_s if pixels_before is not None else 0.0
            self._silent.restart()
            return
        hardware = self._microscope.hardware
        if silent_s > stall_limit_s(max(hardware.exposure_ms / 1000, self._interval_s)):
            raise CameraError(
                f"camera '{hardware.camera}' delivered no picture within {silent_s:.1f} s (last state: sequence"
                f" running, {counted(waiting, 'image')} in its buffer, exposure {hardware.exposure_ms:g} ms)",
                hint=STALL_HINT,
            )

    def _frame(self, pixels: NDArray[Any], t_mono_ns: int, t_utc: datetime) -> Frame:
        hardware = self._microscope.hardware
        readback = hardware.slow()
        self._orientation = readback.orientation
        seq, self._seq = self._seq, self._seq + 1
        return Frame(
            seq=seq,
            pixels=own_pixels(pixels, readback.bit_depth),
            t_mono_ns=t_mono_ns,
            t_utc=t_utc,
            exposure_ms=readback.exposure_ms,
            section_id="",
            em_gain=readback.em_gain,
            stage_um=hardware.stage_now_and_then(),
            pixel_size_um=readback.pixel_size_um,
            bit_depth=readback.bit_depth,
            temperature_c=readback.temperature_c,
            objective=readback.objective,
            tags={"preview": True},
        )

    def _painted(self, frame: Frame) -> Frame:
        """Return the frame as the scene's camera sees it; painted outside the core's thread, which has other work."""
        if self._scene is None or not frame.pixel_size_um:
            return frame
        height, width = frame.pixels.shape
        with self._painting:
            pixels = self._scene.paint(
                (height, width),
                stage_um=frame.stage_um,
                exposure_ms=frame.exposure_ms,
                em_gain=frame.em_gain,
                um_per_px=frame.pixel_size_um,
                orientation=self._orientation,
                seq=frame.seq,
            )
        pixels.flags.writeable = False
        return replace(frame, pixels=pixels)
