"""``hcc-scope log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import StoreError
from hcc_scope.report.run_log_text import event_lines
from hcc_scope.storage.facts import check_is_store
from hcc_scope.storage.place import place_of
from hcc_scope.storage.run_log import RUN_LOG, read_run_log

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_log"]


def run_log(store: Path, *, json_mode: bool) -> None:
    """Show the log of a store's run.

    Raises
    ------
    StoreError
        If there is no store, it has no log, or the log cannot be read.
    """
    place = place_of(store)
    check_is_store(place)
    log = read_run_log(place)
    if log is None:
        raise StoreError(f"{place} has no {RUN_LOG}", hint="Earlier versions wrote none.")
    console = people(json_mode=json_mode)
    problems = list(log.problems)
    if log.torn:
        problems.append(f"the last line of {place / RUN_LOG} is unfinished")
    if json_mode:
        rows = [{"t_utc": e.t_utc.isoformat(), "kind": e.kind, "facts": dict(e.facts)} for e in log.events]
        print_json({"store": str(place), "events": rows, "problems": problems})
    else:
        for line in event_lines(log.events):
            console.note(line)
    for problem in problems:
        console.note(problem, "yellow")
