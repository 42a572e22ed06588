"""Put a run together: a source, a store, a model and a session; then the account of it."""

from __future__ import annotations

import signal
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from rich.table import Table

from hcc_scope.cli.console import RESEARCH_USE_ONLY, note, people, print_json
from hcc_scope.cli.display import score_words, watch
from hcc_scope.errors import HccScopeError
from hcc_scope.quality import QualityLimits
from hcc_scope.report.summary import SectionReport, build_summary, section_account
from hcc_scope.scoring import SectionScorer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from hcc_scope.inference.loading import LoadedModel
    from hcc_scope.protocols import Classifier, FrameSource
    from hcc_scope.types import FrameResult, RunOutcome
    from hcc_scope.workers import StopToken

__all__ = ["Analyst", "finish", "latencies_ms", "load_analyst", "record_section", "stop_on_signals", "summarise"]

EXIT_CANCELLED = 130


@dataclass(frozen=True, slots=True)
class Analyst:
    """A checked model on an engine."""

    model: LoadedModel
    engine: str
    """What the user chose; the classifier's own name says it in full, with version and threads."""
    classifier: Classifier

    @property
    def facts(self) -> dict[str, str | float]:
        """What a store has to know to be scored again in the same way."""
        card = self.model.card
        return {
            "model": card.name,
            "model_folder": str(self.model.folder),
            "engine": self.engine,
            "temperature": card.temperature,
            "decision_threshold": card.decision_threshold,
            **{f"quality_{name}": limit for name, limit in QualityLimits().as_dict().items()},
        }

    def scorer(self, source: FrameSource) -> SectionScorer:
        """Return a fresh scorer for the source's section."""
        card = self.model.card
        return SectionScorer(card.decision_threshold, card.temperature, source.spec.sampling)


def load_analyst(model_name: str | Path, engine: str, console: Console) -> Analyst:
    """Load, check and warm up a model; raises a `ModelError` if it may not be used."""
    note(console, f"Loading the model {model_name} ...", "dim")
    from hcc_scope.inference import load_model

    model = load_model(model_name)
    return Analyst(model, engine, model.classifier(engine))


@contextmanager
def stop_on_signals(stop: StopToken, console: Console) -> Iterator[None]:
    """Let Ctrl-C (and a polite kill) end the run properly; a second Ctrl-C skips analysis, never storage."""

    def on_signal(_number: int, _frame: object) -> None:
        stop.request()
        if stop.hurried:
            note(console, "Skipping what is not classified yet; every acquired frame is being stored.", "yellow")
        else:
            note(
                console, "Finishing: storing and classifying what was acquired. Ctrl-C again skips analysis.", "yellow"
            )

    signals = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def record_section(
    source: FrameSource, analyst: Analyst, out_dir: Path, *, stop: StopToken, console: Console, title: str
) -> SectionReport:
    """Acquire one section into a new store below `out_dir`, classify it live, and close everything.

    Raises
    ------
    HccScopeError
        If the run cannot start: nothing was acquired then. What goes wrong later is in the report's outcome.
    """
    from hcc_scope.session import Session
    from hcc_scope.storage.predictions import PredictionWriter, read_predictions
    from hcc_scope.storage.writer import create_store
    from hcc_scope.tiling import TileGrid

    spec = source.spec
    TileGrid.for_frame(
        spec.frame_shape_yx, spec.tile_px
    )  # a frame smaller than a tile is refused before a store is made
    analyst.model.check_matches(spec)
    sink = create_store(out_dir, spec)
    results = PredictionWriter(sink.path, spec, run=f"live-{uuid.uuid4().hex[:8]}")

    def finalise(outcome: RunOutcome) -> None:
        sink.finalise(section_account(SectionReport(spec.animal_id, spec.section_id, sink.path.name, outcome)))

    session = Session(
        source,
        sink,
        analyst.classifier,
        scorer=analyst.scorer(source),
        limits=QualityLimits(),
        results=results,
        stop=stop,
        finalise=finalise,
        store=str(sink.path),
    )
    outcome = watch(session, console, title)
    recorded = latencies_ms(read_predictions(sink.path).values())
    return SectionReport(spec.animal_id, spec.section_id, str(sink.path), outcome, recorded)


def latencies_ms(results: Iterable[FrameResult]) -> tuple[float, ...]:
    """Return the total latency of each classified frame."""
    return tuple(result.latency_ms["total"] for result in results if result.outcome == "classified")


def summarise(
    reports: Sequence[SectionReport],
    analyst: Analyst,
    *,
    command: str,
    versions: dict[str, str],
    started_utc: datetime,
) -> dict[str, Any]:
    """Return the account of a run of one model over some sections."""
    return build_summary(
        reports,
        command=command,
        engine=analyst.engine,
        engine_in_full=analyst.classifier.engine,
        model_name=analyst.model.card.name,
        model_sha256=analyst.model.card.sha256,
        versions=versions,
        started_utc=started_utc,
    )


def finish(
    summary: dict[str, Any],
    reports: Sequence[SectionReport],
    console: Console,
    *,
    json_mode: bool,
    paths: Sequence[Path],
) -> None:
    """Show how a run ended, and leave with its exit code: that of the first error, or 130 if ended by the operator.

    Raises
    ------
    SystemExit
        If the run did not complete.
    """
    note(console, "")
    console.print(_table(reports))
    for path in paths:
        note(console, f"{path}")
    note(console, RESEARCH_USE_ONLY, "italic")
    if json_mode:
        print_json(summary)
    for report in reports:
        if report.outcome.degraded:
            note(console, f"Section {report.section_id}: analysis degraded: {report.outcome.degraded}", "yellow")
    failed = next((report for report in reports if report.outcome.state == "failed"), None)
    if failed is not None:
        cause = failed.outcome.cause
        if cause is not None and not isinstance(cause, HccScopeError):
            raise cause  # a bug: told as one, with its traceback in a file
        counts = failed.outcome.counts
        _leave(
            f"section {failed.section_id} failed after {counts.acquired} frames ({counts.stored} stored): {cause}",
            cause.exit_code if cause is not None else 1,
        )
    if summary["outcome"] == "cancelled":
        _leave("the run was ended early by the operator; what was acquired is stored", EXIT_CANCELLED)


def _leave(message: str, exit_code: int) -> NoReturn:
    note(people(json_mode=True), f"Error: {message}")
    raise SystemExit(exit_code)


def _table(reports: Sequence[SectionReport]) -> Table:
    table = Table(title="Sections", title_justify="left")
    for heading in ("animal", "section", "score, 95 % interval, side of threshold", "frames", "tiles", "frames/s"):
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
        )
        frames += [f"{number} {word}" for number, word in numbers if number]
        tiles = [f"{score.tiles} scored"]
        tiles += [f"{number} {reason.replace('_', ' ')}" for reason, number in score.tiles_excluded.items()]
        state = "" if report.outcome.state == "completed" else f"\n({report.outcome.state})"
        table.add_row(
            report.animal_id,
            report.section_id,
            score_words(score) + state,
            "\n".join(frames),
            "\n".join(tiles),
            f"{report.outcome.rates.get('end_to_end_fps', 0.0):.1f}",
        )
    return table
