"""The simulated operator of a demo rig: a hand that moves the DemoCamera's stage and focus drive between live frames.

The devices move for real and are read back; they need no role in the configuration, so that the rig is one without a
stage for everything else. Where they are is known to the operator and the scene alone.

>>> operator = SimulatedOperator(rig, PlayedScript(script))  # doctest: +SKIP
>>> scene = HandScene(specimen, operator, Optics(n_dirt=20))  # doctest: +SKIP
>>> source = HandSource(rig, animal_id="m1", section_id="s1", scene=scene, operator=operator)  # doctest: +SKIP
>>> operator.commands = source  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import RigError
from hcc_scope.microscope.demo_scene import is_demo
from hcc_scope.microscope.phantom_scene import noise_seed
from hcc_scope.phantom.hand_play import Screen
from hcc_scope.phantom.live_picture import LivePicture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.by_hand import HandCommands, HandView
    from hcc_scope.microscope.hardware import StageUm
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.orientation import Orientation
    from hcc_scope.phantom import CameraPhysics, Specimen
    from hcc_scope.phantom.hand_motion import Pose
    from hcc_scope.phantom.hand_play import Ask, PlayedHand
    from hcc_scope.phantom.live_picture import Optics

__all__ = ["HandCapture", "HandScene", "SimulatedOperator"]

_STAGE, _XY_STAGE = 5, 6
"""Micro-Manager's numbers for a drive along one axis and an XY stage (MM::DeviceType)."""


@dataclass(frozen=True, slots=True)
class HandCapture:
    """A field that was captured, with the truth of its frame."""

    seq: int
    """Its number in the store."""
    pose: Pose


class SimulatedOperator:
    """Moves the specimen as a hand does; a `hcc_scope.microscope.hand_operator.HandOperator`.

    Parameters
    ----------
    rig : MicroManager
        Open, with the DemoCamera's camera, XY stage and focus drive.
    hand : PlayedHand
    xy_stage, focus : str, optional
        Labels; the first device of that kind, without them.

    Raises
    ------
    RigError
        If one of the devices is missing or is no demo device.
    """

    def __init__(
        self, rig: MicroManager, hand: PlayedHand, *, xy_stage: str | None = None, focus: str | None = None
    ) -> None:
        self.hand = hand
        self.commands: HandCommands | None = None
        """What the hand presses buttons of; None: it presses none."""
        self.captures: list[HandCapture] = []
        """Of every field that was captured so far, undone ones included."""
        self.poses: list[Pose] = []
        """The truth of every live frame so far, with the positions that the devices read back."""
        self._backend = rig.backend
        self._xy, self._z = rig.thread.call(
            "looking for the demo's stage", partial(self._find, rig.hardware.camera, xy_stage, focus)
        )
        self._captured_seq: int | None = None

    def _find(self, camera: str, xy_stage: str | None, focus: str | None) -> tuple[str, str]:
        """Return the labels of the demo's XY stage and focus drive."""
        ask, backend = self._backend.ask, self._backend
        loaded = backend.labels("get_loaded_devices")

        def demo_device(kind: int, given: str | None, what: str) -> str:
            for label in loaded:
                if given not in (None, label) or label == "Core" or backend.number("get_device_type", label) != kind:
                    continue
                if is_demo(ask("asking for a device's adapter", "get_device_library", label)):
                    return label
            raise RigError(
                f"the simulated operator moves the DemoCamera's {what}, and this configuration has none"
                + (f" with the label '{given}'" if given is not None else ""),
                hint="Use the rig 'demo-by-hand', or let a person move the stand.",
            )

        library = ask("asking for the camera's adapter", "get_device_library", camera)
        if not is_demo(library):
            raise RigError(
                f"the simulated operator plays before the DemoCamera alone, and this camera is a '{library}'",
                hint="Leave it out: a person moves the stand.",
            )
        return demo_device(_XY_STAGE, xy_stage, "XY stage"), demo_device(_STAGE, focus, "focus drive")

    def before_frame(self, view: HandView | None) -> float:
        """Move to where the hand is at the next exposure. In the core's thread; returns the hand's time in s."""
        self._note_capture(view)
        pose = self.hand.next(_screen(view))
        for ask in self.hand.take_asks():
            self._press(ask)
        what, ask_core = "moving the demo's stage", self._backend.ask
        ask_core(what, "set_xy_position", self._xy, pose.x_um, pose.y_um)
        ask_core(what, "set_position", self._z, pose.z_um)
        ask_core(what, "wait_for_device", self._xy)
        ask_core(what, "wait_for_device", self._z)
        self.poses.append(
            replace(
                pose,
                x_um=float(ask_core(what, "get_x_position", self._xy)),
                y_um=float(ask_core(what, "get_y_position", self._xy)),
                z_um=float(ask_core(what, "get_position", self._z)),
            )
        )
        return pose.t_s

    @property
    def over(self) -> bool:
        """Whether the hand is done."""
        return self.hand.over

    def _note_capture(self, view: HandView | None) -> None:
        if view is not None and view.captured_seq is not None and view.captured_seq != self._captured_seq:
            self._captured_seq = view.captured_seq
            self.captures.append(HandCapture(view.captured_seq, self.poses[-1]))

    def close(self, view: HandView | None) -> None:
        """Take note of a capture in the very last frame."""
        self._note_capture(view)

    def _press(self, ask: Ask) -> None:
        if self.commands is None:
            return
        match ask:
            case "close outline":
                self.commands.close_outline()
            case "draw fields":
                self.commands.draw_fields()
            case "skip: bare glass":
                self.commands.skip_target("bare glass")
            case "skip: not reachable":
                self.commands.skip_target("not reachable")


def _screen(view: HandView | None) -> Screen:
    """Return what a person sees of it."""
    if view is None:
        return Screen()
    guidance = view.guidance
    return Screen(
        phase=view.phase,
        known=view.track.state == "tracking",
        n_captured=view.n_captured,
        target=None if guidance is None else guidance.target,
        arrow_fields=None if guidance is None else guidance.arrow_fields,
        within=guidance is not None and guidance.within,
    )


class HandScene:
    """What the demo camera sees while a hand moves the specimen; a `hcc_scope.microscope.demo_scene.Scene`.

    Parameters
    ----------
    specimen : Specimen
    operator : SimulatedOperator
        Who moves it.
    optics : Optics, optional
        What is wrong with the light's way.
    physics : CameraPhysics, optional
        The camera that takes the place of the demo camera's sensor.
    """

    def __init__(
        self,
        specimen: Specimen,
        operator: SimulatedOperator,
        optics: Optics | None = None,
        physics: CameraPhysics | None = None,
    ) -> None:
        self.specimen = specimen
        self._operator = operator
        self._optics = optics
        self._physics = physics
        self._picture: LivePicture | None = None
        self._painted_for: tuple[tuple[int, int], float, Orientation] | None = None

    def expect(self, shape_yx: tuple[int, int], stage_um: StageUm, um_per_px: float, orientation: Orientation) -> None:
        """Prepare nothing: only the hand knows where it goes."""

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
        """Return the frame (y, x) that a camera takes at the operator's last pose; parameters of `Scene.paint`."""
        pose = self._operator.poses[-1]
        if (shape_yx, um_per_px, orientation) != self._painted_for or self._picture is None:
            self._painted_for = (shape_yx, um_per_px, orientation)
            self._picture = LivePicture(
                self.specimen, shape_yx, um_per_px, optics=self._optics, physics=self._physics, orientation=orientation
            )
        return self._picture.expose(
            pose,
            noise_seed=noise_seed(self.specimen, seq),
            exposure_ms=exposure_ms,
            em_gain=max(1.0, em_gain or 1.0),
        )

    def close(self) -> None:
        """Do nothing: no field is prepared in the background."""
