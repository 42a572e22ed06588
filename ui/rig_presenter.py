"""Show the rig in its panels and tabs, and run the actions that they request."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QMessageBox

from hcc_scope.formatting import sentence
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.limits import em_gain_warning
from hcc_scope.microscope.sensor_care import ageing_concern
from ui.control.settings import Contrast
from ui.devices.device_action import DeviceAction
from ui.kit.dialog_buttons import without_icons

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.by_hand import HandView
    from hcc_scope.microscope.device_controls import DeviceProperty, RigState
    from hcc_scope.types import Frame
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_request import SectionRequest
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["RigPresenter"]

PROPERTIES_MS = 5000
WATCH_S = 0.5
"""Between two looks at a frame's saturation."""


def _set_gain(controls: DeviceControls, em_gain: float, confirmed: bool) -> None:
    controls.set_em_gain(em_gain, confirmed=confirmed)


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
    request : callable
        Returns what is set up for the next section; on a demo rig its specimen is what the camera sees.
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
        request: Callable[[], SectionRequest],
    ) -> None:
        super().__init__(window)
        self._views, self._jobs, self._state = views, jobs, state
        self._rig, self._run, self._settings_store = rig, run, settings_store
        self._window, self._request = window, request
        self._ageing: str | None = None
        self._watched_s = 0.0
        self._asking_properties = False
        self._timer = QTimer(self)
        self._timer.setInterval(PROPERTIES_MS)
        self._timer.timeout.connect(self._refresh_properties)
        views.devices.requested.connect(rig.do)
        views.property_page.made.connect(self._connect_properties)
        views.devices.stage.halt_requested.connect(window.actions_["emergency"].trigger)
        views.devices.camera.roi_draw_requested.connect(self._draw_roi)
        views.devices.camera.em_gain_requested.connect(self._set_em_gain)
        views.devices.camera.auto_exposure_requested.connect(self._find_exposure)
        views.live.auto_exposure_requested.connect(self._find_exposure)
        state.frame_arrived.connect(self._watch_sensor)
        state.hand_changed.connect(self._watch_live_frame)
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
        loaded = self._rig.loaded
        if loaded is not None and loaded.is_manual:
            rig = replace(rig, xy_um=None, z_um=None)  # nothing that moves a stage or a focus is offered
        self._views.devices.set_state(rig)
        self._views.map.set_stage(*(rig.xy_um or (None, None)))
        self._views.live.set_pixel_size_um(rig.pixel_size_um or None)
        if self._state.run is None:  # else the frames show it
            camera = rig.camera
            self._views.status.set_sensor(camera.temperature_c, camera.temperature_set_point_c, self._ageing)

    @Slot()
    def _show_no_rig(self) -> None:
        self._views.devices.set_state(None)
        self._views.map.set_stage(None)
        self._ageing = None
        self._views.status.set_sensor(None, None)

    # -- exposure, gain and the sensor ---------------------------------------------------------------------------------

    @Slot(float)
    def _set_em_gain(self, em_gain: float) -> None:
        """Set an EM gain; one above the rig's limit only once the operator agrees."""
        loaded = self._rig.loaded
        warning = None if loaded is None else em_gain_warning(em_gain, loaded.rig.microscope.handling)
        if warning is None:
            self._rig.do(DeviceAction(_set_gain, (em_gain, False)))
            return
        question = QMessageBox(
            QMessageBox.Icon.Warning,
            "EM gain",
            f"{sentence(warning)} Set it nevertheless?",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
            self._window,
        )
        question.setDefaultButton(QMessageBox.StandardButton.No)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.finished.connect(partial(self._gain_answered, em_gain))
        without_icons(question)
        question.open()

    def _gain_answered(self, em_gain: float, answer: int) -> None:
        if answer == QMessageBox.StandardButton.Yes:
            self._rig.do(DeviceAction(_set_gain, (em_gain, True)))
        else:
            self._state.ask_rig(refresh=True)  # the field shows the value of the device again

    @Slot()
    def _find_exposure(self) -> None:
        if self._rig.loaded is None:
            self._state.message.emit("info", "No rig is open: open one to find its exposure.")
        self._rig.find_exposure(self._request())

    @Slot(object)
    def _watch_sensor(self, frame: Frame) -> None:
        """Keep on the screen what ages the sensor or spoils its frames, for as long as the frames show it."""
        now = time.monotonic()
        if now - self._watched_s < WATCH_S:
            return
        self._watched_s = now
        self._ageing = ageing_concern(frame.pixels, frame.bit_depth, frame.em_gain)
        set_point = frame.tags.get("temperature_set_point_c")
        camera = None if self._state.rig is None else self._state.rig.camera
        if not isinstance(set_point, int | float):  # a preview carries none
            set_point = None if camera is None else camera.temperature_set_point_c
        self._views.status.set_sensor(frame.temperature_c, set_point, self._ageing)

    @Slot(object)
    def _watch_live_frame(self, view: HandView) -> None:
        self._watch_sensor(view.frame)

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
        if self._views.property_page.is_made:
            self._views.properties.set_properties(())

    # -- its properties ------------------------------------------------------------------------------------------------

    @Slot()
    def _connect_properties(self) -> None:
        self._views.properties.requested.connect(self._rig.do)

    @Slot(bool)
    def _properties_shown(self, shown: bool) -> None:
        if shown:
            self._refresh_properties()

    @Slot()
    def _refresh_properties(self) -> None:
        """Read all properties, which is slow, if they are visible and no section is under way."""
        loaded = self._rig.loaded
        visible = self._views.property_page.isVisible()
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

    @Slot(float, float, bool)
    def _keep_contrast(self, low: float, high: float, auto: bool) -> None:
        loaded = self._rig.loaded
        if loaded is not None:
            kept = {**self._settings_store.settings.contrast, loaded.name: Contrast(low=low, high=high, auto=auto)}
            self._settings_store.change(contrast=kept)
