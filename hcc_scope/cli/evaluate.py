"""``hcc-scope evaluate``: both protocols, both controls, and their results."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.option_checks import check_budget, check_choices
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import Interrupted
from hcc_scope.errors import UsageError
from hcc_scope.evaluation.filenames import PLAN_FILE
from hcc_scope.formatting import capital
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.results import Unit
    from hcc_scope.training.config import Device, NetworkName, Precision, RecipeName, TrainConfig

__all__ = ["EvaluateOptions", "known_unit", "run_evaluate", "train_config"]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """The options of the command."""

    manifest: Path
    out: Path
    config: TrainConfig
    folds: int
    starts: int
    workers: int | None
    cache: Path | None
    figures: bool
    smooth: int
    resume: bool
    leave_one_out: bool
    leave_one_site_out: bool
    json_mode: bool
    unit: Unit = "image"
    scheduler: str | None = None

    def command(self) -> str:
        """Return the command that does the same again, with what decides the result."""
        config = self.config
        words = ["hcc-scope", "evaluate", self.manifest.name, "--out", "evaluation"]  # its name decides nothing
        words += ["--network", config.network, "--recipe", config.recipe]
        words += ["--seed", str(config.seed), "--folds", str(self.folds), "--starts", str(self.starts)]
        words += ["--precision", config.precision]
        for name, value in (
            ("--steps", config.steps),
            ("--epochs", config.epochs),
            ("--batch", config.batch),
            ("--learning-rate", config.learning_rate),
        ):
            words += [name, str(value)] if value is not None else []
        words += ["--augment-od"] * config.augment_od
        if config.device != "auto":
            words += ["--device", config.device]
        words += ["--unit", self.unit] if self.unit != "image" else []
        words += ["--leave-one-animal-out"] * self.leave_one_out
        return shlex.join(words + ["--leave-one-site-out"] * self.leave_one_site_out)


def run_evaluate(options: EvaluateOptions) -> None:
    """Evaluate, write everything into the folder, and report the results.

    Raises
    ------
    HccScopeError
        See `hcc_scope.evaluation.run.evaluate`; `Interrupted` after Ctrl-C.
    """
    voice = people(json_mode=options.json_mode)
    if options.smooth and not options.figures:
        raise UsageError("--smooth is for the figures, and with --no-figures there are none", hint="Leave one out.")
    try:
        _evaluate(options, voice)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted: {_consequence(options)}") from error


def _consequence(options: EvaluateOptions) -> str:
    if not (options.out / PLAN_FILE).exists():
        return "no network had begun; start it again"
    return "finished networks are kept; the same command with --resume continues from there"


def _evaluate(options: EvaluateOptions, voice: People) -> None:
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.evaluation.plan import check_folder
    from hcc_scope.evaluation.site_splits import require_sites
    from hcc_scope.evaluation.splits import require_animals
    from hcc_scope.training.folder_lock import lock_folder

    check_folder(options.out, resume=options.resume)  # now, and not when the tiles are cut
    data = read_manifest(options.manifest)
    require_animals(data.images)
    if options.leave_one_site_out:
        require_sites(data.images)
    with lock_folder(options.out, "another evaluation"):
        _evaluate_set(options, voice, data)


def _evaluate_set(options: EvaluateOptions, voice: People, data: LabelledSet) -> None:
    from hcc_scope.datasets.cache import cut_tiles
    from hcc_scope.evaluation.analysis import analyse
    from hcc_scope.evaluation.record import write_evaluation
    from hcc_scope.evaluation.run import evaluate, open_evaluation_executor
    from hcc_scope.evaluation.worker_record import WORKERS_FILE
    from hcc_scope.executors.versions import WorkerVersions

    figures: list[Path] = []
    versions = WorkerVersions(
        lambda words: voice.note(f"{capital(words)}; {WORKERS_FILE} records which network is whose.", "yellow")
    )
    with steps_shown(voice) as on_step:
        with open_evaluation_executor(options.config, options.workers, options.scheduler) as executor:
            versions.begin(executor.workers())
            tiles = cut_tiles(data, options.cache, on_step)
            result = evaluate(
                data,
                tiles,
                options.config,
                options.out,
                folds=options.folds,
                starts=options.starts,
                executor=executor,
                on_worker=versions.refuse,
                on_progress=on_step,
                resume=options.resume,
                leave_one_out=options.leave_one_out,
                leave_one_site_out=options.leave_one_site_out,
                unit=options.unit,
            )
        analysis = analyse(result)
        # the numbers are safe before the first picture is drawn
        content = write_evaluation(analysis, options.out, options.command())
        if options.figures:
            from hcc_scope.evaluation.figures import draw_all

            figures = draw_all(
                analysis, options.out / "figures", on_progress=on_step, smooth=options.smooth, seed=options.config.seed
            )
            content = write_evaluation(analysis, options.out, options.command(), figures)
    if options.json_mode:
        print_json(content | {"folder": str(options.out)})
    _report(voice, analysis, options, len(figures))


def _report(voice: People, analysis: Analysis, options: EvaluateOptions, n_figures: int) -> None:
    from hcc_scope.evaluation.baseline_conclusions import describe_controls, describe_shortcut, describe_texture
    from hcc_scope.evaluation.conclusions import (
        describe_gap,
        describe_left_out,
        describe_restarted,
        describe_silent,
        describe_sites,
    )
    from hcc_scope.evaluation.recipe_words import describe_recipe
    from hcc_scope.evaluation.tables import rich_table, table_1

    voice.note(describe_gap(analysis), "bold")
    if (silent := describe_silent(analysis)) is not None:
        voice.note(silent, "yellow")
    if (restarted := describe_restarted(analysis)) is not None:
        voice.note(restarted, "yellow")
    voice.note(describe_recipe(analysis.result))
    table = table_1(analysis, "tile_all")
    voice.show(rich_table(table))
    voice.show(rich_table(table, baselines=True))
    if (sites := describe_sites(analysis)) is not None:
        voice.note(sites)
    voice.note(describe_left_out(analysis))
    voice.note(describe_texture(analysis), "bold")
    if (shortcut := describe_shortcut(analysis)) is not None:
        voice.note(shortcut, "yellow")
    for sentence in describe_controls(analysis):
        voice.note(sentence)
    if analysis.result.data.synthetic is not None:
        voice.note(f"No tissue: {analysis.result.data.synthetic}")
    files = "report.md, table1.md, evaluation.json" + (f" and {n_figures} files in figures/" if n_figures else "")
    voice.note(f"{options.out}: {files}")
    voice.note(RESEARCH_USE_ONLY, "italic")


def known_unit(unit: str) -> Unit:
    """Return what the paper's protocol deals.

    Raises
    ------
    UsageError
        If it is neither images nor tiles.
    """
    from hcc_scope.evaluation.results import Unit

    if unit not in get_args(Unit):
        raise UsageError(f"--unit cannot be '{unit}'", hint=f"There are: {', '.join(get_args(Unit))}.")
    return cast("Unit", unit)


def train_config(
    *,
    network: str,
    recipe: str,
    seed: int,
    steps: int | None,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    augment_od: bool = False,
    precision: str,
    device: str,
) -> TrainConfig:
    """Return the configuration that options describe.

    Raises
    ------
    UsageError
        If one has a value that there is not, or two exclude each other.
    """
    from hcc_scope.training.config import TrainConfig

    check_budget(steps, epochs)
    check_choices(network=network, recipe=recipe, precision=precision, device=device, learning_rate=learning_rate)
    return TrainConfig(
        network=cast("NetworkName", network),
        recipe=cast("RecipeName", recipe),
        seed=seed,
        steps=steps,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        augment_od=augment_od,
        precision=cast("Precision", precision),
        device=cast("Device", device),
    )
