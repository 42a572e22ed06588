"""Checks of the computer and of what is installed on it. Nothing here touches a device; imports are light."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import hcc_scope
from hcc_scope.doctor.results import failed, not_tried, passed, warned
from hcc_scope.errors import DeviceError, HccScopeError
from hcc_scope.formatting import counted, format_number
from hcc_scope.memory import free_memory
from hcc_scope.rig.adapters import core_interface, interface_mismatch, test_adapters_dir

if TYPE_CHECKING:
    from hcc_scope.clocks import RunClock
    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Subject

__all__ = [
    "adapters",
    "clock",
    "cuda",
    "engine",
    "judge_clock",
    "judge_memory",
    "jump_s",
    "memory",
    "micro_manager",
    "model_loads",
    "models",
    "openvino",
    "package_version",
    "versions",
]

_INSTALL_AGAIN = "Install HCC-Scope again"
_SPARE_MIB = 1024
"""What model, queues and window need beside the camera's buffer."""
_JUMP_S = 0.2
"""Between two looks, clocks that are not set drift apart by microseconds."""
_ZONES_H = (-12.0, 14.0)


def package_version(name: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def micro_manager(adapters_dir: Path | None = None) -> Result:
    """Check that Micro-Manager's core and adapters are there and fit each other."""
    core, demo = package_version("pymmcore"), package_version("mm-test-adapters")
    if core is None or demo is None:
        missing = "pymmcore" if core is None else "mm-test-adapters"
        return failed(
            f"Micro-Manager: the package {missing} is not installed", _INSTALL_AGAIN, exit_code=DeviceError.exit_code
        )
    mismatch = interface_mismatch(adapters_dir or test_adapters_dir())
    if mismatch is not None:
        return failed(f"Micro-Manager: {mismatch}", _INSTALL_AGAIN, exit_code=DeviceError.exit_code)
    return passed(f"Micro-Manager core {core}, device interface {core_interface()}", pymmcore=core)


def versions(subject: Subject) -> Result:
    """Check versions and the device interface."""
    found = micro_manager(_adapters_dir(subject))
    if found.verdict != "pass":
        return found
    own = package_version("hcc-scope") or hcc_scope.__version__
    return passed(f"HCC-Scope {own}, {found.words}", hcc_scope=own, **found.facts)


def _adapters_dir(subject: Subject) -> Path | None:
    given = subject.options.adapters_dir
    return None if given is None else Path(given)


def adapters(subject: Subject) -> Result:
    """Check that there are device adapters, in the rig's folder if there is a rig."""
    from hcc_scope.rig.adapters import adapters_interface, installed_libraries
    from hcc_scope.rig.files import check_adapters_dir

    folder = _adapters_dir(subject)
    if folder is None and subject.options.rig is not None:
        if subject.rig_file is None:
            return not_tried("the rig file, which names their folder, cannot be used yet")
        folder = subject.rig_file.adapters_dir
    folder = folder or test_adapters_dir()
    check_adapters_dir(folder)
    found = installed_libraries(folder)
    if not found:
        raise DeviceError(
            f"there is no device adapter in {folder}",
            hint="Give the folder of a Micro-Manager installation (--adapters, or adapters_dir in the rig file).",
        )
    interface = adapters_interface(folder)
    names = ", ".join(found) if len(found) <= 5 else f"{', '.join(list(found)[:4])} and {len(found) - 4} more"
    stated = "not stated" if interface is None else str(interface)
    words = f"{counted(len(found), 'adapter')} in {folder} ({names}), device interface {stated}"
    return passed(words, n_adapters=len(found), device_interface=interface)


def models(subject: Subject | None = None) -> Result:
    """Check that every model that travels with the program can be used."""
    del subject
    from hcc_scope.inference.catalogue import list_models

    entries = list_models()
    broken = [f"{entry.name}: {entry.problem}" for entry in entries if entry.problem is not None]
    if broken:
        return warned(f"model {broken[0]}", "hcc-scope models list shows them all")
    if not entries:
        return warned("there is no model", "Sections can be stored, and classified later")
    return passed(f"models: {', '.join(entry.name for entry in entries)}")


def openvino() -> Result:
    """Check that the fast engines' library is there."""
    found = package_version("openvino")
    if found is None:
        return warned("OpenVINO is not installed: the slower engine torchscript is used", "pip install openvino")
    return passed(f"OpenVINO {found}")


def cuda() -> Result | None:
    """Return that there is a graphics card; None without one, since most microscopes' computers have none."""
    return passed("an NVIDIA graphics card") if shutil.which("nvidia-smi") else None


def engine(subject: Subject) -> Result:
    """Check which engine classifies here, and what the processor has for it."""
    from hcc_scope.bench.machine import describe_machine
    from hcc_scope.inference.base import REFERENCE

    machine = describe_machine(subject.out_dir)
    chosen = subject.scoring_model.classifier
    flags = ", ".join(machine["cpu_flags"]) or "no extension that is known here"
    cores = counted(machine["cores"], "core")
    notes = " ".join(subject.engine_notes)
    words = f"{machine['cpu']}, {cores}, {flags}. Engine {chosen.engine}. {notes}".strip()
    facts = {"cpu": machine["cpu"], "cores": machine["cores"], "cpu_flags": flags, "engine": chosen.name}
    if chosen.name == REFERENCE and openvino().verdict != "pass":
        return warned(words, f"The engine {REFERENCE} is the slowest: pip install openvino", **facts)
    return passed(words, **facts)


def model_loads(subject: Subject) -> Result:
    """Check that the model gives its own test output here."""
    card = subject.scoring_model.model.card
    return passed(f"the model {card.name} gives its own test output here", model=card.name, sha256=card.sha256)


def memory(subject: Subject) -> Result:
    """Check that the camera's buffer fits into the memory, and leaves enough for the rest."""
    from hcc_scope.microscope.micromanager import DEFAULT_BUFFER_MB
    from hcc_scope.runs.rigs import check_buffer

    free = free_memory()
    buffer_mib, held_mib = DEFAULT_BUFFER_MB, 0
    if subject.rig_file is not None:
        # the open rig holds its buffer already
        held_mib = subject.rig_file.buffer_size_mb if "rig" in subject.__dict__ else 0
        check_buffer(subject.rig_file, free, held_mib=held_mib)
        buffer_mib = subject.rig_file.buffer_size_mb
    height, width = subject.frame_shape_yx
    return judge_memory(None if free is None else free.mib + held_mib, buffer_mib, 2 * height * width)


def judge_memory(free_mib: int | None, buffer_mib: int, frame_bytes: int) -> Result:
    """Judge the memory that is free.

    Parameters
    ----------
    free_mib : int or None
        None where the system does not report it.
    buffer_mib : int
        The camera's buffer.
    frame_bytes : int
        Of one frame.
    """
    n_frames = buffer_mib * 2**20 // frame_bytes
    buffer = f"the camera's buffer of {buffer_mib} MiB holds {counted(n_frames, 'frame')}"
    if free_mib is None:
        return passed(f"{buffer}; this system does not report how much memory is free", buffer_mib=buffer_mib)
    words = f"{free_mib} MiB of memory are free, and {buffer}"
    if free_mib - buffer_mib < _SPARE_MIB:
        advice = f"Close other programs, or set a smaller buffer_size_mb: {_SPARE_MIB} MiB should be left beside it"
        return warned(words, advice, free_mib=free_mib, buffer_mib=buffer_mib)
    return passed(words, free_mib=free_mib, buffer_mib=buffer_mib)


def clock(subject: Subject) -> Result:
    """Check the computer's clock, and that nothing set it while the other checks ran: this one comes last."""
    newest_s = max(file.stat().st_mtime for file in Path(hcc_scope.__file__).parent.glob("*.py"))
    now = datetime.now().astimezone()
    return judge_clock(now, datetime.fromtimestamp(newest_s, UTC), jump_s(subject.clock), os.environ.get("TZ"))


def jump_s(since: RunClock) -> float:
    """Return by how much the computer's clock has been set since a moment, in s: 0 unless something set it."""
    return (datetime.now(UTC) - since.utc(time.monotonic_ns())).total_seconds()


def judge_clock(now: datetime, installed: datetime, jumped_s: float, zone: str | None) -> Result:
    """Judge the computer's clock.

    Parameters
    ----------
    now : datetime
        Aware, in the zone of the computer.
    installed : datetime
        When the program's files were written: no later moment than now.
    jumped_s : float
        By how much the clock was set meanwhile.
    zone : str or None
        The zone that the environment names.
    """
    offset = now.utcoffset() or timedelta()
    hours = offset.total_seconds() / 3600
    shown = f"{now.strftime('%Y-%m-%d %H:%M:%S')}, UTC{hours:+g} h ({zone or now.tzname() or 'no zone'})"
    facts = {"utc_offset_h": hours, "jump_s": round(jumped_s, 3)}
    if now < installed - timedelta(days=1):
        days = format_number((installed - now) / timedelta(days=1), 0)
        words = f"the clock shows {shown}: {days} days before this program was installed"
        advice = "Set the computer's clock: every frame is stamped with it"
        return failed(words, advice, exit_code=HccScopeError.exit_code, **facts)
    if not _ZONES_H[0] <= hours <= _ZONES_H[1]:
        return warned(f"the time zone is {hours:+g} h from UTC: there is none such", "Set the time zone", **facts)
    if abs(jumped_s) > _JUMP_S:
        words = f"the clock was set by {jumped_s:+.1f} s while the checks ran ({shown})"
        advice = "Let the clock settle before a section; a run stamps its frames by one offset, taken at its start"
        return warned(words, advice, **facts)
    return passed(f"{shown}; not set while the checks ran", **facts)
