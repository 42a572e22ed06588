"""Runs on the command line: signals, a display, the account at the end (`hcc_scope.runs` does the work)."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.display import watch
from hcc_scope.cli.interrupt import EXIT_INTERRUPTED, Reported
from hcc_scope.cli.keys import keys
from hcc_scope.cli.pause_screen import ENDED, PauseScreen
from hcc_scope.cli.signals import Interrupted, called_on_signals
from hcc_scope.errors import HccScopeError, ModelError, StoreError, StoreUnwritableError
from hcc_scope.flag_texts import FLAG_TEXTS, describe_reason_counts
from hcc_scope.formatting import counted
from hcc_scope.report.summary import build_summary, write_summary
from hcc_scope.research_use import research_use
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.runs.scoring_model import load_scoring_model as load_quietly
from hcc_scope.runs.section import start_section
from hcc_scope.score_text import SCORE_NAME, describe_score
from hcc_scope.storage.notes import read_notes
from hcc_scope.types import QualityFlag
from hcc_scope.validation_text import describe_animal, describe_probability, describe_statement, statement_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hcc_scope.cli.console import People
    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.protocols import FrameSource
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.references import SectionReferences
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.session.bad_fields import BadFieldWatch
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.workers import StopToken

__all__ = [
    "RUN_IS_OVER",
    "Interrupted",
    "called_on_signals",
    "finish",
    "interruptible",
    "load_scoring_model",
    "record_section",
    "save_account",
    "save_summary",
    "stop_on_signals",
    "summarise",
    "watch_pauses",
]


def load_scoring_model(
    model_name: str | Path,
    engine: str,
    console: People,
    *,
    fall_back: bool = False,
    score_unlike: bool = False,
    allow_phantom_model: bool = False,
) -> ScoringModel:
    """Load a model on an engine and report it (`hcc_scope.runs.scoring_model.load_scoring_model` does the work).

    Raises
    ------
    ModelError
        If the model may not be used, or (without `fall_back`) not on this engine.
    """
    console.note(f"Loading the model {model_name} ...", "dim")
    return load_quietly(
        model_name,
        engine,
        console.note,
        fall_back,
        score_unlike=score_unlike,
        allow_phantom_model=allow_phantom_model,
    )


RUN_IS_OVER = "the run had already ended, and is stored as reported; the rig may not have been closed properly"


class Meaning:
    """What a plain Ctrl-C means at present, as text."""

    def __init__(self, consequence: str) -> None:
        self.consequence = consequence

    def now(self, consequence: str) -> None:
        """From now on it means something else."""
        self.consequence = consequence


@contextmanager
def interruptible(consequence: str) -> Iterator[Meaning]:
    """Turn a plain Ctrl-C (no session runs that could end properly) into a sentence that states its consequence."""
    meaning = Meaning(consequence)
    try:
        yield meaning
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted: {meaning.consequence}") from error


@contextmanager
def stop_on_signals(stop: StopToken, console: People) -> Iterator[None]:
    """Let Ctrl-C (and a polite kill) end the run properly; a second Ctrl-C skips analysis, never storage.

    For the time that a session can run: before that there is nothing to finish, and Ctrl-C just ends the program.
    """

    def on_signal(_number: int, _frame: object) -> None:
        again = stop.analysis_skipped
        stop.request()
        if again:
            return
        if stop.analysis_skipped:
            console.note("Skipping what is not classified yet; every acquired frame is being stored.", "yellow")
        else:
            console.note("Finishing: storing and classifying what was acquired. Ctrl-C again skips analysis.", "yellow")

    with called_on_signals(on_signal):
        yield


def record_section(
    source: FrameSource,
    scoring_model: ScoringModel,
    out_dir: Path,
    *,
    stop: StopToken,
    console: People,
    title: str,
    interval_s: float | None = None,
    references: SectionReferences | None = None,
    bad_fields: BadFieldWatch | None = None,
) -> SectionReport:
    """Acquire one section into a new store below `out_dir`, classify it live, and close everything.

    Parameters
    ----------
    source : FrameSource
        Open, and not started.
    scoring_model : ScoringModel
        What classifies.
    out_dir : Path
        Where the store is made.
    stop : StopToken
        Ends the run; requested already, it keeps a run from starting.
    console : People
        Shows the run.
    title : str
        What the run is called there.
    interval_s : float, optional
        Nominal time between frames of a time series.
    references : SectionReferences, optional
        What its frames are corrected by.
    bad_fields : BadFieldWatch, optional
        Pauses the run after so many bad fields in a row; without a terminal it ends there.

    Raises
    ------
    HccScopeError
        If the run cannot start: nothing was acquired then. What goes wrong later is in the report's outcome.
    """
    if stop.requested:
        raise Interrupted("interrupted before the first frame; nothing was acquired")
    run = start_section(
        source,
        scoring_model,
        out_dir,
        stop,
        interval_s,
        None if references is None else references.shading,
        None if references is None else references.facts,
        bad_fields,
    )
    watch_pauses(run, console, title, may_pause=bad_fields is not None)
    return run.finish()


def watch_pauses(run: SectionRun, console: People, title: str, *, may_pause: bool) -> None:
    """Show a run until it ends; one that pauses by itself is continued by a key, or ends without a terminal."""
    if not may_pause:
        watch(run.session, console, title)
        return
    with keys() as pressed:
        attended = pressed is not str
        screen = PauseScreen(run.session, pressed, attended=attended, ring=console.console.bell)
        watch(run.session, console, title, screen)


def save_summary(summary: dict[str, Any], path: Path, troubles: list[HccScopeError]) -> list[Path]:
    """Write `summary.json` and return its path; if that fails, add the reason to `troubles`.

    It must not hide how the run itself ended, which `finish` reports first.
    """
    try:
        return [write_summary(summary, path)]
    except OSError as error:
        troubles.append(StoreUnwritableError(f"the summary {path} cannot be written: {error.strerror or error}"))
        return []


def save_account(
    summary: dict[str, Any], reports: Sequence[SectionReport], folder: Path, troubles: list[HccScopeError]
) -> list[Path]:
    """Write `summary.json` beside the stores of a run, and return what there is to look at: stores and summary.

    A run that left no store leaves no summary either: it would be an account of nothing.
    """
    stores = [Path(report.store) for report in reports if report.store is not None and Path(report.store).exists()]
    return [*stores, *save_summary(summary, folder / "summary.json", troubles)] if stores else []


def summarise(
    reports: Sequence[SectionReport],
    scoring_model: ScoringModel,
    *,
    command: str,
    versions: dict[str, str],
    started_utc: datetime,
    cut_short: bool = False,
    prevalence: float | None = None,
    stores: Sequence[SectionStore] = (),
) -> dict[str, Any]:
    """Return the account of a run of one model over some sections.

    Parameters
    ----------
    reports : sequence of SectionReport
    scoring_model : ScoringModel
    command : str
        Name of the command.
    versions : dict
        Of the software, by name.
    started_utc : datetime
    cut_short : bool
        Whether other sections were left out on request.
    prevalence : float, optional
        Share of animals that are high, as the user states it.
    stores : sequence of SectionStore
        Those of the first of `reports`, where they were there before the run: several may hold one section.
    """
    summary = build_summary(
        reports,
        command=command,
        engine=scoring_model.classifier.name,
        engine_in_full=scoring_model.classifier.engine,
        model_name=scoring_model.model.card.name,
        model_sha256=scoring_model.model.card.sha256,
        versions=versions,
        started_utc=started_utc,
    )
    card = scoring_model.model.card
    summary["model_trained_on"] = card.trained_on
    summary["unseen_animals"] = statement_json(card.statement, prevalence)
    summary["statement"] = _statement(reports, card.statement, prevalence, stores)
    if cut_short and summary["outcome"] == "completed":
        summary["outcome"] = "cancelled"
    return summary


def _statement(
    reports: Sequence[SectionReport],
    statement: StatementRecord | None,
    prevalence: float | None,
    stores: Sequence[SectionStore],
) -> list[str]:
    """Return what the verdicts on these sections are worth, and what is known of their animals, as sentences."""
    scored = [report for report in reports if report.outcome.score.score is not None]
    if not scored:
        return []
    found = describe_statement(statement, prevalence=prevalence)
    if statement is None:
        return found
    for report in scored:
        if text := describe_probability(statement, report.outcome.score, prevalence):
            found.append(f"Section {report.section_id} of {report.animal_id}: {text}")
    for animal in animal_scores(map(_listed, reports, (*stores, *[None] * (len(reports) - len(stores))))):
        if text := describe_animal(statement, animal.score):
            found.append(f"Animal {animal.animal_id}, {animal.describe()}: {text}")
    return found


def _listed(report: SectionReport, store: SectionStore | None) -> ListedSection:
    """Return a section with the score of this run, for the one rule of which stores count for an animal."""
    ids, score = (report.animal_id, report.section_id), report.outcome.score
    if store is None:  # a run makes one store of each section
        return ListedSection(Path(report.store or report.section_id), "complete", "", *ids, score=score)
    try:
        notes = read_notes(store.place)
    except StoreError:
        notes = ()
    return ListedSection(
        Path(str(store.place)),
        "complete" if store.complete else "unfinished",
        "",
        *ids,
        store.recorded.created_utc,
        n_frames=store.n_frames,
        score=score,
        noted_utc=notes[-1].t_utc if notes else None,
    )


def finish(
    summary: dict[str, Any],
    reports: Sequence[SectionReport],
    console: People,
    *,
    json_mode: bool,
    paths: Sequence[Path],
    troubles: Sequence[HccScopeError] = (),
) -> None:
    """Show how a run ended, and leave with its exit code.

    In this order: the error that failed a section, 20 if the model gave up, 130 if the operator ended it early, the
    first of `troubles`.

    Raises
    ------
    SystemExit, HccScopeError
        If there was anything to complain about.
    """
    console.note("")
    console.show(_table(reports))
    for text in summary.get("statement", ()):
        console.note(text)
    for path in paths:
        console.note(f"{path}")
    console.note(research_use(summary.get("model_trained_on")), "italic")
    if json_mode:
        print_json(summary)
    for report in reports:
        if report.outcome.remark is not None:
            console.note(f"Section {report.section_id}: {report.outcome.remark.removesuffix('.')}.", "yellow")
        for remark in [] if report.by_hand is None else report.by_hand.remarks():
            console.note(f"Section {report.section_id}: {remark}.", "yellow")
    failed = next((report for report in reports if report.outcome.state == "failed"), None)
    if failed is not None:
        cause = failed.outcome.cause
        if cause is not None and not isinstance(cause, HccScopeError):
            raise cause  # a bug: reported as one, with its traceback in a file
        counts = failed.outcome.counts
        _leave(
            f"section {failed.section_id} failed after {counted(counts.acquired, 'frame')} ({counts.stored} stored): "
            f"{cause}",
            cause.exit_code if cause is not None else 1,
        )
    degraded = next((report for report in reports if report.outcome.degraded), None)
    if degraded is not None:
        _leave(
            f"section {degraded.section_id}: {degraded.outcome.degraded}. "
            "Every frame is stored; replay it with a model that works",
            ModelError.exit_code,
        )
    if summary["outcome"] == "cancelled":
        stored = any(report.outcome.counts.stored for report in reports)
        meaning = "what was acquired is stored" if stored else "nothing was acquired, and no store is left"
        why = "after bad fields" if any(ENDED in (r.outcome.remark or "") for r in reports) else "by the operator"
        _leave(f"the run was ended early {why}; {meaning}", EXIT_INTERRUPTED)
    for trouble in troubles[1:]:
        people(json_mode=True).note(f"Error: {trouble}")
    if troubles:
        raise troubles[0]


def _leave(message: str, exit_code: int) -> NoReturn:
    people(json_mode=True).note(f"Error: {message}")
    raise Reported(exit_code)


def _table(reports: Sequence[SectionReport]) -> Table:
    table = Table(title="Sections", title_justify="left")
    for heading in ("animal", "section", SCORE_NAME, "frames", "tiles", "frames/s"):
        table.add_column(heading)
    for report in reports:
        counts, score = report.outcome.counts, report.outcome.score
        frames = [f"{counts.classified} of {counts.acquired} classified"]
        open_frames = counts.deferred + counts.pending
        numbers = (
            (counts.excluded, "excluded"),
            (counts.failed, "failed"),
            (open_frames, "open"),
            (counts.lost, "lost"),
            (counts.skipped, "skipped: not reached"),
        )
        frames += [f"{number} {word}" for number, word in numbers if number]
        tiles = [f"{score.tiles} scored"]
        if report.unlike_scored is not None:
            tiles.append(f"of them {report.unlike_scored} {FLAG_TEXTS[QualityFlag.UNLIKE_TRAINING].name}")
        tiles += describe_reason_counts(score.tiles_excluded)
        state = "" if report.outcome.state == "completed" else f"\n({report.outcome.state})"
        table.add_row(
            Text(report.animal_id),
            Text(report.section_id),
            Text(describe_score(score) + state),
            "\n".join(frames),
            "\n".join(tiles),
            f"{report.outcome.rates.get('end_to_end_fps', 0.0):.1f}",
        )
    return table
