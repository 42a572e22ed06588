"""``hcc-scope recover``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.formatting import counted
from hcc_scope.runs.unfinished import recover_each

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.errors import HccScopeError

__all__ = ["run_recover"]


def run_recover(stores: Sequence[Path], *, json_mode: bool) -> None:
    """Recover each store and report what was found and done.

    Raises
    ------
    HccScopeError
        After all stores, the first one's: it cannot be recovered, or a committed frame is missing or damaged.
    """
    console = people(json_mode=json_mode)
    reports = []
    troubles: list[HccScopeError] = []
    for recovery in recover_each(stores):
        path, report = recovery.path, recovery.report
        if recovery.error is not None:
            troubles.append(recovery.error)
            console.note(f"{path}: {recovery.error}", "yellow")
        if report is None:
            continue
        reports.append(report)
        console.note(f"{path}: {counted(report.n_frames, 'frame')}; {'; '.join(report.changes) or 'nothing to change'}")
        if report.unacknowledged:
            console.note(
                f"  {counted(report.unacknowledged, 'frame')} reached the disk but not the journal; left as they are"
            )
        for problem in (*report.problems, *map(str, report.damaged)):
            console.note(f"  {problem}", "yellow")
    if json_mode:
        rows: list[dict[str, Any]] = [
            {
                "store": str(report.path),
                "frames": report.n_frames,
                "changes": list(report.changes),
                "damaged": [str(error) for error in report.damaged],
                "problems": list(report.problems),
                "unacknowledged": report.unacknowledged,
            }
            for report in reports
        ]
        print_json({"stores": rows})
    troubles += [error for report in reports for error in report.damaged]
    if troubles:
        raise troubles[0]
