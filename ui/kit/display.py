"""Whether the window can be opened here, found out before Qt is loaded: Qt itself ends the process if it cannot.

Where a system library is missing, Qt names at most one, and often a wrong one. The libraries that Qt's files ask for
stand in those files (ELF, ``DT_NEEDED``), and whether one is there shows when it is loaded. This module imports no Qt.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["check_display", "missing_libraries", "needed_libraries"]

_HEADLESS = "Without a screen, `hcc-scope demo` (`make demo` in a checkout) shows the same in files."
_SCREENLESS = ("offscreen", "minimal", "minimalegl", "vnc", "linuxfb", "eglfs", "vkkhrdisplay")
"""Qt platforms that need neither X nor Wayland."""

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


def check_display(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to open the window where Qt could not.

    Raises
    ------
    UsageError
        If there is no display, or a system library is missing; it names all that are.
    """
    if not sys.platform.startswith("linux"):
        return
    platform = environment.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    screenless = platform in _SCREENLESS
    display, wayland = environment.get("DISPLAY", ""), environment.get("WAYLAND_DISPLAY", "")
    if platform == "xcb" and not display:
        raise _no_display("DISPLAY is not set")
    if not screenless and not display and not wayland:
        raise _no_display("neither DISPLAY nor WAYLAND_DISPLAY is set")
    folder = _qt_folder()
    if folder is None:
        return  # Qt is not installed as pip does it: it has to look for itself
    plugins: list[str | None] = [None] if screenless else []
    if not screenless and display and not platform.startswith("wayland"):
        plugins.append("libqxcb.so")
    if not screenless and wayland and platform != "xcb":
        plugins.append("libqwayland.so")
    missing = [missing_libraries(_own_files(folder, plugin), folder / "Qt" / "lib") for plugin in plugins]
    if missing and all(missing):  # where one of two ways is open, Qt takes it
        raise _missing(missing[0])
    if plugins == ["libqxcb.so"] and not _answers(display):
        raise UsageError(
            f"the window cannot be opened: no screen answers at DISPLAY={display}",
            hint=f"Start it in a desktop session, or check DISPLAY. {_HEADLESS}",
        )


def _answers(display: str) -> bool:
    """Return whether an X server can be reached and lets us in."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # named as missing before, if Qt needs it
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(os.fsencode(display), None)
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not failed


def _no_display(why: str) -> UsageError:
    return UsageError(
        f"the window cannot be opened: there is no display ({why})",
        hint=f"Start it in a desktop session. {_HEADLESS}",
    )


def _missing(names: list[str]) -> UsageError:
    several = len(names) > 1
    what = f"the system librar{'ies' if several else 'y'} {', '.join(names)} {'are' if several else 'is'} missing"
    debian, fedora, unknown = [], [], []
    for name in names:
        known = _PACKAGES.get(name[: name.find(".so") + 3])
        if known is None:
            unknown.append(name)
        else:
            debian.append(known[0])
            fedora.append(known[1])
    hint = ""
    if debian:
        hint = (
            f"Install what has them: sudo apt install {' '.join(dict.fromkeys(debian))} (Debian, Ubuntu), or"
            f" sudo dnf install {' '.join(dict.fromkeys(fedora))} (Fedora)."
        )
    if unknown:
        hint += f" Your system's package search tells which package has {', '.join(unknown)}."
    return UsageError(f"the window cannot be opened: {what}", hint=hint.strip())


def _qt_folder() -> Path | None:
    found = importlib.util.find_spec("PySide6")
    places = None if found is None else found.submodule_search_locations
    folder = Path(next(iter(places))) if places else None
    return folder if folder is not None and (folder / "Qt" / "lib").is_dir() else None


def _own_files(folder: Path, plugin: str | None) -> list[Path]:
    """Return the files of Qt that the window loads."""
    files = [folder / "Qt" / "lib" / f"libQt6{part}.so.6" for part in ("Core", "Gui", "Widgets")]
    if plugin is not None:
        files.append(folder / "Qt" / "plugins" / "platforms" / plugin)
    return [file for file in files if file.is_file()]


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
    waiting, seen, missing = list(files), set(), set()
    while waiting:
        for name in read(waiting.pop()):
            if name in seen:
                continue
            seen.add(name)
            if (own / name).is_file():
                waiting.append(own / name)
                continue
            try:
                load(name)
            except OSError as error:
                # of one that is there and lacks another, the system's linker names the other
                named = str(error).partition(":")[0].strip()
                missing.add(named if ".so" in named and "/" not in named else name)
    return sorted(missing)


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
