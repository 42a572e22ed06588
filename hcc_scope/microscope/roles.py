"""Check that the roles in a rig file fit the loaded devices. Runs in the core's thread only."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.number_text import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.microscope.backend import Backend
    from hcc_scope.types import RigRoles

__all__ = [
    "CAMERA_ROLES",
    "RigKeyError",
    "RoleError",
    "check_roles",
    "check_um_per_px",
    "objective_labels",
    "present_roles",
    "without_absent",
]

CAMERA_ROLES = ("em_gain", "em_switch", "temperature", "temperature_set_point", "readout")
"""Roles that a property of the camera has; the other one, the objective, is a device."""
_NUMBERS = ("em_gain", "temperature", "temperature_set_point")
_SETTABLE = ("em_gain", "em_switch", "temperature_set_point")
_NOT_SET = {
    "is_property_read_only": "can only be read",
    "is_property_pre_init": "only takes effect while the configuration is loaded",
}
"""What keeps a property from being set, by the core's question about it."""
_STATE_DEVICE = 4
"""Micro-Manager's DeviceType of a turret, wheel or the like."""
_NUMERIC_TYPES = (2, 3)
"""Micro-Manager's PropertyType of floating point and whole numbers."""
_WHAT = "checking the roles"


class RigKeyError(ConfigError):
    """A key of the rig file that does not fit the devices.

    Parameters
    ----------
    key : str
        Such as ``roles.em_gain``: its line is looked up where the file is known.
    message : str
    """

    def __init__(self, key: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key


class RoleError(RigKeyError):
    """A role that does not fit the devices.

    Parameters
    ----------
    role : str
        Its name in the rig file.
    fault : str
        What is wrong with it.
    """

    def __init__(self, role: str, fault: str, *, hint: str | None = None) -> None:
        super().__init__(f"roles.{role}", f"the rig file's role {role} names {fault}", hint=hint)


def without_absent(backend: Backend, camera: str, roles: RigRoles) -> RigRoles:
    """Return the roles without those that follow from the kind of the camera and that this camera does not have.

    A camera family has members without EM gain, cooling or a second port: their roles are None, as of a rig that has
    no such thing.
    """
    gone: dict[str, Any] = {}
    for role in CAMERA_ROLES:
        if role in roles.assumed and getattr(roles, role) is not None:
            try:
                _check_property(backend, camera, role, getattr(roles, role))
            except RoleError:
                gone[role] = None
    if "em_gain" in gone and "em_switch" in roles.assumed:
        gone["em_switch"] = None  # there is nothing to switch
    return replace(roles, **gone)


def objective_labels(backend: Backend, device: str) -> tuple[str, ...]:
    """Return the labels of a turret's positions."""
    try:
        return backend.labels("get_state_labels", device)
    except DeviceError:
        # two positions of one label: the core then knows one of them only, and gives no list
        return backend.labels("get_allowed_property_values", device, "Label")


def check_um_per_px(backend: Backend, roles: RigRoles, um_per_px: Mapping[str, float]) -> None:
    """Refuse a pixel size for an objective that there is not.

    Raises
    ------
    RigKeyError
        If a label is none of the objective's device.
    """
    if not um_per_px or roles.objective is None:
        return
    labels = objective_labels(backend, roles.objective)
    for label in um_per_px:
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            raise RigKeyError(
                f"um_per_px.{label}",
                f"um_per_px names the objective '{label}', which '{roles.objective}' does not have",
                hint=f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(labels)}.",
            )


def check_roles(backend: Backend, camera: str, roles: RigRoles) -> None:
    """Refuse roles that would yield nothing, or something else than their name.

    Parameters
    ----------
    backend : Backend
        With a configuration loaded.
    camera : str
        Label of the present camera.
    roles : RigRoles

    Raises
    ------
    RoleError
        If one names a property that the camera does not have, a text instead of a number, a property that can only be
        read where one is set, or an objective that is no turret.
    """
    for role in CAMERA_ROLES:
        name = getattr(roles, role)
        if name is not None:
            _check_property(backend, camera, role, name)
    if roles.objective is not None:
        _check_objective(backend, roles.objective)


def present_roles(backend: Backend, camera: str, roles: RigRoles) -> RigRoles:
    """Return the roles that this camera can play; the others are None, as of a rig that has no such thing."""
    gone: dict[str, Any] = {
        role: None
        for role in CAMERA_ROLES
        if getattr(roles, role) is not None and not backend.ask(_WHAT, "has_property", camera, getattr(roles, role))
    }
    return replace(roles, **gone)


def _check_property(backend: Backend, camera: str, role: str, name: str) -> None:
    if not backend.ask(_WHAT, "has_property", camera, name):
        near = difflib.get_close_matches(name, backend.labels("get_device_property_names", camera), n=1)
        raise RoleError(
            role,
            f"the property '{name}', which camera '{camera}' does not have",
            hint=f"Did you mean '{near[0]}'?" if near else None,
        )
    if role in _SETTABLE:
        for question, fault in _NOT_SET.items():
            if backend.ask(_WHAT, question, camera, name):
                raise RoleError(
                    role,
                    f"the property '{name}' of camera '{camera}', which {fault}",
                    hint="Name the property that is set.",
                )
    if role not in _NUMBERS or backend.number("get_property_type", camera, name) in _NUMERIC_TYPES:
        return
    allowed = backend.labels("get_allowed_property_values", camera, name)
    value = str(backend.ask(_WHAT, "get_property", camera, name))
    words = [text for text in (allowed or (value,)) if text.strip() and not is_number(text)]
    if words:
        raise RoleError(
            role,
            f"the property '{name}' of camera '{camera}', which holds a text ('{value}') and no number",
            hint="Name a property that holds a number.",
        )


def _check_objective(backend: Backend, device: str) -> None:
    loaded = backend.labels("get_loaded_devices")
    if device not in loaded:
        near = difflib.get_close_matches(device, loaded, n=1)
        raise RoleError(
            "objective",
            f"the device '{device}', which is not loaded",
            hint=f"Did you mean '{near[0]}'?" if near else None,
        )
    if backend.number("get_device_type", device) != _STATE_DEVICE:
        turrets = [label for label in loaded if backend.number("get_device_type", label) == _STATE_DEVICE]
        raise RoleError(
            "objective",
            f"the device '{device}', which is no turret",
            hint=f"Name a device with positions: {', '.join(turrets)}." if turrets else "Remove the role.",
        )
