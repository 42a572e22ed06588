"""Connect the widgets with what they show and ask for. They know nothing of each other; this is where they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtGui import QAction

from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.orientation import Orientation
from ui.canvas.save_view import save_picture
from ui.control.settings import Contrast, with_recent
from ui.devices.device_action import DeviceAction
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.kit.scrolled import scrolled
from ui.live.live_tab import LiveTab
from ui.map.map_tab import SectionMapTab
from ui.replay.replay_tab import ReplayTab
from ui.replay_presenter import ReplayWiring
from ui.score.quality import QualityPanel
from ui.score.score import ScorePanel
from ui.section_presenter import SectionWiring
from ui.shell.status_strip import StatusStrip
from ui.tiles.tiles_tab import TilesTab

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.microscope.device_controls import RigState
    from hcc_scope.runs.section_analyses import OpenedStore
    from ui.control.app_state import AppState
    from ui.control.rig_control import LoadedRig, RigControl
    from ui.control.run_control import RunControl
    from ui.control.settings_store import Memory
    from ui.kit.jobs import Jobs
    from ui.kit.theme import ThemeName
    from ui.shell.main_window import MainWindow

__all__ = ["Wiring"]

PROPERTIES_MS = 5000
LOW_PX = 800
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
        self._asking_properties = False
        self.tiles_opened = False
        """Whether the gallery shows an opened store."""
        self._make_panels()
        self._make_tabs()
        self._connect_rig()
        self.in_replay: ReplayWiring | None = None
        self.section = SectionWiring(self, jobs, state, run)
        self.in_replay = ReplayWiring(self, window)
        self.set_theme(window.theme)
        window.theme_changed.connect(self.set_theme)

    # -- made once ---------------------------------------------------------------------------------------------------

    def _make_panels(self) -> None:
        self.devices = DevicePanels()
        self.properties = PropertyBrowser()
        self.score, self.quality, self.status = ScorePanel(), QualityPanel(), StatusStrip()
        window = self._window
        window.add_dock("rig", "Rig", scrolled(self.devices), _LEFT, "Ctrl+Alt+1")
        window.add_dock("properties", "Properties", self.properties, _LEFT, "Ctrl+Alt+2", beside="rig")
        window.add_dock("score", "Score", scrolled(self.score), _RIGHT, "Ctrl+Alt+3")
        window.add_dock("quality", "Quality of the field", scrolled(self.quality), _RIGHT, "Ctrl+Alt+4")
        window.set_status(self.status)

    def _make_tabs(self) -> None:
        self.live, self.map, self.tiles = LiveTab(), SectionMapTab(), TilesTab(self._jobs)
        self.replay = ReplayTab(self._jobs, allow_phantom_model=self._run.allow_phantom_model)
        window = self._window
        window.add_tab(self.live, "Live", "What the camera sees, and what the model says about it")
        window.add_tab(self.map, "Section map", "All fields where the stage was")
        window.add_tab(self.tiles, "Tiles", "All tiles of the section, sorted by what the model says")
        window.add_tab(self.replay, "Replay", "Stored sections: look, classify again, compare, write notes")
        self.replay.message.connect(self._state.message)
        self.replay.store_opened.connect(self._remember_store)
        self.replay.section_shown.connect(self._show_tiles_of)
        self.map.set_stage(None)
        self.map.move_requested.connect(self._move_to)
        self.live.roi_drawn.connect(self._set_roi)
        self.live.contrast_changed.connect(self._keep_contrast)

    def _connect_rig(self) -> None:
        state, rig = self._state, self._rig
        self.devices.requested.connect(rig.do)
        self.properties.requested.connect(rig.do)
        self.devices.stage.halt_requested.connect(self._window.actions_["emergency"].trigger)
        self.devices.camera.roi_draw_requested.connect(self._draw_roi)
        state.rig_changed.connect(self._show_rig)
        rig.live_changed.connect(self.live.set_live)
        rig.opened.connect(self._rig_opened)
        rig.closed.connect(self._rig_closed)
        rig.acted.connect(self._refresh_properties)
        self._timer = QTimer(self)
        self._timer.setInterval(PROPERTIES_MS)
        self._timer.timeout.connect(self._refresh_properties)
        self._window.docks["properties"].visibilityChanged.connect(self._properties_shown)
        self._show_rig(None)

    @Slot(str)
    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours; the panels follow the palette by themselves."""
        for tab in (self.live, self.map, self.tiles, self.replay):
            tab.set_theme(theme)

    # -- the rig -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_rig(self, rig: RigState | None) -> None:
        self.devices.set_state(rig)
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
        self.show_live()
        draw = next(action for action in self.live.findChildren(QAction) if action.text() == "Draw ROI")
        if not draw.isChecked():
            draw.trigger()

    @Slot(int, int, int, int)
    def _set_roi(self, x: int, y: int, width: int, height: int) -> None:
        """Ask for a region that was drawn on a frame, which may be of a region itself."""
        rig = self._state.rig
        if rig is not None:
            left, top = rig.camera.roi[:2]
            self._rig.do(DeviceAction(DeviceControls.set_roi, (left + x, top + y, width, height)))

    @Slot(float, float)
    def _move_to(self, x_um: float, y_um: float) -> None:
        self._rig.do(DeviceAction(DeviceControls.move_to_um, (x_um, y_um)))

    @Slot(float, float, bool)
    def _keep_contrast(self, low: float, high: float, auto: bool) -> None:
        loaded = self._rig.loaded
        if loaded is not None:
            kept = {**self._memory.settings.contrast, loaded.name: Contrast(low=low, high=high, auto=auto)}
            self._memory.change(contrast=kept)

    @property
    def replayed(self) -> bool:
        """Whether score, quality and buttons belong to a section in Replay."""
        return self.in_replay is not None and self.in_replay.on

    # -- the tabs ---------------------------------------------------------------------------------------------------

    def show_live(self) -> None:
        """Open the tab Live."""
        self._window.show_welcome(False)
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
            if self.tiles_opened:
                self.tiles.clear()
            return
        recorded = opened.analyses[0]
        self.tiles_opened = True
        self.tiles.show_section(
            recorded.results.values(),
            opened.grid,
            opened.store.read,
            threshold=recorded.threshold,
            pixel_size_um=opened.spec.pixel_size_um,
            orientation=Orientation(opened.spec.camera_axes),
            excluded=opened.excluded,
        )

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
