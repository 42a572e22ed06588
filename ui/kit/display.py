"""Check that the window can be opened here, before Qt is loaded: Qt itself ends the process if it cannot.

What is missing, and which package has it, comes from `hcc_scope.system_libraries`. This module imports no Qt.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError
from hcc_scope.system_libraries import describe_packages, missing_libraries, qt_files, qt_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["check_display", "choose_file_dialogs"]

_HEADLESS = "Without a screen, `hcc-scope demo` (`make demo` in a checkout) shows the same in files."
_SCREENLESS = ("offscreen", "minimal", "minimalegl", "vnc", "linuxfb", "eglfs", "vkkhrdisplay")
"""Qt platforms that need neither X nor Wayland."""


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
    folder = qt_folder()
    if folder is None:
        return  # Qt is not installed as pip does it: it has to look for itself
    plugins: list[str | None] = [None] if screenless else []
    if not screenless and display and not platform.startswith("wayland"):
        plugins.append("libqxcb.so")
    if not screenless and wayland and platform != "xcb":
        plugins.append("libqwayland.so")
    missing = [missing_libraries(qt_files(folder, plugin), folder / "Qt" / "lib") for plugin in plugins]
    if missing and all(missing):  # where one of two ways is open, Qt takes it
        raise _missing(missing[0])
    if plugins == ["libqxcb.so"] and not answers(display):
        raise UsageError(
            f"the window cannot be opened: no screen answers at DISPLAY={display}",
            hint=f"Start it in a desktop session, or check DISPLAY. {_HEADLESS}",
        )


def choose_file_dialogs(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have Qt open the file dialogs of the desktop, also on KDE; call it before Qt is loaded.

    Windows, macOS and GNOME need nothing. KDE's own plugin is built against KDE's Qt, so pip's Qt has only the way over
    the desktop's portal, and takes it only where it is asked to. What the user has chosen stays.
    """
    desktops = environment.get("XDG_CURRENT_DESKTOP", "").upper().split(":")
    if sys.platform.startswith("linux") and "KDE" in desktops and environment.get("DBUS_SESSION_BUS_ADDRESS"):
        environment.setdefault("QT_QPA_PLATFORMTHEME", "xdgdesktopportal")


def answers(display: str) -> bool:
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
    return UsageError(f"the window cannot be opened: {what}", hint=f"Install: {describe_packages(names)}.")
