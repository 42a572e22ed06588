"""Focus once because an operator asks: between sections, or while one is paused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.autofocus import Autofocus
from hcc_scope.microscope.core_thread import Stopped

if TYPE_CHECKING:
    from hcc_scope.microscope.camera_lease import CameraUse
    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["focus_now"]

_LOOK_S = 0.05


def focus_now(microscope: MicroManager) -> None:
    """Focus where the stage is; a preview stands still meanwhile.

    A section that is paused continues only when this is over; the search then ends early, where it began.

    Raises
    ------
    DeviceError
        If no height is accepted, with the reason; the focus drive is then back where it began. Also if a device fails.
    CameraError
        If a section is being acquired, or no image comes in time.
    PlanError
        If there is no focus drive.
    """
    autofocus = Autofocus(microscope, scene=microscope.scene)
    with microscope.use.interlude() as state:
        until = _UntilResumed(microscope.use, state)
        run = autofocus.run if state == "free" else autofocus.run_in_section
        try:
            result = run(until, mode="operator")
        except Stopped:
            raise DeviceError("the focusing was ended because the section continues") from None
    if not result.accepted:
        raise DeviceError(
            f"no focus was found: {result.explanation}; the focus drive is back at z = {result.began_um:.2f} um",
            hint="Bring the specimen nearly into focus by hand, over tissue, and try again.",
        )


class _UntilResumed:
    """A stop that is requested when a paused section continues."""

    def __init__(self, use: CameraUse, state: str) -> None:
        self._use = use
        self._in_pause = state == "paused"

    @property
    def requested(self) -> bool:
        """Whether the search must end."""
        return self._in_pause and self._use.state != "paused"

    paused = False

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, or until the search must end; return whether it must."""
        until_s = time.monotonic() + timeout_s
        while not self.requested and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
        return self.requested

    def wait_while_paused(self) -> None:
        """Return at once."""
