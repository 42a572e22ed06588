"""Show the rig in its panels and tabs, and run the actions that they request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.microscope.device_controls import DeviceControls
from ui.control.settings import Contrast
from ui.devices.device_action import DeviceAction

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import DeviceProperty, RigState
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["RigPresenter"]

PROPERTIES_MS = 5000


class RigPresenter(QObject):
    """Connects the rig with its panels, the stage on the map, and the camera's contrast and region of interest.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    settings_store : SettingsStore
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._views, self._jobs, self._state = views, jobs, state
        self._rig, self._run, self._settings_store = rig, run, settings_store
        self._asking_properties = False
        self._timer = QTimer(self)
        self._timer.setInterval(PROPERTIES_MS)
        self._timer.timeout.connect(self._refresh_properties)
        views.devices.requested.connect(rig.do)
        views.properties.requested.connect(rig.do)
        views.devices.stage.halt_requested.connect(window.actions_["emergency"].trigger)
        views.devices.camera.roi_draw_requested.connect(self._draw_roi)
        views.map.move_requested.connect(self._move_to)
        views.live.roi_drawn.connect(self._set_roi)
        views.live.contrast_changed.connect(self._keep_contrast)
        state.rig_changed.connect(self._show_rig)
        state.rig_gone.connect(self._show_no_rig)
        rig.live_changed.connect(views.live.set_live)
        rig.opened.connect(self._rig_opened)
        rig.closed.connect(self._rig_closed)
        rig.acted.connect(self._refresh_properties)
        window.docks["properties"].visibilityChanged.connect(self._properties_shown)
        self._show_no_rig()

    # -- its state -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_rig(self, rig: RigState) -> None:
        self._views.devices.set_state(rig)
        self._views.map.set_stage(*(rig.xy_um or (None, None)))
        self._views.live.set_pixel_size_um(rig.pixel_size_um or None)

    @Slot()
    def _show_no_rig(self) -> None:
        self._views.devices.set_state(None)
        self._views.map.set_stage(None)

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        kept = self._settings_store.settings.contrast.get(loaded.name)
        if kept is not None:
            self._views.live.set_contrast(kept.low, kept.high, kept.auto)
        self._timer.start()
        self._refresh_properties()

    @Slot()
    def _rig_closed(self) -> None:
        self._timer.stop()
        self._views.properties.set_properties(())

    # -- its properties ------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _properties_shown(self, shown: bool) -> None:
        if shown:
            self._refresh_properties()

    @Slot()
    def _refresh_properties(self) -> None:
        """Read all properties, which is slow, if they are visible and no section is under way."""
        loaded = self._rig.loaded
        visible = self._views.properties.isVisible()
        if loaded is None or self._asking_properties or self._run.active or not visible:
            return
        self._asking_properties = True
        self._jobs.submit("rig", loaded.controls.properties, self._take_properties, self._miss_properties)

    def _take_properties(self, properties: tuple[DeviceProperty, ...]) -> None:
        self._asking_properties = False
        if self._rig.loaded is not None:
            self._views.properties.set_properties(properties)

    def _miss_properties(self, _sentence: str) -> None:
        self._asking_properties = False

    # -- what the tabs ask for -----------------------------------------------------------------------------------------

    @Slot()
    def _draw_roi(self) -> None:
        self._views.show_live()
        self._views.live.begin_roi()

    @Slot(int, int, int, int)
    def _set_roi(self, x: int, y: int, width: int, height: int) -> None:
        """Set a region that was drawn on a frame, which may itself show a region of the sensor."""
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
            kept = {**self._settings_store.settings.contrast, loaded.name: Contrast(low=low, high=high, auto=auto)}
            self._settings_store.change(contrast=kept)
