"""Values of device properties: as a device takes them, and which ones it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError
from hcc_scope.number_text import plain_number

if TYPE_CHECKING:
    from hcc_scope.microscope.rig_state import DeviceProperty

__all__ = ["check_property_value", "check_settable", "property_text"]


def property_text(value: float) -> str:
    """Return a number as a device takes it: a whole one without a point, as many hold integers."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def check_settable(known: DeviceProperty, value: str) -> None:
    """Refuse what the device cannot take in any state: a property that is not set, or a text in place of a number.

    Raises
    ------
    DeviceError
    """
    name = f"'{known.name}' of '{known.device}'"
    if known.read_only:
        raise DeviceError(f"{name} can only be read")
    if known.pre_init:
        raise DeviceError(
            f"{name} only takes effect while the configuration is loaded", hint="Set it in the .cfg file."
        )
    if known.kind == "text" or known.allowed:
        return
    if plain_number(value) is None:
        raise DeviceError(f"{name} takes a number, not '{value}'")
    if known.kind == "integer" and not value.strip().lstrip("+-").isdigit():
        raise DeviceError(f"{name} takes a whole number, not '{value}'")


def check_property_value(known: DeviceProperty, value: str) -> None:
    """Refuse what the device cannot take in its present state.

    Raises
    ------
    DeviceError
        With what it takes, as a hint.
    """
    check_settable(known, value)
    name = f"'{known.name}' of '{known.device}'"
    if known.allowed and value not in known.allowed:
        raise DeviceError(f"{name} cannot be '{value}'", hint=f"It takes: {', '.join(known.allowed)}.")
    number = plain_number(value)
    if known.kind == "text" or number is None:
        return
    if known.limits is not None and not known.limits[0] <= number <= known.limits[1]:
        raise DeviceError(f"{name} cannot be {value}", hint=f"It takes {known.limits[0]:g} to {known.limits[1]:g}.")
