"""``hcc-scope demo``: two phantom sections on Micro-Manager's demo camera, from start to report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people
from hcc_scope.cli.option_checks import check_count
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    finish,
    interruptible,
    load_scoring_model,
    record_section,
    save_account,
    stop_on_signals,
    summarise,
)
from hcc_scope.errors import HccScopeError, StoreExistsError
from hcc_scope.plans import RandomFields
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.phantoms import grown, outline_points
from hcc_scope.runs.section import check_section, section_source
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.naming import is_taken, store_path
from hcc_scope.storage.space import check_out_dir
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from typing import Literal

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.report.summary import SectionReport

__all__ = ["check_demo_folder", "run_demo"]

SECTIONS: tuple[tuple[str, str, Literal["low", "high"]], ...] = (
    ("demo-low", "S1", "low"),
    ("demo-high", "S1", "high"),
)
"""Animal, section, class. Training never uses animals of these names."""


def check_demo_folder(folder: Path, *sections: tuple[str, str]) -> None:
    """Refuse a folder in which a demo of these sections (animal, section) cannot be stored, or is already.

    Raises
    ------
    StoreExistsError, StoreUnwritableError, DiskFullError
    """
    for animal, section in sections:
        if is_taken(store_path(folder, animal, section)):
            raise StoreExistsError(
                f"{folder} holds an earlier demo", hint="Choose another --out; nothing is overwritten."
            )
    check_out_dir(folder)


def run_demo(
    *,
    out: Path | None,
    seed: int,
    n_fields: int,
    model_name: str,
    engine: str,
    json_mode: bool,
    score_unlike: bool = False,
    prevalence: float | None = None,
) -> None:
    """Acquire, store, classify and score two phantom sections, then draw the overview.

    Raises
    ------
    HccScopeError
        As for any run; a folder with an earlier demo in it is refused.
    """
    from hcc_scope.phantom import Specimen
    from hcc_scope.report.overview import draw_overview
    from hcc_scope.report.pictures import section_picture

    check_count("--fields", n_fields)
    console = people(json_mode=json_mode)
    started = datetime.now(UTC)
    folder = out if out is not None else Path("runs") / started.astimezone().strftime("demo-%Y%m%d-%H%M%S")
    check_demo_folder(folder, *((animal, section) for animal, section, _ in SECTIONS))
    with interruptible("nothing was acquired"):
        scoring_model = load_scoring_model(model_name, engine, console, score_unlike=score_unlike)
    stop = StopToken()
    reports: list[SectionReport] = []
    outlines: list[NDArray[np.float64]] = []
    with (
        interruptible("nothing was acquired") as meaning,
        leave_none_empty(folder),
        open_rig("demo", console) as rig,
        stop_on_signals(stop, console),
    ):
        for index, (animal, section, tumour_class) in enumerate(SECTIONS):
            if stop.requested:
                break
            specimen = Specimen(seed, animal, section, tumour_class, day=f"demo-{index}")
            plan = RandomFields(n_fields=n_fields, seed=seed, outline_um=outline_points(specimen))
            source = section_source(rig.microscope, plan, scoring_model, animal, section, specimen)
            check_section(source, scoring_model, folder)
            grown(specimen, scoring_model.model.card.pixel_size_um)
            title = f"{animal} {section} (phantom)"
            reports.append(record_section(source, scoring_model, folder, stop=stop, console=console, title=title))
            outlines.append(specimen.outline_um)
        meaning.now(RUN_IS_OVER)
        versions = software_versions(dict(rig.microscope.versions))
        summary = summarise(
            reports,
            scoring_model,
            command="demo",
            versions=versions,
            started_utc=started,
            cut_short=len(reports) < len(SECTIONS),
            prevalence=prevalence,
        )
        troubles: list[HccScopeError] = []
        paths = save_account(summary, reports, folder, troubles)
        pictures = [
            section_picture(
                Path(report.store or ""), threshold=scoring_model.model.card.decision_threshold, outline_um=outline
            )
            for report, outline in zip(reports, outlines, strict=True)
            if report.outcome.counts.stored
        ]
        if pictures:
            subtitle = (
                f"{len(pictures)} synthetic phantom sections on the demo camera, model {scoring_model.model.card.name}"
            )
            paths.append(draw_overview(pictures, folder / "overview.png", subtitle=subtitle))
        if paths:
            console.note(f"Stores, summary and overview are in {folder}")
        # here, before the rig is closed: that may have to wait for a long exposure
        finish(summary, reports, console, json_mode=json_mode, paths=paths, troubles=troubles)
