"""Show a running session in a terminal: polls snapshots, never touches the pipeline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rich.columns import Columns
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hcc_scope.formatting import counted, format_duration, percent
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.score_text import SCORE_NAME, describe_named_score, describe_score, describe_stability

if TYPE_CHECKING:
    from hcc_scope.cli.console import People
    from hcc_scope.session import Session
    from hcc_scope.types import Snapshot

__all__ = ["Beside", "watch"]

_REFRESH_S = 0.25
_PLAIN_LINE_EVERY_S = 5.0
_BAR_CELLS = 30


def _progress(snap: Snapshot) -> Columns:
    done, total = snap.counts.stored or snap.counts.acquired, snap.expected_frames
    if total is not None:
        total -= snap.counts.skipped + snap.counts.lost
    words = counted(done, "frame") if total is None else f"{done}/{total}"
    # rich's bar knows what a terminal can show
    bar = ProgressBar(total=total or None, completed=done, width=_BAR_CELLS, pulse=total is None)
    return Columns([bar, f"{words}   {snap.phase}"], padding=(0, 1))


def _coverage(snap: Snapshot) -> str:
    counts = snap.counts
    return (
        f"{counts.classified} classified, {counts.excluded} excluded, {counts.deferred} deferred, "
        f"{counts.pending} pending, {counts.failed} failed, {counts.lost} lost, {counts.skipped} skipped"
    )


class Beside(Protocol):
    """What a display shows besides the session."""

    def rows(self) -> list[tuple[str, str]]:
        """Return names and texts, in order."""

    def news(self) -> list[str]:
        """Return lines for a display that cannot be redrawn: what happened since it was asked last."""


def _panel(title: str, snap: Snapshot, beside: Beside | None) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), title=Text(title, style="bold"), title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in [] if beside is None else beside.rows():
        table.add_row(name, Text(text, style="bold" if name == "state" else ""))
    table.add_row("progress", _progress(snap))
    table.add_row(SCORE_NAME, Text(describe_score(snap.score), style="bold"))
    if stability := describe_stability(snap.score):
        table.add_row("", Text(stability))
    table.add_row("frames", _coverage(snap))
    table.add_row(
        "speed",
        f"{snap.acquire_fps:.1f} acquired | {snap.store_fps:.1f} stored | {snap.classify_fps:.1f} classified frames/s",
    )
    table.add_row(
        "queues",
        f"store {percent(snap.store_queue_fill, 0)}, analysis {percent(snap.analyse_queue_fill, 0)}; "
        f"ETA {format_duration(snap.eta_s)}",
    )
    if snap.degraded:
        table.add_row("degraded", Text(snap.degraded, style="bold yellow"))
    if snap.message:
        table.add_row("note", Text(snap.message))
    table.add_row("", Text(RESEARCH_USE_ONLY, style="italic dim"))
    return table


def watch(session: Session, console: People, title: str, beside: Beside | None = None) -> None:
    """Show a session that was started until it ends; a display that breaks is dropped, and the session continues."""
    paint = _watch_live if console.is_terminal else _watch_plainly
    console.attempt(lambda: paint(session, console, title, beside))


def _watch_live(session: Session, console: People, title: str, beside: Beside | None) -> None:
    # refreshed here, not by rich's own thread, which would end with its own traceback
    with Live(console=console.console, auto_refresh=False, transient=True) as live:
        while not session.wait(_REFRESH_S):
            live.update(_panel(title, session.snapshot(), beside), refresh=True)


def _watch_plainly(session: Session, console: People, title: str, beside: Beside | None) -> None:
    next_line = time.monotonic() + _PLAIN_LINE_EVERY_S
    while not session.wait(_REFRESH_S):
        for line in [] if beside is None else beside.news():
            console.note(f"{title}: {line}")
        if time.monotonic() >= next_line:
            next_line += _PLAIN_LINE_EVERY_S
            console.note(f"{title}: {_plain_line(session.snapshot(), beside)}")


def _plain_line(snap: Snapshot, beside: Beside | None) -> str:
    rows = [] if beside is None else beside.rows()
    if rows:
        return "; ".join([*(text for _, text in rows), describe_named_score(snap.score)])
    return f"{describe_named_score(snap.score)}; {_coverage(snap)}; ETA {format_duration(snap.eta_s)}"
