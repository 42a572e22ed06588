"""An action that a panel requests from the devices: a method of `DeviceControls` and its arguments, as one value.

>>> from hcc_scope.microscope.device_controls import DeviceControls
>>> action = DeviceAction(DeviceControls.set_exposure_ms, (25.0,))
>>> action == DeviceAction(DeviceControls.set_exposure_ms, (25.0,))
True
>>> action(controls)  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.device_controls import DeviceControls

__all__ = ["DeviceAction"]

Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class DeviceAction(Generic[*Arguments]):
    """One call to the devices. Make it in a thread that may wait for them.

    Parameters
    ----------
    method : callable
        A method of `DeviceControls`, unbound: the panel does not know which rig is open.
    arguments : tuple
    """

    method: Callable[[DeviceControls, *Arguments], None]
    arguments: tuple[*Arguments]

    def __call__(self, controls: DeviceControls) -> None:
        """Call the method on the devices of a rig."""
        self.method(controls, *self.arguments)
