"""Open a rig in the background, show its camera, act on its devices, stop them, and close it.

The Qt thread asks, and the worker ``rig`` acts, in order. The emergency stop has its own worker: it must not wait
behind the move that it stops.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.formatting import format_duration
from ui.control.loaded_rig import (
    LoadedRig,
    begin_preview,
    check_files,
    close_rig,
    end_preview,
    find_exposure,
    replace_rig,
    take_snap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.microscope.auto_exposure import ExposureFound
    from hcc_scope.microscope.device_controls import DeviceControls
    from hcc_scope.microscope.preview import Preview
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.types import Frame
    from ui.control.app_state import AppState
    from ui.control.section_request import SectionRequest
    from ui.kit.jobs import Jobs

__all__ = ["NO_RIG", "RigControl", "RigLight"]

LOOK_MS = 500
STALLED_S = 3.0
"""A rig whose worker is busy for longer than this is called stalled."""
DEFAULT_UM_PER_PX = 0.325
"""Pixel size of the demo camera's phantom where the rig gives none."""


@dataclass(frozen=True, slots=True)
class RigLight:
    """The state of the rig, as word, colour and shape."""

    words: str
    tone: Literal["none", "good", "warning", "error"]


NO_RIG = RigLight("no rig", "none")


class RigControl(QObject):
    """The rig of this window.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
        Polls the rig that is open.
    lock_folder : Path
        Holds the marks of rigs in use.
    parent : QObject, optional
    """

    light_changed = Signal(RigLight)
    """Another state of the rig."""
    opened = Signal(LoadedRig)
    """A rig is ready."""
    closed = Signal()
    kept = Signal()
    """The files of another rig cannot be used, so the open rig stays open."""
    live_changed = Signal(bool)
    """Whether the live picture is on."""
    acted = Signal()
    """The devices have executed an action."""
    scan_changed = Signal()
    """A scan of the plan's area begins or ends."""

    def __init__(self, jobs: Jobs, state: AppState, lock_folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._state = state
        self._lock_folder = lock_folder
        self.loaded: LoadedRig | None = None
        self._loading = ""
        self.last_name = ""
        """The rig that was to be opened last; empty before the first."""
        self._closing = False
        self._failed = ""
        self._live = False
        self._light = NO_RIG
        self._doing: tuple[str, float] | None = None
        self._scanning = False
        self._device_since_s = 0.0
        """When the worker last ended work that uses no device (monotonic)."""
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    # -- open and close ------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a rig is being opened or closed."""
        return bool(self._loading) or self._closing

    @property
    def light(self) -> RigLight:
        """The rig's state."""
        return self._light

    @property
    def live(self) -> bool:
        """Whether the live picture is on, or about to be."""
        return self._live

    def open(self, name: str) -> None:
        """Open a rig; the one that is open is closed first, once it is clear that the new one's files are usable.

        Comes back by `opened`, or by a message and `closed`, or `kept` if the old one stays.
        """
        if self.busy:
            return
        self._loading, self._failed, self.last_name = name, "", name
        if self.loaded is None:
            self._load(None)
        else:
            self._jobs.submit("rig", partial(check_files, name), self._load, self._not_usable)
        self._look()

    def _load(self, _checked: None) -> None:
        name, old = self._loading, self._give_up()
        self._jobs.submit(
            "rig", partial(replace_rig, old, name, self._lock_folder, self._note), self._opened, self._not_opened
        )
        self._look()

    def _not_usable(self, _sentence: str) -> None:
        """Keep the open rig; a message states what is wrong with the other one."""
        self._loading = ""
        self._look()
        self.kept.emit()

    def _note(self, text: str) -> None:
        """Report a warning about the rig's configuration; runs in the worker."""
        self._jobs.post(partial(self._state.message.emit, "warning", text))

    def _opened(self, loaded: LoadedRig) -> None:
        self._loading = ""
        self.loaded = loaded
        self._state.watch_rig(loaded.controls)
        self._look()
        self.opened.emit(loaded)

    def _not_opened(self, sentence: str) -> None:
        self._failed, self._loading = sentence, ""
        self._look()
        self.closed.emit()

    def close(self) -> None:
        """Close the rig if there is one; comes back by `closed`."""
        if self.busy:
            return
        old = self._give_up()
        if old is None:
            self._look()
            self.closed.emit()
            return
        self._closing = True
        self._jobs.submit("rig", partial(close_rig, old), self._closed, self._closed_badly)
        self._look()

    def _closed(self, _nothing: None) -> None:
        self._closing = False
        self._look()
        self.closed.emit()

    def _closed_badly(self, sentence: str) -> None:
        self._failed = sentence
        self._closed(None)

    def _give_up(self) -> LoadedRig | None:
        """Release the rig, which its worker then closes."""
        loaded, self.loaded = self.loaded, None
        self._set_live(False)
        self._state.watch_preview(None)
        self._state.watch_rig(None)
        return loaded

    # -- its state -----------------------------------------------------------------------------------------------------

    @Slot()
    def _look(self) -> None:
        light = self._judge()
        if light != self._light:
            self._light = light
            self.light_changed.emit(light)

    def _judge(self) -> RigLight:
        if self._loading:
            return RigLight(f"{_short(self._loading)}: loading …", "warning")
        if self._closing:
            return RigLight("closing …", "warning")
        if self.loaded is None:
            return RigLight("not opened", "error") if self._failed else NO_RIG
        name = _short(self.loaded.name)
        if self._doing is not None:
            what, since_s = self._doing
            return RigLight(f"{name}: {what}, {format_duration(time.monotonic() - since_s)}", "warning")
        waits_s = min(self._jobs.busy_s("rig"), time.monotonic() - self._device_since_s)
        if waits_s > STALLED_S:
            return RigLight(f"{name}: no answer for {waits_s:.0f} s", "error")
        run = self._state.run
        if run is not None:
            paused = self._state.snapshot is not None and self._state.snapshot.paused
            activity = "" if self._state.snapshot is None else self._state.snapshot.activity
            return RigLight(
                f"{name}: {'paused' if paused else activity or 'acquiring'}", "warning" if paused else "good"
            )
        if self._live:
            return RigLight(f"{name}: live", "good")
        if self._state.rig is not None and self._state.rig.busy:
            return RigLight(f"{name}: moving", "good")
        return RigLight(f"{name}: ready", "good")

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Show what the worker does while it uses no device, and for how long; used in the worker."""
        self._jobs.post(partial(self._set_doing, (what, time.monotonic())))
        try:
            yield
        finally:
            self._jobs.post(partial(self._set_doing, None))

    def _set_doing(self, doing: tuple[str, float] | None) -> None:
        self._doing = doing
        if doing is None:
            self._device_since_s = time.monotonic()
        self._look()

    @property
    def scanning(self) -> bool:
        """Whether the stage scans the plan's area: what it is asked to do meanwhile would begin much later."""
        return self._scanning

    def note_scan(self, scanning: bool) -> None:
        """Take whether a scan is under way."""
        if scanning != self._scanning:
            self._scanning = scanning
            self.scan_changed.emit()

    @property
    def failure(self) -> str:
        """Why the rig is not open, as text; empty if nothing failed."""
        return self._failed

    # -- the camera ----------------------------------------------------------------------------------------------------

    def _um_per_px(self) -> float:
        rig = self._state.rig
        return rig.pixel_size_um if rig is not None and rig.pixel_size_um > 0 else DEFAULT_UM_PER_PX

    def start_live(self, request: SectionRequest) -> None:
        """Show what the camera sees; on a demo rig, the chosen specimen."""
        loaded = self.loaded
        if loaded is None or self._live or (self._state.run is not None and not self._paused()):
            return
        self._set_live(True)
        self._jobs.submit(
            "rig",
            partial(begin_preview, self.doing, loaded, request, self._um_per_px()),
            self._live_begun,
            self._live_failed,
        )

    def _paused(self) -> bool:
        return self._state.snapshot is not None and self._state.snapshot.paused

    def _live_begun(self, preview: Preview) -> None:
        if self._live:
            self._state.watch_preview(preview)

    def _live_failed(self, _sentence: str) -> None:
        self._set_live(False)

    def stop_live(self) -> None:
        """End the live picture; the last one stays."""
        loaded = self.loaded
        if not self._live or loaded is None:
            return
        self._set_live(False)
        self._state.watch_preview(None)
        self._jobs.submit("rig", partial(end_preview, loaded))

    def _set_live(self, live: bool) -> None:
        if live != self._live:
            self._live = live
            self._look()
            self.live_changed.emit(live)

    def snap(self, request: SectionRequest) -> None:
        """Take one picture and show it."""
        loaded = self.loaded
        if loaded is not None:
            self._jobs.submit("rig", partial(take_snap, self.doing, loaded, request, self._um_per_px()), self._snapped)

    def _snapped(self, frame: Frame) -> None:
        self._state.show_frame(frame)

    def find_exposure(self, request: SectionRequest) -> None:
        """Find the exposure for a mean level and report it, or why there is none."""
        loaded = self.loaded
        if loaded is not None:
            work = partial(find_exposure, self.doing, loaded, request, self._um_per_px())
            self._jobs.submit("rig", work, self._exposed, self._refused)

    def _exposed(self, found: ExposureFound) -> None:
        self._state.message.emit("info" if found.outcome == "reached" else "warning", found.sentence())
        self._done(None)

    # -- acting --------------------------------------------------------------------------------------------------------

    @Slot(object)
    def do(self, action: Callable[[DeviceControls], None]) -> None:
        """Act on the devices in the background; the state is read again afterwards, also if it failed."""
        loaded = self.loaded
        if loaded is not None:
            self._jobs.submit("rig", partial(action, loaded.controls), self._done, self._refused)

    def ask(self, done: Callable[[RigState], None]) -> None:
        """Read the devices after all that was asked of them before; `done` takes their state, of the same rig."""
        loaded = self.loaded
        if loaded is not None:
            self._jobs.submit("rig", loaded.controls.read, partial(self._answer, loaded, done))

    def _answer(self, loaded: LoadedRig, done: Callable[[RigState], None], state: RigState) -> None:
        if self.loaded is loaded:
            done(state)

    @Slot()
    def focus_now(self) -> None:
        """Focus by the camera's image in the background; a message states why if no height is found."""
        loaded = self.loaded
        if loaded is not None:
            self._jobs.submit("rig", partial(self._focus, loaded), self._done, self._refused)

    def _focus(self, loaded: LoadedRig) -> None:
        with self.doing("focusing"):  # it takes longer than a device that answers
            loaded.controls.focus_now()

    def _done(self, _nothing: None) -> None:
        self._state.ask_rig(refresh=True)
        self.acted.emit()

    def _refused(self, _sentence: str) -> None:
        self._state.ask_rig(refresh=True)  # the fields show the value of the device again

    @Slot()
    def halt(self) -> None:
        """Stop stage and focus immediately, ahead of all work that waits."""
        loaded = self.loaded
        if loaded is not None:
            self._jobs.submit("halt", loaded.controls.halt, self._halted)

    def _halted(self, _nothing: None) -> None:
        self._state.message.emit("warning", "Stop sent to stage and focus drive.")
        self._state.ask_rig(refresh=True)


def _short(name: str) -> str:
    """Return the name of a rig without folder and endings."""
    file = name.replace("\\", "/").rsplit("/", 1)[-1]
    for ending in (".yaml", ".yml", ".rig", ".cfg"):
        file = file.removesuffix(ending)
    return f"{file[:1].upper()}{file[1:]} rig" if file == "demo" else file
