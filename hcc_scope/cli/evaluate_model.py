"""``hcc-scope evaluate --model``: a finished model on animals that it was not trained on."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import Interrupted
from hcc_scope.errors import StoreExistsError, UsageError
from hcc_scope.research_use import research_use

if TYPE_CHECKING:
    import typer

    from hcc_scope.cli.console import People
    from hcc_scope.evaluation.external.analysis import ExternalAnalysis

__all__ = ["ExternalOptions", "refuse_other_options", "run_external"]

_OF_A_MODEL = frozenset({"engine", "new_animals"})
_WITH_A_MODEL = _OF_A_MODEL | {"context", "manifest", "out", "model", "cache", "figures", "json_mode"}


@dataclass(frozen=True, slots=True)
class ExternalOptions:
    """The options of the command."""

    manifest: Path
    out: Path
    model: str
    engine: str
    new_animals: bool
    cache: Path | None
    figures: bool
    json_mode: bool

    def command(self) -> str:
        """Return the command that does the same again, with what decides the result."""
        words = ["hcc-scope", "evaluate", self.manifest.name, "--out", "evaluation"]  # its name decides nothing
        words += ["--model", Path(self.model).name]  # a folder without what is above it, as the others
        words += ["--engine", self.engine]
        return shlex.join(words + ["--new-animals"] * self.new_animals)


def refuse_other_options(context: typer.Context, model: str | None) -> None:
    """Refuse options that were given and decide nothing: of a training with ``--model``, of a model without.

    Raises
    ------
    UsageError
        Names them.
    """
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name is not None
        and (option.name not in _WITH_A_MODEL if model is not None else option.name in _OF_A_MODEL)
        and (source := context.get_parameter_source(option.name)) is not None
        and source.name == "COMMANDLINE"
    ]
    if given and model is not None:
        raise UsageError(
            f"a finished model is not trained again, so with --model {' and '.join(given)} would decide nothing",
            hint="Leave it out, or leave out --model to validate network and recipe.",
        )
    if given:
        raise UsageError(
            f"{' and '.join(given)} {'are' if len(given) > 1 else 'is'} for a finished model, and none is given",
            hint="Give --model, or leave it out.",
        )


def run_external(options: ExternalOptions) -> None:
    """Judge a finished model, write everything into the folder, and report the results.

    Raises
    ------
    HccScopeError
        If the model cannot be used, was not made for these images, or has seen them; `Interrupted` after Ctrl-C.
    """
    voice = people(json_mode=options.json_mode)
    try:
        _judge(options, voice)
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted: nothing was written; start it again") from error


def _judge(options: ExternalOptions, voice: People) -> None:
    from hcc_scope.datasets.cache import TILE_PX, cut_tiles
    from hcc_scope.datasets.duplicate_images import refuse_contradictions
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.evaluation.external.admission import check_images, check_unseen, check_unseen_content
    from hcc_scope.evaluation.external.analysis import analyse_model, classify
    from hcc_scope.evaluation.external.record import write_external
    from hcc_scope.inference import load_model
    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.engines import check_engine
    from hcc_scope.runs.model_folders import model_folder

    check_engine(options.engine)
    _require_new(options.out)
    folder = model_folder(options.model)
    card = read_card(folder)
    data = read_manifest(options.manifest)
    check_images(card, data, TILE_PX)
    same_names = check_unseen(card, data, new_animals=options.new_animals)
    engine = load_model(folder).classifier(options.engine, note=voice.note)
    with steps_shown(voice) as on_step:
        tiles = cut_tiles(data, options.cache, on_step)
        refuse_contradictions(tiles)
        leak = check_unseen_content(card, tiles, same_names)
        analysis = analyse_model(classify(card, engine, data, tiles, leak, on_step), on_progress=on_step)

        def draw(where: Path) -> list[Path]:
            from hcc_scope.evaluation.external.figures import draw_external

            return draw_external(analysis, where, on_progress=on_step)

        content = write_external(analysis, options.out, options.command(), draw if options.figures else None)
    if options.json_mode:
        print_json(content | {"folder": str(options.out)})
    _report(voice, analysis, options)


def _require_new(out: Path) -> None:
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
        raise StoreExistsError(f"{out} exists", hint="Choose a new folder.")


def _report(voice: People, analysis: ExternalAnalysis, options: ExternalOptions) -> None:
    from rich.table import Table

    from hcc_scope.evaluation.external import words
    from hcc_scope.evaluation.tables import figure_rows

    voice.note(words.describe_external(analysis), "bold")
    if (specimen := words.describe_specimen(analysis)) is not None:
        voice.note(specimen, "red")
    if (colour := words.describe_colour(analysis)) is not None:
        voice.note(colour)
    table = Table(title="Figures", title_justify="left")
    for name in ("level", "n", "animals", "AUC", "sensitivity", "specificity", "accuracy", "Brier", "ECE", "threshold"):
        table.add_column(name, justify="left" if name == "level" else "right")
    for row in figure_rows(analysis.levels):
        table.add_row(*row)
    voice.show(table)
    voice.note(words.describe_leak_check(analysis))
    voice.note(words.describe_left_out(analysis))
    for sentence in words.describe_calibration(analysis):
        voice.note(sentence)
    voice.note(words.describe_threshold(analysis))
    voice.note(words.describe_drift(analysis))
    if analysis.result.data.synthetic is not None:
        voice.note(f"No tissue: {analysis.result.data.synthetic}")
    files = "report.md, evaluation.json" + (" and figures/" if options.figures else "")
    voice.note(f"{options.out}: {files}")
    voice.note(research_use(analysis.result.card.trained_on), "italic")
