"""One section from Start to its report: made in the background, watched by `ui.control.app_state`, ended in order.

::

    idle -start-> preparing -> running <-> paused
                     |            '-stop-> stopping -hurry-> analysis_skipped
                     '-stop-> idle         '----------------------> finishing -> idle
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.errors import PlanError, StoreUnwritableError
from hcc_scope.formatting import counted, full_stop, sentence
from hcc_scope.orientation import Orientation
from hcc_scope.storage.naming import refuse_taken
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import StopToken
from ui.control.demo_specimen import specimen_of
from ui.control.rig_control import DRAWING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from hcc_scope.plans import Plan
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.session.session import Session
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult, RunSpec
    from ui.control.app_state import AppState
    from ui.control.rig_control import LoadedRig, RigControl
    from ui.control.section_request import SectionRequest
    from ui.kit.jobs import Jobs

__all__ = ["Phase", "RunControl", "Running"]

MAX_DRAWN = 5000
"""Planned fields beyond which the map shows none: they would be one grey area."""

Phase = Literal["idle", "preparing", "running", "paused", "stopping", "analysis_skipped", "finishing"]


@dataclass(frozen=True, slots=True)
class Running:
    """A section that is under way, with what its plan says."""

    section: SectionRun
    threshold: float
    """The model card's decision threshold."""
    positions_um: NDArray[np.float64] | None
    """(n, 2) centres of the planned fields; None where nothing is planned, or more than anyone can look at."""
    outline_um: NDArray[np.float64] | None
    """(m, 2)"""

    @property
    def session(self) -> Session:
        """What runs it."""
        return self.section.session

    @property
    def spec(self) -> RunSpec:
        """What was known before its first frame."""
        return self.section.spec

    @property
    def grid(self) -> TileGrid:
        """How its frames are cut into tiles."""
        return self.section.grid

    @property
    def results(self) -> Mapping[int, FrameResult]:
        """What was made of its frames so far."""
        return self.section.results

    @property
    def store_path(self) -> Path:
        """Where it is kept."""
        return Path(self.section.store_path)


class RunControl(QObject):
    """Starts, pauses and ends sections.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
    rig : RigControl
    parent : QObject, optional
    allow_phantom_model : bool
        Let a model that was trained on a phantom only score what may be tissue.
    """

    phase_changed = Signal(str)
    analyst_ready = Signal(object)
    """Carries the `ScoringModel`: a checked model on an engine."""
    screen_changed = Signal()
    """Another field may be on the screen."""
    excluded_changed = Signal(int, bool)
    """Carries the number of a field, and whether it is excluded now."""

    def __init__(
        self,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        parent: QObject | None = None,
        *,
        allow_phantom_model: bool = False,
    ) -> None:
        super().__init__(parent)
        self.allow_phantom_model = allow_phantom_model
        self._jobs = jobs
        self._state = state
        self._rig = rig
        self._phase: Phase = "idle"
        self._stop = StopToken()
        self._analyst: tuple[tuple[str, str], ScoringModel] | None = None
        self._wanted: tuple[str, str] | None = None
        self.request: SectionRequest | None = None
        self.run: Running | None = None
        self.last_store: Path | None = None
        """Of the section that ended last."""
        self._correctable: Running | None = None
        self._excluded: list[int] = []
        self._screen: Callable[[], int | None] = _nothing_shown
        state.run_ended.connect(self._over)

    # -- the model ---------------------------------------------------------------------------------------------------

    @property
    def scoring_model(self) -> ScoringModel | None:
        """The model that is loaded, whatever is wanted now."""
        return None if self._analyst is None else self._analyst[1]

    def prepare_model(self, model: str, engine: str) -> None:
        """Load a model ahead, so that Start need not wait for it."""
        key = model, engine
        if not model or key == self._wanted or (self._analyst is not None and self._analyst[0] == key):
            return
        self._wanted = key
        self._jobs.submit(
            "model",
            partial(_load, key, self._note, self.allow_phantom_model),
            partial(self._loaded, key),
            self._not_loaded,
        )

    def _loaded(self, key: tuple[str, str], scoring_model: ScoringModel) -> None:
        if self._wanted == key:
            self._wanted = None
        self._analyst = key, scoring_model
        self.analyst_ready.emit(scoring_model)

    def _not_loaded(self, _sentence: str) -> None:
        self._wanted = None

    def _note(self, text: str) -> None:
        """Tell something on the way; from a worker."""
        self._jobs.tell(partial(self._state.message.emit, "info", text))

    # -- start -------------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Where the section is."""
        return self._phase

    @property
    def active(self) -> bool:
        """Whether a section is being made, acquired or closed."""
        return self._phase != "idle"

    def _set_phase(self, phase: Phase) -> None:
        if phase != self._phase:
            self._phase = phase
            self.phase_changed.emit(phase)

    def start(self, request: SectionRequest) -> None:
        """Acquire a section; comes back by `ui.control.app_state.AppState.run_started`, or by a message."""
        loaded = self._rig.loaded
        if self.active or loaded is None or self._rig.busy:
            return
        self._rig.stop_live()
        self._stop = StopToken()
        self.request = request
        self._set_phase("preparing")
        key = request.model, request.engine
        if self._analyst is not None and self._analyst[0] == key:
            self._make(request, loaded, self._stop, self._analyst[1])
            return
        self._jobs.submit(
            "model",
            partial(_load, key, self._note, self.allow_phantom_model),
            partial(self._go_on, request, loaded, self._stop, key),
            self._not_started,
        )

    def _go_on(
        self,
        request: SectionRequest,
        loaded: LoadedRig,
        stop: StopToken,
        key: tuple[str, str],
        scoring_model: ScoringModel,
    ) -> None:
        self._loaded(key, scoring_model)
        self._make(request, loaded, stop, scoring_model)

    def _make(self, request: SectionRequest, loaded: LoadedRig, stop: StopToken, scoring_model: ScoringModel) -> None:
        if stop.requested or self._rig.loaded is not loaded:
            self._set_phase("idle")
            return
        self._jobs.submit(
            "rig", partial(_start, self._rig, request, loaded, stop, scoring_model), self._started, self._not_started
        )

    def _started(self, run: Running) -> None:
        self.run = self._correctable = run
        self._excluded = []
        self._state.snapshot = None  # of the section before
        self._set_phase("stopping" if self._stop.requested else "running")
        self._state.watch_run(run)

    def _not_started(self, _sentence: str) -> None:
        self._set_phase("idle")

    # -- while it goes on --------------------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Wait between frames, or go on."""
        if self.run is None or self._phase not in ("running", "paused"):
            return
        if paused:
            self.run.session.pause()
        else:
            self._rig.stop_live()
            self.run.session.resume()
        self._set_phase("paused" if paused else "running")

    @Slot()
    def stop(self) -> None:
        """End the section in order: what was taken is stored and classified."""
        if self._phase in ("preparing", "running", "paused"):
            self._stop.request()
            if self._phase != "preparing":
                self._set_phase("stopping")

    @Slot()
    def skip_analysis(self) -> None:
        """End the section without classifying what is left; everything is stored."""
        self.stop()
        if self._phase == "stopping":
            self._stop.request()
            self._set_phase("analysis_skipped")

    # -- the last field ----------------------------------------------------------------------------------------------

    @property
    def correctable(self) -> Running | None:
        """The section whose fields can be taken out of the score: the one under way, else the one that ended last."""
        return None if self._phase == "preparing" else self._correctable

    def look_at_screen(self, seen: Callable[[], int | None]) -> None:
        """Say how it is known which of the section's fields a person sees."""
        self._screen = seen

    @property
    def field_on_screen(self) -> int | None:
        """The field of the section that a person sees, analysed or not; None if none is shown."""
        return None if self.correctable is None else self._screen()

    def exclude_shown(self) -> None:
        """Take the field that is on the screen now out of the score; it stays stored."""
        seq = self.field_on_screen
        if seq is not None:
            self.exclude(seq)

    def exclude(self, seq: int) -> None:
        """Take a field out of the score."""
        run = self.correctable
        if run is not None and seq not in self._excluded:
            self._excluded.append(seq)
            act = partial(run.session.exclude, seq, "excluded by the operator")
            self._jobs.submit(
                "disk", act, partial(self._changed, run, seq, True), partial(self._not_excluded, run, seq)
            )

    def include_again(self) -> None:
        """Bring back the field that was excluded last."""
        run = self.correctable
        if run is not None and self._excluded:
            seq = self._excluded.pop()
            self._jobs.submit("disk", partial(run.session.include, seq), partial(self._changed, run, seq, False))

    def _changed(self, run: Running, seq: int, excluded: bool, _nothing: object) -> None:
        words = "is excluded from the score, and stays stored" if excluded else "counts again"
        spec = run.spec
        where = "" if run is self.run else f" of section {spec.animal_id} {spec.section_id}"
        self._state.message.emit("info", f"Field {seq}{where} {words}.")
        if run is not self._correctable:
            return  # another section has begun meanwhile
        if self._state.run is None:
            self._state.look_back_at(run)  # it has ended: nobody else would look
        self.excluded_changed.emit(seq, excluded)

    def _not_excluded(self, run: Running, seq: int, _sentence: str) -> None:
        if run is self._correctable and seq in self._excluded:
            self._excluded.remove(seq)
            self.excluded_changed.emit(seq, False)

    def is_excluded(self, seq: int) -> bool:
        """Return whether a field of this section is excluded."""
        return seq in self._excluded

    @property
    def last_excluded(self) -> int | None:
        """The field that the operator excluded last and could bring back."""
        return self._excluded[-1] if self._excluded else None

    # -- the end -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _over(self, run: object) -> None:
        if run is not self.run or self.run is None:
            return  # a replay, or a run of before
        self._set_phase("finishing")
        self._jobs.submit("run", self.run.section.finish, self._finished, self._not_finished)

    def _finished(self, report: SectionReport) -> None:
        self.run, self.last_store = None, None if report.store is None else Path(report.store)
        self._set_phase("idle")
        self._state.message.emit(*_describe_end(report))
        self._state.run_finished.emit(report)

    def _not_finished(self, _sentence: str) -> None:
        self.run = None
        self._set_phase("idle")
        self._state.run_finished.emit(None)


def _nothing_shown() -> None:
    return None


def _describe_end(report: SectionReport) -> tuple[str, str]:
    """Return a level and how a section ended."""
    outcome = report.outcome
    counts = outcome.counts
    what = f"Section {report.animal_id} {report.section_id}"
    frames = f"{counted(counts.stored, 'frame')} stored, {counts.classified:,} classified"
    match outcome.state:
        case "failed":
            return "error", f"{what} failed: {full_stop(str(outcome.cause))} {frames}."
        case "cancelled":
            return "info", f"{what} was ended early: {frames}."
        case "completed":
            level = "warning" if outcome.degraded or outcome.remark else "info"
            said = [sentence(words) for words in (outcome.degraded, outcome.remark) if words]
            return level, " ".join([f"{what} is complete: {frames}.", *said])


# -- in the workers ----------------------------------------------------------------------------------------------------


def _load(key: tuple[str, str], note: Callable[[str], None], allow_phantom_model: bool) -> ScoringModel:
    from hcc_scope.runs.scoring_model import load_scoring_model

    return load_scoring_model(*key, note, allow_phantom_model=allow_phantom_model)


def _start(
    control: RigControl, request: SectionRequest, loaded: LoadedRig, stop: StopToken, scoring_model: ScoringModel
) -> Running:
    """Put the section together and start it; everything that can be refused is refused before the camera starts."""
    from hcc_scope.plans import TimeSeries, field_of
    from hcc_scope.runs.phantoms import outline_points
    from hcc_scope.runs.section import section_source, start_section

    if loaded.preview is not None:
        loaded.preview.stop()
        loaded.preview = None
    refuse_taken(request.store)  # before a phantom is drawn, which takes long
    _check_folder(request.out_dir)
    card = scoring_model.model.card
    specimen = None
    if loaded.is_demo and request.specimen != "none":
        with control.doing(DRAWING):
            specimen = specimen_of(request, card.pixel_size_um)
    outline = None if specimen is None else outline_points(specimen)
    plan = _plan(request, loaded, outline)
    with _said_for_the_app(request, on_phantom=specimen is not None):
        microscope = loaded.rig.microscope
        source = section_source(microscope, plan, scoring_model, request.animal_id, request.section_id, specimen)
    interval_s = plan.interval_s if isinstance(plan, TimeSeries) else None
    section = start_section(source, scoring_model, request.out_dir, stop=stop, interval_s=interval_s)
    spec = section.spec
    field_um = field_of(plan, Orientation(spec.camera_axes), spec.frame_shape_yx, spec.pixel_size_um)
    return Running(
        section,
        card.decision_threshold,
        _positions(plan, field_um),
        None if specimen is None else specimen.outline_um,
    )


@contextmanager
def _said_for_the_app(request: SectionRequest, *, on_phantom: bool) -> Iterator[None]:
    """Advise what can be done in this window where too many random fields were asked for."""
    try:
        yield
    except PlanError as error:
        if request.plan.kind != "random" or "without overlap" not in error.message:
            raise
        fewer = "Choose fewer fields under Section > Plan"
        hint = f"{fewer}: the outline is the phantom section's." if on_phantom else f"{fewer}, or a larger area."
        raise PlanError(error.message, hint=hint) from None  # the details would give the other advice


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which no section can be stored, with what can be done in this window."""
    try:
        check_out_dir(folder)
    except StoreUnwritableError as error:
        hint = "Choose another one with File > Folder for sections."
        raise StoreUnwritableError(error.message, hint=hint) from error


def _positions(plan: Plan, field_um: tuple[float, float]) -> NDArray[np.float64] | None:
    """Return the centres of the planned fields, as far as they are worth drawing."""
    places = list(islice(plan.places(field_um), MAX_DRAWN + 1))
    if not places or len(places) > MAX_DRAWN:
        return None
    return np.array([(x_um, y_um) for _, x_um, y_um, _ in places], dtype=np.float64)


def _plan(request: SectionRequest, loaded: LoadedRig, outline: tuple[tuple[float, float], ...] | None) -> Plan:
    from hcc_scope.plans import load_plan
    from hcc_scope.runs.plan_options import PlanHints, PlanOptions, plan_of_options

    choice = request.plan
    if choice.kind == "file":
        return load_plan(Path(choice.file))
    wanted = PlanOptions(
        n_frames=choice.n_frames if choice.kind == "sequence" else None,
        n_fields=choice.n_fields,
        seed=request.seed,
        area_um=choice.area_um,
    )
    hints = PlanHints(
        where="the plan",
        no_stage="Choose a sequence, or a plan file with a time series, and move the specimen by hand.",
        no_area="Choose one under Section > Plan.",
    )
    return plan_of_options(wanted, loaded.rig, outline, hints)
