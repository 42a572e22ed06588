"""``hcc-scope dataset check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from hcc_scope.datasets.check import DatasetReport, GroupCount

__all__ = ["group_table", "run_check"]

_MOST_ROWS = 40
"""Of a table on screen; ``--json`` has them all."""


def run_check(manifest: Path, *, json_mode: bool) -> None:
    """Check a set, print all that was found, and fail if it cannot be trained on.

    Raises
    ------
    DatasetError
        After everything was printed, if there is an error among the problems.
    """
    from hcc_scope.datasets.check import check_dataset

    console = people(json_mode=json_mode)
    with interruptible("nothing was found yet"), steps_shown(console) as on_step:
        report = check_dataset(manifest, on_step)
    if json_mode:
        print_json(report.to_json())
    else:
        for table in _tables(report):
            console.show(table)
        for line in _lines(report):
            console.note(line)
    for problem in report.problems[:_MOST_ROWS]:
        console.note(f"{problem.severity}: {problem}", "red" if problem.severity == "error" else "yellow")
    if len(report.problems) > _MOST_ROWS:
        console.note(f"... and {len(report.problems) - _MOST_ROWS} more (--json has them)", "yellow")
    if not report.trainable:
        n = len(report.errors)
        raise DatasetError(
            f"{manifest} cannot be trained on: {n} error{'s' * (n > 1)}, the first: {report.errors[0].what}",
            hint=report.errors[0].hint,
        )
    if not json_mode:
        n = len(report.problems)
        console.note(f"{manifest} can be trained on; {n} warning{'s' * (n != 1)}.", "bold")


def _tables(report: DatasetReport) -> list[Table]:
    optional = (("Sites", report.sites), ("Batches", report.batches))
    return [
        group_table("Classes", report.classes, ("images", "animals", "sections", "days")),
        group_table("Animals", report.animals, ("low", "high", "sections", "days")),
        group_table("Sections", report.sections, ("low", "high", "days")),
        group_table("Days", report.days, ("low", "high", "animals", "sections")),
        *(group_table(title, groups, ("low", "high", "animals", "days")) for title, groups in optional if groups),
    ]


def group_table(title: str, groups: Sequence[GroupCount], columns: Sequence[str]) -> Table:
    """Return a table of groups of images for the screen."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column({"low": "images low", "high": "images high"}.get(column, column), justify="right")
    for group in groups[:_MOST_ROWS]:
        table.add_row(Text(group.name), *(str(getattr(group, column)) for column in columns))
    if len(groups) > _MOST_ROWS:
        table.add_row(f"... and {len(groups) - _MOST_ROWS} more (--json has them)", *("" for _ in columns))
    return table


def _lines(report: DatasetReport) -> list[str]:
    from hcc_scope.colour import CONVERSIONS, describe_conversion
    from hcc_scope.datasets.manifest import counted
    from hcc_scope.flag_texts import describe_reason_counts

    def spread(of: dict[str, int], unit: str) -> str:
        return ", ".join(f"{value} {unit} ({n})" for value, n in of.items()) or "none"

    def association(v: float | None) -> str:
        return "Cramér's V not defined" if v is None else f"Cramér's V {v:.2f}"

    meaning = "0: the day reveals nothing about the class, 1: it determines it"
    excluded = ", ".join(describe_reason_counts(report.tiles_excluded)) or "none"
    usable = report.tiles_usable
    lines = [
        f"{counted(report.images, 'image')}; size {spread(report.shapes_yx, 'px')}; "
        f"depth {spread(report.bit_depths, 'bit')}; pixel size {spread(report.pixel_sizes_um, 'um')}",
        f"{counted(report.tiles, 'tile')}, usable {usable['low']} low and {usable['high']} high; left out: {excluded}",
        f"Class by day: {association(report.class_by_day_v)} ({meaning})",
    ]
    lines += [
        f"{counted(report.colours[name], 'image')}: {describe_conversion(name)}"
        for name in CONVERSIONS
        if name in report.colours
    ]
    if report.sites:
        lines.append(f"Class by site: {association(report.class_by_site_v)}")
    if report.batches:
        lines.append(f"Class by batch: {association(report.class_by_batch_v)}")
    if report.synthetic is not None:
        lines.append(report.synthetic)
    return lines
