"""``hcc-scope train``."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.interrupt import on_interrupt
from hcc_scope.cli.option_checks import check_budget, check_choices
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import Interrupted, called_on_signals
from hcc_scope.errors import ResumeError, StoreUnwritableError, UsageError
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.training.config import (
    CONFIG_FILE,
    TRAINING_STAGES,
    Stopped,
    TrainConfig,
)
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hcc_scope.cli.console import People
    from hcc_scope.progress import Progress
    from hcc_scope.training.run_folder import TrainRun

__all__ = ["TrainOptions", "run_train"]

_BY_EVALUATION = ("network", "recipe", "steps", "epochs", "batch", "learning_rate", "augment_od", "precision")
_OF_CONFIG = ("seed", "patience", "device", *_BY_EVALUATION)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What was typed; None: not given."""

    manifest: Path
    out: Path
    name: str | None
    network: str | None
    recipe: str | None
    seed: int | None
    steps: int | None
    epochs: int | None
    batch: int | None
    learning_rate: float | None
    augment_od: bool | None
    patience: int | None
    precision: str | None
    device: str | None
    threads: int | None
    cache: Path | None
    hold_out: str | None
    evaluation: Path | None
    resume: bool


def run_train(options: TrainOptions, *, json_mode: bool) -> None:
    """Train, make the model's folder, and print what matters of its card."""
    console = people(json_mode=json_mode)
    stop = StopToken()
    try:
        run = _run_of(options)
        from hcc_scope.inference import load_model
        from hcc_scope.runs.build_model import make_model
        from hcc_scope.training.run_folder import train_run

        with leave_none_empty(options.out), _stop_on_signals(stop, console), steps_shown(console) as on_step:

            def on_progress(step: Progress) -> None:
                if step.stage not in TRAINING_STAGES:  # training itself ends between two steps
                    _end_if(stop.requested)
                on_step(step)

            folder = train_run(
                run,
                partial(make_model, on_progress=on_progress, say=console.note),
                resume=options.resume,
                on_progress=on_progress,
                say=console.note,
                stop=lambda: stop.requested,
            )
    except (KeyboardInterrupt, Stopped) as error:
        raise Interrupted(f"interrupted: {_consequence(options)}") from error
    card = load_model(folder).card
    if json_mode:
        print_json({"run": str(run.folder), "model": str(folder), "card": card.model_dump(mode="json")})
        return
    console.note(f"{folder}: {card.description}")
    if card.training is not None and card.training.tile_auc_calibration is not None:
        console.note(f"Tile AUC on the held-out images: {card.training.tile_auc_calibration:.3f}")
    console.note(
        f"Temperature {card.temperature:.3f} and section threshold {card.decision_threshold:.3f}; chosen on: "
        f"{card.calibrated_on}"
    )
    console.note(f"Use it with --model {folder}")
    console.note(RESEARCH_USE_ONLY, "italic")


def _end_if(asked: bool) -> None:
    if asked:
        raise Stopped


def _consequence(options: TrainOptions) -> str:
    again = ["hcc-scope", "train", str(options.manifest), "--out", str(options.out)]
    if not (options.out / CONFIG_FILE).exists():
        return "the training had not begun; start it again"
    return f"the training so far is kept, and '{shlex.join([*again, '--resume'])}' continues from there"


@contextmanager
def _stop_on_signals(stop: StopToken, console: People) -> Iterator[None]:
    """Let Ctrl-C (and a polite kill) end the training after the step under way, and a second one at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.request()
        if stop.analysis_skipped:
            on_interrupt(number, frame)
            return
        console.note("Stopping after this step ...", "yellow")

    with called_on_signals(on_signal):
        yield


def _run_of(options: TrainOptions) -> TrainRun:
    """Return the run that was asked for; a continued one keeps the options that are not given again."""
    from hcc_scope.training.export import check_name
    from hcc_scope.training.run_folder import TrainRun, stored_config

    check_choices(
        network=options.network,
        recipe=options.recipe,
        precision=options.precision,
        device=options.device,
        learning_rate=options.learning_rate,
    )
    check_budget(options.steps, options.epochs)
    stored = stored_config(options.out) if options.resume else None
    asked: dict[str, Any] = {} if stored is None else dict(stored["asked"])
    evaluation, given = options.evaluation, {key: getattr(options, key) for key in _OF_CONFIG}
    if stored is not None:
        evaluation = _of_resumed(options, stored)
    fingerprint = None
    if evaluation is not None:
        evaluated, fingerprint = _of_evaluation(evaluation, options)
        # a run that is continued has a seed already, which need not be that of the evaluation
        asked |= evaluated if stored is None else evaluated | {"seed": asked["seed"]}
    asked |= {key: value for key, value in given.items() if value is not None}
    if options.epochs is not None:  # in place of the budget that a run in steps had; what differs is then refused
        asked["steps"] = None
    elif options.steps is not None:
        asked["epochs"] = None
    if options.threads is not None:
        asked["threads"] = options.threads
    name = options.name or (_name_of(options.out) if stored is None else stored["run"]["name"])
    check_name(name)
    config = TrainConfig(**asked)
    hold_out = None if evaluation is not None else _hold_out(options.hold_out, stored)
    if options.patience is not None and evaluation is None and hold_out is None:
        raise UsageError(
            "--patience needs held-out animals, and there are none", hint="Leave it out, or hold out animals."
        )
    return TrainRun(
        manifest=options.manifest,
        folder=options.out,
        name=name,
        config=config,
        hold_out=hold_out,
        cache=options.cache or (None if stored is None or stored["cache"] is None else Path(stored["cache"])),
        evaluation=evaluation,
        fingerprint=fingerprint,
        command=_command(options, name, config, hold_out, evaluation),
    )


def _name_of(folder: Path) -> str:
    """Return a folder's own name; ``..`` and links are resolved by the system."""
    try:
        return folder.resolve().name
    except RuntimeError as error:  # Python 3.11's word for a loop of links
        raise StoreUnwritableError(f"{folder} is a link that leads to itself", hint="Choose another folder.") from error


def _of_resumed(options: TrainOptions, stored: dict[str, Any]) -> Path | None:
    """Return the evaluation of a run that is continued.

    Raises
    ------
    ResumeError
        If another one is given: the weights may be finished, and it would not describe them.
    """
    before = None if stored["evaluation"] is None else Path(stored["evaluation"])
    asked = options.evaluation
    if asked is not None and (before is None or before.resolve() != asked.resolve()):
        raise ResumeError(
            f"{options.out} was started {'without --evaluation' if before is None else f'with --evaluation {before}'}, "
            f"not with --evaluation {asked}",
            hint="Leave the option out, or start another run.",
        )
    return before


def _of_evaluation(folder: Path, options: TrainOptions) -> tuple[dict[str, Any], str]:
    """Return what an evaluation decides of a training that it is to describe, and the fingerprint of its data.

    Raises
    ------
    UsageError
        If an option asks for something else.
    """
    from hcc_scope.evaluation.record import load_calibration
    from hcc_scope.runs.unseen_tiles import load_networks

    found = load_calibration(folder)
    load_networks(folder, found)  # now, and not when the training is over
    if found.config["precision"] != "float32":
        raise UsageError(
            f"the evaluation {folder} was computed in {found.config['precision']}, and a model's card has figures of "
            "float32 alone",
            hint="Evaluate again without --precision; the other one is for a quick look.",
        )
    decided = {key: found.config[key] for key in _BY_EVALUATION}
    for key, value in decided.items():
        asked = getattr(options, key)
        if asked is not None and asked != value:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(
                f"{option} is {asked}, but the evaluation {folder} is "
                f"{f'without {option}' if value is None else f'of {value}'}: it would not speak for this model",
                hint="Leave the option out, or evaluate with it.",
            )
    if options.patience is not None:
        raise UsageError(
            "--patience needs held-out animals, and with --evaluation there are none",
            hint="It trains as long as the evaluation's networks did.",
        )
    if options.hold_out not in (None, "none"):
        raise UsageError(
            "--hold-out and --evaluation contradict each other",
            hint="With an evaluation all animals are trained on; unseen ones are those of its folds.",
        )
    return decided | {"seed": found.config["seed"]}, found.fingerprint


def _hold_out(given: str | None, stored: dict[str, Any] | None) -> int | None:
    if given is None:
        kept: int | None = 1 if stored is None else stored["run"]["hold_out"]
        return kept
    if given == "none":
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 9) or int(given) < 1:
        raise UsageError(f"--hold-out takes a number of animals per class, or 'none', not '{given}'")
    return int(given)


def _command(
    options: TrainOptions, name: str, config: TrainConfig, hold_out: int | None, evaluation: Path | None
) -> str:
    """Return the command that makes this model anywhere: no folder of this machine is in it."""
    words = ["hcc-scope", "train", options.manifest.name, "--out", options.out.name, "--name", name]
    default = TrainConfig()
    for key in ("network", "recipe", "seed"):
        words += [f"--{key}", str(getattr(config, key))]
    for key in ("steps", "epochs", "batch", "learning_rate", "patience", "precision", "device"):
        if getattr(config, key) != getattr(default, key):
            words += [f"--{key.replace('_', '-')}", str(getattr(config, key))]
    words += ["--augment-od"] * config.augment_od
    if evaluation is not None:
        words += ["--evaluation", evaluation.name]
    elif hold_out != 1:
        words += ["--hold-out", "none" if hold_out is None else str(hold_out)]
    return shlex.join(words)
