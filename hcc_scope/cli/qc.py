"""``hcc-scope qc``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import people, print_json
from hcc_scope.formatting import format_utc, significant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.report.control_charts import Chart, ControlCharts

__all__ = ["run_qc"]


def run_qc(folders: Sequence[Path], *, html: Path | None, json_mode: bool) -> None:
    """Show the control charts of the sections in some folders, and which of the last ones are out.

    Raises
    ------
    StoreError
        If a folder is not there.
    StoreUnwritableError
        If the page cannot be written.
    """
    from hcc_scope.errors import StoreError
    from hcc_scope.report.control_charts import control_charts
    from hcc_scope.report.qc_page import write_page

    for folder in folders:
        if not folder.is_dir():
            raise StoreError(f"{folder} is no folder", hint="Give the folder that holds the sections.")
    found = control_charts(folders)
    console = people(json_mode=json_mode)
    _show(found, console)
    if html is not None:
        console.note(str(write_page(found, html)))
    if json_mode:
        print_json(_as_json(found))


def _show(found: ControlCharts, console: People) -> None:
    table = Table(title="Control charts", title_justify="left")
    for heading in ("rig", "objective", "reading", "sections", "last", "centre", "low", "high", ""):
        table.add_column(heading)
    for chart in found.charts:
        last = chart.points[-1]
        limits = last.limits
        numbers = ("", "", "") if limits is None else (limits.centre, limits.low, limits.high)
        cells = (
            chart.rig,
            chart.objective,
            chart.title,
            str(len(chart.points)),
            f"{significant(last.value)}{chart.kind.unit}",
            *(one if isinstance(one, str) else significant(one) for one in numbers),
            last.verdict,
        )
        style = "red" if last.verdict == "outside" else "yellow" if last.verdict == "drift" else ""
        table.add_row(*map(Text, cells), style=style)
    if found.charts:
        console.show(table)
    console.note(found.describe())
    for warning in found.warnings():
        console.note(warning, "yellow")


def _as_json(found: ControlCharts) -> dict[str, Any]:
    return {
        "sections": found.n_stores,
        "without_readings": found.n_without,
        "unreadable": found.n_unreadable,
        "folders_unread": found.n_folders_unread,
        "warnings": found.warnings(),
        "charts": [_chart_as_json(chart) for chart in found.charts],
    }


def _chart_as_json(chart: Chart) -> dict[str, Any]:
    rows = [
        {
            "store": str(section.store),
            "t_utc": format_utc(section.t_utc),
            "value": point.value,
            "verdict": point.verdict,
            "low": None if point.limits is None else point.limits.low,
            "high": None if point.limits is None else point.limits.high,
        }
        for section, point in zip(chart.sections, chart.points, strict=True)
    ]
    return {
        "rig": chart.rig,
        "objective": chart.objective,
        "reading": chart.kind.name,
        "title": chart.title,
        "unit": chart.kind.unit.strip(),
        "points": rows,
    }
