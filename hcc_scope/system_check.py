"""The requirements of an installation that pip cannot install: ``python3 -m hcc_scope.system_check``.

Runs on the system's Python before anything is installed, hence on the standard library alone, and on a Python that is
too old for everything else. `make setup`, ``.ci/run`` and the tests of the window ask it.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.system_libraries import (
    QT_LIBRARIES,
    WAYLAND_LIBRARIES,
    X11_LIBRARIES,
    debian_packages,
    describe_packages,
    missing_libraries,
    not_loadable,
    qt_files,
    qt_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Finding", "Machine", "check_machine", "main", "qt_obstacle"]

PYTHON_MIN = (3, 11)
GLIBC_MIN = (2, 28)
"""For which the wheels of torch and others are built (manylinux_2_28)."""
GLIBC_PINNED = (2, 34)
"""For which those of the versions in ``constraints.txt`` are built: PySide6's."""
INSTALLED_GIB = 3.0
INSTALLED_CUDA_GIB = 6.0
"""With a CUDA build of PyTorch, which pip may choose on Linux."""


CPU_SETUP = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup"
"""As in the README. pip prefers this index's builds: their versions end in ``+cpu``, which sorts last."""


class Machine(NamedTuple):
    """What matters of a computer."""

    system: str
    """As `sys.platform`."""
    python: tuple[int, ...]
    libc: tuple[str, str]
    """As `platform.libc_ver`."""
    free_bytes: int | None
    """Where the packages will go; None if they are there."""
    has_module: Callable[[str], bool]
    load: Callable[[str], object]
    """Loads a shared library by its name; OSError if it cannot be."""

    @staticmethod
    def here(venv: Path | None = None) -> Machine:
        """Return this computer, with the free space for a virtual environment that is not there yet."""
        free_bytes = None
        if venv is not None and not venv.exists():
            place = next(folder for folder in venv.absolute().parents if folder.exists())
            free_bytes = shutil.disk_usage(place).free
        return Machine(
            sys.platform,
            tuple(sys.version_info[:3]),
            platform.libc_ver(),
            free_bytes,
            lambda name: importlib.util.find_spec(name) is not None,
            ctypes.CDLL,
        )


class Finding(NamedTuple):
    """Something that is missing, in one line, with what to do."""

    line: str
    stops: bool
    """Whether nothing can be installed without it."""


def check_machine(machine: Machine) -> list[Finding]:
    """Return what is missing on a computer; what stops an installation comes first."""
    findings = [*_python(machine), *_glibc(machine), *_space(machine), *_window(machine)]
    return sorted(findings, key=lambda finding: not finding.stops)


def _python(machine: Machine) -> list[Finding]:
    if machine.python < PYTHON_MIN:
        wanted, found = _dotted(PYTHON_MIN), _dotted(machine.python)
        return [
            Finding(
                f"HCC-Scope needs Python {wanted} or newer, this is {found}: "
                "sudo apt install python3.12 python3.12-venv (Debian, Ubuntu), "
                "sudo dnf install python3.12 (Fedora), or brew install python@3.12 (macOS); "
                "then: make PYTHON=python3.12 setup",
                stops=True,
            )
        ]
    if _has_venv(machine) or machine.has_module("pip"):  # which fetches virtualenv: see the Makefile
        return []
    version = _dotted(machine.python[:2])
    return [
        Finding(
            f"this Python has neither venv nor pip: sudo apt install python{version}-venv (Debian, Ubuntu), "
            "sudo dnf install python3-pip (Fedora), or brew install python (macOS)",
            stops=True,
        )
    ]


def _has_venv(machine: Machine) -> bool:
    return machine.has_module("venv") and machine.has_module("ensurepip")


def _glibc(machine: Machine) -> list[Finding]:
    if not machine.system.startswith("linux"):
        return []
    name, version = machine.libc
    if name != "glibc":
        return [
            Finding(
                "PyTorch and Micro-Manager's core come as binaries for glibc only, and this Linux has another "
                "C library: use Debian, Ubuntu, Fedora or another one with glibc",
                stops=True,
            )
        ]
    found = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if found < GLIBC_MIN:
        return [
            Finding(
                f"the packages need glibc {_dotted(GLIBC_MIN)} or newer, this system has {version}: "
                "use Debian 10, Ubuntu 20.04, Fedora 29 or newer",
                stops=True,
            )
        ]
    if found < GLIBC_PINNED:
        return [
            Finding(
                f"some versions in constraints.txt need glibc {_dotted(GLIBC_PINNED)}, this system has {version}: "
                "make CONSTRAINTS= setup takes versions that run here",
                stops=False,
            )
        ]
    return []


def _space(machine: Machine) -> list[Finding]:
    if machine.free_bytes is None:
        return []
    free_gib = machine.free_bytes / 2**30
    if free_gib < INSTALLED_GIB:
        line = f"the packages need {INSTALLED_GIB:g} GiB, and {free_gib:.1f} GiB are free here: free some space"
        return [Finding(f"{line}, or choose another folder: make VENV=FOLDER setup", stops=True)]
    if machine.system.startswith("linux") and free_gib < INSTALLED_CUDA_GIB:
        line = f"{free_gib:.1f} GiB are free here, and a CUDA build of PyTorch needs {INSTALLED_CUDA_GIB:g} GiB in all"
        return [Finding(f"{line}: free some space, or take the build for the CPU: {CPU_SETUP}", False)]
    return []


def _window(machine: Machine) -> list[Finding]:
    if not machine.system.startswith("linux"):
        return []  # Qt's wheels bring everything
    missing = not_loadable(QT_LIBRARIES, machine.load)
    x11 = not_loadable(X11_LIBRARIES, machine.load)
    if x11 and not_loadable(WAYLAND_LIBRARIES, machine.load):  # one of the two is enough
        missing = sorted({*missing, *x11})
    return [Finding(_window_line(missing), stops=False)] if missing else []


def _window_line(missing: Sequence[str]) -> str:
    return f"the window cannot open without {', '.join(missing)} (everything else works): {describe_packages(missing)}"


def qt_obstacle(load: Callable[[str], object] = ctypes.CDLL) -> str | None:
    """Return in one line why Qt cannot start here even without a screen; None if it can."""
    if importlib.util.find_spec("PySide6") is None:
        return "the window cannot open without PySide6 (everything else works): pip install 'hcc-scope[app]'"
    folder = qt_folder()
    if folder is None or not sys.platform.startswith("linux"):
        return None
    missing = missing_libraries(qt_files(folder, None), folder / "Qt" / "lib", load)
    return _window_line(missing) if missing else None


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def main(arguments: Sequence[str] | None = None, machine: Machine | None = None) -> int:
    """Print what is missing, a line for each.

    Returns
    -------
    int
        1 if something stops an installation, else 0.
    """
    parser = argparse.ArgumentParser(
        prog="python3 -m hcc_scope.system_check",
        description="Print what an installation of HCC-Scope lacks on this computer.",
    )
    parser.add_argument("--venv", type=Path, metavar="FOLDER", help="check the free space for a new environment there")
    parser.add_argument("--quiet", action="store_true", help="only what stops an installation")
    parser.add_argument(
        "--debian-packages",
        action="store_true",
        help="only print the packages of Debian and Ubuntu that an installation and the tests of the window lack",
    )
    options = parser.parse_args(arguments)
    machine = Machine.here(options.venv) if machine is None else machine
    if options.debian_packages:
        if machine.system.startswith("linux"):
            packages = debian_packages(not_loadable(QT_LIBRARIES, machine.load))
            if not _has_venv(machine):
                packages.append(f"python{_dotted(machine.python[:2])}-venv")
            sys.stdout.write("".join(f"{name}\n" for name in packages))
        return 0
    findings = check_machine(machine)
    for finding in findings:
        if finding.stops or not options.quiet:
            sys.stderr.write(f"{'Error' if finding.stops else 'Note'}: {finding.line}.\n")
    if not findings and not options.quiet:
        sys.stdout.write("This computer has everything that HCC-Scope needs.\n")
    return 1 if any(finding.stops for finding in findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())
