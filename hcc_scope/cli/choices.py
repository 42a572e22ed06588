"""What may be said with the options that `train` and `evaluate` share."""

from __future__ import annotations

import math
from typing import get_args

from hcc_scope.errors import UsageError
from hcc_scope.training.config import Device, NetworkName, Precision, RecipeName

__all__ = ["check_choices"]

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
