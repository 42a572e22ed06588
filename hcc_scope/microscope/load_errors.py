"""What Micro-Manager's core finds wrong with a configuration, as one sentence with file, line and a hint."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.errors import RigError

__all__ = ["RefusedSettingError", "load_error"]

_AT_LINE = re.compile(r"Line (\d+): ([^\n]*)\n(.*)", re.DOTALL)
_NO_LIBRARY = re.compile(r'Failed to load device adapter "([^"]+)"')
_NO_ADAPTER = re.compile(r'Device adapter "([^"]+)" failed to instantiate device "([^"]+)"')
_NOT_SET = re.compile(r'Cannot set property "(.*)" to "(.*)" \[ Error in device "(.*?)"', re.DOTALL)
_NO_PROPERTY = "Invalid property name"
_INITIALISE = "Property,Core,Initialize,1"


class RefusedSettingError(ConfigError):
    """A property that the configuration sets and the device does not have, or a value that it does not take."""


def load_error(error: BaseException, cfg: Path, loaded: Path, adapters_dir: Path, core: Any) -> RigError:  # noqa: ANN401
    """Return the core's complaint about a configuration.

    Parameters
    ----------
    error : BaseException
        Of the core.
    cfg : Path
        As messages name it.
    loaded : Path
        What was loaded: `cfg`, or a copy with the same lines.
    adapters_dir : Path
    core
        The core, with nothing loaded.
    """
    at_line = _AT_LINE.match(str(error).strip())
    line, number, reason = ("", 0, str(error)) if at_line is None else (at_line[2], int(at_line[1]), at_line[3])
    refused = _NOT_SET.search(reason)
    if refused is not None and at_line is None:  # the preset System/Startup is applied after the last line
        number = _startup_line(loaded, refused[3], refused[1], refused[2])
    place = f"{cfg}:{number}" if number else f"{cfg}"
    library = _NO_LIBRARY.search(reason)
    if library is not None:
        return DeviceError(
            f"{place}: the device adapter '{library[1]}' cannot be loaded from {adapters_dir}",
            hint="'hcc-scope devices' lists what is installed, and whether the versions fit.",
        )
    message = f"{place}: Micro-Manager refuses the configuration: {' '.join(reason.split())}"
    if refused is not None or _NO_PROPERTY in reason:
        return RefusedSettingError(message)
    adapter = _NO_ADAPTER.search(reason)
    if adapter is not None:
        return ConfigError(message, hint=_adapters(core, adapter[1], adapter[2]))
    hint = None
    if line.strip() == _INITIALISE:
        hint = "Check that the device is on and connected, at the port that the file names, and in no other program."
    return ConfigError(message, hint=hint)


def _startup_line(loaded: Path, *setting: str) -> int:
    """Return the line (from 1) of a setting in the preset System/Startup; 0 if it is not found."""
    wanted = ",".join(("ConfigGroup", "System", "Startup", *setting)).encode()
    content = attempt(loaded.read_bytes)
    if isinstance(content, Failure):
        return 0
    lines = [line.rstrip(b"\r") for line in content.split(b"\n")]
    return max((number for number, line in enumerate(lines, start=1) if line == wanted), default=0)


def _adapters(core: Any, library: str, adapter: str) -> str | None:  # noqa: ANN401 - a class made at run time
    """Return which devices a library has, as a hint."""
    known = attempt(lambda: [str(one) for one in core.get_available_devices(library)])
    if isinstance(known, Failure) or not known:
        return None
    near = difflib.get_close_matches(adapter, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"'{library}' has: {', '.join(known)}."
