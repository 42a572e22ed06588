"""One section from Start to its report: prepared and finished in the background, shown by `ui.control.app_state`.

::

    idle -start-> preparing -> running <-> paused
                     |            '-stop-> stopping -skip analysis-> analysis_skipped
                     '-stop-> idle         '-----------------------------> finishing -> idle
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted, full_stop, sentence
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.workers import StopToken
from ui.control.resumed import request_to_resume
from ui.control.running import Running, start_import_of, start_section_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.import_section import ImportRequest
    from hcc_scope.types import Snapshot
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.section_request import SectionRequest
    from ui.kit.jobs import Jobs

__all__ = ["ModelChoice", "Phase", "RunControl", "describe_end"]

_NO_REASON = "excluded by the operator"
Phase = Literal["idle", "preparing", "running", "paused", "stopping", "analysis_skipped", "finishing"]


class ModelChoice(NamedTuple):
    """Which model is loaded, and how."""

    model: str
    """Its name or folder."""
    engine: str
    allow_phantom_model: bool

    def load(self, note: Callable[[str], None]) -> ScoringModel:
        """Load and check it; runs in a worker. `note` takes sentences about what is special."""
        return load_scoring_model(self.model, self.engine, note, allow_phantom_model=self.allow_phantom_model)

    def load_if_changed(self, note: Callable[[str], None], before: ScoringModel) -> ScoringModel:
        """Return what was loaded before, or the model that has taken its place in the folder; runs in a worker.

        A folder that is gone changes nothing: what was loaded is the model that was chosen, and was checked.
        """
        try:
            card = read_card(find_model(self.model))
        except (HccScopeError, OSError):
            return before
        return before if card == before.model.card else self.load(note)


class RunControl(QObject):
    """Starts, pauses and ends sections.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
    rig : RigControl
    parent : QObject, optional
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.
    """

    phase_changed = Signal(str)
    model_ready = Signal(ScoringModel)
    """A checked model on an engine."""
    model_refused = Signal(str, str)
    """A model's name or folder, and why it cannot be used, as a sentence."""
    screen_changed = Signal()
    """Another field may be on the screen."""
    excluded_changed = Signal(int, bool)
    """The number of a field, and whether it is excluded now."""
    paused_by_itself = Signal(str)
    """Why the section has paused by itself, and what to do."""

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
        self._loaded_model: tuple[ModelChoice, ScoringModel] | None = None
        self._wanted: ModelChoice | None = None
        self.request: SectionRequest | None = None
        self._imported: ImportRequest | None = None
        self.run: Running | None = None
        self.last_store: Path | None = None
        """Of the section that ended last."""
        self._correctable: Running | None = None
        self._excluded: list[int] = []
        self._undone: set[int] = set()
        self._screen: Callable[[], int | None] = _nothing_shown
        state.run_ended.connect(self._over)
        state.snapshot_changed.connect(self._follow_pause)

    # -- the model -----------------------------------------------------------------------------------------------------

    @property
    def scoring_model(self) -> ScoringModel | None:
        """The model that is loaded, which need not be the chosen one."""
        return None if self._loaded_model is None else self._loaded_model[1]

    def loaded_for(self, model: str, engine: str) -> ScoringModel | None:
        """Return this model on this engine, if it is the one that is loaded."""
        choice = ModelChoice(model, engine, self.allow_phantom_model)
        return self._loaded_model[1] if self._loaded_model is not None and self._loaded_model[0] == choice else None

    @property
    def loads_model(self) -> bool:
        """Whether a model is being loaded in advance."""
        return self._wanted is not None

    def prepare_model(self, model: str, engine: str) -> None:
        """Load a model in advance, so that Start need not wait for it."""
        choice = ModelChoice(model, engine, self.allow_phantom_model)
        if not model or choice == self._wanted or (self._loaded_model is not None and self._loaded_model[0] == choice):
            return
        self._wanted = choice
        ends = partial(self._loaded, choice), partial(self._not_loaded, choice)
        self._jobs.submit("model", partial(choice.load, self._note), *ends)

    def _loaded(self, choice: ModelChoice, scoring_model: ScoringModel) -> None:
        if self._wanted == choice:
            self._wanted = None
        self._loaded_model = choice, scoring_model
        self.model_ready.emit(scoring_model)

    def _not_loaded(self, choice: ModelChoice, why: str) -> None:
        if self._wanted == choice:
            self._wanted = None
        self.model_refused.emit(choice.model, why)

    def _note(self, text: str) -> None:
        """Report something meanwhile; runs in a worker."""
        self._jobs.post(partial(self._state.message.emit, "info", text))

    # -- start ---------------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """The phase of the section."""
        return self._phase

    @property
    def active(self) -> bool:
        """Whether a section is prepared, acquired or finished."""
        return self._phase != "idle"

    @property
    def importing(self) -> bool:
        """Whether the section under way, or the last one, is made of images of other programs."""
        return self._imported is not None

    @property
    def another(self) -> tuple[str, str, str] | None:
        """Animal, section, and in a few words what is taken, of a section under way that is not the one set up."""
        if not self.active:
            return None
        if self._imported is not None:
            return self._imported.animal_id, self._imported.section_id, "imported images"
        request = self.request
        return None if request is None or not request.rest else (request.animal_id, request.section_id, request.rest)

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
        self.request, self._imported = request, None
        self._set_phase("preparing")
        choice = ModelChoice(request.model, request.engine, self.allow_phantom_model)
        before = self.loaded_for(request.model, request.engine)
        load = choice.load if before is None else partial(choice.load_if_changed, before=before)
        self._jobs.submit(
            "model",
            partial(load, self._note),
            partial(self._go_on, request, loaded, self._stop, choice),
            self._not_started,
        )

    def _go_on(
        self,
        request: SectionRequest,
        loaded: LoadedRig,
        stop: StopToken,
        choice: ModelChoice,
        scoring_model: ScoringModel,
    ) -> None:
        if scoring_model is not self.loaded_for(*choice[:2]):
            self._loaded(choice, scoring_model)
        self._make(request, loaded, stop, scoring_model)

    def _make(self, request: SectionRequest, loaded: LoadedRig, stop: StopToken, scoring_model: ScoringModel) -> None:
        if stop.requested or self._rig.loaded is not loaded:
            self._set_phase("idle")
            return
        self._jobs.submit(
            "rig",
            partial(start_section_on, self._rig, request, loaded, stop, scoring_model),
            self._started,
            self._not_started,
        )

    def _started(self, run: Running) -> None:
        self.run = self._correctable = run
        self._excluded, self._undone = [], set(run.session.excluded)  # of a section that is continued
        self._state.snapshot = None  # of the section before
        self._set_phase("stopping" if self._stop.requested else "running")
        self._state.watch_run(run)
        for warning in run.warnings:
            self._state.message.emit("warning", warning[:1].upper() + warning[1:])
        if run.references_note:
            level = "warning" if run.references_stale else "info" if run.corrected else "debug"
            self._state.message.emit(level, run.references_note)

    def _not_started(self, _sentence: str) -> None:
        self._set_phase("idle")

    def start_import(self, request: ImportRequest, model: str, engine: str, refused: Callable[[str], None]) -> None:
        """Import images as a section; comes back as `start` does. No rig is needed, and one that is open is left alone.

        Parameters
        ----------
        request : ImportRequest
        model, engine : str
            What classifies.
        refused : callable
            Takes why it cannot begin, as a sentence.
        """
        if self.active or self._rig.busy:
            return
        self._rig.stop_live()
        self._stop = StopToken()
        self.request, self._imported = None, request
        self._set_phase("preparing")
        choice = ModelChoice(model, engine, self.allow_phantom_model)
        before = self.loaded_for(model, engine)
        load = choice.load if before is None else partial(choice.load_if_changed, before=before)
        not_begun = partial(self._not_imported, refused)
        self._jobs.submit(
            "model", partial(load, self._note), partial(self._import, request, choice, refused), not_begun
        )

    def _import(
        self,
        request: ImportRequest,
        choice: ModelChoice,
        refused: Callable[[str], None],
        scoring_model: ScoringModel,
    ) -> None:
        if scoring_model is not self.loaded_for(*choice[:2]):
            self._loaded(choice, scoring_model)
        begin = partial(start_import_of, request, scoring_model, self._stop)
        self._jobs.submit("run", begin, self._started, partial(self._not_imported, refused))

    def _not_imported(self, refused: Callable[[str], None], sentence: str) -> None:
        self._set_phase("idle")
        refused(sentence)

    # -- while it is acquired ------------------------------------------------------------------------------------------

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

    @Slot(object)
    def _follow_pause(self, snapshot: Snapshot) -> None:
        """Follow a section that pauses by itself."""
        if self._phase == "running" and snapshot.pause_reason:
            self._set_phase("paused")
            self.paused_by_itself.emit(snapshot.pause_reason)
        elif self._phase == "paused" and not snapshot.paused and snapshot.phase != "finished":
            self._set_phase("running")  # its last frame was taken meanwhile

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

    # -- fields that are excluded --------------------------------------------------------------------------------------

    @property
    def correctable(self) -> Running | None:
        """The section whose fields can be taken out of the score: the one under way, else the one that ended last."""
        return None if self._phase == "preparing" else self._correctable

    def look_at_screen(self, seen: Callable[[], int | None]) -> None:
        """Set the function that returns which field of the section is on the screen."""
        self._screen = seen

    @property
    def field_on_screen(self) -> int | None:
        """The field of the section that is on the screen, analysed or not; None if none is shown."""
        return None if self.correctable is None else self._screen()

    def exclude_shown(self) -> None:
        """Take the field that is on the screen now out of the score; it stays stored."""
        seq = self.field_on_screen
        if seq is not None:
            self.exclude(seq)

    def exclude(self, seq: int, reason: str = "") -> None:
        """Take a field out of the score, for a reason that is kept in the notes."""
        run = self.correctable
        if run is not None and seq not in self._excluded:
            self._excluded.append(seq)
            act = partial(run.session.exclude, seq, reason.strip() or _NO_REASON)
            self._jobs.submit(
                "disk", act, partial(self._changed, run, seq, True), partial(self._not_excluded, run, seq)
            )

    def include_again(self) -> None:
        """Include the field that was excluded last."""
        if self._excluded:
            self.include(self._excluded[-1])

    def include(self, seq: int) -> None:
        """Include a field that the operator excluded."""
        run = self.correctable
        if run is not None and seq in self._excluded:
            self._excluded.remove(seq)
            self._jobs.submit("disk", partial(run.session.include, seq), partial(self._changed, run, seq, False))

    def take_undone(self, seq: int) -> None:
        """Take note that the capture of a field was undone: it is excluded, and cannot be included again here."""
        if self.run is not None and not self.is_excluded(seq):
            self._undone.add(seq)
            self._changed(self.run, seq, True, None)

    def _changed(self, run: Running, seq: int, excluded: bool, _nothing: object) -> None:
        words = "is excluded from the score, and stays stored" if excluded else "counts again"
        spec = run.spec
        where = "" if run is self.run else f" of section {spec.animal_id} {spec.section_id}"
        self._state.message.emit("info", f"Field {seq}{where} {words}.")
        if run is not self._correctable:
            return  # another section has begun since
        if self._state.run is None:
            self._state.look_back_at(run)  # it has ended, so the state is not polled
        self._state.draw_course_again(run)
        self.excluded_changed.emit(seq, excluded)

    def _not_excluded(self, run: Running, seq: int, _sentence: str) -> None:
        if run is self._correctable and seq in self._excluded:
            self._excluded.remove(seq)
            self.excluded_changed.emit(seq, False)

    def is_excluded(self, seq: int) -> bool:
        """Return whether a field of this section is excluded."""
        return seq in self._excluded or seq in self._undone

    def can_include(self, seq: int) -> bool:
        """Return whether a field is excluded and can be brought back here: not one whose capture was undone."""
        return seq in self._excluded

    @property
    def last_excluded(self) -> int | None:
        """The field that the operator excluded last and could bring back."""
        return self._excluded[-1] if self._excluded else None

    # -- fields that are taken again -----------------------------------------------------------------------------------

    def why_no_retake(self) -> str:
        """Return why no field of the section can be taken again now; empty if one can."""
        run = self.correctable
        if run is None:
            return "there is no section"
        if run.hand is not None:
            return "the stage is moved by hand: undo the capture, and take the field again"
        if run.spec.sampling == "imported":
            return "its images were imported"
        if run.spec.sampling in ("time_series", "sequence"):
            return "the section stays at one place, and its time has passed"
        if self.run is None:
            return "" if self._rig.loaded is not None and not self._rig.busy else "no rig is open"
        return "" if self._phase in ("running", "paused") else "the section is being ended: ask again once it has ended"

    def retake(self, seq: int, reason: str = "") -> None:
        """Take a field of the section again; the new frame counts in its place, and both stay stored.

        Of a section under way it is the next field that is taken; of the one that ended last it is taken in a further
        part of the same store. What is wrong comes as a message.

        Parameters
        ----------
        seq : int
            A frame of the field.
        reason : str
            Why; goes into the notes.
        """
        run = self.correctable
        if why := self.why_no_retake():
            self._state.message.emit("warning", f"Field {seq} is not taken again: {why}.")
        elif run is not None and self.run is run:
            self._jobs.submit("disk", partial(run.session.retake, seq, reason), partial(self._asked_again, seq))
        elif run is not None:
            self.retake_stored(run.store_path, (seq,), reason)

    def _asked_again(self, seq: int, _nothing: object) -> None:
        self._state.message.emit("info", f"Field {seq} is taken again next.")

    def retake_stored(
        self, store: Path, seqs: tuple[int, ...], reason: str = "", request: SectionRequest | None = None
    ) -> None:
        """Take fields of a section that has ended again, in a further part of its store.

        Parameters
        ----------
        store : Path
        seqs : tuple of int
            A frame of each field.
        reason : str
            Why; goes into the notes.
        request : SectionRequest, optional
            What is set up; that of the last section of this window, if not given.
        """
        request = self.request if request is None else request
        if request is not None:
            ask = partial(request_to_resume, store, request, seqs, reason)
            self._jobs.submit("disk", ask, self._start_again)

    def _start_again(self, resumed: tuple[SectionRequest, str]) -> None:
        self.start(resumed[0])

    # -- what is written beside the frames -----------------------------------------------------------------------------

    @property
    def note_store(self) -> Path | None:
        """The store that a note goes to: of the section under way, else of the one that ended last."""
        return self.last_store if self.run is None else self.run.store_path

    def write_note(self, store: Path, text: str, seq: int | None = None) -> None:
        """Add a note to a store, on a field if one is named, unless it is blank."""
        if text.strip():
            self._jobs.submit("disk", partial(_write_note, store, text.strip(), seq), self._noted)

    def _noted(self, _note: object) -> None:
        self._state.message.emit("info", "The note is stored with the section.")

    def write_report(self, prevalence: float | None, done: Callable[[Path], None]) -> None:
        """Write the report of the section that ended last, at a prevalence or None; `done` takes the page."""
        if self.last_store is not None:
            self._jobs.submit("report", partial(_write_report, self.last_store, prevalence), done)

    # -- the end -------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _over(self, run: object) -> None:
        if run is not self.run or self.run is None:
            return  # an earlier run
        self._set_phase("finishing")
        self._jobs.submit("run", self.run.section.finish, self._finished, self._not_finished)

    def _finished(self, report: SectionReport) -> None:
        self.run, self.last_store = None, None if report.store is None else Path(report.store)
        self._set_phase("idle")
        self._state.message.emit(*describe_end(report))
        self._state.run_finished.emit(report)

    def _not_finished(self, _sentence: str) -> None:
        self.run = None
        self._set_phase("idle")
        self._state.finish_failed.emit()


def _nothing_shown() -> None:
    return None


def describe_end(report: SectionReport) -> tuple[str, str]:
    """Return a level and how a section ended."""
    outcome = report.outcome
    counts = outcome.counts
    what = f"Section {report.animal_id} {report.section_id}"
    frames = f"{counted(counts.stored, 'frame')} stored, {counts.classified:,} classified"
    remarks = [sentence(words) for words in (outcome.degraded, outcome.remark) if words]
    match outcome.state:
        case "failed":
            level, end = "error", f"{what} failed: {full_stop(str(outcome.cause))} {frames}."
        case "cancelled":
            level, end = "info", f"{what} was ended early: {frames}."
        case "completed":
            level, end = "warning" if remarks else "info", f"{what} is complete: {frames}."
    return level, " ".join([end, *remarks])


# -- in the workers ----------------------------------------------------------------------------------------------------


def _write_note(store: Path, text: str, seq: int | None) -> object:
    from hcc_scope.storage.notes import NotesWriter

    return NotesWriter(store).add("note", text, seq)


def _write_report(store: Path, prevalence: float | None) -> Path:
    from hcc_scope.runs.reports import write_section_report

    return write_section_report(store, prevalence=prevalence)
