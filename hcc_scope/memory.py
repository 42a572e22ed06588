"""The memory that this process may still take, as the system reports it; nothing is allocated to find out.

And work without a search for garbage.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FreeMemory", "free_memory", "no_collection"]

_CGROUPS = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_UNLIMITED = 2**60
"""From here on a control group's figure means that there is no limit."""


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Memory that can still be taken."""

    n_bytes: int
    where: str
    """What limits it, as text: ``this machine has``, ``this process's limit (ulimit -v) leaves``."""

    @property
    def mib(self) -> int:
        """In MiB, rounded down."""
        return self.n_bytes // 2**20


def free_memory(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> FreeMemory | None:
    """Return the least that any of the system's limits leaves; None where the system reports none.

    Parameters
    ----------
    proc, cgroups : Path
        Where Linux lists processes and control groups.
    """
    found = [_machine(proc), _control_group(proc, cgroups), _address_space(proc)]
    return min((one for one in found if one is not None), key=lambda one: one.n_bytes, default=None)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").split("\n", 1)[0].strip()
    except OSError:
        return ""


def _machine(proc: Path) -> FreeMemory | None:
    """Return what the machine has free, or its total where it does not report how much is free."""
    if sys.platform == "win32":
        import ctypes

        status = (ctypes.c_ulonglong * 8)()  # MEMORYSTATUSEX: two 32-bit numbers, of which the first is the length
        status[0] = ctypes.sizeof(status)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        free, free_with_page_file = int(status[2]), int(status[4])
        return FreeMemory(min(free, free_with_page_file), "this machine has free")
    try:
        for line in (proc / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return FreeMemory(int(line.split()[1]) * 1024, "this machine has free")
    except (OSError, ValueError, IndexError):
        pass
    try:
        return FreeMemory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "this machine has")
    except (OSError, ValueError):
        return None


def _control_group(proc: Path, cgroups: Path) -> FreeMemory | None:
    """Return what the control groups of this process (of a container, of a batch job) leave."""
    left = []
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, way = [*line.split(":", 2), "", "", ""][:3]
        if not controllers:
            top, limit, usage = cgroups, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            top, limit, usage = cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = top / way.strip("/")
        # a group is limited by those above it too; in a container its way may lead nowhere, and the top is its own
        for folder in (group, *group.parents):
            most, used = _first_line(folder / limit), _first_line(folder / usage)
            if most.isdigit() and int(most) < _UNLIMITED and used.isdigit():
                left.append(max(0, int(most) - int(used) + _reclaimable(folder)))
            if folder == top:
                break
    return FreeMemory(min(left), "the memory limit of this container or job leaves") if left else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _reclaimable(group: Path) -> int:
    """Return how much of a group's memory is file cache, which the system can free."""
    for line in _lines(group / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0


def _address_space(proc: Path) -> FreeMemory | None:
    """Return what is left of the address space that the process may have (``ulimit -v``)."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _first_line(proc / "self" / "statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    used = int(pages[0]) * os.sysconf("SC_PAGE_SIZE")
    return FreeMemory(max(0, limit - used), "this process's limit (ulimit -v) leaves")


@contextmanager
def no_collection() -> Iterator[None]:
    """Search for no garbage meanwhile: a tenth of the time goes there, and of thousands of rows none is garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
