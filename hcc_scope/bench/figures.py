"""Medians, spreads and percentiles of measured values: pure functions."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["JsonObject", "fps_account", "paired_ratio", "percentiles", "stage_percentiles"]

JsonObject = dict[str, Any]
"""The answer of a contender, and the parts of the result: only values that JSON can hold."""


def fps_account(rounds: Sequence[Mapping[str, Any]]) -> JsonObject:
    """Return the frame rate of some rounds: median, extremes, and every round.

    Parameters
    ----------
    rounds : sequence of mapping
        Each with ``frames`` and ``seconds``.

    Returns
    -------
    dict
        ``fps`` (the median), ``fps_min``, ``fps_max``, ``fps_rounds``, ``frames`` of one round.
    """
    rates = [one["frames"] / one["seconds"] for one in rounds]
    return {
        "fps": statistics.median(rates),
        "fps_min": min(rates),
        "fps_max": max(rates),
        "fps_rounds": rates,
        "frames": rounds[0]["frames"],
    }


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over rounds of ours to theirs in the same round.

    Rounds take turns, so what slows the machine for some seconds hits both sides of a pair and cancels.

    Examples
    --------
    >>> paired_ratio([10.0, 5.0, 10.0], [2.0, 1.0, 1.0])
    5.0
    """
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p95, p99: each one of the values, not a value between two (`inverted_cdf`)."""
    found = np.percentile(np.fromiter(values, dtype=np.float64), [50, 95, 99], method="inverted_cdf")
    return {name: float(value) for name, value in zip(("p50", "p95", "p99"), found, strict=True)}


def stage_percentiles(latencies_ms: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the percentiles of every stage, over the frames that went through it, in ms."""
    stages: dict[str, list[float]] = {}
    for latency_ms in latencies_ms:
        for stage, value in latency_ms.items():
            stages.setdefault(stage, []).append(value)
    return {stage: percentiles(values) for stage, values in stages.items()}
