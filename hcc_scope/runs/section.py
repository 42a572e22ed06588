"""A section from a source into a new store, classified during acquisition.

>>> source = section_source(rig.microscope, plan, scoring_model, "M7", "S1")  # doctest: +SKIP
>>> run = start_section(source, scoring_model, Path("runs"))  # doctest: +SKIP
>>> run.session.pause(), run.session.resume()  # doctest: +SKIP
>>> report = run.finish()  # doctest: +SKIP
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.protocols import EventfulSource
from hcc_scope.quality import QualityLimits
from hcc_scope.report.hand_account import stored_hand_account
from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.run_events import RunEvent, RunEvents
from hcc_scope.runs.model_demands import check_demands
from hcc_scope.runs.model_shading import wanted_shading
from hcc_scope.runs.phantoms import phantom_facts
from hcc_scope.runs.result_log import ResultLog
from hcc_scope.score_rule import current_rule_facts
from hcc_scope.storage.place import RemotePath, place_of
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.microscope.hand_source import HandSource
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.phantom import Specimen
    from hcc_scope.plans import Plan
    from hcc_scope.plans.progress import PlanProgress
    from hcc_scope.protocols import FrameSource
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.session import EarlierResults, Session
    from hcc_scope.session.bad_fields import BadFieldWatch
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reopened import ReopenedSection
    from hcc_scope.storage.section_writer import SectionWriter
    from hcc_scope.types import FrameResult, RunOutcome, RunSpec, TagValue
    from hcc_scope.workers import StopToken

__all__ = [
    "SectionRun",
    "check_frames",
    "check_section",
    "earlier_readings_out",
    "run_into",
    "section_source",
    "start_section",
]


@dataclass(frozen=True, slots=True)
class SectionRun:
    """A run that has been started."""

    session: Session
    store_path: Path
    """The folder; of a replayed store on object storage, the address (`hcc_scope.storage.place.place_of`)."""
    spec: RunSpec
    grid: TileGrid
    results: ResultLog
    """`seq` to result, of every frame that has one so far; safe to read from any thread."""
    scored_beyond: float | None
    """Distance from the training tiles beyond which tiles are scored nevertheless, on request."""
    first_frames: tuple[tuple[int, str], ...] = field(default=(), kw_only=True)
    """Of a section that was continued: the first frame of each part, and when the part began (ISO 8601)."""

    def finish(self) -> SectionReport:
        """Wait for the run to end, and return how it did; does not ask it to end (`Session.stop`)."""
        outcome = self.session.join()
        n = unlike_scored(self.results, outcome, self.scored_beyond)
        # a run without a frame leaves no store
        place = place_of(self.store_path)
        store = str(place) if isinstance(place, RemotePath) or place.exists() else None
        shading = self.session.shading
        account = None if shading is None else shading.account
        by_hand = stored_hand_account(place, self.spec.sampling)
        ids = self.spec.animal_id, self.spec.section_id
        return SectionReport(*ids, store, outcome, n, account, by_hand, self.first_frames)


def unlike_scored(results: Mapping[int, FrameResult], outcome: RunOutcome, beyond: float | None) -> int | None:
    """Return how many tiles entered a score although they are unlike the model's training tiles.

    Parameters
    ----------
    results : mapping
        `seq` to result.
    outcome : RunOutcome
        Frames that do not count are not counted: the operator excluded them, or their field was taken again.
    beyond : float or None
        The model's threshold; None: such tiles were not scored, or the model cannot recognise them.

    Returns
    -------
    int or None
        None without `beyond`.
    """
    if beyond is None:
        return None
    out = {*outcome.excluded_by_operator, *outcome.score.set_aside}
    return sum(
        int(np.count_nonzero((result.flags == 0) & (result.distances > beyond)))
        for seq, result in results.items()
        if result.distances is not None and seq not in out
    )


def section_source(
    microscope: MicroManager,
    plan: Plan,
    scoring_model: ScoringModel,
    animal_id: str,
    section_id: str,
    specimen: Specimen | None = None,
    *,
    progress: PlanProgress | None = None,
) -> MicroManagerSource:
    """Return a section's frames from a microscope, with what its store has to know to be scored again.

    Parameters
    ----------
    microscope : MicroManager
        Ready.
    plan : Plan
        Which fields.
    scoring_model : ScoringModel
        What will classify them.
    animal_id, section_id : str
        Checked (`hcc_scope.storage.naming.check_id`).
    specimen : Specimen, optional
        A phantom to paint over what the demo camera sees; grown, since no camera should wait for that.
    progress : PlanProgress, optional
        Of a section that goes on: what is taken already.

    Raises
    ------
    HccScopeError
        If the plan cannot be carried out on this rig.
    """
    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.microscope.section_ends import abandon_section

    card = scoring_model.model.card
    with ExitStack() as refused:
        refused.callback(abandon_section, microscope)
        source = MicroManagerSource(
            microscope,
            plan,
            animal_id=animal_id,
            section_id=section_id,
            tile_px=card.tile_px,
            model_sha256=card.sha256,
            provenance={**scoring_model.facts, **({} if specimen is None else phantom_facts(specimen))},
            outline_um=None if specimen is None else specimen.outline_um,
            scene=None if specimen is None else PhantomScene(specimen),
            progress=progress,
        )
        refused.pop_all()
    return source


def check_section(
    source: FrameSource, scoring_model: ScoringModel, out_dir: Path, shading: Shading | None = None
) -> TileGrid:
    """Refuse a section that could not be acquired, before anything is made, drawn or moved for it.

    Parameters
    ----------
    source : FrameSource
        Open, and not started.
    scoring_model : ScoringModel
        What classifies.
    out_dir : Path
        Where the store would be made.
    shading : Shading, optional
        What would correct its frames.

    Returns
    -------
    TileGrid
        Of every frame.

    Raises
    ------
    FrameSizeError, ModelMismatchError
        If the frames are smaller than a tile, or unlike those that the model was trained on, or the model requires a
        correction (`hcc_scope.runs.model_shading`) and there is none.
    StoreExistsError, StoreUnwritableError, DiskFullError
        If the store could not be made.
    """
    from hcc_scope.storage.space import check_out_dir

    grid = check_frames(source, scoring_model, shading)
    check_out_dir(out_dir, source.spec)
    return grid


def check_frames(source: FrameSource, scoring_model: ScoringModel, shading: Shading | None = None) -> TileGrid:
    """Refuse frames that the model cannot classify; the part of `check_section` that is not about the store."""
    spec = source.spec
    allowed = scoring_model.allow_phantom_model
    return check_demands(scoring_model.model.card, spec, shading, allow_phantom_model=allowed)


def earlier_readings_out(source: MicroManagerSource | HandSource, out_dir: Path) -> list[str]:
    """Return what was out of its limits when this rig was last used with this objective, a sentence each.

    Parameters
    ----------
    source : MicroManagerSource or HandSource
        Of the section that is about to begin.
    out_dir : Path
        Where earlier ones are.
    """
    from hcc_scope.report.control_charts import objective_name, rig_name, warnings_before

    spec = source.spec
    objective = objective_name(source.objective(), spec.pixel_size_um, spec.frame_shape_yx)
    return warnings_before(out_dir, rig_name(spec.provenance), objective)


def start_section(
    source: FrameSource,
    scoring_model: ScoringModel,
    out_dir: Path,
    stop: StopToken | None = None,
    interval_s: float | None = None,
    shading: Shading | None = None,
    facts: Mapping[str, TagValue] | None = None,
    bad_fields: BadFieldWatch | None = None,
) -> SectionRun:
    """Make a store below `out_dir` and begin to acquire a section into it.

    Parameters
    ----------
    source : FrameSource
        Open, and not started.
    scoring_model : ScoringModel
        What classifies.
    out_dir : Path
        Where the store is made.
    stop : StopToken, optional
        Ends or pauses the run.
    interval_s : float, optional
        Time between frames of a time series that was asked for. The store is given what was measured, at the end.
    shading : Shading, optional
        Corrects each frame before it is classified. Frames are stored raw, with a copy of the references. A model
        whose card refuses a correction gets none.
    facts : mapping, optional
        Further provenance to record in the store.
    bad_fields : BadFieldWatch, optional
        Pauses the run after so many bad fields in a row.

    Raises
    ------
    HccScopeError
        If the run cannot start: nothing was acquired then, and there is no store. What goes wrong later is in the
        outcome.
    """
    from hcc_scope.storage.writer import create_store

    shading = wanted_shading(scoring_model.model.card, shading)
    with ExitStack() as unused:
        if isinstance(source, EventfulSource):
            unused.callback(source.put_back)
        check_section(source, scoring_model, out_dir, shading)
        rule = current_rule_facts(source.spec.sampling)
        begun = replace(source.spec, provenance={**source.spec.provenance, **(facts or {}), **rule})
        sink = create_store(out_dir, begun, shading=shading)
        unused.pop_all()
    return run_into(
        sink, source, scoring_model, stop=stop, interval_s=interval_s, shading=shading, bad_fields=bad_fields
    )


def run_into(
    sink: SectionWriter,
    source: FrameSource,
    scoring_model: ScoringModel,
    *,
    stop: StopToken | None = None,
    interval_s: float | None = None,
    shading: Shading | None = None,
    continued: ReopenedSection | None = None,
    skipped: int | None = None,
    lost: int | None = None,
    plan_open: bool = False,
    bad_fields: BadFieldWatch | None = None,
) -> SectionRun:
    """Begin to acquire a section into a store that is open for it.

    Parameters
    ----------
    sink : SectionWriter
        Of a new store, or of `continued`.
    source, scoring_model, stop, interval_s, bad_fields
        As for `start_section`.
    shading : Shading, optional
        What `sink` records.
    continued : ReopenedSection, optional
        The section goes on in its own store: its frames and results so far count from the start.
    skipped : int, optional
        Of a section whose plan goes on: how many of its fields so far stay left out. As recorded, if not given.
    lost : int, optional
        Of an import that goes on: how many of its images so far could not be read. As recorded, if not given.
    plan_open : bool
        Whether fields of the plan are left that this run does not take: the section is then not complete after it.

    Raises
    ------
    HccScopeError
        If the run cannot start: a new store is removed then, and one that is continued is as it was.
    """
    from hcc_scope.session import EarlierResults, Session
    from hcc_scope.storage.drawn_sample import SampleWriter
    from hcc_scope.storage.notes import NotesWriter
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.run_log import RunLogWriter
    from hcc_scope.storage.scorer import store_scorer

    spec = sink.spec
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    goes_on = continued is not None
    scorer, earlier = scoring_model.scorer(spec), EarlierResults()

    def finalise(outcome: RunOutcome) -> None:
        if sink.discard():
            return  # no frame: the same command can be given again
        n = unlike_scored(results, outcome, scoring_model.scored_beyond)
        account = None if shading is None else shading.account
        by_hand = stored_hand_account(sink.path, spec.sampling)
        parts = () if continued is None else continued.first_frames
        ids = spec.animal_id, spec.section_id
        report = SectionReport(*ids, sink.path.name, outcome, n, account, by_hand, parts)
        sink.finalise(section_account(report))

    problems: list[str] = []
    session: Session | None = None

    def wind_up() -> None:
        assert session is not None
        logging.close()
        log.close()
        for problem in problems:
            session.remark(problem)

    def on_problem(sentence: str) -> None:
        problems.append(sentence)
        if session is not None:  # it is made after the log
            session.remark(sentence)

    with ExitStack() as undo:  # what fails before the start leaves nothing
        if isinstance(source, EventfulSource):
            undo.callback(source.put_back)
        undo.callback(sink.discard)
        undo.callback(sink.close)
        if continued is not None:
            card = scoring_model.model.card
            how = card.decision_threshold, card.temperature, card.threshold_interval
            scorer = store_scorer(continued.earlier, *how, goes_on=skipped == 0)
            earlier = _earlier(continued, skipped, lost, plan_open=plan_open)
        writer = PredictionWriter(sink.path, spec, run=f"live-{uuid.uuid4().hex[:8]}", continues=goes_on)
        undo.callback(writer.close)
        results = ResultLog(writer, earlier.results)
        events = source.events if isinstance(source, EventfulSource) else RunEvents()
        log = RunLogWriter(sink.path, on_problem, continues=goes_on)
        undo.callback(log.close)
        logging = ExitStack()
        undo.push(logging)
        if continued is not None:
            log.add(_part_event(continued))
        logging.enter_context(events.kept_by(log.add))
        session = Session(
            source,
            sink,
            scoring_model.classifier,
            scorer=scorer,
            limits=QualityLimits(),
            results=results,
            notes=NotesWriter(sink.path),
            sample=SampleWriter(sink.path) if spec.sampling == "guided" else None,
            earlier=earlier,
            excluded=() if continued is None else continued.excluded,
            stop=stop,
            finalise=finalise,
            store=str(sink.path),
            unlike_beyond=scoring_model.unlike_beyond,
            interval_s=interval_s,
            events=events,
            wind_up=wind_up,
            shading=shading,
            bad_fields=bad_fields,
        )
        undo.pop_all()
    if continued is not None and (words := _other_engine(earlier, scoring_model.classifier.engine)):
        session.remark(words)
    session.start()
    first_frames = () if continued is None else continued.first_frames
    return SectionRun(session, sink.path, spec, grid, results, scoring_model.scored_beyond, first_frames=first_frames)


def _earlier(continued: ReopenedSection, skipped: int | None, lost: int | None, *, plan_open: bool) -> EarlierResults:
    from hcc_scope.session import EarlierResults
    from hcc_scope.storage.lasting_reasons import lasting_reasons
    from hcc_scope.storage.notes import read_notes

    recorded = continued.earlier.recorded
    in_turn = (*(part.outcome for part in recorded.parts), recorded.outcome)
    ends = [one for one in in_turn if one is not None]
    so_far = lasting_reasons(recorded, continued.earlier.n_frames, read_notes(continued.earlier.path))
    return EarlierResults(
        n_frames=continued.earlier.n_frames,
        results=continued.results,
        # each end counts all frames up to then; one that was recovered knows of none
        lost=max((one.lost_frames for one in ends), default=0) if lost is None else lost,
        skipped=max((one.skipped_fields for one in ends), default=0) if skipped is None else skipped,
        readings=next((one.readings for one in reversed(ends) if one.readings), {}),
        no_random_choice=next(iter(so_far), ""),
        plan_open=plan_open,
    )


def _part_event(continued: ReopenedSection) -> RunEvent:
    begun = continued.sink.attributes["parts"][-1]
    facts = {"part": continued.part, "first_frame": begun["first_frame"], "software": begun["software"]}
    return RunEvent(datetime.fromisoformat(begun["began_utc"]), "part", facts)


def _other_engine(earlier: EarlierResults, engine: str) -> str:
    """Return as half a sentence that the bits of earlier results may rest on another version; empty if not."""
    others = sorted({result.engine for result in earlier.results.values()} - {engine, ""})
    if not others:
        return ""
    return f"frames before {earlier.n_frames} were classified on {', '.join(others)}, later ones on {engine}"
