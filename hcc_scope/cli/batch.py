"""``hcc-scope batch``: many stored sections scored with one model, beside what they record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.signals import Interrupted, called_on_signals
from hcc_scope.errors import CheckError
from hcc_scope.executors.choice import open_executor
from hcc_scope.executors.versions import WorkerVersions
from hcc_scope.formatting import counted, sentence
from hcc_scope.research_use import research_use
from hcc_scope.runs.batch import Batch, stores_given
from hcc_scope.runs.batch_report import describe_agreement, describe_engines, write_report
from hcc_scope.runs.batch_result import ResultFolder
from hcc_scope.runs.store_hashes import StoreHashes
from hcc_scope.training.folder_lock import lock_folder
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.executors.tasks import Executor
    from hcc_scope.runs.batch import BatchOutcome
    from hcc_scope.runs.batch_agreement import Agreement
    from hcc_scope.runs.batch_report import BatchReport

__all__ = ["BatchOptions", "run_batch"]

_LISTED = 50
"""Failures that are shown; the table has them all."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The options of the command."""

    stores: Sequence[Path]
    model: str
    out: Path
    engine: str
    workers: int | None
    scheduler: str | None
    allow_phantom_model: bool
    check: bool
    json_mode: bool


def run_batch(options: BatchOptions) -> None:
    """Score what has no result yet, write the tables, and report.

    Raises
    ------
    Interrupted
        If it was ended early.
    HccScopeError
        If it cannot be begun, or cannot go on; after everything else, the first reason why a section has no score.
    """
    console = people(json_mode=options.json_mode)
    if options.workers is not None and options.scheduler is not None:
        open_executor(options.workers, options.scheduler)  # raises the reason, before anything is read
    stores = stores_given(options.stores)
    stop = StopToken()
    with lock_folder(options.out, "another batch"):
        outcome, report = _run(options, stores, stop, console)
    _show(outcome, report, console)
    console.note(research_use(report.card.trained_on), "italic")
    if options.json_mode:
        print_json(report.account)
    if outcome.n_left:
        done = len(outcome.scored)
        raise Interrupted(
            f"ended early: {done:,} of {counted(outcome.n_stores, 'section')} have a score, which is kept; "
            "the same command goes on"
        )
    for failure in outcome.failures:
        raise failure.error
    if options.check:
        _check(report.agreement, len(outcome.scored))


def _check(agreement: Agreement, n_scored: int) -> None:
    """Refuse results that are not those that the stores record.

    Raises
    ------
    CheckError
        If a section differs, or cannot be compared.
    """
    if agreement.n_different:
        more = f" ({counted(agreement.n_different - 1, 'more section')})" if agreement.n_different > 1 else ""
        raise CheckError(f"{agreement.differences[0].rstrip('.')}{more}")
    if n_left := n_scored - agreement.n_same:
        raise CheckError(
            f"{counted(n_left, 'section')} cannot be compared: "
            f"{'it has' if n_left == 1 else 'they have'} no predictions of this model",
            hint="Leave out --check, or --model the one that they were classified with.",
        )


def _run(
    options: BatchOptions, stores: Sequence[str], stop: StopToken, console: People
) -> tuple[BatchOutcome, BatchReport]:
    results = ResultFolder(options.out)
    versions = WorkerVersions(
        lambda words: console.note(sentence(words), "yellow"), "--check" if options.check else None
    )
    try:
        batch = Batch(
            stores,
            options.model,
            options.engine,
            results,
            allow_phantom_model=options.allow_phantom_model,
            hashes=StoreHashes.of_user(),
            note=lambda words: console.note(words, "dim"),
        )
        with called_on_signals(lambda _number, _frame: _on_signal(stop, console)), steps_shown(console) as on_step:
            outcome = batch.run(
                lambda: open_executor(options.workers, options.scheduler),
                on_open=lambda executor: _look_at_workers(executor, console, versions),
                refuse=versions.refuse,
                allow=versions.allow,
                stop=lambda: stop.requested,
                on_progress=on_step,
            )
        return outcome, write_report(outcome, results, batch.card, batch.engine)
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted: every section that was scored is kept; the same command goes on") from error


def _look_at_workers(executor: Executor, console: People, versions: WorkerVersions) -> None:
    """Report where sections are scored, and in what versions differ; refuse such workers for ``--check``."""
    console.note(f"Scoring on {executor.describe()}.", "dim")
    versions.begin(executor.workers())


def _on_signal(stop: StopToken, console: People) -> None:
    if stop.requested:
        raise KeyboardInterrupt
    stop.request()
    console.note("Finishing the sections that are being scored. Ctrl-C again abandons them.", "yellow")


def _show(outcome: BatchOutcome, report: BatchReport, console: People) -> None:
    before = f", {outcome.n_done_before:,} of them before" if outcome.n_done_before else ""
    failed = f", {len(outcome.failures):,} without a score" if outcome.failures else ""
    left = f", {outcome.n_left:,} left" if outcome.n_left else ""
    console.note(f"{counted(len(outcome.scored), 'section')} scored{before}{failed}{left}.")
    if n := report.agreement.n_empty:
        console.note(
            f"{counted(n, 'section')} of them {'has' if n == 1 else 'have'} no usable tile, and no score.", "yellow"
        )
    if words := describe_engines(outcome.answers, report.card):
        console.note(words)
    for line in describe_agreement(report.agreement):
        console.note(line)
    for failure in outcome.failures[:_LISTED]:
        console.note(f"No score: {failure.describe()}", "yellow")
    if len(outcome.failures) > _LISTED:
        console.note(f"and {len(outcome.failures) - _LISTED:,} more: failures.csv", "yellow")
    for path in report.written:
        console.note(f"{path}")
