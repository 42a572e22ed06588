"""Connect the widgets with what they show and ask for. They know nothing of each other; this is where they meet."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtGui import QAction

from ui.live_tab import LiveTab
from ui.main_window import scrolled
from ui.other_sections import sections_of
from ui.panels.camera import CameraPanel
from ui.panels.light import LightPanel
from ui.panels.objective import ObjectivePanel
from ui.panels.presets import PresetsPanel
from ui.panels.properties import PropertyBrowser
from ui.panels.quality import QualityPanel
from ui.panels.score import ScorePanel
from ui.panels.stage import StagePanel
from ui.panels.status import StatusStrip
from ui.picture import save_picture
from ui.replay_tab import ReplayTab
from ui.section_map import SectionMapTab
from ui.settings import Contrast, with_recent
from ui.stored_fields import StoredFields, small
from ui.tiles_tab import TilesTab

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.analyst import Analyst
    from hcc_scope.sources.controls import RigState
    from hcc_scope.types import Frame, FrameResult, Snapshot
    from ui.jobs import Jobs
    from ui.main_window import MainWindow
    from ui.memory import Memory
    from ui.review.analysis import OpenedStore
    from ui.rig_control import LoadedRig, RigControl
    from ui.run_control import RunControl, Running
    from ui.state import AppState, System
    from ui.theme import ThemeName

__all__ = ["Wiring"]

PROPERTIES_MS = 5000
NUMBERS_MS = 150
LOW_PX = 800
MAX_MISSED = 200
"""Fields that came between two looks, and are read from the store for the map once the section has ended."""
_LEFT, _RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea


class Wiring(QObject):
    """Makes the panels and tabs, puts them into the window, and keeps them up to date.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    memory : Memory
    """

    def __init__(
        self, window: MainWindow, jobs: Jobs, state: AppState, rig: RigControl, run: RunControl, memory: Memory
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._state = window, jobs, state
        self._rig, self._run, self._memory = rig, run, memory
        self._fields: StoredFields | None = None
        self._missed: deque[int] = deque(maxlen=MAX_MISSED)
        self._coming: set[int] = set()
        self._reading_missed = False
        self._asking_properties = False
        self._shown: Running | None = None
        self._course: NDArray[np.float64] | None = None
        self._judged: FrameResult | None = None
        self._numbers = QTimer(self)
        self._numbers.setSingleShot(True)
        self._numbers.setInterval(NUMBERS_MS)
        self._numbers.timeout.connect(self._show_numbers)
        self._tiles_opened = False
        self._make_panels()
        self._make_tabs()
        self._connect_rig()
        self._connect_run()
        self.set_theme(window.theme)
        window.theme_changed.connect(self.set_theme)

    # -- made once ---------------------------------------------------------------------------------------------------

    def _make_panels(self) -> None:
        self.camera, self.presets, self.objective = CameraPanel(), PresetsPanel(), ObjectivePanel()
        self.stage, self.light = StagePanel(), LightPanel()
        self.devices: tuple[CameraPanel | PresetsPanel | ObjectivePanel | StagePanel | LightPanel, ...] = (
            self.camera,
            self.presets,
            self.objective,
            self.stage,
            self.light,
        )
        self.properties = PropertyBrowser()
        self.score, self.quality, self.status = ScorePanel(), QualityPanel(), StatusStrip()
        window = self._window
        window.add_dock("rig", "Rig", scrolled(*self.devices), _LEFT, "Ctrl+Alt+1")
        window.add_dock("properties", "Properties", self.properties, _LEFT, "Ctrl+Alt+2", beside="rig")
        window.add_dock("score", "Score", scrolled(self.score), _RIGHT, "Ctrl+Alt+3")
        window.add_dock("quality", "Quality of the field", scrolled(self.quality), _RIGHT, "Ctrl+Alt+4")
        window.set_status(self.status)

    def _make_tabs(self) -> None:
        self.live, self.map, self.tiles = LiveTab(), SectionMapTab(), TilesTab(self._jobs)
        self.replay = ReplayTab(self._jobs)
        window = self._window
        window.add_tab(self.live, "Live", "What the camera sees, and what the model says about it")
        window.add_tab(self.map, "Section map", "All fields where the stage was")
        window.add_tab(self.tiles, "Tiles", "All tiles of the section, sorted by what the model says")
        window.add_tab(self.replay, "Replay", "Stored sections: look, classify again, compare, write notes")
        self.replay.message.connect(self._state.message)
        self.replay.store_opened.connect(self._remember_store)
        self.replay.section_shown.connect(self._show_tiles_of)
        self.map.set_stage(None)
        self.map.field_chosen.connect(self._show_field)
        self.map.move_requested.connect(self._move_to)
        self.live.roi_drawn.connect(self._set_roi)
        self.live.contrast_changed.connect(self._keep_contrast)

    def _connect_rig(self) -> None:
        state, rig = self._state, self._rig
        for panel in self.devices:
            panel.requested.connect(rig.do)
        self.properties.requested.connect(rig.do)
        self.stage.halt_requested.connect(self._window.actions_["emergency"].trigger)
        self.camera.roi_draw_requested.connect(self._draw_roi)
        state.rig_changed.connect(self._show_rig)
        rig.opened.connect(self._rig_opened)
        rig.closed.connect(self._rig_closed)
        rig.acted.connect(self._refresh_properties)
        self._timer = QTimer(self)
        self._timer.setInterval(PROPERTIES_MS)
        self._timer.timeout.connect(self._refresh_properties)
        self._window.docks["properties"].visibilityChanged.connect(self._properties_shown)
        self._show_rig(None)

    def _connect_run(self) -> None:
        state = self._state
        state.run_started.connect(self._begin)
        state.snapshot_changed.connect(self._show_snapshot)
        state.course_changed.connect(self._keep_course)
        state.frame_arrived.connect(self._show_frame)
        state.result_arrived.connect(self._show_result)
        state.system_changed.connect(self._show_system)
        state.run_finished.connect(self._end)
        self._run.phase_changed.connect(self._lock)
        self._run.analyst_ready.connect(self._take_analyst)
        self._run.excluded_changed.connect(self._mark_excluded)

    @Slot(str)
    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours; the panels follow the palette by themselves."""
        for tab in (self.live, self.map, self.tiles, self.replay):
            tab.set_theme(theme)

    # -- the rig -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_rig(self, rig: RigState | None) -> None:
        for panel in self.devices:
            panel.set_state(rig)
        if rig is None:
            self.map.set_stage(None)
            return
        self.map.set_stage(*(rig.xy_um or (None, None)))
        self.live.set_pixel_size_um(rig.pixel_size_um or None)

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        kept = self._memory.settings.contrast.get(loaded.name)
        if kept is not None:
            self.live.set_contrast(kept.low, kept.high, kept.auto)
        self._timer.start()
        self._refresh_properties()

    @Slot()
    def _rig_closed(self) -> None:
        self._timer.stop()
        self.properties.set_properties(())

    @Slot(bool)
    def _properties_shown(self, shown: bool) -> None:
        if shown:
            self._refresh_properties()

    @Slot()
    def _refresh_properties(self) -> None:
        """Ask for all properties, which takes its time, if somebody looks at them and no section is under way."""
        loaded = self._rig.loaded
        if loaded is None or self._asking_properties or self._run.active or not self.properties.isVisible():
            return
        self._asking_properties = True
        self._jobs.submit("rig", loaded.controls.properties, self._take_properties, self._miss_properties)

    def _take_properties(self, properties: object) -> None:
        self._asking_properties = False
        if self._rig.loaded is not None:
            self.properties.set_properties(properties)  # type: ignore[arg-type]  # a tuple of DeviceProperty

    def _miss_properties(self, _sentence: str) -> None:
        self._asking_properties = False

    @Slot()
    def _draw_roi(self) -> None:
        self._window.show_welcome(False)
        self._window.tabs.setCurrentWidget(self.live)
        draw = next(action for action in self.live.findChildren(QAction) if action.text() == "Draw ROI")
        if not draw.isChecked():
            draw.trigger()

    @Slot(int, int, int, int)
    def _set_roi(self, x: int, y: int, width: int, height: int) -> None:
        """Ask for a region that was drawn on a frame, which may be of a region itself."""
        rig = self._state.rig
        if rig is not None:
            self._rig.do("set_roi", (rig.camera.roi[0] + x, rig.camera.roi[1] + y, width, height))

    @Slot(float, float)
    def _move_to(self, x_um: float, y_um: float) -> None:
        self._rig.do("move_to_um", (x_um, y_um))

    @Slot(float, float, bool)
    def _keep_contrast(self, low: float, high: float, auto: bool) -> None:
        loaded = self._rig.loaded
        if loaded is not None:
            kept = {**self._memory.settings.contrast, loaded.name: Contrast(low=low, high=high, auto=auto)}
            self._memory.change(contrast=kept)

    # -- the section -------------------------------------------------------------------------------------------------

    @Slot(object)
    def _begin(self, run: Running) -> None:
        self._shown, self._tiles_opened = run, False
        self._fields = StoredFields(run.store_path)
        self._missed.clear()
        self._coming.clear()
        spec = run.spec
        for part in (self.live, self.map, self.tiles):
            part.clear()
        um = spec.pixel_size_um
        height, width = spec.frame_shape_yx
        self.live.set_pixel_size_um(um)
        self.map.set_plan(run.positions_um, run.outline_um, (width * um, height * um))
        self.map.set_threshold(run.threshold)
        self.tiles.set_threshold(run.threshold)
        self.tiles.set_pixel_size_um(um)
        self.tiles.set_reader(self._fields.read)
        self.score.set_section(spec.animal_id, spec.section_id)
        self.score.set_snapshot(None)
        self.score.set_course(self._state.course.as_array())
        self.quality.set_result(None)
        self._ask_other_sections()

    @Slot(object)
    def _show_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.phase == "finished":
            self._show_numbers()
        elif not self._numbers.isActive():
            self._numbers.start()

    @Slot()
    def _show_numbers(self) -> None:
        """Show score, course, rates and quality; nobody reads them 30 times a second, and plots cost."""
        self._numbers.stop()
        snapshot = self._state.snapshot
        if snapshot is None:
            return
        self.score.set_snapshot(snapshot)
        self.status.set_snapshot(snapshot)
        if self._course is not None:
            self.score.set_course(self._course)
            self._course = None
        if self._judged is not None:
            self.quality.set_result(self._judged)
            self._judged = None

    @Slot(object)
    def _keep_course(self, course: NDArray[np.float64]) -> None:
        self._course = course

    @Slot(object)
    def _show_frame(self, frame: Frame) -> None:
        self.live.set_frame(frame)
        run = self._state.run
        if run is not None and frame.section_id == run.spec.section_id:
            make = partial(_with_small, frame)
            self._coming.add(frame.seq)
            self._jobs.submit("map", make, partial(self._take_field, self._fields))

    @Slot(object)
    def _show_result(self, result: FrameResult) -> None:
        run = self._shown
        if run is None:
            return
        self.live.set_result(result, run.grid, run.threshold)
        self.tiles.add_result(result, run.grid)
        self._judged = result
        if result.seq in self.map.fields.fields:
            self.map.set_result(result, run.grid, run.threshold)
        elif result.seq not in self._coming:
            self._missed.append(result.seq)

    def _read_missed(self) -> None:
        """Read the newest field that came between two looks, for the map; one at a time, and not while others come."""
        if self._reading_missed or not self._missed or self._fields is None or self._state.run is not None:
            return
        self._reading_missed = True
        fields, seq = self._fields, self._missed.pop()
        self._jobs.submit("map", partial(_small_of, fields, seq), partial(self._take_missed, fields), self._lose_missed)

    def _take_missed(self, fields: StoredFields, got: tuple[Frame, NDArray[np.uint16]]) -> None:
        self._reading_missed = False
        self._take_field(fields, got)
        self._read_missed()

    def _take_field(self, fields: StoredFields | None, got: tuple[Frame, NDArray[np.uint16]]) -> None:
        """Put a field on the map, unless another section has begun meanwhile."""
        frame, thumbnail = got
        run = self._shown
        if run is not None and fields is self._fields:
            self._coming.discard(frame.seq)
            self.map.add_field(frame.seq, thumbnail, frame.stage_um, run.results.get(frame.seq), run.grid)
            if self._run.is_excluded(frame.seq):
                self.map.set_excluded(frame.seq, True)

    def _lose_missed(self, _sentence: str) -> None:
        self._reading_missed = False

    @Slot(int)
    def _show_field(self, seq: int) -> None:
        """Show a stored field on the tab Live."""
        fields = self._fields
        if fields is not None:
            self._jobs.submit("disk", partial(fields.read, seq), self._show_stored)

    def _show_stored(self, frame: Frame) -> None:
        run = self._shown
        self.live.set_frame(frame)
        if run is not None and frame.seq in run.results:
            self.live.set_result(run.results[frame.seq], run.grid, run.threshold)
        self._window.tabs.setCurrentWidget(self.live)

    @Slot(object)
    def _remember_store(self, path: Path) -> None:
        recent = with_recent(self._memory.settings.recent_stores, str(path))
        self._memory.change(recent_stores=recent)

    @Slot(object)
    def _show_tiles_of(self, opened: OpenedStore | None) -> None:
        """Fill the gallery with an opened section, unless one is being acquired."""
        if self._run.active:
            return
        if opened is None or not opened.analyses:
            if self._tiles_opened:
                self.tiles.clear()
            return
        recorded = opened.analyses[0]
        self._tiles_opened = True
        self.tiles.show_section(
            recorded.results.values(),
            opened.grid,
            opened.store.read,
            threshold=recorded.threshold,
            pixel_size_um=opened.spec.pixel_size_um,
            excluded=opened.excluded,
        )

    @Slot(int, bool)
    def _mark_excluded(self, seq: int, excluded: bool) -> None:
        self.map.set_excluded(seq, excluded)
        self.tiles.set_excluded(seq, excluded)

    @Slot(object)
    def _end(self, report: SectionReport | None) -> None:
        del report
        self._show_numbers()
        self._read_missed()
        self._ask_other_sections()

    def _ask_other_sections(self) -> None:
        run = self._shown
        if run is not None:
            spec = run.spec
            find = partial(sections_of, run.store_path.parent, spec.animal_id, spec.section_id)
            self._jobs.submit("disk", find, self.score.set_other_sections)

    @Slot(str)
    def _lock(self, phase: str) -> None:
        """Let nothing be changed that would spoil the section."""
        reason = None if phase == "idle" else "A section is being acquired."
        for panel in self.devices:
            panel.set_locked(None if phase == "paused" and panel is self.stage else reason, say=panel is self.camera)
        self.properties.set_locked(reason)
        self.map.set_move_allowed(phase in ("idle", "paused"))

    @Slot(object)
    def _take_analyst(self, analyst: Analyst) -> None:
        self.tiles.set_saliency(analyst.model.saliency)

    def make_room(self, height_px: int) -> None:
        """Begin without the histogram where the window is so low that the picture needs its room."""
        shown = next(action for action in self.live.findChildren(QAction) if action.text() == "Histogram")
        if height_px < LOW_PX and shown.isChecked():
            shown.trigger()

    # -- what the menus ask for ------------------------------------------------------------------------------------

    def open_store(self, path: Path) -> None:
        """Open a stored section."""
        self._window.tabs.setCurrentWidget(self.replay)
        self.replay.open_stores([path])

    def export_png(self, path: Path) -> None:
        """Save what the open tab shows.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        tab = self._window.tabs.currentWidget()
        if isinstance(tab, TilesTab):
            save_picture(tab.view, path, "Tiles")
        elif isinstance(tab, LiveTab | SectionMapTab | ReplayTab):
            tab.export_png(path)

    # -- the computer ------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_system(self, system: System) -> None:
        run, snapshot = self._state.run, self._state.snapshot
        rate = 0.0
        if run is not None and snapshot is not None:
            height, width = run.spec.frame_shape_yx
            rate = snapshot.store_fps * height * width * 2.0  # uncompressed: it will be less
        self.status.set_system(system.disk_free_bytes, rate, system.resident_bytes)
        self.status.set_shown_fps(self._state.shown_fps)


def _small_of(fields: StoredFields, seq: int) -> tuple[Frame, NDArray[np.uint16]]:
    return _with_small(fields.read(seq))


def _with_small(frame: Frame) -> tuple[Frame, NDArray[np.uint16]]:
    return frame, small(frame)
