"""The rig that is open, and the work on it in the worker ``rig``: open it, show its camera, close it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.workers import Failure, attempt
from ui.control.demo_specimen import scene_of
from ui.control.rig_lock import RigLock

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.microscope.auto_exposure import ExposureFound
    from hcc_scope.microscope.device_controls import DeviceControls
    from hcc_scope.microscope.preview import Preview
    from hcc_scope.runs.reference_capture import ReferenceCapture
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.types import Frame
    from ui.control.section_request import SectionRequest

__all__ = [
    "DRAWING",
    "LoadedRig",
    "begin_preview",
    "check_files",
    "close_rig",
    "end_capture",
    "end_preview",
    "find_exposure",
    "replace_rig",
    "take_snap",
]

DRAWING = "drawing the phantom section"

Doing = Callable[[str], AbstractContextManager[None]]
"""Shows what is done meanwhile that uses no device."""


@dataclass(slots=True)
class LoadedRig:
    """A rig that is ready. Used in the worker ``rig`` only, except for `controls.halt`."""

    name: str
    """As it was opened: a file, or the name of a shipped rig."""
    rig: OpenRig
    controls: DeviceControls
    is_demo: bool
    has_stage: bool
    """Whether a stage goes to the fields; not on a stand that is stated to be moved by hand, whose stage is read."""
    has_focus: bool
    """Whether a focus drive goes to heights; as for the stage."""
    has_drives: bool
    """Whether the configuration has a stage or a focus drive, whatever the rig file states."""
    is_manual: bool
    """Whether the rig file states that the stand is moved by hand."""
    lock: RigLock
    stack: ExitStack
    """Closes the rig and gives back the lock."""
    preview: Preview | None = None
    capture: ReferenceCapture | None = None
    """Of the reference that is being taken."""


def check_files(name: str) -> None:
    """Refuse a rig whose file or configuration is wrong, before the open one is closed for it."""
    from hcc_scope.runs.rigs import check_rig

    check_rig(name)


def replace_rig(old: LoadedRig | None, name: str, lock_folder: Path, note: Callable[[str], None]) -> LoadedRig:
    """Open a rig; the one that is open is closed first."""
    if old is not None:
        close_rig(old)
    return _open(name, lock_folder, note)


def _open(name: str, lock_folder: Path, note: Callable[[str], None]) -> LoadedRig:
    from hcc_scope.microscope.device_controls import DeviceControls
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.runs.rigs import open_rig

    lock = RigLock(load_rig(name).config, lock_folder)
    lock.take()
    with ExitStack() as stack:
        stack.callback(lock.release)
        rig = stack.enter_context(open_rig(name, note))
        is_demo = rig.is_demo()
        is_manual = rig.microscope.handling.stand == "manual"
        stage, focus = rig.stage_xy_um() is not None, bool(rig.microscope.hardware.focus)
        controls = DeviceControls(rig.microscope)
        return LoadedRig(
            name=name,
            rig=rig,
            controls=controls,
            is_demo=is_demo,
            has_stage=stage and not is_manual,
            has_focus=focus and not is_manual,
            has_drives=stage or focus,
            is_manual=is_manual,
            lock=lock,
            stack=stack.pop_all(),
        )
    raise AssertionError("an exit stack swallows nothing")


def close_rig(loaded: LoadedRig) -> None:
    """Close a rig and give back its lock; a reference that is being taken is given up, and the devices put back."""
    ends = [attempt(partial(end, loaded)) for end in (end_preview, end_capture)]  # no error keeps the rig open
    loaded.stack.close()
    for ended in ends:
        if isinstance(ended, Failure):
            raise ended.error


def end_capture(loaded: LoadedRig) -> None:
    """Put the devices back after the shots of a reference, if any were taken."""
    capture, loaded.capture = loaded.capture, None
    if capture is not None:
        capture.__exit__(None, None, None)


def _preview_of(doing: Doing, loaded: LoadedRig, request: SectionRequest, um_per_px: float) -> Preview:
    from hcc_scope.microscope.preview import Preview

    end_preview(loaded)  # a camera has one preview, and this one may show another specimen
    scene = None
    if loaded.is_demo and request.specimen != "none":
        with doing(DRAWING):
            scene = scene_of(request, um_per_px)
    loaded.preview = Preview(loaded.rig.microscope, scene)
    return loaded.preview


def begin_preview(doing: Doing, loaded: LoadedRig, request: SectionRequest, um_per_px: float) -> Preview:
    """Begin the live picture: on a demo rig, of the chosen specimen."""
    preview = _preview_of(doing, loaded, request, um_per_px)
    preview.start()
    return preview


def end_preview(loaded: LoadedRig) -> None:
    """End the live picture if there is one."""
    preview, loaded.preview = loaded.preview, None
    if preview is not None:
        preview.stop()


def find_exposure(doing: Doing, loaded: LoadedRig, request: SectionRequest, um_per_px: float) -> ExposureFound:
    """Find the exposure for a mean level; the live picture continues."""
    from hcc_scope.microscope.auto_exposure import auto_exposure

    preview = loaded.preview
    if preview is None or not preview.running:
        preview = _preview_of(doing, loaded, request, um_per_px)
    with doing("finding the exposure"):
        return auto_exposure(loaded.rig.microscope, loaded.controls, preview)


def take_snap(doing: Doing, loaded: LoadedRig, request: SectionRequest, um_per_px: float) -> Frame:
    """Take one picture."""
    preview = loaded.preview
    if preview is None or not preview.running:
        preview = _preview_of(doing, loaded, request, um_per_px)
    return preview.snap()
