"""The system libraries that the window needs, those that are missing here, and the packages that have them.

Qt's wheels bring everything but these. Where one is missing, Qt ends the process, and names at most one, often a wrong
one. What Qt's files need is recorded in them (ELF, ``DT_NEEDED``), and whether a library is there shows when it is
loaded. This module imports no Qt and nothing outside the standard library: it works before anything is installed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "QT_LIBRARIES",
    "WAYLAND_LIBRARIES",
    "X11_LIBRARIES",
    "debian_packages",
    "describe_packages",
    "missing_libraries",
    "needed_libraries",
    "not_loadable",
    "qt_files",
    "qt_folder",
]

QT_LIBRARIES = (
    "libEGL.so.1",
    "libGL.so.1",
    "libX11.so.6",
    "libdbus-1.so.3",
    "libfontconfig.so.1",
    "libfreetype.so.6",
    "libglib-2.0.so.0",
    "libgthread-2.0.so.0",
    "libxkbcommon.so.0",
    "libz.so.1",
    "libzstd.so.1",
)
"""What Qt needs even where there is no screen, besides the C and C++ libraries that every system has."""

X11_LIBRARIES = (
    "libX11-xcb.so.1",
    "libxcb-cursor.so.0",
    "libxcb-icccm.so.4",
    "libxcb-image.so.0",
    "libxcb-keysyms.so.1",
    "libxcb-randr.so.0",
    "libxcb-render-util.so.0",
    "libxcb-render.so.0",
    "libxcb-shape.so.0",
    "libxcb-shm.so.0",
    "libxcb-sync.so.1",
    "libxcb-util.so.1",
    "libxcb-xfixes.so.0",
    "libxcb-xkb.so.1",
    "libxcb.so.1",
    "libxkbcommon-x11.so.0",
)
"""What it needs more for a window on X11."""

WAYLAND_LIBRARIES = ("libwayland-client.so.0", "libwayland-cursor.so.0")
"""What it needs more for a window on Wayland."""

_PACKAGES = {
    "libxcb-cursor.so": ("libxcb-cursor0", "xcb-util-cursor"),
    "libxcb-icccm.so": ("libxcb-icccm4", "xcb-util-wm"),
    "libxcb-image.so": ("libxcb-image0", "xcb-util-image"),
    "libxcb-keysyms.so": ("libxcb-keysyms1", "xcb-util-keysyms"),
    "libxcb-render-util.so": ("libxcb-render-util0", "xcb-util-renderutil"),
    "libxcb-util.so": ("libxcb-util1", "xcb-util"),
    "libxcb-randr.so": ("libxcb-randr0", "libxcb"),
    "libxcb-render.so": ("libxcb-render0", "libxcb"),
    "libxcb-shape.so": ("libxcb-shape0", "libxcb"),
    "libxcb-shm.so": ("libxcb-shm0", "libxcb"),
    "libxcb-sync.so": ("libxcb-sync1", "libxcb"),
    "libxcb-xfixes.so": ("libxcb-xfixes0", "libxcb"),
    "libxcb-xkb.so": ("libxcb-xkb1", "libxcb"),
    "libxcb-glx.so": ("libxcb-glx0", "libxcb"),
    "libxcb.so": ("libxcb1", "libxcb"),
    "libX11.so": ("libx11-6", "libX11"),
    "libX11-xcb.so": ("libx11-xcb1", "libX11-xcb"),
    "libxkbcommon.so": ("libxkbcommon0", "libxkbcommon"),
    "libxkbcommon-x11.so": ("libxkbcommon-x11-0", "libxkbcommon-x11"),
    "libSM.so": ("libsm6", "libSM"),
    "libICE.so": ("libice6", "libICE"),
    "libEGL.so": ("libegl1", "libglvnd-egl"),
    "libGL.so": ("libgl1", "libglvnd-glx"),
    "libGLX.so": ("libglx0", "libglvnd-glx"),
    "libOpenGL.so": ("libopengl0", "libglvnd-opengl"),
    "libfontconfig.so": ("libfontconfig1", "fontconfig"),
    "libfreetype.so": ("libfreetype6", "freetype"),
    "libdbus-1.so": ("libdbus-1-3", "dbus-libs"),
    "libglib-2.0.so": ("libglib2.0-0", "glib2"),
    "libgthread-2.0.so": ("libglib2.0-0", "glib2"),
    "libgobject-2.0.so": ("libglib2.0-0", "glib2"),
    "libgio-2.0.so": ("libglib2.0-0", "glib2"),
    "libwayland-client.so": ("libwayland-client0", "libwayland-client"),
    "libwayland-cursor.so": ("libwayland-cursor0", "libwayland-cursor"),
    "libwayland-egl.so": ("libwayland-egl1", "libwayland-egl"),
    "libz.so": ("zlib1g", "zlib"),
    "libzstd.so": ("libzstd1", "libzstd"),
    "libbrotlidec.so": ("libbrotli1", "libbrotli"),
}
"""Which package has a library: Debian and Ubuntu, Fedora."""

_ELF, _PT_LOAD, _PT_DYNAMIC = b"\x7fELF", 1, 2
_DT_NEEDED, _DT_STRTAB = 1, 5


def debian_packages(libraries: Iterable[str]) -> list[str]:
    """Return the packages of Debian and Ubuntu that have libraries; without those that are not known."""
    return _packages(libraries, 0)


def describe_packages(libraries: Iterable[str]) -> str:
    """Return as text what to install for libraries; empty for none."""
    names = list(libraries)
    words = ""
    debian, fedora = _packages(names, 0), _packages(names, 1)
    if debian:
        words = f"sudo apt install {' '.join(debian)} (Debian, Ubuntu), or sudo dnf install {' '.join(fedora)} (Fedora)"
    unknown = [name for name in names if _stem(name) not in _PACKAGES]
    if unknown:
        words += f"{'; y' if words else 'Y'}our system's package search shows which package has {', '.join(unknown)}"
    return words


def _packages(libraries: Iterable[str], system: int) -> list[str]:
    known = (_PACKAGES.get(_stem(name)) for name in libraries)
    return list(dict.fromkeys(packages[system] for packages in known if packages is not None))


def _stem(library: str) -> str:
    return library[: library.find(".so") + 3]


def qt_folder() -> Path | None:
    """Return the folder of PySide6 as pip installs it; None if there is none."""
    found = importlib.util.find_spec("PySide6")
    places = None if found is None else found.submodule_search_locations
    folder = Path(next(iter(places))) if places else None
    return folder if folder is not None and (folder / "Qt" / "lib").is_dir() else None


def qt_files(folder: Path, plugin: str | None) -> list[Path]:
    """Return the files of Qt that the window loads, and the plugin for a kind of screen."""
    files = [folder / "Qt" / "lib" / f"libQt6{part}.so.6" for part in ("Core", "Gui", "Widgets")]
    if plugin is not None:
        files.append(folder / "Qt" / "plugins" / "platforms" / plugin)
    return [file for file in files if file.is_file()]


def not_loadable(libraries: Iterable[str], load: Callable[[str], object] = ctypes.CDLL) -> list[str]:
    """Return those of some libraries that cannot be loaded, or in their place what they lack."""
    missing = {_lacking(name, load) for name in libraries}
    return sorted(name for name in missing if name is not None)


def _lacking(name: str, load: Callable[[str], object]) -> str | None:
    """Return what keeps a library from being loaded, itself or another one; None if nothing does."""
    try:
        load(name)
    except OSError as error:
        # of one that is there and lacks another, the system's linker names the other
        named = str(error).partition(":")[0].strip()
        return named if ".so" in named and "/" not in named else name
    return None


def missing_libraries(
    files: Iterable[Path],
    own: Path,
    load: Callable[[str], object] = ctypes.CDLL,
    read: Callable[[Path], list[str]] | None = None,
) -> list[str]:
    """Return the system libraries that files ask for, directly or through each other, and that cannot be loaded.

    Parameters
    ----------
    files : iterable of Path
        Shared libraries.
    own : Path
        Folder of the libraries that come with them; these are looked into, and not loaded.
    load : callable
        Loads a library by its name; OSError if it cannot be.
    read : callable, optional
        Returns what a file asks for; `needed_libraries`.
    """
    read = needed_libraries if read is None else read
    waiting = list(files)
    seen: set[str] = set()
    missing: set[str | None] = set()
    while waiting:
        for name in read(waiting.pop()):
            if name in seen:
                continue
            seen.add(name)
            if (own / name).is_file():
                waiting.append(own / name)
                continue
            missing.add(_lacking(name, load))
    return sorted(name for name in missing if name is not None)


def needed_libraries(file: Path) -> list[str]:
    """Return the names of the libraries that a 64-bit little-endian ELF file asks for; none for another file."""
    try:
        data = file.read_bytes()
    except OSError:
        return []
    if data[:6] != _ELF + b"\x02\x01":
        return []
    try:
        return _needed(data)
    except (struct.error, ValueError, OverflowError):
        return []


def _needed(data: bytes) -> list[str]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for index in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, table + index * size)
        if kind == _PT_LOAD:
            loads.append((address, offset, length))
        elif kind == _PT_DYNAMIC:
            dynamic = offset, length
    if dynamic is None:
        return []
    entries = [struct.unpack_from("<QQ", data, dynamic[0] + at) for at in range(0, dynamic[1], 16)]
    strings = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if strings is None:
        return []
    holds = (offset + strings - at for at, offset, length in loads if 0 <= strings - at < length)
    place = next(holds, None)
    if place is None:
        return []
    names = []
    for tag, value in entries:
        if tag == _DT_NEEDED:
            start = place + value
            names.append(data[start : data.index(b"\0", start)].decode("ascii", "replace"))
    return names
