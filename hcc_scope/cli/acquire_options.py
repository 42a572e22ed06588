"""The options of ``hcc-scope acquire``, with a plan and by hand: what they are, and which do not go together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

from hcc_scope.cli.option_checks import check_count, check_exposure, check_focus, parse_size
from hcc_scope.cli.rigs import attach_rig, open_rig
from hcc_scope.cli.runs import load_scoring_model
from hcc_scope.errors import UsageError
from hcc_scope.plans.drawn_sample import check_n_drawn
from hcc_scope.runs.references import SHADING_CHOICES
from hcc_scope.runs.rigs import split_assignment
from hcc_scope.session.bad_fields import PAUSE_AFTER_MOST
from hcc_scope.types import ScoreWeight

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.cli.rigs import OpenRig
    from hcc_scope.phantom import Specimen
    from hcc_scope.runs.scoring_model import ScoringModel

__all__ = [
    "AcquireOptions",
    "check_options",
    "folder_of",
    "load_chosen_model",
    "open_chosen_rig",
    "rig_of",
    "specimen_of",
]


@dataclass(frozen=True, slots=True)
class AcquireOptions:
    """The options of the command line."""

    animal_id: str
    section_id: str
    out: Path
    rig: str | None
    config: Path | None
    adapters: Path | None
    attach_port: int | None
    plan: Path | None
    n_fields: int | None
    n_frames: int | None
    area_um: str | None
    exposure_ms: float | None
    properties: tuple[str, ...]
    seed: int
    phantom: str | None
    model_name: str
    engine: str
    json_mode: bool
    score_unlike: bool = False
    allow_phantom_model: bool = False
    focus: str | None = None
    prescan: bool = False
    shading: str = "auto"
    by_hand: bool = False
    guided: bool = False
    simulate_hand: int | None = None
    continue_store: Path | None = None
    resume_store: Path | None = None
    prevalence: float | None = None
    weight: str | None = None
    pause_after: int | None = None


def check_options(options: AcquireOptions) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    UsageError, PlanError
    """
    named = [name for name, value in (("--rig", options.rig), ("--config", options.config)) if value is not None]
    if options.attach_port is not None and options.config is not None:
        raise UsageError("--attach uses the configuration that is loaded there", hint="Leave out --config.")
    if options.attach_port is not None and options.adapters is not None:
        raise UsageError("--attach uses the adapters that are loaded there", hint="Leave out --adapters.")
    if len(named) == 2:
        raise UsageError("--rig and --config exclude each other", hint="A rig file names its .cfg itself.")
    if not named and options.attach_port is None:
        raise UsageError(
            "no microscope is given", hint="Use --rig FILE (or 'demo'), --config FILE.cfg or --attach PORT."
        )
    _check_by_hand(options)
    _check_resume(options)
    set_by_plan = (options.n_fields, options.n_frames, options.exposure_ms, options.focus)
    if options.plan is not None and set_by_plan != (None,) * len(set_by_plan):
        raise UsageError("a plan file sets fields, frames, exposure and focus itself", hint="Leave those options out.")
    if options.n_fields is not None and options.n_frames is not None:
        raise UsageError("--fields and --frames exclude each other")
    known = None if options.prescan else options.phantom
    if options.area_um is not None and (options.plan, options.n_frames, known) != (None, None, None):
        raise UsageError("--area-um is for random fields of a real section", hint="Leave it out.")
    if options.prescan and (options.plan, options.n_frames) != (None, None):
        raise UsageError("--prescan is for random fields", hint="Leave out --plan and --frames.")
    if options.shading not in SHADING_CHOICES:
        raise UsageError(f"--shading is 'auto' or 'none', not '{options.shading}'")
    if options.weight not in (None, *get_args(ScoreWeight)):
        raise UsageError(f"--weight is 'field' or 'tissue', not '{options.weight}'")
    if options.phantom not in (None, "low", "high"):
        raise UsageError(f"--phantom is 'low' or 'high', not '{options.phantom}'")
    _check_values(options)


def _check_by_hand(options: AcquireOptions) -> None:
    """Refuse what does not fit a section by hand, and what fits no other."""
    if not options.by_hand:
        alone = {
            "--guided": options.guided,
            "--simulate-hand": options.simulate_hand is not None,
            "--continue": options.continue_store is not None,
        }
        for name in (name for name, given in alone.items() if given):
            raise UsageError(f"{name} is for a section by hand", hint="Add --by-hand, or leave it out.")
        return
    unfit = {
        "--plan": options.plan,
        "--frames": options.n_frames,
        "--area-um": options.area_um,
        "--prescan": options.prescan or None,
        "--focus": options.focus,
        "--pause-after": options.pause_after,
    }
    if given := [name for name, value in unfit.items() if value is not None]:
        raise UsageError(
            f"--by-hand and {given[0]} exclude each other: the operator moves the stage and the focus",
            hint=f"Leave out {' and '.join(given)}.",
        )
    if options.phantom is not None and options.simulate_hand is None:
        raise UsageError("no hand moves a phantom", hint="Add --simulate-hand SEED, or leave out --phantom.")
    if options.simulate_hand is not None and options.phantom is None:
        raise UsageError("a simulated hand moves a phantom", hint="Add --phantom low or --phantom high.")


def _check_resume(options: AcquireOptions) -> None:
    """Refuse what would choose anew what the store of a section that is resumed states."""
    if options.resume_store is None:
        return
    chosen = {
        "--by-hand": options.by_hand or None,
        "--plan": options.plan,
        "--fields": options.n_fields,
        "--frames": options.n_frames,
        "--area-um": options.area_um,
        "--prescan": options.prescan or None,
        "--exposure-ms": options.exposure_ms,
        "--focus": options.focus,
        "--weight": options.weight,
        "--score-unlike": options.score_unlike or None,
    }
    if given := [name for name, value in chosen.items() if value is not None]:
        raise UsageError(
            f"--resume and {given[0]} exclude each other: the plan and its settings are those of the store",
            hint=f"Leave out {' and '.join(given)}.",
        )


def _check_values(options: AcquireOptions) -> None:
    """Refuse numbers that no plan and no rig could make sense of, by the name of the option."""
    if options.area_um is not None:
        parse_size(options.area_um)
    for assignment in options.properties:
        split_assignment(assignment)
    check_count("--fields", options.n_fields)
    if options.guided and options.n_fields is not None:
        check_n_drawn(options.n_fields)
    check_count("--frames", options.n_frames)
    if options.pause_after is not None and not 1 <= options.pause_after <= PAUSE_AFTER_MOST:
        raise UsageError(f"--pause-after must be from 1 to {PAUSE_AFTER_MOST:,}, not {options.pause_after}")
    check_exposure(options.exposure_ms)
    check_focus(options.focus)


def folder_of(out: Path | None, goes_on: Path | None) -> Path:
    """Return the folder of the store: the one that is given, or that of the store that goes on.

    Raises
    ------
    UsageError
        If neither is known.
    """
    if out is not None:
        return out
    if goes_on is None:
        raise UsageError("no folder for the store is given", hint="Add --out FOLDER.")
    return goes_on.absolute().parent


def rig_of(options: AcquireOptions) -> str | Path | None:
    """Return the rig file or .cfg that is to be loaded; None where only a running Micro-Manager is given."""
    return options.rig if options.rig is not None else options.config


def specimen_of(options: AcquireOptions) -> Specimen | None:
    """Return the phantom that the demo camera shows; None for a real section."""
    if options.phantom is None:
        return None
    from hcc_scope.phantom import Specimen

    tumour_class = cast("Literal['low', 'high']", options.phantom)
    return Specimen(options.seed, options.animal_id, options.section_id, tumour_class, day="acquire")


def load_chosen_model(options: AcquireOptions, console: People) -> ScoringModel:
    """Load the model that the options name."""
    model = load_scoring_model(
        options.model_name,
        options.engine,
        console,
        score_unlike=options.score_unlike,
        allow_phantom_model=options.allow_phantom_model,
    )
    return model if options.weight is None else replace(model, weight=cast("ScoreWeight", options.weight))


def open_chosen_rig(options: AcquireOptions, console: People) -> AbstractContextManager[OpenRig]:
    """Open the rig that the options name."""
    if options.attach_port is not None:
        return attach_rig(options.attach_port, options.rig, lambda text: console.note(text, "yellow"))
    return open_rig(cast("str | Path", rig_of(options)), console, adapters_dir=options.adapters)
