"""A core with faults: what is not listed goes to the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["FaultyCore"]


class FaultyCore:
    """Takes the place of an open microscope's core.

    Parameters
    ----------
    rig : MicroManager
    faults : callable
        By name of the core's method, what is done in its place; it takes the real method first.
    """

    def __init__(self, rig: MicroManager, **faults: Callable[..., Any]) -> None:
        self._real = rig.backend.core
        self._faults = faults
        rig.backend.core = self

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the core has
        real = getattr(self._real, name)
        fault = self._faults.get(name)
        return real if fault is None else lambda *arguments: fault(real, *arguments)
