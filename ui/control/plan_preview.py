"""The plan of the next section as it would be taken now: laid out again whenever the plan, the ids or the rig change.

What a plan has to know of the rig is read in the worker ``rig``, and only if a setting of the camera changes: where the
stage is comes with the state of the rig. The plan is laid out in a worker of its own, so that no device waits for it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication

from hcc_scope.runs.planned_fields import PlannedFields, plan_site, planned_fields
from hcc_scope.workers import Failure, attempt
from ui.control.demo_specimen import outline_specimen
from ui.control.running import plan_of_request

if TYPE_CHECKING:
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.runs.planned_fields import PlanSite
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_request import PlanChoice, SectionRequest
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs

__all__ = ["PlanPreview"]

_SOON_MS = 120
"""After the last change: a number that is typed has several digits."""
AGAIN_MS = 2000
"""After so long a plan that cannot be carried out is laid out again: its file, or the disk, may be there by then."""
_SAME_PLACE_UM = 1.0


class PlanPreview(QObject):
    """Lays the plan out while no section is under way.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
        Takes why the rig cannot carry its plan out.
    parent : QObject, optional
    """

    changed = Signal()
    """`planned` is another one."""
    wanted = Signal()
    """The operator plans the next section: what is known of it takes the place of the section before."""

    def __init__(
        self,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs, self._state, self._rig, self._run, self._setup = jobs, state, rig, run, setup
        self.planned: PlannedFields | None = None
        """None while no rig is open, a section is under way, or a person goes to the fields."""
        self.site: PlanSite | None = None
        """What the plan knows of the rig; None if no rig is open, or its camera cannot be used."""
        self._proposed: PlanChoice | None = None
        self._settings: object = None
        """What the site depends on, besides the position of the stage."""
        self._site_problem = ""
        self._n_asked = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SOON_MS)
        self._timer.timeout.connect(self._lay_out)
        self._again = QTimer(self, singleShot=True, interval=AGAIN_MS)
        self._again.timeout.connect(self.refresh)
        setup.changed.connect(self._soon)
        run.phase_changed.connect(self._phase_changed)
        rig.opened.connect(self._read_site)
        state.rig_changed.connect(self._rig_changed)
        state.rig_gone.connect(self._rig_gone)
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.applicationStateChanged.connect(self._activated)

    @Slot()
    def _soon(self) -> None:
        self._timer.start()

    @Slot()
    def refresh(self) -> None:
        """Lay the same plan out again: its file, or the room on the disk, may have changed."""
        if not self._run.active:
            self._timer.start()

    @Slot(Qt.ApplicationState)
    def _activated(self, state: Qt.ApplicationState) -> None:
        """Lay the plan out again when the operator comes back, such as from mending its file."""
        if state == Qt.ApplicationState.ApplicationActive:
            self.refresh()

    @Slot(str)
    def _phase_changed(self, phase: str) -> None:
        if phase == "idle" and self._rig.loaded is not None:
            self._read_site(self._rig.loaded)  # a section, or the operator meanwhile, may have changed the camera
        self._timer.start()

    def propose(self, choice: PlanChoice | None) -> None:
        """Lay out a plan that is not chosen yet, in the place of the chosen one; None for the chosen one again."""
        if choice != self._proposed:
            self._proposed = choice
            self._timer.start()

    # -- the rig -------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _read_site(self, loaded: LoadedRig) -> None:
        self._jobs.submit("rig", partial(_site_of, loaded), partial(self._take_site, loaded))

    def _take_site(self, loaded: LoadedRig, site: PlanSite | str) -> None:
        if self._rig.loaded is not loaded:
            return
        self.site, self._site_problem = (None, site) if isinstance(site, str) else (site, "")
        self._timer.start()

    @Slot(object)
    def _rig_changed(self, rig: RigState) -> None:
        camera = rig.camera
        settings = camera.label, camera.roi, camera.binning, camera.exposure_ms, rig.pixel_size_um, rig.objective
        loaded = self._rig.loaded
        if settings != self._settings and loaded is not None and not self._run.active:
            self._settings = settings
            self._read_site(loaded)
        elif self.site is not None and _moved(self.site.stage_um, rig.xy_um):
            self.site = replace(self.site, stage_um=rig.xy_um)
            self._timer.start()

    @Slot()
    def _rig_gone(self) -> None:
        self.site, self._settings, self._site_problem = None, None, ""
        self._timer.start()

    # -- laying out ----------------------------------------------------------------------------------------------------

    @Slot()
    def _lay_out(self) -> None:
        self._n_asked += 1
        request, loaded = self._setup.request, self._rig.loaded
        if self._proposed is not None:
            request = replace(request, plan=self._proposed)
        if loaded is None or self._run.active or request.plan.by_hand:
            self._show(None)
        elif self.site is None:
            self._setup.note_laid_out(request, "", "")  # what was found on another rig does not hold here
            self._show(PlannedFields(problem=self._site_problem) if self._site_problem else None)
        else:
            work = partial(_planned, request, self.site, is_demo=loaded.is_demo)
            self._jobs.submit("plan", work, partial(self._take, self._n_asked, request))

    def _take(self, number: int, request: SectionRequest, planned: PlannedFields) -> None:
        if request.plan == self._setup.request.plan:
            self._setup.note_laid_out(request, planned.problem, planned.takes)
        if number == self._n_asked and not self._run.active:
            self._show(planned)
            if planned.problem:
                self._again.start()

    def _show(self, planned: PlannedFields | None) -> None:
        if planned is not None or self.planned is not None:
            self.planned = planned
            self.changed.emit()


def _moved(before_um: tuple[float, float] | None, now_um: tuple[float, float] | None) -> bool:
    if before_um is None or now_um is None:
        return before_um != now_um
    return max(abs(now_um[axis] - before_um[axis]) for axis in (0, 1)) > _SAME_PLACE_UM


def _site_of(loaded: LoadedRig) -> PlanSite | str:
    """Return what a plan needs to know of the rig, or why it is not known: the map states that."""
    site = attempt(partial(plan_site, loaded.rig))
    return str(site.error) if isinstance(site, Failure) else site


def _planned(request: SectionRequest, site: PlanSite, *, is_demo: bool) -> PlannedFields:
    """Lay the plan of a request out as a section would take it; in the worker ``plan``."""
    from hcc_scope.runs.phantoms import outline_points

    specimen = outline_specimen(request) if is_demo else None
    outline = None if specimen is None else outline_points(specimen)
    return planned_fields(
        partial(plan_of_request, request, site, outline),
        site,
        section_um=None if specimen is None else specimen.outline_um,
        out_dir=request.out_dir,
    )
