"""``hcc-scope report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.formatting import counted
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.runs.reports import write_reports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.errors import HccScopeError

__all__ = ["run_report"]


def run_report(
    places: Sequence[Path], *, out: Path | None, pdf: bool, prevalence: float | None, json_mode: bool
) -> None:
    """Write the reports of sections, and of the animals in folders, and name their files.

    Parameters
    ----------
    places : sequence of Path
        Stores and folders.
    out : Path, optional
        Where the reports go; by default beside what they are about.
    pdf : bool
        Whether to write each as a PDF too.
    prevalence : float, optional
        Share of animals that are high, as the user states it.
    json_mode : bool
        Write the list of files to standard output.

    Raises
    ------
    HccScopeError
        After all reports, the first one's reason why it is missing.
    """
    console = people(json_mode=json_mode)
    rows: list[dict[str, str | None]] = []
    troubles: list[HccScopeError] = []
    with interruptible("the reports that are named above are whole"), steps_shown(console) as on_step:
        for one in write_reports(places, out, prevalence=prevalence, pdf=pdf, on_progress=on_step):
            if one.page is None:
                console.note(f"{one.name}: {one.error}", "yellow")
            else:
                written = one.page.with_suffix(".pdf") if pdf else None
                console.note(f"{one.name}: {one.page}" + ("" if written is None else f", and {written.name}"))
                rows.append(
                    {
                        "name": one.name,
                        "page": str(one.page),
                        "pdf": None if written is None else str(written),
                    }
                )
            if one.error is not None:
                troubles.append(one.error)
    console.note(f"{counted(len(rows), 'report')} written. {RESEARCH_USE_ONLY}")
    if json_mode:
        print_json({"reports": rows, "problems": [str(error) for error in troubles]})
    if troubles:
        raise troubles[0]
