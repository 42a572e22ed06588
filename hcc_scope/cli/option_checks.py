"""Checks of the options that several commands share."""

from __future__ import annotations

import math
from typing import get_args

from hcc_scope.errors import PlanError, UsageError
from hcc_scope.plans import MAX_EXPOSURE_MS, MAX_FRAMES, Focusing, focusing_of
from hcc_scope.training.config import Device, NetworkName, Precision, RecipeName

__all__ = [
    "check_budget",
    "check_choices",
    "check_count",
    "check_exposure",
    "check_focus",
    "parse_size",
]

LARGEST_SIDE_UM = 1_000_000
_KNOWN: dict[str, tuple[str, ...]] = {
    "network": get_args(NetworkName),
    "recipe": get_args(RecipeName),
    "precision": get_args(Precision),
    "device": get_args(Device),
}


def check_choices(
    *,
    network: str | None,
    recipe: str | None,
    precision: str | None,
    device: str | None,
    learning_rate: float | None,
) -> None:
    """Raise `UsageError` if an option has a value that there is not; None is one that was not given."""
    given = {"network": network, "recipe": recipe, "precision": precision, "device": device}
    for option, known in _KNOWN.items():
        value = given[option]
        if value is not None and value not in known:
            raise UsageError(f"--{option} cannot be '{value}'", hint=f"There are: {', '.join(known)}.")
    if learning_rate is not None and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise UsageError(f"--learning-rate must be a positive number, not {learning_rate:g}")


def check_budget(steps: int | None, epochs: int | None) -> None:
    """Raise `UsageError` if the budget of a training is stated twice; None is an option that was not given."""
    if steps is not None and epochs is not None:
        raise UsageError("--steps and --epochs both state how long to train", hint="Give one of them.")


def check_count(option: str, n: int | None) -> None:
    """Raise `PlanError` if no plan can have so many fields or frames; None is a number that was not given."""
    if n is not None and not 0 < n <= MAX_FRAMES:
        raise PlanError(f"{option} must be from 1 to {MAX_FRAMES:,}, not {n}")


def check_exposure(exposure_ms: float | None) -> None:
    """Raise `PlanError` if ``--exposure-ms`` is nothing that a camera can expose; None is one that was not given."""
    if exposure_ms is not None and not 0 < exposure_ms <= MAX_EXPOSURE_MS:  # not for NaN either
        raise PlanError(f"--exposure-ms must be above 0 and at most {MAX_EXPOSURE_MS:,} (an hour), not {exposure_ms:g}")


def check_focus(text: str | None) -> Focusing:
    """Return when to focus; raise `PlanError` if ``--focus`` is none of its forms. None was not given."""
    if text is None:
        return Focusing()
    try:
        return focusing_of(text)
    except ValueError as error:
        raise PlanError(f"--focus: {error}") from None


def parse_size(text: str) -> tuple[float, float]:
    """Return width and height of ``WIDTHxHEIGHT``.

    Raises
    ------
    UsageError
        If it is not of that form, or no size of a specimen.
    """
    parts = text.lower().split("x")
    try:
        width, height = (float(part) for part in parts)
    except ValueError:
        width = height = 0.0
    if not (0 < width <= LARGEST_SIDE_UM and 0 < height <= LARGEST_SIDE_UM):  # not for NaN either
        raise UsageError(
            f"--area-um '{text}' is not WIDTHxHEIGHT in um, each above 0 and at most {LARGEST_SIDE_UM:,} (a metre)",
            hint="Give, for example, 6000x4000.",
        )
    return width, height
