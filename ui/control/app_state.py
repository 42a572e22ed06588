"""The state that the window shows, polled in one place: the run at 30 Hz, the rig at 2 Hz, disk and memory at 1 Hz.

The snapshot of the run is cheap and is taken here; what may take time (a device, a disk) is read in a worker, never
twice at once. While a section is acquired the devices belong to the run: they are not read, and the stage position
comes with the frames.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from hcc_scope.by_hand import HandView
from hcc_scope.doctor.disk import free_bytes
from hcc_scope.formatting import full_stop
from hcc_scope.microscope.rig_state import RigState
from hcc_scope.report.summary import SectionReport
from hcc_scope.types import Frame, FrameResult, Snapshot
from ui.control.system_usage import resident_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.by_hand import HandCommands
    from hcc_scope.runs.result_log import ResultLog
    from hcc_scope.session.session import Session
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import RunSpec, SectionScore
    from ui.kit.jobs import Jobs

__all__ = ["AppState", "Course", "RunningSection", "System"]

SNAPSHOT_MS, SNAPSHOT_BEHIND_MS = 33, 200
"""How often a run is looked at; less often while its analysis is behind, which then needs the processors more."""
RESULTS_BEHIND_S = 0.5
"""How often its results are looked at while it is behind: each changes texts, map and tiles."""
RIG_MS = 500
SYSTEM_MS = 1000
MAX_COURSE = 4000
SLOWEST_FRAME_S = 0.5
_SHOWN_S = 2.0
"""Time over which the rate of shown frames is counted."""


class RunningSection(Protocol):
    """A section that is under way; `hcc_scope.runs.section.SectionRun`."""

    @property
    def session(self) -> Session:
        """What runs it."""

    @property
    def spec(self) -> RunSpec:
        """What was known before its first frame."""

    @property
    def grid(self) -> TileGrid:
        """How its frames are cut into tiles."""

    @property
    def results(self) -> ResultLog:
        """The results of its frames so far, by `seq`, in the order of analysis."""

    @property
    def hand(self) -> HandSection | None:
        """Of a section whose stage is moved by hand."""


class HandSection(Protocol):
    """A section by hand; `hcc_scope.runs.hand_section.HandRun`."""

    @property
    def hand(self) -> HandCommands:
        """Returns what is known after the newest live frame."""


class Reader(Protocol):
    """Reads the state of the rig; `hcc_scope.microscope.device_controls.DeviceControls`."""

    def read(self) -> RigState:
        """Read the devices."""


class Camera(Protocol):
    """Shows what the camera sees; `hcc_scope.microscope.preview.Preview`."""

    def latest(self) -> Frame | None:
        """Return the newest frame without waiting."""


@dataclass(frozen=True, slots=True)
class System:
    """The free disk and used memory of the computer."""

    disk_free_bytes: int | None
    resident_bytes: int


class Course:
    """The course of the score; every second point is dropped when there are too many."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float, float, float]] = []

    def add(self, score: SectionScore) -> bool:
        """Add the score if it differs from the last one; return whether it does."""
        if score.score is None:
            return False
        point = (float(score.frames), score.score, *score.interval)
        while self._points and self._points[-1][0] >= point[0]:  # a field was excluded, or classified out of turn
            if self._points[-1] == point:
                return False
            self._points.pop()
        self._points.append(point)
        if len(self._points) > MAX_COURSE:
            self._points = self._points[::2]
        return True

    def put_before(self, earlier: Course) -> None:
        """Take another course for all up to its end; what came after it stays."""
        end = earlier._points[-1][0] if earlier._points else 0.0
        self._points = earlier._points + [point for point in self._points if point[0] > end]

    def as_array(self) -> NDArray[np.float64]:
        """Return (n, 4): classified fields, score, lower and upper end of the interval."""
        return np.array(self._points, dtype=np.float64).reshape(-1, 4)


class AppState(QObject):
    """Polls run, rig and computer, and signals what is new.

    Parameters
    ----------
    jobs : Jobs
    parent : QObject, optional
    """

    snapshot_changed = Signal(Snapshot)
    """The snapshot of the run, 30 times a second while a section is under way, and once at its end."""
    frame_arrived = Signal(Frame)
    """The newest frame; frames in between are not shown."""
    result_arrived = Signal(FrameResult)
    """Every result of the run, once (again if a frame was classified later)."""
    hand_changed = Signal(HandView)
    """What is known after the newest live frame of a section by hand."""
    rig_changed = Signal(RigState)
    """The state of the rig."""
    rig_gone = Signal()
    """No rig is open any more."""
    course_changed = Signal()
    """`course` has changed: another score, or another section."""
    system_changed = Signal(System)
    """Disk and memory that are left."""
    run_started = Signal(RunningSection)
    """A section is under way."""
    run_ended = Signal(RunningSection)
    """The session of a section is over; the section still has to be finished."""
    run_finished = Signal(SectionReport)
    """The report of a finished section. From `ui.control.run_control`."""
    finish_failed = Signal()
    """A section could not be finished; a message states the reason. From `ui.control.run_control`."""
    message = Signal(str, str)
    """A level (debug, info, warning, error) and a sentence for the operator."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.run: RunningSection | None = None
        self.snapshot: Snapshot | None = None
        self.rig: RigState | None = None
        self.frame: Frame | None = None
        self._run_frame: Frame | None = None
        """The newest frame of the run that was shown."""
        self.hand: HandView | None = None
        self.course = Course()
        self._course_of: RunningSection | None = None
        self.system = System(None, 0)
        self.out_dir = Path()
        self._controls: Reader | None = None
        self._preview: Camera | None = None
        self._n_reported, self._next_results_s = 0, 0.0
        self._last_message = ""
        self._asking_rig = self._asking_system = self._refresh_rig = False
        self._shown: deque[float] = deque()
        self._seen: deque[tuple[float, int]] = deque()
        """When the window looked at a section by hand lately, and how many live frames there had been."""
        self._looked_s = self._next_frame_s = 0.0
        self._drawn_s: float | None = None
        self._fast = self._timer(SNAPSHOT_MS, self._look, precise=True)
        self._rig_timer = self._timer(RIG_MS, self._ask_rig_again)
        self._system_timer = self._timer(SYSTEM_MS, self.ask_system)

    def _timer(self, interval_ms: int, slot: object, *, precise: bool = False) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        if precise:
            timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(slot)
        return timer

    def begin(self) -> None:
        """Begin to poll disk and memory."""
        self._system_timer.start()
        self.ask_system()

    def end(self) -> None:
        """Stop polling."""
        for timer in (self._fast, self._rig_timer, self._system_timer):
            timer.stop()
        self._controls = self._preview = None

    # -- the rig -------------------------------------------------------------------------------------------------------

    def watch_rig(self, controls: Reader | None) -> None:
        """Read this rig's state from now on; None for no rig."""
        self._controls = controls
        if controls is None:
            self._rig_timer.stop()
            self._set_rig(None)
        else:
            self._rig_timer.start()
            self.ask_rig()

    @Slot()
    def _ask_rig_again(self) -> None:
        self.ask_rig()

    def ask_rig(self, *, refresh: bool = False) -> None:
        """Read the rig's state soon, unless it is being read, or belongs to a run and no `refresh` is needed."""
        controls = self._controls
        mine = self.run is None or (self.snapshot is not None and self.snapshot.paused) or refresh
        self._refresh_rig |= refresh
        if controls is None or self._asking_rig or not mine:
            return
        self._asking_rig = True
        self._jobs.submit("rig", controls.read, self._take_rig, self._miss_rig)

    def _take_rig(self, state: RigState) -> None:
        self._asking_rig = False
        if self._controls is None:
            return
        if self._refresh_rig and state == self.rig:
            self.rig_changed.emit(state)  # so that fields take back what the device refused
        self._refresh_rig = False
        self._set_rig(state)

    def _miss_rig(self, _sentence: str) -> None:
        self._asking_rig = False

    def _set_rig(self, state: RigState | None) -> None:
        if state == self.rig:
            return
        self.rig = state
        if state is None:
            self.rig_gone.emit()
        else:
            self.rig_changed.emit(state)

    def _place(self, frame: Frame) -> None:
        """Take the stage position from a frame."""
        rig, place = self.rig, frame.stage_um
        if rig is None or place is None or self.run is None or self.run.spec.sampling == "imported":
            return  # an image that is imported does not show where this stage is
        self._set_rig(replace(rig, xy_um=place[:2], z_um=place[2] if rig.z_um is not None else None))

    # -- frames and scores ---------------------------------------------------------------------------------------------

    def watch_preview(self, preview: Camera | None) -> None:
        """Show what the camera sees from now on; None to stop."""
        self._preview = preview
        self._pace()

    def show_frame(self, frame: Frame) -> None:
        """Show one frame now (a snap)."""
        self._set_frame(frame)

    def watch_run(self, run: RunningSection) -> None:
        """Show this section from now on."""
        self.run = run
        self._preview = None
        self.course = Course()
        self._course_of = run
        self._n_reported, self._last_message = 0, ""
        self.snapshot = run.session.snapshot()
        self.frame = self._run_frame = self.hand = None
        self._seen.clear()
        self._pace()
        self.run_started.emit(run)
        if self.snapshot.score.frames:
            self.draw_course_again(run)  # its earlier parts

    def draw_course_again(self, run: RunningSection) -> None:
        """Make the course of a section again: of its earlier parts too, and without what was excluded since."""
        self._jobs.submit("course", run.session.course, partial(self._take_course, run))

    def _take_course(self, run: RunningSection, scores: list[SectionScore]) -> None:
        if run is not self._course_of:
            return
        course = Course()
        for score in scores:
            course.add(score)
        self.course.put_before(course)
        self.course_changed.emit()
        if self.run is None and self.snapshot is not None:
            self.snapshot_changed.emit(self.snapshot)  # no poll shows it

    def look_back_at(self, run: RunningSection) -> None:
        """Show a section that has ended once more, after its score was corrected."""
        self.snapshot = run.session.snapshot()
        if self.course.add(self.snapshot.score):
            self.course_changed.emit()
        self.snapshot_changed.emit(self.snapshot)

    def _pace(self) -> None:
        if self.run is not None or self._preview is not None:
            self._fast.start()
        else:
            self._fast.stop()

    @Slot()
    def _look(self) -> None:
        began = time.monotonic()
        late_s = max(0.0, began - self._looked_s - self._fast.interval() / 1000)
        self._looked_s = began
        if self.run is not None:
            self._look_at_run(self.run)
        if self._preview is not None:  # also in a pause
            frame = self._preview.latest()
            if frame is not None and began >= self._next_frame_s:
                self._set_frame(frame)
        if self._drawn_s is not None:
            # A busy computer can do without pictures: they take no more than a quarter of this thread's time. The cost
            # of the last picture shows in the delay of this poll.
            self._next_frame_s = began + min(3 * (late_s + self._drawn_s), SLOWEST_FRAME_S)
            self._drawn_s = None

    def _look_at_run(self, run: RunningSection) -> None:
        over = run.session.finished  # read first: what is read after it is then the last
        snapshot = run.session.snapshot()
        before, self.snapshot = self.snapshot, snapshot
        if over or time.monotonic() >= self._next_frame_s:
            if snapshot.latest is not None and snapshot.latest is not self._run_frame:
                self._run_frame = snapshot.latest  # once: in a pause, a picture that is taken then stays
                self._set_frame(snapshot.latest)
            if run.hand is not None:
                self._set_hand(run.hand.hand.view())
        behind = snapshot.counts.deferred > 0 and run.hand is None and not over  # a hand needs its picture
        if not behind or time.monotonic() >= self._next_results_s:
            self._new_results(run)
            self._next_results_s = time.monotonic() + RESULTS_BEHIND_S
        if (before is None or before.score != snapshot.score or over) and self.course.add(snapshot.score):
            self.course_changed.emit()
        if over or (before is not None and before.score.retaken != snapshot.score.retaken):
            self.draw_course_again(run)  # at the end with the fields that came between two polls
        if snapshot.message and snapshot.message != self._last_message:
            self._last_message = snapshot.message
            words = snapshot.message[:1].upper() + snapshot.message[1:]
            quiet = snapshot.message == snapshot.activity  # the rig's light shows it; it comes too often for a notice
            grave = bool(snapshot.degraded or snapshot.pause_reason)
            words = full_stop(words) if snapshot.pause_reason else words
            self.message.emit("debug" if quiet else "warning" if grave else "info", words)
        self.snapshot_changed.emit(snapshot)
        self._fast.setInterval(SNAPSHOT_BEHIND_MS if behind else SNAPSHOT_MS)
        if over:
            self.run = None
            self._pace()
            self.run_ended.emit(run)

    def _new_results(self, run: RunningSection) -> None:
        """Signal every result that is new, in the order of analysis."""
        for seq in run.results.arrived(self._n_reported):
            self._n_reported += 1
            self.result_arrived.emit(run.results[seq])

    def _set_frame(self, frame: Frame) -> None:
        if frame is self.frame:
            return
        self.frame = frame
        now = self._note_shown()
        self._place(frame)
        self.frame_arrived.emit(frame)
        self._drawn_s = time.monotonic() - now

    def _set_hand(self, view: HandView | None) -> None:
        if view is None or view is self.hand:
            return
        self.hand = view
        now = self._note_shown()
        self._seen.append((now, view.n_seen))
        self.hand_changed.emit(view)
        self._drawn_s = (self._drawn_s or 0.0) + time.monotonic() - now

    def _note_shown(self) -> float:
        now = time.monotonic()
        self._shown.append(now)
        self._forget_shown(now)
        return now

    def _forget_shown(self, now: float) -> None:
        while self._shown and now - self._shown[0] > _SHOWN_S:
            self._shown.popleft()

    @property
    def shown_fps(self) -> float:
        """Frames per second that were shown lately."""
        self._forget_shown(time.monotonic())
        return len(self._shown) / _SHOWN_S

    @property
    def live_fps(self) -> float | None:
        """Live frames per second of a section by hand, lately; None before the first, and without such a section."""
        if self.run is None or self.hand is None:
            return None
        now = time.monotonic()
        while self._seen and now - self._seen[0][0] > _SHOWN_S:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        (first_s, n_before), (last_s, n_after) = self._seen[0], self._seen[-1]
        return (n_after - n_before) / (last_s - first_s) if last_s > first_s else 0.0

    # -- the computer --------------------------------------------------------------------------------------------------

    @Slot(Path)
    def watch_folder(self, folder: Path) -> None:
        """Poll the disk of another folder from now on."""
        self.out_dir = folder
        self.ask_system()

    @Slot()
    def ask_system(self) -> None:
        """Ask for disk and memory soon, unless they are being read: a network drive may be slow."""
        if self._asking_system:
            return
        self._asking_system = True
        folder = self.out_dir
        self._jobs.submit(
            "system", lambda: System(free_bytes(folder), resident_bytes()), self._take_system, self._miss_system
        )

    def _take_system(self, system: System) -> None:
        self._asking_system = False
        self.system = system
        self.system_changed.emit(system)

    def _miss_system(self, _sentence: str) -> None:
        self._asking_system = False
