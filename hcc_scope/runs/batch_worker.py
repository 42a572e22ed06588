"""The work of a batch in one worker: load the model once, then score one store after the other, and write to none.

One unit of work is what ``hcc-scope replay`` does with one store, so the score is the same number for number. A store
with damaged frames, or a damaged record of what counts, gets no score here: `replay` scores what is left of one. One
whose recorded predictions are damaged is scored, and compared with nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import share_of_confidence
from hcc_scope.errors import ModelAlteredError, ModelError, StoreDamagedError, StoreError
from hcc_scope.field_scores import calibrate, field_entry, log_odds
from hcc_scope.formatting import counted, full_stop
from hcc_scope.inference.agreement import comparison_tiles
from hcc_scope.runs.batch_result import (
    MOST_SECTIONS,
    EngineAnswers,
    PreviousResult,
    ResultKey,
    SectionResult,
    engine_build,
    model_hash,
)
from hcc_scope.runs.comparison import Verdict, compare
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.scoring_model import ScoringModel
from hcc_scope.runs.section_analyses import recorded_analysis, replay_analysis
from hcc_scope.runs.unfinished import is_written_to
from hcc_scope.storage.files import cannot_read, read_plain
from hcc_scope.storage.place import place_of
from hcc_scope.storage.place_files import exists
from hcc_scope.storage.prediction_log import MAX_LOG_BYTES, PREDICTIONS
from hcc_scope.storage.present_score import score_of_entries
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.store_hash import store_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hcc_scope.executors.tasks import Here, WorkerFacts
    from hcc_scope.runs.replay import ReplayRun
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult, RunOutcome, SectionScore

__all__ = ["Prepared", "ScoreJob", "StoreTask", "prepare_model", "score_store"]


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What every worker needs to know, beside the files of the model."""

    model_hash: str
    """That the model has to have wherever it is loaded."""
    engine: str
    allow_phantom_model: bool = False


@dataclass(frozen=True, slots=True)
class StoreTask:
    """One store to score."""

    store: str
    """Its path or address, from the worker's point of view."""
    key: ResultKey


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model on an engine in one worker."""

    scoring_model: ScoringModel
    answers: EngineAnswers


def prepare_model(job: ScoreJob, files: Mapping[str, Path], worker: WorkerFacts) -> Prepared:
    """Load and check the model in a worker, on its share of the cores.

    Raises
    ------
    ModelError
        If it may not be used there, or not on this engine.
    """
    from hcc_scope.inference import load_model

    folder = next(iter(files.values())).parent
    model = load_model(folder)
    if model_hash(model.card) != job.model_hash:
        raise ModelAlteredError(
            f"the model in {folder} is not the one that was sent to this worker", hint="Start again."
        )
    try:
        classifier = model.classifier(job.engine, threads=worker.n_threads)
    except ModelError as error:
        raise type(error)(f"on {worker.host}: {error.message}", hint=error.hint) from error
    tiles = classifier.classify(comparison_tiles(model.test_input))
    found = calibrate(log_odds(tiles.logits), model.card.temperature)
    answers = EngineAnswers(job.model_hash, engine_build(classifier.engine), tuple(map(float, found)), job.engine)
    return Prepared(ScoringModel(model, classifier, allow_phantom_model=job.allow_phantom_model), answers)


def score_store(task: StoreTask, here: Here) -> tuple[SectionResult, EngineAnswers]:
    """Score one store.

    Raises
    ------
    StoreError
        If the store cannot be read, is being written, or changed meanwhile.
    StoreDamagedError
        If frames are damaged, or what decides which of them count.
    ModelMismatchError, FrameSizeError
        If its frames are not what the model was trained on.
    """
    prepared: Prepared = here.prepared
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    path = place_of(task.store)
    store = open_store(path)
    if not store.complete and isinstance(path, Path) and _is_being_written(path):
        raise StoreError(
            f"{path} is being written: its run is under way", hint="Give the command again when it has ended."
        )
    _refuse_problems(store, store.problems)
    run = start_replay(store, prepared.scoring_model)
    report = run.finish()
    outcome = report.outcome
    if outcome.state == "failed" or outcome.degraded:
        raise _why(outcome)
    if outcome.counts.failed:
        raise ModelError(f"{path}: {counted(outcome.counts.failed, 'frame')} could not be classified: {_first(run)}")
    _refuse_problems(store, map(str, (*run.problems, *run.damaged)))
    if store_hash(path) != task.key.store_hash:
        raise StoreError(f"{path} was changed while it was scored", hint="Give the command again.")
    results = dict(run.results)
    damage = _damage_of_predictions(store)
    card = prepared.scoring_model.model.card
    worker = here.worker
    result = SectionResult(
        key=task.key,
        animal_id=store.spec.animal_id,
        section_id=store.spec.section_id,
        acquired_utc=None if store.recorded.created_utc is None else store.recorded.created_utc.isoformat(),
        complete=store.complete,
        n_frames=store.n_frames,
        model=card.name,
        model_sha256=card.sha256,
        engine=prepared.scoring_model.classifier.engine,
        answers=prepared.answers.digest,
        score=outcome.score,
        intervals=_intervals(store, results, outcome.score),
        previous=None if damage else _previous(run, prepared.scoring_model, results, outcome),
        remarks=_remarks(store, outcome, damage),
        made_by={
            "worker": worker.name,
            "host": worker.host,
            "threads": worker.n_threads,
            "versions": dict(worker.versions),
            "seconds": round(time.perf_counter() - began_s, 3),
            "processor_seconds": round(time.process_time() - began_cpu_s, 3),
        },
    )
    return result, prepared.answers


def _is_being_written(path: Path) -> bool:
    try:
        return is_written_to(path)
    except OSError:  # on a disk that is read only nothing is written
        return False


def _refuse_problems(store: SectionStore, found: Iterable[str]) -> None:
    """Raise an error for what is damaged of a store, but for its predictions: new ones do not rest on them."""
    of_results = store.result_problems()
    problems = [problem for problem in found if problem not in of_results]
    if not problems:
        return
    more = f" ({counted(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
    raise StoreDamagedError(
        f"{problems[0].rstrip('.')}{more}",
        hint="hcc-scope recover reports all of it; hcc-scope replay scores the frames that are whole.",
    )


def _first(run: ReplayRun) -> str:
    errors = (result.error for _, result in sorted(run.results.items()) if result.outcome == "failed")
    return next(errors, None) or "the reason is not known"


def _why(outcome: RunOutcome) -> BaseException:
    if outcome.cause is not None:
        return outcome.cause
    return ModelError(outcome.degraded or "the frames could not be classified")


def _intervals(
    store: SectionStore, results: Mapping[int, FrameResult], score: SectionScore
) -> tuple[tuple[float, float], ...]:
    if not score.interval_valid or score.score is None:
        return ()
    entries = {seq: field_entry(result) for seq, result in results.items()}
    others = [score_of_entries(store, entries, share_of_confidence(n)).interval for n in range(2, MOST_SECTIONS + 1)]
    return (score.interval, *others)


def _damage_of_predictions(store: SectionStore) -> str:
    """Return what is damaged of the predictions that the store records; empty if it has none, or they are whole.

    Raises
    ------
    StoreError
        If they are there and cannot be read, which may pass.
    """
    problems = store.result_problems(PREDICTIONS)
    if not problems:
        return ""
    path = store.place / f"{PREDICTIONS}.jsonl"
    try:
        read_plain(path, MAX_LOG_BYTES)
    except OSError as error:
        raise cannot_read(error, f"The predictions {path}") from error
    return problems[0]


def _previous(
    run: ReplayRun, scoring_model: ScoringModel, results: Mapping[int, FrameResult], outcome: RunOutcome
) -> PreviousResult | None:
    """Return what the store records, beside the new results; None if it was never classified."""
    store = run.store
    if not exists(store.place / f"{PREDICTIONS}.jsonl"):
        return None
    recorded = recorded_analysis(store, outcome.excluded_by_operator)
    if recorded is None:
        return None
    comparison = compare(store, recorded, replay_analysis("Batch", store, scoring_model, results, outcome))
    return PreviousResult(
        recorded.model,
        recorded.model_sha256,
        recorded.engine,
        recorded.score,
        len(comparison.pairs),
        comparison.sides_changed,
        comparison.largest if len(comparison.pairs) else None,
        None if comparison.verdict is Verdict.NOTHING else comparison.verdict is Verdict.DIFFERENT,
        comparison.answer,
    )


def _remarks(store: SectionStore, outcome: RunOutcome, damage: str) -> tuple[str, ...]:
    remarks = []
    if not store.complete:
        remarks.append(f"Its run did not end in order: its {counted(store.n_frames, 'journalled frame')} are scored.")
    if damage:
        remarks.append(full_stop(f"Its recorded predictions are damaged, so it is compared with nothing: {damage}"))
    if outcome.remark is not None:
        remarks.append(full_stop(outcome.remark))
    return tuple(remarks)
