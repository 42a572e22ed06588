"""``hcc-scope replay``: stored sections through the same pipeline, and the comparison with what was recorded live."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.cli.console import people
from hcc_scope.cli.display import watch
from hcc_scope.cli.runs import (
    Analyst,
    finish,
    interruptible,
    load_analyst,
    save_summary,
    stop_on_signals,
    summarise,
)
from hcc_scope.errors import (
    CheckError,
    HccScopeError,
    ModelError,
    StoreDamagedError,
    StoreError,
    StoreUnwritableError,
    UsageError,
)
from hcc_scope.quality import QualityLimits
from hcc_scope.report.summary import SectionReport, software_versions
from hcc_scope.storage.naming import check_id
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

__all__ = ["differences", "run_replay"]


class _Collected:
    """Keeps results in memory: a `hcc_scope.protocols.ResultSink` for a comparison that writes nothing."""

    def __init__(self) -> None:
        self.results: dict[int, FrameResult] = {}

    def append(self, result: FrameResult) -> None:
        self.results[result.seq] = result

    def close(self) -> None:
        pass


def run_replay(
    stores: Sequence[Path],
    *,
    model_name: str | None,
    engine: str | None,
    check: bool,
    save: str | None,
    out: Path | None,
    json_mode: bool,
) -> None:
    """Classify stored sections again.

    Raises
    ------
    CheckError
        With `check`, if a tile's logit is not the recorded one, bit for bit; says where. Where the recorded engine
        is not the present one, it is enough that every probability is within the model card's tolerance.
    StoreDamagedError
        After everything else, if frames could not be read; the others were replayed.
    """
    from hcc_scope.storage.reader import open_store

    if save is not None:
        check_id(save, "name of the predictions")
    if check and save is not None:
        raise UsageError("--check compares and writes nothing", hint="Leave out --check or --save.")
    console = people(json_mode=json_mode)
    started = datetime.now(UTC)
    opened = [open_store(path) for path in stores]
    _same_model(opened, model_name)
    recorded = opened[0].spec.provenance
    stop = StopToken()
    reports: list[SectionReport] = []
    problems: list[HccScopeError] = []
    comparisons: list[_Comparison] = []
    with interruptible("nothing was replayed"):
        analyst = load_analyst(
            _recorded_model(opened[0]) if model_name is None else model_name,
            engine or str(recorded.get("engine", "torchscript")),
            console,
            fall_back=engine is None,  # an archive may be replayed where the engine of its day does not run
        )
    with stop_on_signals(stop, console):
        for store in opened:
            if stop.requested:
                break
            report, results = _replay_one(store, analyst, stop, console, save, problems)
            reports.append(report)
            if check and report.outcome.state == "completed":
                comparison = _check_one(store, report, results, analyst, console)
                comparisons.append(comparison)
                if comparison.problem is not None:
                    problems.append(comparison.problem)
    left_out = [store.path for store in opened[len(reports) :]]
    summary = summarise(
        reports,
        analyst,
        command="replay",
        versions=software_versions(),
        started_utc=started,
        cut_short=bool(left_out),
    )
    if left_out:
        console.note(f"Not replayed: {', '.join(map(str, left_out))}", "yellow")
    summary["damaged"] = [str(problem) for problem in problems if not isinstance(problem, CheckError)]
    if check:
        every_store = len(reports) == len(opened) and all(r.outcome.state == "completed" for r in reports)
        summary["check"] = _verdict(comparisons, complete=every_store and not problems)
    written = _write(summary, out, stores[0].parent, console, problems)
    finish(summary, reports, console, json_mode=json_mode, paths=written, troubles=problems)


def _recorded_model(store: SectionStore) -> str:
    """Return the model that a store was classified with: by its name, or from the folder that it came from.

    Raises
    ------
    ModelError
        If it is not to be found with the recorded sha256.
    """
    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.catalogue import find_model

    recorded = [str(store.spec.provenance[key]) for key in ("model", "model_folder") if key in store.spec.provenance]
    for candidate in recorded:
        with suppress(ModelError):
            if read_card(find_model(candidate)).sha256 == store.spec.model_sha256:
                return candidate
    raise ModelError(
        f"{store.path} was classified with {' in '.join(recorded) or 'a model'} (sha256 "
        f"{str(store.spec.model_sha256)[:12]}), which is not here in that version",
        hint="Name a model with --model to classify it anew.",
    )


def _recorded_limits(store: SectionStore) -> QualityLimits:
    """Return the quality limits of the live run, so that the same tiles are excluded."""
    known = QualityLimits().as_dict()
    provenance = store.spec.provenance
    recorded = {name: provenance.get(f"quality_{name}", limit) for name, limit in known.items()}
    return QualityLimits(**{name: float(limit) for name, limit in recorded.items() if isinstance(limit, (int, float))})


def _same_model(stores: Sequence[SectionStore], model_name: str | None) -> None:
    """Refuse a replay of stores that were classified with different models, unless one is named."""
    shas = {store.spec.model_sha256 for store in stores}
    if model_name is None and len(shas) > 1:
        raise UsageError(
            "these stores were classified with different models", hint="Name one with --model, or replay them singly."
        )
    if model_name is None and shas == {None}:
        raise UsageError(f"{stores[0].path} names no model", hint="Name one with --model.")


def _replay_one(
    store: SectionStore,
    analyst: Analyst,
    stop: StopToken,
    console: People,
    save: str | None,
    problems: list[HccScopeError],
) -> tuple[SectionReport, Mapping[int, FrameResult]]:
    from hcc_scope.session import Session
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.source import StoreSource

    if not store.complete:
        console.note(
            f"{store.path} is unfinished: replaying its {store.n_frames} journalled frames; "
            f"`hcc-scope recover {store.path}` makes it valid",
            "yellow",
        )
    problems += [StoreDamagedError(problem) for problem in store.problems]
    source = StoreSource(store)
    spec = source.spec
    analyst.model.check_matches(spec)
    collected = _Collected()
    saved = None
    if save is not None:
        saved = PredictionWriter(
            store.path, spec, run=save, model_sha256=analyst.model.card.sha256, name=f"predictions-{save}"
        )
    session = Session(
        source,
        None,
        analyst.classifier,
        scorer=analyst.scorer(source),
        limits=_recorded_limits(store),
        results=collected if saved is None else saved,
        stop=stop,
        store=str(store.path),
    )
    outcome = watch(session, console, f"replay {store.path.name}")
    problems += source.damaged
    return SectionReport(spec.animal_id, spec.section_id, str(store.path), outcome), collected.results


def differences(recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult]) -> list[str]:
    """Return where two analyses of the same frames differ, in words; empty if every bit is the same.

    Frames that one side has not classified (deferred, failed, damaged) are not compared.
    """
    found = []
    for seq in sorted(recorded.keys() & replayed.keys()):
        old, new = recorded[seq], replayed[seq]
        if "failed" in (old.outcome, new.outcome):
            continue
        if not np.array_equal(old.flags, new.flags):
            tile = int(np.flatnonzero(old.flags != new.flags)[0])
            found.append(f"frame {seq}, tile {tile}: quality flags {old.flags[tile]} recorded, {new.flags[tile]} now")
            continue
        unequal = ~((old.logits == new.logits) | (np.isnan(old.logits) & np.isnan(new.logits)))
        if unequal.any():
            tile = int(np.flatnonzero(unequal)[0])
            found.append(
                f"frame {seq}, tile {tile}: logit {old.logits[tile]!s} recorded, {new.logits[tile]!s} now "
                f"({int(unequal.sum())} of {len(unequal)} tiles of this frame differ)"
            )
    return found


def probability_difference(recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult]) -> float:
    """Return the largest difference of a tile's probability between two analyses; infinite if tiles or flags differ.

    Frames that one side has not classified (deferred, failed, damaged) are not compared.
    """
    worst = 0.0
    for seq in recorded.keys() & replayed.keys():
        old, new = recorded[seq], replayed[seq]
        if "failed" in (old.outcome, new.outcome):
            continue
        included = np.isfinite(old.probabilities)
        if not np.array_equal(old.flags, new.flags) or not np.array_equal(included, np.isfinite(new.probabilities)):
            return math.inf
        if included.any():
            worst = max(worst, float(np.abs(old.probabilities - new.probabilities)[included].max()))
    return worst


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How one store's replay compares with what was recorded."""

    frames: int
    equal: bool
    """Bit for bit."""
    largest_difference: float
    """Of a tile's probability."""
    problem: HccScopeError | None = None
    """If they differ by more than they may."""


def _check_one(
    store: SectionStore, report: SectionReport, replayed: Mapping[int, FrameResult], analyst: Analyst, console: People
) -> _Comparison:
    """Compare one store's recorded predictions and score with the replayed ones, and say how it came out."""
    from hcc_scope.storage.predictions import read_predictions

    try:
        recorded = read_predictions(store.path)
    except StoreError as error:
        return _Comparison(0, equal=False, largest_difference=math.inf, problem=error)
    if store.n_frames == 0:
        console.note(f"{store.path.name} holds no frame: nothing to check")
        return _Comparison(0, equal=True, largest_difference=0.0)
    compared = [
        seq
        for seq in recorded.keys() & replayed.keys()
        if "failed" not in (recorded[seq].outcome, replayed[seq].outcome)
    ]
    n = len(compared)
    if not compared:
        problem = CheckError(f"{store.path} has no recorded prediction to compare with")
        return _Comparison(0, equal=False, largest_difference=math.inf, problem=problem)
    engines = {recorded[seq].engine for seq in compared} - {analyst.classifier.engine}
    other = f" (recorded with {', '.join(sorted(engines))}, now {analyst.classifier.engine})" if engines else ""
    found = differences(recorded, replayed)
    worst = probability_difference(recorded, replayed)
    # bits are promised by the same engine only
    tolerance = analyst.model.card.probability_tolerance if engines else 0.0
    if found and not (engines and worst <= tolerance):
        limit = f", a probability by {worst:.2g} (tolerance {tolerance:g})" if engines and math.isfinite(worst) else ""
        problem = CheckError(f"{store.path}: {len(found)} of {n} frames differ{limit}{other}; first: {found[0]}")
        return _Comparison(n, equal=False, largest_difference=worst, problem=problem)
    live = store.attributes.get("outcome", {})
    score = report.outcome.score
    # a journal that lost lines since then has its own problem, told elsewhere: its score cannot be the recorded one
    whole = n == store.n_frames == store.recorded_frames
    if whole and isinstance(live.get("score"), float):
        before, now = (live["score"], tuple(live["interval"])), (score.score, score.interval)
        # a mean of probabilities moves by no more than they do
        near = score.score is not None and abs(score.score - live["score"]) <= tolerance
        if before != now and not (found and near):
            problem = CheckError(f"{store.path}: score {before} recorded, {now} now{other}")
            return _Comparison(n, equal=False, largest_difference=worst, problem=problem)
    tiles = sum(int(np.isfinite(replayed[seq].logits).sum()) for seq in compared)
    words = f"{store.path.name}: {tiles} logits of {n} frames "
    if found:
        words += (
            f"within tolerance, not bit for bit: probabilities differ by at most {worst:.2g} of {tolerance:g}{other}"
        )
    else:
        words += "equal bit for bit"
    console.note(words, "yellow" if found else "green")
    if n < store.n_frames:
        console.note(f"  {store.n_frames - n} frames have no recorded prediction", "yellow")
    return _Comparison(n, equal=not found, largest_difference=worst)


def _verdict(comparisons: Sequence[_Comparison], *, complete: bool) -> dict[str, bool | int | float | None]:
    """Return the summary's account of a check; null: what was compared is right, but that is not all there is."""
    passed = False if any(one.problem is not None for one in comparisons) else (True if complete else None)
    worst = max((one.largest_difference for one in comparisons), default=math.inf)
    return {
        "equal": passed if all(one.equal for one in comparisons) else False,
        "within_tolerance": passed,
        "largest_probability_difference": worst if math.isfinite(worst) else None,
        "frames_compared": sum(one.frames for one in comparisons),
    }


def _write(
    summary: dict[str, Any], out: Path | None, beside: Path, console: People, troubles: list[HccScopeError]
) -> list[Path]:
    """Write the summary: into `out`, or beside the stores, where the live run's own summary keeps its name."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            troubles.append(StoreUnwritableError(f"{out} cannot be written: {error.strerror or error}"))
            return []
        return save_summary(summary, out / "summary.json", troubles)
    unwritable: list[HccScopeError] = []
    written = save_summary(summary, beside / "summary-replay.json", unwritable)
    for trouble in unwritable:  # an archive may be read-only: a replay must work there
        console.note(str(trouble), "yellow")
    return written
