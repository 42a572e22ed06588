"""Show a running session in a terminal: polls snapshots, never touches the pipeline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import RESEARCH_USE_ONLY, note

if TYPE_CHECKING:
    from rich.console import Console

    from hcc_scope.session import Session
    from hcc_scope.types import RunOutcome, SectionScore, Snapshot

__all__ = ["score_words", "watch"]

_REFRESH_S = 0.25
_PLAIN_LINE_EVERY_S = 5.0
_BAR_CELLS = 30


def score_words(score: SectionScore) -> str:
    """Return the score with its interval, as a person reads it."""
    if score.score is None:
        return "no score yet"
    low, high = score.interval
    words = f"{score.score:.3f}"
    words += f" [{low:.3f}, {high:.3f}]" if score.interval_valid else " (no valid interval)"
    side = "high" if score.score >= score.threshold else "low"
    return f"{words} -> {side}-metastatic side of {score.threshold:.2f}"


def _progress(snap: Snapshot) -> Columns:
    done, total = snap.counts.stored or snap.counts.acquired, snap.expected_frames
    words = f"{done} frames" if total is None else f"{done}/{total}"
    # rich's bar knows what a terminal can show
    bar = ProgressBar(total=total or None, completed=done, width=_BAR_CELLS, pulse=total is None)
    return Columns([bar, f"{words}   {snap.phase}"], padding=(0, 1))


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} s"


def _coverage(snap: Snapshot) -> str:
    counts = snap.counts
    return (
        f"{counts.classified} classified, {counts.excluded} excluded, {counts.deferred} deferred, "
        f"{counts.pending} pending, {counts.failed} failed, {counts.lost} lost"
    )


def _panel(title: str, snap: Snapshot) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), title=title, title_justify="left", title_style="bold")
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("progress", _progress(snap))
    table.add_row("score", Text(score_words(snap.score), style="bold"))
    table.add_row("", snap.score.stabilised_reason)
    table.add_row("frames", _coverage(snap))
    table.add_row(
        "speed",
        f"{snap.acquire_fps:.1f} acquired | {snap.store_fps:.1f} stored | {snap.classify_fps:.1f} classified frames/s",
    )
    table.add_row(
        "queues",
        f"store {snap.store_queue_fill:.0%}, analysis {snap.analyse_queue_fill:.0%}; ETA {_seconds(snap.eta_s)}",
    )
    if snap.degraded:
        table.add_row("degraded", Text(snap.degraded, style="bold yellow"))
    if snap.message:
        table.add_row("note", snap.message)
    table.add_row("", Text(RESEARCH_USE_ONLY, style="italic dim"))
    return table


def watch(session: Session, console: Console, title: str) -> RunOutcome:
    """Start `session`, show it until it ends, and return how it ended."""
    session.start()
    if console.is_terminal:
        with Live(console=console, refresh_per_second=1 / _REFRESH_S, transient=True) as live:
            while not session.finished:
                live.update(_panel(title, session.snapshot()))
                time.sleep(_REFRESH_S)
    else:
        next_line = time.monotonic()
        while not session.finished:
            if time.monotonic() >= next_line:
                next_line += _PLAIN_LINE_EVERY_S
                snap = session.snapshot()
                note(console, f"{title}: {score_words(snap.score)}; {_coverage(snap)}; ETA {_seconds(snap.eta_s)}")
            session.wait(_REFRESH_S)
    return session.join()
