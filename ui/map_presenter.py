"""The map before a section: limits, overview and plan on it; and the stage, which it and Live send to places."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.runs.planned_fields import PlannedFields
from ui.devices.device_action import DeviceAction

if TYPE_CHECKING:
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.plans import PositionList
    from hcc_scope.types import Frame
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.overview import Overview
    from ui.control.plan_preview import PlanPreview
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["MapPresenter"]

_STEPS: dict[ActionName, tuple[int, int]] = {
    "step_left": (-1, 0),
    "step_right": (1, 0),
    "step_up": (0, -1),
    "step_down": (0, 1),
}
_NO_INTERVAL = "Its fields are chosen, and not drawn at random: the score's interval is not valid for it."


def _centre_on(controls: DeviceControls, frame: Frame, x_px: float, y_px: float) -> None:
    controls.centre_on(frame, x_px, y_px)


def _step(controls: DeviceControls, columns: int, rows: int, in_picture: bool) -> None:
    controls.move_by_fields(columns, rows, in_picture=in_picture)


class MapPresenter(QObject):
    """Connects map and Live with the plan of the next section, what was seen, and the stage.

    Parameters
    ----------
    window : MainWindow
    views : Views
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
    preview : PlanPreview
    overview : Overview
    focus : ReplayFocus
        Whether the map shows a section in Replay.
    """

    map_needed = Signal()
    """The map is cleared for the next section: what fills it with another one ends that."""

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        preview: PlanPreview,
        overview: Overview,
        focus: ReplayFocus,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._state = window, views, state
        self._rig, self._run, self._setup = rig, run, setup
        self._preview, self._overview, self._focus = preview, overview, focus
        self._specimen: object = None
        self._specimen_of_live: object = None
        self._rig_of_picture: LoadedRig | None = None
        self._rig_name = ""
        preview.changed.connect(self._show_plan)
        preview.wanted.connect(self._plan_next)
        overview.grown.connect(self._show_overview)
        views.map.fields_edited.connect(self._take_fields)
        views.map.fields_editing.connect(partial(self._note_edited, "fields"))
        views.map.outline_editing.connect(partial(self._note_edited, "outline"))
        views.map.move_requested.connect(self._move_to)
        views.live.centre_requested.connect(self._centre)
        state.frame_arrived.connect(self._look_at)
        state.rig_changed.connect(self._rig_changed)
        state.rig_gone.connect(self._rig_gone)
        setup.changed.connect(self._setup_changed)
        rig.live_changed.connect(self._live_changed)
        rig.opened.connect(self._rig_opened)
        actions = window.actions_
        for tab in (views.live, views.map):
            tab.addActions(actions.of_pictures())
        for name, step in _STEPS.items():
            actions[name].triggered.connect(partial(self._step, *step))
        actions["mark_here"].triggered.connect(self._mark_here)
        actions["go_there"].triggered.connect(self._go_there)
        actions["forget_overview"].triggered.connect(overview.clear)

    # -- the plan ------------------------------------------------------------------------------------------------------

    @Slot()
    def _show_plan(self) -> None:
        section_map = self._views.map
        if self._run.active or section_map.hand.on:
            return
        planned = self._preview.planned or PlannedFields()
        free = not section_map.fields.fields and not self._focus.fills_map  # its fields may be on their way
        if section_map.next.shown or free:
            section_map.next.show(planned)
        self._offer_fields(planned)

    @Slot()
    def _plan_next(self) -> None:
        """Show the next section's plan, although the one before is still on the map."""
        planned = self._preview.planned
        if planned is not None and not self._run.active:
            self._make_room()
            self._views.map.next.show(planned)
            self._offer_fields(planned)

    def _make_room(self) -> None:
        """Take fields off the map whose places are none of the stage: among them, a plan would lie nowhere."""
        loaded = self._rig.loaded
        if not self._views.map.fields.on_stage and not self._run.active and (loaded is None or loaded.has_stage):
            self._clear_map()

    def _clear_map(self) -> None:
        self.map_needed.emit()
        self._views.map.clear()

    def _offer_fields(self, planned: PlannedFields) -> None:
        """Let the fields be edited that are chosen now: what is laid out may be a moment older."""
        plan = self._setup.request.plan
        if plan.kind == "list" and plan.listed is not None:
            self._views.map.next.offer(plan.listed, "")
        else:
            self._views.map.next.offer(planned.as_list, planned.no_list)

    @Slot(object)
    def _take_fields(self, listed: PositionList) -> None:
        """Use fields that were marked, moved or deleted as the plan of the next section."""
        plan = self._setup.request.plan
        self._setup.change(plan=plan.with_list(listed))
        if plan.kind != "list":
            self._state.message.emit("info", f"The plan is now a list of fields. {_NO_INTERVAL}")

    def _note_edited(self, what: str, on: bool) -> None:
        if on:
            self._make_room()
            self._preview.wanted.emit()
            self._setup.set_edited(what)
        elif self._setup.edited == what:
            self._setup.set_edited("")

    @Slot()
    def _mark_here(self) -> None:
        """Mark where the stage is now: what is shown of it may be a moment old."""
        self._rig.ask(self._mark)

    def _mark(self, rig: RigState) -> None:
        at = rig.xy_um
        if at is None or self._run.active:
            return
        if rig.busy:
            self._state.message.emit("info", "Not marked: the stage is moving. Mark the field when it is at rest.")
            return
        self._make_room()
        self._preview.wanted.emit()
        self._views.map.next.mark(*at)
        self._state.message.emit("info", f"Marked: a field at x {at[0]:,.0f} µm, y {at[1]:,.0f} µm.")

    # -- the stage -----------------------------------------------------------------------------------------------------

    def _refused(self) -> bool:
        """Return whether the stage cannot be sent anywhere now, and report why."""
        why = self._window.actions_.why_not("go_there")
        if why:
            self._state.message.emit("info", f"The stage stays: {why}.")
        return bool(why)

    @Slot(float, float)
    def _move_to(self, x_um: float, y_um: float) -> None:
        if not self._refused():
            self._rig.do(DeviceAction(DeviceControls.move_to_um, (x_um, y_um)))

    @Slot()
    def _go_there(self) -> None:
        place = self._views.map.place_to_go_um
        if place is None:
            self._state.message.emit("info", "Choose a field on the map, or point at a place there, to go to.")
        else:
            self._move_to(*place)

    @Slot(object, float, float)
    def _centre(self, frame: Frame, x_px: float, y_px: float) -> None:
        if self._rig.loaded is not self._rig_of_picture:
            self._state.message.emit("info", "The stage stays: the picture is not of the rig that is open.")
        elif not self._refused():
            self._rig.do(DeviceAction(_centre_on, (frame, x_px, y_px)))

    def _step(self, columns: int, rows: int, _checked: bool = False) -> None:
        """Step in the direction that is seen: in the picture of Live, else on the map."""
        focus = self._window.focusWidget()
        in_picture = focus is not None and self._views.live.isAncestorOf(focus)
        self._rig.do(DeviceAction(_step, (columns, rows, in_picture)))

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        """Forget what belongs to another stage."""
        if loaded.name != self._rig_name:
            self._overview.clear()
            if self._setup.request.plan.listed is not None:
                self._setup.change(plan=self._setup.request.plan.without_places())
            if not self._focus.fills_map:  # a section in Replay stays: it is none of the rig before
                self._clear_map()
        self._rig_name = loaded.name
        self._setup_changed()

    @Slot(object)
    def _rig_changed(self, rig: RigState) -> None:
        loaded = self._rig.loaded
        self._views.map.next.set_limits(rig.limits if loaded is not None and loaded.has_stage else None)

    @Slot()
    def _rig_gone(self) -> None:
        self._views.map.next.set_limits(None)

    # -- the overview --------------------------------------------------------------------------------------------------

    @Slot()
    def _show_overview(self) -> None:
        self._views.map.next.show_overview(self._overview.mosaics)

    def _specimen_now(self) -> object:
        """Return which specimen the demo camera would show; on a real rig it is the one on the stage."""
        loaded, request = self._rig.loaded, self._setup.request
        if loaded is None or not loaded.is_demo:
            return None
        return request.specimen, request.seed, request.animal_id, request.section_id

    @Slot()
    def _setup_changed(self) -> None:
        specimen = self._specimen_now()
        if specimen != self._specimen:
            self._specimen = specimen
            if not self._run.active:
                self._overview.clear()

    @Slot(bool)
    def _live_changed(self, on: bool) -> None:
        if on:
            self._specimen_of_live = self._specimen_now()

    @Slot(object)
    def _look_at(self, frame: Frame) -> None:
        """Take a picture of Live for the overview."""
        loaded, site = self._rig.loaded, self._preview.site
        if not frame.tags.get("preview"):
            return
        self._rig_of_picture = loaded
        if loaded is None or not loaded.has_stage or site is None or self._run.active:
            return
        if not self._rig.live:
            if self._state.rig is not None and not self._state.rig.busy:
                self._overview.take_snap(frame, site.orientation)
        elif self._specimen_of_live == self._specimen_now():
            self._overview.take_live(frame, site.orientation)
