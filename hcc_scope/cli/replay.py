"""``hcc-scope replay``: stored sections through the same pipeline, and the comparison with what was recorded live."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people
from hcc_scope.cli.display import watch
from hcc_scope.cli.runs import (
    finish,
    interruptible,
    load_scoring_model,
    save_summary,
    stop_on_signals,
    summarise,
)
from hcc_scope.errors import (
    CheckError,
    HccScopeError,
    StoreUnwritableError,
    UsageError,
)
from hcc_scope.formatting import capital
from hcc_scope.report.summary import SectionReport, software_versions
from hcc_scope.runs.model_shading import describe_replayed
from hcc_scope.runs.replay import recorded_engine, recorded_model, start_replay
from hcc_scope.runs.replay_check import changed_card, check_replay
from hcc_scope.storage.naming import check_id
from hcc_scope.storage.place import RemotePath, local_place, place_of
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.runs.replay_check import ReplayCheck
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

__all__ = ["run_replay"]


def run_replay(
    stores: Sequence[Path],
    *,
    model_name: str | None,
    engine: str | None,
    check: bool,
    save: str | None,
    out: Path | None,
    json_mode: bool,
    score_unlike: bool | None = None,
    allow_phantom_model: bool = False,
    shading: str | None = None,
    prevalence: float | None = None,
) -> None:
    """Classify stored sections again.

    Parameters
    ----------
    stores : sequence of Path
    model_name : str or None
        Name or folder; None: the model that the stores record.
    engine : str or None
        None: the engine that the first store records.
    check : bool
        Compare with what is recorded (`hcc_scope.runs.comparison`).
    save : str or None
        Keep the results in each store as ``predictions-<save>``.
    out : Path or None
        Folder of the summary; None: beside the stores.
    json_mode : bool
        Write the summary to standard output.
    score_unlike : bool, optional
        Whether to score tiles unlike the model's training tiles; as in the live run if not given.
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.
    shading : {"recorded", "none"}, optional
        Whether to correct frames by the dark and flat field that a store keeps; ``recorded`` if not given.
    prevalence : float, optional
        Share of animals that are high, for predictive values; a range is shown if not given.

    Raises
    ------
    CheckError
        With `check`, if the analysis differs from the recorded one; the message names the place.
    StoreDamagedError
        After everything else, if frames could not be read; the others were replayed.
    """
    from hcc_scope.storage.reader import open_store

    if save is not None:
        check_id(save, "name of the predictions")
    if check and score_unlike is not None:
        raise UsageError(
            "--check scores tiles unlike training as the recorded run did",
            hint="Leave out --check, or --score-unlike or --skip-unlike.",
        )
    if shading not in (None, "recorded", "none"):
        raise UsageError(f"--shading is 'recorded' or 'none', not '{shading}'")
    if check and shading is not None:
        raise UsageError("--check corrects frames as the recorded run did", hint="Leave out --check or --shading.")
    if check and save is not None:
        raise UsageError("--check compares and writes nothing", hint="Leave out --check or --save.")
    if save is not None:
        for path in stores:
            local_place(place_of(path), "results cannot be saved in it")
    console = people(json_mode=json_mode)
    started = datetime.now(UTC)
    opened = [open_store(path) for path in stores]
    _same_model(opened, model_name)
    stop = StopToken()
    reports: list[SectionReport] = []
    problems: list[HccScopeError] = []
    checks: list[ReplayCheck] = []
    with interruptible("nothing was replayed"):
        scoring_model = load_scoring_model(
            recorded_model(opened[0]) if model_name is None else model_name,
            engine or recorded_engine(opened[0]),
            console,
            fall_back=engine is None,  # an archive may be replayed where the engine of its day does not run
            allow_phantom_model=allow_phantom_model,
        )
    correct = shading != "none"
    with stop_on_signals(stop, console):
        for store in opened:
            if stop.requested:
                break
            report, results = _replay_one(
                store, scoring_model, stop, console, save, problems, score_unlike, correct=correct
            )
            reports.append(report)
            if check and report.outcome.state == "completed":
                checked = check_replay(store, report, results, scoring_model)
                checks.append(checked)
                _show(checked, console)
                if checked.problem is not None:
                    problems.append(checked.problem)
    left_out = [store.place for store in opened[len(reports) :]]
    summary = summarise(
        reports,
        scoring_model,
        command="replay",
        versions=software_versions(),
        started_utc=started,
        cut_short=bool(left_out),
        prevalence=prevalence,
        stores=opened[: len(reports)],
    )
    if left_out:
        console.note(f"Not replayed: {', '.join(map(str, left_out))}", "yellow")
    summary["damaged"] = [str(problem) for problem in problems if not isinstance(problem, CheckError)]
    if check:
        every_store = len(reports) == len(opened) and all(r.outcome.state == "completed" for r in reports)
        summary["check"] = _verdict(checks, complete=every_store and not problems)
    written = _write(summary, out, opened[0].place.parent, console, problems)
    finish(summary, reports, console, json_mode=json_mode, paths=written, troubles=problems)


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
    scoring_model: ScoringModel,
    stop: StopToken,
    console: People,
    save: str | None,
    problems: list[HccScopeError],
    score_unlike: bool | None,
    *,
    correct: bool,
) -> tuple[SectionReport, Mapping[int, FrameResult]]:
    if not store.complete:
        console.note(
            f"{store.place} is unfinished: replaying its {store.n_frames} journalled frames; "
            + (
                "hcc-scope recover makes a copy of it valid"
                if isinstance(store.place, RemotePath)
                else f"`hcc-scope recover {store.place}` makes it valid"
            ),
            "yellow",
        )
    if changes := changed_card(store, scoring_model):
        console.note(
            f"{store.place.name}: its model's card has changed since ({changes}); the score is by the present one",
            "yellow",
        )
    if store.recorded.provenance.corrected:
        console.note(
            f"{store.place.name}: {describe_replayed(store, scoring_model.model.card, correct=correct)}", "dim"
        )
    run = start_replay(store, scoring_model, save, stop, score_unlike=score_unlike, correct=correct)
    problems += run.problems
    watch(run.session, console, f"replay {store.place.name}")
    report = run.finish()
    problems += run.damaged
    return report, run.results


def _show(checked: ReplayCheck, console: People) -> None:
    """Show how a check came out; a problem is shown at the end."""
    if checked.words:
        console.note(checked.words, "green" if checked.equal and checked.frames else "yellow")
    for remark in checked.remarks:
        console.note(f"  {remark}", "yellow")


def _verdict(checks: Sequence[ReplayCheck], *, complete: bool) -> dict[str, bool | int | float | None]:
    """Return the summary's account of a check; null: what was compared is right, but that is not all there is."""
    passed = False if any(one.problem is not None for one in checks) else (True if complete else None)
    worst = max((one.largest_difference for one in checks), default=math.inf)
    return {
        "equal": passed if all(one.equal for one in checks) else False,
        "within_tolerance": passed,
        "largest_probability_difference": worst if math.isfinite(worst) else None,
        "frames_compared": sum(one.frames for one in checks),
    }


def _write(
    summary: dict[str, Any], out: Path | None, beside: StorePlace, console: People, troubles: list[HccScopeError]
) -> list[Path]:
    """Write the summary: into `out`, or beside the stores, where the live run's own summary keeps its name."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            troubles.append(StoreUnwritableError(f"{out} cannot be written: {error.strerror or error}"))
            return []
        return save_summary(summary, out / "summary.json", troubles)
    if isinstance(beside, RemotePath):
        console.note("No summary is written beside a store on object storage; --out names a folder for it.", "dim")
        return []
    unwritable: list[HccScopeError] = []
    written = save_summary(summary, beside / "summary-replay.json", unwritable)
    for trouble in unwritable:  # an archive may be read-only: a replay must work there
        console.note(capital(str(trouble)), "yellow")
    return written
