"""Files and folders that a user names: read them, or report the reason in one sentence."""

from __future__ import annotations

import os
import re
import shlex
import stat
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.small_files import read_named_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_adapters_dir", "quoted", "read_file"]

_SAFE = re.compile(r"[\w@%+=:,./\\-]+")
_DOUBLE = re.compile(r'[^"$`!]+')


def quoted(path: str | Path) -> str:
    """Return a path as it is typed in a command, be it in a shell of Windows or of the others."""
    text = str(path)
    if _SAFE.fullmatch(text):
        return text
    return f'"{text}"' if _DOUBLE.fullmatch(text) and not text.endswith("\\") else shlex.quote(text)


def read_file(path: Path, what: str, largest_bytes: int) -> bytes:
    """Return the content of a file; `what` names its kind.

    Raises
    ------
    ConfigError
        If it is not there, cannot be read, is no ordinary file (a folder, a pipe, a device: reading those may never
        end), or is larger than any file of its kind.
    """
    return read_named_file(path, what, largest_bytes, ConfigError)


def check_adapters_dir(folder: Path) -> None:
    """Refuse what is no folder of device adapters.

    Raises
    ------
    DeviceError
        If it is not there, is no folder, or cannot be read.
    """
    hint = "Give the folder of a Micro-Manager installation (--adapters, or adapters_dir in the rig file)."
    try:
        mode = folder.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise DeviceError(f"{folder} is a file, not a folder of device adapters", hint=hint)
        os.scandir(folder).close()
    except OSError as error:
        raise DeviceError(f"cannot look into the adapters' folder {folder}: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise DeviceError(f"cannot look into the adapters' folder {str(folder)!r}: {error}", hint=hint) from error
