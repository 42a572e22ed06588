"""The option ``--prevalence``; imported with the program, so it imports no numbers."""

from __future__ import annotations

from hcc_scope.errors import UsageError

__all__ = ["check_prevalence"]


def check_prevalence(prevalence: float | None) -> float | None:
    """Return ``--prevalence``; raise `UsageError` if it is no share of animals. None was not given."""
    if prevalence is not None and not 0 < prevalence < 1:  # not for NaN either
        raise UsageError(
            f"--prevalence is a share above 0 and below 1, not {prevalence:g}",
            hint="Give for example 0.3, if 3 of 10 such animals are high.",
        )
    return prevalence
