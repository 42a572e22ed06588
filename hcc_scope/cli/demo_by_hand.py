"""``hcc-scope demo --by-hand``: a guided section by a simulated hand, and how well the program followed it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.by_hand import follow_hand
from hcc_scope.cli.console import people
from hcc_scope.cli.demo import check_demo_folder
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    finish,
    interruptible,
    load_scoring_model,
    save_account,
    stop_on_signals,
    summarise,
)
from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.plans.drawn_sample import check_n_drawn
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.hand_section import hand_source, start_hand_section
from hcc_scope.runs.phantoms import grown
from hcc_scope.runs.section import check_section
from hcc_scope.runs.simulated_hand import compare_with_hand, simulated_hand
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.reader import open_store
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from hcc_scope.errors import HccScopeError

__all__ = ["run_demo_by_hand"]

RIG = "demo-by-hand"
ANIMAL, SECTION = "demo-by-hand", "S1"
"""Training never uses an animal of that name."""


def run_demo_by_hand(
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
    """Have a simulated hand drive round a phantom section and visit the fields drawn in it, then compare.

    Raises
    ------
    HccScopeError
        As for any run; a folder with an earlier demo in it is refused.
    """
    from hcc_scope.phantom import Specimen
    from hcc_scope.report.overview import draw_overview
    from hcc_scope.report.pictures import section_picture

    check_n_drawn(n_fields)
    console = people(json_mode=json_mode)
    started = datetime.now(UTC)
    folder = out if out is not None else Path("runs") / started.astimezone().strftime("demo-by-hand-%Y%m%d-%H%M%S")
    check_demo_folder(folder, (ANIMAL, SECTION))
    with interruptible("nothing was acquired"):
        scoring_model = load_scoring_model(model_name, engine, console, score_unlike=score_unlike)
    stop = StopToken()
    with (
        interruptible("nothing was acquired") as meaning,
        leave_none_empty(folder),
        open_rig(RIG, console) as rig,
        stop_on_signals(stop, console),
    ):
        specimen = Specimen(seed, ANIMAL, SECTION, "high", day="demo-by-hand")
        played = simulated_hand(rig.microscope, specimen, seed, n_fields=n_fields, guided=True)
        source = hand_source(
            rig.microscope,
            scoring_model,
            ANIMAL,
            SECTION,
            guided=Guided(n_fields, seed),
            specimen=specimen,
            scene=played.scene,
            operator=played.operator,
        )
        played.operator.commands = source
        check_section(source, scoring_model, folder)
        grown(specimen, scoring_model.model.card.pixel_size_um)
        run = start_hand_section(source, scoring_model, folder, stop)
        report = follow_hand(run, console, f"{ANIMAL} {SECTION} (phantom, simulated hand)")
        played.operator.close(source.view())
        meaning.now(RUN_IS_OVER)
        versions = software_versions(dict(rig.microscope.versions))
        summary = summarise(
            [report],
            scoring_model,
            command="demo",
            versions=versions,
            started_utc=started,
            cut_short=stop.requested and report.outcome.counts.acquired < n_fields,
            prevalence=prevalence,
        )
        if report.store is not None:
            truth = compare_with_hand(played.operator, open_store(Path(report.store)).journal)
            summary["against_the_hand"] = truth.as_json()
            for line in truth.sentences():
                console.note(f"{line}.")
        troubles: list[HccScopeError] = []
        paths = save_account(summary, [report], folder, troubles)
        if report.outcome.counts.stored:
            picture = section_picture(Path(report.store or ""), threshold=scoring_model.model.card.decision_threshold)
            subtitle = f"a synthetic phantom section visited by a simulated hand, model {scoring_model.model.card.name}"
            paths.append(draw_overview([picture], folder / "overview.png", subtitle=subtitle))
        # here, before the rig is closed: that may have to wait for a long exposure
        finish(summary, [report], console, json_mode=json_mode, paths=paths, troubles=troubles)
