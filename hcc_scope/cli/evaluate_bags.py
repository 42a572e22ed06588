"""``hcc-scope evaluate-bags``: heads that learn from labels of sections alone."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import StoreExistsError, UsageError
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.runs import Meaning
    from hcc_scope.evaluation.bag_run import BagPlan

__all__ = ["EvaluateBagsOptions", "run_evaluate_bags"]


@dataclass(frozen=True, slots=True)
class EvaluateBagsOptions:
    """The options of the command."""

    manifest: Path
    out: Path
    features: Path
    folds: int | None
    seed: int | None
    starts: int | None
    input: str | None
    input_px: int | None
    cache: Path | None
    figures: bool
    json_mode: bool

    def command(self) -> str:
        """Return the command that does the same again, with what decides the result."""
        words = ["hcc-scope", "evaluate-bags", self.manifest.name, "--features", self.features.name]
        words += ["--out", "evaluation"]  # its name decides nothing
        for name, value in (
            ("--folds", self.folds),
            ("--seed", self.seed),
            ("--starts", self.starts),
            ("--input", self.input),
            ("--input-px", self.input_px),
        ):
            words += [name, str(value)] if value is not None else []
        return shlex.join(words)


def run_evaluate_bags(options: EvaluateBagsOptions) -> None:
    """Evaluate both heads, write everything into the folder, and report the results.

    Raises
    ------
    HccScopeError
        See `hcc_scope.evaluation.bag_run.evaluate_bags`.
    """
    plan = _plan(options)
    with interruptible("nothing was written; start it again") as meaning:
        _evaluate(options, plan, meaning)


def _plan(options: EvaluateBagsOptions) -> BagPlan:
    from hcc_scope.evaluation.bag_run import BagPlan, kind_of
    from hcc_scope.inference.extractor import INPUTS

    takes = None
    if options.input is not None:
        takes = next((name for name in INPUTS if name == options.input), None)
        if takes is None:
            raise UsageError(f"--input is {options.input!r}, which there is not", hint=f"Use {' or '.join(INPUTS)}.")
    plan = BagPlan(options.features, options.folds, options.seed, options.starts, takes, options.input_px)
    kind_of(plan)
    if os.path.lexists(options.out) and not (options.out.is_dir() and not any(options.out.iterdir())):
        raise StoreExistsError(f"{options.out} exists", hint="Choose a new folder.")
    return plan


def _evaluate(options: EvaluateBagsOptions, plan: BagPlan, meaning: Meaning) -> None:
    from hcc_scope.datasets.cache import cut_tiles
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.evaluation.bag_report import (
        HEADERS,
        describe_bags,
        describe_few,
        describe_silent_features,
        table_rows,
        write_bags,
    )
    from hcc_scope.evaluation.bag_run import evaluate_bags
    from hcc_scope.evaluation.report import relative_pngs
    from hcc_scope.evaluation.splits import require_animals
    from hcc_scope.storage.files import explain

    voice = people(json_mode=options.json_mode)
    data = read_manifest(options.manifest)
    require_animals(data.images)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, f"no results can be written to {options.out}") from error
    with ExitStack() as undo, steps_shown(voice) as on_step:
        undo.callback(_forget, options.out)
        tiles = cut_tiles(data, options.cache, on_step)
        analysis, origin = evaluate_bags(data, tiles, plan, options.out, on_step)
        # the numbers are safe before the picture is drawn
        content = write_bags(analysis, origin, options.out, options.command())
        undo.pop_all()
        meaning.now(f"the numbers are in {options.out}, without the picture")
        if options.figures:
            from hcc_scope.evaluation.figures.attention import draw_attention

            drawn = relative_pngs(draw_attention(analysis, options.out / "figures"), options.out)
            content = write_bags(analysis, origin, options.out, options.command(), drawn)
    if options.json_mode:
        print_json(content | {"folder": str(options.out)})
        return
    from rich.table import Table

    voice.note(describe_bags(analysis), "bold")
    voice.note(describe_few(analysis))
    if (silent := describe_silent_features(analysis)) is not None:
        voice.note(silent, "yellow")
    table = Table(title="Bags", title_justify="left")
    for name in HEADERS:
        table.add_column(name, justify="left" if name in HEADERS[:3] else "right")
    for row in table_rows(analysis):
        table.add_row(*row)
    voice.show(table)
    if data.synthetic is not None:
        voice.note(f"No tissue: {data.synthetic}")
    voice.note(f"{options.out}: bags.md, bags.json, attention.csv" + " and figures/" * options.figures)
    voice.note(RESEARCH_USE_ONLY, "italic")


def _forget(out: Path) -> None:
    """Remove what is there before there are numbers, so that the same command can be given again."""
    from hcc_scope.evaluation.bag_run import FEATURES_FILE

    with suppress(OSError):
        (out / FEATURES_FILE).unlink(missing_ok=True)
        out.rmdir()
