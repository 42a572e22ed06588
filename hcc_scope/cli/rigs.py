"""Open a microscope by rig file, by bare .cfg, or by attaching; the one place where `rig` and `sources` meet."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.sources.micromanager import MicroManager

__all__ = ["OpenRig", "attach_rig", "open_rig"]


@dataclass(frozen=True, slots=True)
class OpenRig:
    """A microscope that is ready."""

    microscope: MicroManager

    def set_properties(self, assignments: Sequence[str]) -> None:
        """Set ``DEVICE,PROPERTY,VALUE`` each, in order.

        Raises
        ------
        UsageError
            If one is not of that form.
        DeviceError
            If the device refuses.
        """
        for assignment in assignments:
            parts = assignment.split(",", 2)
            if len(parts) != 3:
                raise UsageError(f"--property '{assignment}' is not DEVICE,PROPERTY,VALUE")
            device, name, value = parts
            self.microscope.thread.call(
                f"setting {device} {name}",
                lambda device=device, name=name, value=value: self.microscope.backend.ask(
                    f"setting '{name}' of '{device}' to '{value}'", "set_property", device, name, value
                ),
            )

    def is_demo(self) -> bool:
        """Return whether the camera is Micro-Manager's DemoCamera."""
        return self.microscope.facts().library == "DemoCamera"

    def stage_xy_um(self) -> tuple[float, float] | None:
        """Return where the stage is now, or None without one."""
        place = self.microscope.thread.call("asking the stage", self.microscope.hardware.stage_um)
        return None if place is None else (place[0], place[1])
