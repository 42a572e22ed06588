"""``hcc-scope evaluate``: both protocols, both controls, and what they found."""

from __future__ import annotations

import math
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hcc_scope.cli.console import RESEARCH_USE_ONLY, people, print_json
from hcc_scope.cli.runs import Interrupted
from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.results import EvaluationResult
    from hcc_scope.training.config import TrainConfig, TrainProgress

__all__ = ["EvaluateOptions", "run_evaluate", "train_config"]

_PLAN_FILE = "plan.json"
"""`hcc_scope.evaluation.plan.PLAN_FILE`, without the wait for what that imports; a test holds them equal."""

_SAY_EVERY = 0.1
"""Share of a stage after which it is told how far it is, where nobody sees a bar."""


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the command was asked for."""

    manifest: Path
    out: Path
    config: TrainConfig
    folds: int
    jobs: int | None
    cache: Path | None
    figures: bool
    smooth: int
    resume: bool
    leave_one_out: bool
    json_mode: bool

    def command(self) -> str:
        """Return the command that does the same again, with what decides the result."""
        config = self.config
        words = ["hcc-scope", "evaluate", self.manifest.name, "--out", self.out.name]
        words += ["--network", config.network, "--recipe", config.recipe]
        words += ["--seed", str(config.seed), "--folds", str(self.folds), "--precision", config.precision]
        for name, value in (
            ("--epochs", config.epochs),
            ("--batch", config.batch),
            ("--learning-rate", config.learning_rate),
        ):
            words += [name, str(value)] if value is not None else []
        if config.device != "auto":
            words += ["--device", config.device]
        return shlex.join(words + ["--leave-one-animal-out"] * self.leave_one_out)


class _Bars:
    """Progress for people: a bar per stage, or now and then a line where there is no terminal."""

    def __init__(self, voice: People) -> None:
        self._voice = voice
        self._said: dict[str, float] = {}
        self._began: dict[str, tuple[float, float]] = {}
        self._tasks: dict[str, TaskID] = {}
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}"),
            console=voice.console,
            disable=not voice.is_terminal,
        )

    def __call__(self, now: TrainProgress) -> None:
        """Show how far it is."""
        if now.stage not in self._tasks:
            self._tasks[now.stage] = self.bars.add_task(now.stage, total=now.total, message="")
        self.bars.update(self._tasks[now.stage], completed=now.done, total=now.total, message=now.message)
        share = now.done / now.total if now.total else 1.0
        if not self._voice.is_terminal and share >= self._said.get(now.stage, 0.0):
            self._voice.note(f"{now.stage}: {share:.0%}{self._left(now.stage, share)} ({now.message})")
            self._said[now.stage] = share + _SAY_EVERY

    def _left(self, stage: str, share: float) -> str:
        """Return how long the rest of a stage may take, once that can be told."""
        began_s, first = self._began.setdefault(stage, (time.monotonic(), share))
        if share <= first or share >= 1.0:
            return ""
        left_s = (time.monotonic() - began_s) * (1.0 - share) / (share - first)
        return f", some {left_s / 60:.0f} min left" if left_s >= 90 else f", some {left_s:.0f} s left"


def run_evaluate(options: EvaluateOptions) -> None:
    """Evaluate, write everything into the folder, and say what was found.

    Raises
    ------
    HccScopeError
        See `hcc_scope.evaluation.run.evaluate`; `Interrupted` after Ctrl-C.
    """
    voice = people(json_mode=options.json_mode)
    try:
        _evaluate(options, voice)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted: {_consequence(options)}") from error


def _consequence(options: EvaluateOptions) -> str:
    if not (options.out / _PLAN_FILE).exists():
        return "no fold had begun; start it again"
    return "finished folds are kept; the same command with --resume goes on from there"


def _evaluate(options: EvaluateOptions, voice: People) -> None:
    from hcc_scope.datasets.cache import cut_tiles
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.evaluation.analysis import analyse
    from hcc_scope.evaluation.record import write_evaluation
    from hcc_scope.evaluation.run import evaluate
    from hcc_scope.evaluation.splits import require_animals

    data = read_manifest(options.manifest)
    require_animals(data.images)
    bars = _Bars(voice)
    figures: list[Path] = []
    with bars.bars:
        tiles = cut_tiles(data, options.cache, bars)
        result = evaluate(
            data,
            tiles,
            options.config,
            options.out,
            folds=options.folds,
            jobs=options.jobs,
            on_progress=bars,
            resume=options.resume,
            leave_one_out=options.leave_one_out,
        )
        analysis = analyse(result)
        # the numbers are safe before the first picture is drawn
        content = write_evaluation(result, analysis, options.out, options.command())
        if options.figures:
            from hcc_scope.evaluation.figures import draw_all

            figures = draw_all(
                result, options.out / "figures", on_progress=bars, smooth=options.smooth, seed=options.config.seed
            )
            content = write_evaluation(result, analysis, options.out, options.command(), figures)
    if options.json_mode:
        print_json(content | {"folder": str(options.out)})
    _tell(voice, result, analysis, options, len(figures))


def _tell(
    voice: People, result: EvaluationResult, analysis: Analysis, options: EvaluateOptions, n_figures: int
) -> None:
    from hcc_scope.evaluation.tables import rich_table, table_1
    from hcc_scope.evaluation.words import day_words, gap_words, permuted_words

    voice.note(gap_words(analysis), "bold")
    voice.show(rich_table(table_1(analysis, "tile")))
    voice.note(permuted_words(analysis))
    voice.note(day_words(result, analysis))
    if result.data.synthetic is not None:
        voice.note(f"No tissue: {result.data.synthetic}")
    files = "report.md, table1.md, evaluation.json" + (f" and {n_figures} files in figures/" if n_figures else "")
    voice.note(f"{options.out}: {files}")
    voice.note(RESEARCH_USE_ONLY, "italic")


def train_config(
    *,
    network: str,
    recipe: str,
    seed: int,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    precision: str,
    device: str,
) -> TrainConfig:
    """Return the configuration that options describe.

    Raises
    ------
    UsageError
        If one has a value that there is not.
    """
    from hcc_scope.training.config import Device, NetworkName, Precision, RecipeName, TrainConfig

    for option, value, known in (
        ("--network", network, get_args(NetworkName)),
        ("--recipe", recipe, get_args(RecipeName)),
        ("--precision", precision, get_args(Precision)),
        ("--device", device, get_args(Device)),
    ):
        if value not in known:
            raise UsageError(f"{option} cannot be '{value}'", hint=f"There are: {', '.join(known)}.")
    if learning_rate is not None and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise UsageError(f"--learning-rate must be a positive number, not {learning_rate}")
    return TrainConfig(
        network=cast("NetworkName", network),
        recipe=cast("RecipeName", recipe),
        seed=seed,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        precision=cast("Precision", precision),
        device=cast("Device", device),
    )
