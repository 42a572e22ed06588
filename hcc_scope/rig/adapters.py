"""Device adapter libraries: which are installed, and whether they fit the core."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "adapters_interface",
    "core_interface",
    "find_library",
    "installed_libraries",
    "interface_mismatch",
    "test_adapters_dir",
]

# Linux and macOS: libmmgr_dal_X.so.0, libmmgr_dal_X; Windows: mmgr_dal_X.dll
_LIBRARY = re.compile(r"^(?:libmmgr_dal_(?P<unix>.+?)(?:\.so\.0|\.so|\.dylib)?|mmgr_dal_(?P<windows>.+)\.dll)$")


def test_adapters_dir() -> Path:
    """Return the folder of the demo adapters that are installed with this program."""
    from mm_test_adapters import device_adapter_path

    return Path(device_adapter_path())


def installed_libraries(adapters_dir: Path) -> dict[str, Path]:
    """Return the adapter libraries in a folder, by the name that a .cfg uses, sorted."""
    found: dict[str, Path] = {}
    if adapters_dir.is_dir():
        for path in sorted(adapters_dir.iterdir()):
            name = _LIBRARY.match(path.name)
            if name:
                found[name["unix"] or name["windows"]] = path
    return found


def find_library(adapters_dir: Path, library: str) -> Path | None:
    """Return the file of an adapter library, or None if it is not installed."""
    return installed_libraries(adapters_dir).get(library)


def core_interface() -> int:
    """Return the device interface that the installed core (pymmcore) speaks: the fourth part of its version."""
    return int(version("pymmcore").split(".")[3])


def adapters_interface(adapters_dir: Path) -> int | None:
    """Return the device interface of a folder's adapters, or None where it is not written down.

    Only mm-test-adapters states it, as the first part of its version; a Micro-Manager installation does not.
    """
    try:
        ours = adapters_dir.resolve() == test_adapters_dir().resolve()
        return int(version("mm-test-adapters").split(".")[0]) if ours else None
    except (ImportError, PackageNotFoundError):
        return None


def interface_mismatch(adapters_dir: Path) -> str | None:
    """Return as text that core and adapters do not fit each other, or None if they do or it is not known."""
    core, adapters = core_interface(), adapters_interface(adapters_dir)
    if adapters is None or adapters == core:
        return None
    return (
        f"pymmcore {version('pymmcore')} speaks device interface {core}, but the adapters in {adapters_dir}"
        f" (mm-test-adapters {version('mm-test-adapters')}) speak {adapters}"
    )
