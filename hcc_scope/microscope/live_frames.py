"""Live frames of a section by hand: the camera's newest image again and again, or one exposure per step of a script."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import CameraError
from hcc_scope.microscope.cleanup import Finally
from hcc_scope.microscope.stall import FrameWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from hcc_scope.by_hand import HandView
    from hcc_scope.microscope.camera import Shot
    from hcc_scope.microscope.hand_operator import HandOperator
    from hcc_scope.microscope.live_section import LiveSection
    from hcc_scope.protocols import StopSignal

__all__ = ["LiveFrames", "LiveShot"]

_LOOK_S = 0.05
"""Longest a wait for the next image keeps the core's thread."""


@dataclass(frozen=True, slots=True)
class LiveShot:
    """One live image."""

    shot: Shot
    t_s: float
    """When it was exposed, on the clock by which motion is measured."""
    after_pause: bool
    """Whether the specimen may have been moved unseen since the image before."""
    read_again: Callable[[], Shot] | None = None
    """Returns the image with what the devices report now; None if that was read after the exposure already."""


class LiveFrames:
    """Takes live images of a section until it is stopped, or the simulated operator is done.

    An image that comes while the one before it is still looked at is left out: the newest is what counts.

    Parameters
    ----------
    section : LiveSection
        Whose camera it is.
    operator : HandOperator, optional
        Who moves the specimen. The camera then exposes once for each step, so that a slow computer sees the same.
    view : callable
        Returns what the operator sees.
    """

    def __init__(
        self, section: LiveSection, operator: HandOperator | None, view: Callable[[], HandView | None]
    ) -> None:
        self._section = section
        self._operator = operator
        self._view = view

    def shots(self, stop: StopSignal) -> Generator[LiveShot, None, None]:
        """Yield one live image after the other.

        Raises
        ------
        CameraError, DeviceError
            If the camera delivers nothing in time, stops by itself, or a device fails.
        """
        return self._streamed(stop) if self._operator is None else self._stepped(stop, self._operator)

    def _stepped(self, stop: StopSignal, operator: HandOperator) -> Generator[LiveShot, None, None]:
        section, rig = self._section, self._section.rig
        watch = FrameWatch(rig.hardware)

        def step() -> tuple[float, Shot]:
            return operator.before_frame(self._view()), rig.camera.snap()

        while not operator.over:
            held_s = section.hold(stop)
            if stop.requested:
                return
            watch.begin("exposing")
            t_s, shot = section.camera("the exposure of", step, watch, stop)
            watch.frame(shot.t_mono_ns)
            yield LiveShot(shot, t_s, after_pause=held_s > 0)

    def _streamed(self, stop: StopSignal) -> Generator[LiveShot, None, None]:
        section, rig = self._section, self._section.rig
        watch = FrameWatch(rig.hardware)
        after_pause = False
        while True:
            after_pause |= section.hold(stop) > 0
            if stop.requested:
                return
            watch.begin("being asked for its settings")
            section.camera("asking", rig.hardware.slow, watch, stop)
            watch.begin("starting a sequence")
            with Finally(section.stop_camera, "stopping the camera"):
                # Not to be left half-way: what starts the camera must be there to stop it.
                section.camera("starting", rig.camera.start_overwriting, watch)
                for shot in self._newest(watch, stop):
                    read_again = partial(section.camera, "asking", partial(self._read_again, shot), watch, stop)
                    yield LiveShot(shot, shot.t_mono_ns / 1e9, after_pause, read_again)
                    after_pause = False

    def _read_again(self, shot: Shot) -> Shot:
        """Ask the devices again, in the core's thread: what a running sequence reports may be a second old."""
        hardware = self._section.rig.hardware
        return replace(shot, readback=hardware.read(), stage_um=hardware.stage_um())

    def _newest(self, watch: FrameWatch, stop: StopSignal) -> Iterator[Shot]:
        """Yield images of the running camera until the section is paused or stopped."""
        section, camera = self._section, self._section.rig.camera
        while not (stop.requested or stop.paused):
            shot = section.camera("looking through", partial(camera.newest, _LOOK_S), watch, stop)
            if shot is not None:
                watch.frame(shot.t_mono_ns)
                yield shot
                continue
            waiting, running, _ = section.camera("asking", camera.state, watch, stop)
            if not running:
                raise CameraError(f"camera '{section.rig.hardware.camera}' stopped by itself during the section")
            watch.none_yet(running=running, waiting=waiting)
