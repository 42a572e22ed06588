"""``summary.json``: one machine-readable account of a run, written next to its stores.

Its keys are described in ``docs/summary.md``.
"""

from __future__ import annotations

import dataclasses
import math
import platform
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.latency import LatencyHistogram
from hcc_scope.score_text import decision
from hcc_scope.types import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hcc_scope.report.hand_account import HandAccount
    from hcc_scope.types import Drift, RunOutcome, RunState, SectionScore

__all__ = ["SectionReport", "build_summary", "score_account", "section_account", "software_versions", "write_summary"]

_PACKAGES = (
    "hcc-scope", "pycromanager", "pymmcore", "mm-test-adapters", "torch", "numpy", "tensorstore", "zarr", "pyarrow",
)  # fmt: skip
_WORST_FIRST: tuple[RunState, ...] = ("failed", "cancelled", "completed")


@dataclass(frozen=True, slots=True)
class SectionReport:
    """One section's end, with the names a reader needs."""

    animal_id: str
    section_id: str
    store: str | None
    outcome: RunOutcome
    unlike_scored: int | None = None
    """Tiles in the score that are unlike the model's training tiles; None unless these are scored and counted."""
    shading: Mapping[str, str | bool] | None = None
    """By what frames were corrected before they were classified (`hcc_scope.shading.correction.Shading.account`)."""
    by_hand: HandAccount | None = None
    """How its fields were captured by hand; None for a section that was not."""
    parts: tuple[tuple[int, str], ...] = ()
    """Of a section that was continued: the first frame of each part, and when the part began (ISO 8601)."""


def software_versions(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the versions that matter for repeating a run, by package; `extra` (adapters) joins them."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found.update(extra or {})
    return found


def _finite(value: float | None) -> float | None:
    """Return `value`, or None for NaN and infinity, which JSON has no word for."""
    return value if value is not None and math.isfinite(value) else None


def score_account(score: SectionScore) -> dict[str, Any]:
    """Return a section's score as JSON values."""
    return {
        "score": _finite(score.score),
        "interval": list(score.interval),
        "interval_frames": score.interval_frames,
        "interval_valid": score.interval_valid,
        "spoilt": score.spoilt,
        "drawn_sample": None if score.sample is None else dataclasses.asdict(score.sample),
        "weight": score.weight,
        "lattice_fields": score.n_lattice,
        "excluded_bounds": None if score.excluded_bounds is None else dataclasses.asdict(score.excluded_bounds),
        "drift": None if score.drift is None else _drift_account(score.drift),
        "confidence": score.confidence,
        "threshold": score.threshold,
        "threshold_interval": None if score.threshold_interval is None else list(score.threshold_interval),
        "decision": decision(score),
        "frames": score.frames,
        "tiles": score.tiles,
        "tiles_excluded": dict(score.tiles_excluded),
        "fields_excluded_by_operator": score.fields_excluded_by_operator,
        "retaken": [{"field": field, "frame": seq} for field, seq in sorted(score.retaken.items())],
        "set_aside": list(score.set_aside),
        "stabilised": score.stabilised,
        "stabilised_reason": score.stabilised_reason,
    }


def section_account(report: SectionReport) -> dict[str, Any]:
    """Return one section's part of the summary, as JSON values."""
    outcome = report.outcome
    return {
        "animal_id": report.animal_id,
        "section_id": report.section_id,
        **score_account(outcome.score),
        "tiles_unlike_training_scored": report.unlike_scored,
        "shading": None if report.shading is None else dict(report.shading),
        "by_hand": None if report.by_hand is None else report.by_hand.as_json(),
        "excluded_by_operator": list(outcome.excluded_by_operator),
        "store": report.store,
        "parts": _parts(report),
        "outcome": outcome.state,
        "state": outcome.state,
        "cause": _cause(outcome.cause),
        "degraded": outcome.degraded,
        "remark": outcome.remark,
        "interval_s": outcome.interval_s,
        "counts": dataclasses.asdict(outcome.counts),
        "rates": dict(outcome.rates),
        "latency_ms": dict(outcome.latency_ms),
        "readings": dict(outcome.readings),
    }


def _drift_account(drift: Drift) -> dict[str, Any]:
    """Return the result of a test for drift as JSON values."""
    return {"fields": drift.fields, "evidence": drift.evidence, "found_in": list(drift.found_in)}


def _parts(report: SectionReport) -> list[dict[str, Any]]:
    """Return the parts that have a frame; none for a section that has one part."""
    n_frames = report.outcome.counts.acquired
    parts = [{"first_frame": first, "began_utc": began} for first, began in report.parts if first < n_frames]
    return parts if len(parts) > 1 else []


def _cause(error: BaseException | None) -> str | None:
    if error is None:
        return None
    notes = getattr(error, "__notes__", ())
    return "; ".join([str(error) or type(error).__name__, *notes])


def _total(counts: Iterable[Counts]) -> dict[str, int]:
    total = dict.fromkeys((field.name for field in dataclasses.fields(Counts)), 0)
    for one in counts:
        for name, value in dataclasses.asdict(one).items():
            total[name] += value
    return total


def _overall_rates(reports: Sequence[SectionReport]) -> dict[str, float]:
    """Return frames per second over all sections: all frames over the sum of the times that the sections took."""
    rates = {}
    for name in dict.fromkeys(name for report in reports for name in report.outcome.rates):
        pairs = [(report.outcome.counts.acquired, report.outcome.rates.get(name, 0.0)) for report in reports]
        frames = sum(n for n, fps in pairs if fps > 0)
        seconds = sum(n / fps for n, fps in pairs if fps > 0)
        rates[name] = frames / seconds if seconds > 0 else 0.0
    return rates


def build_summary(
    reports: Sequence[SectionReport],
    *,
    command: str,
    engine: str,
    engine_in_full: str,
    model_name: str,
    model_sha256: str,
    versions: Mapping[str, str],
    started_utc: datetime,
) -> dict[str, Any]:
    """Return the account of a run over one or more sections.

    Rates and latencies are over all frames of all sections; each section keeps its own.
    """
    states = [report.outcome.state for report in reports]
    errors = [report.outcome.cause for report in reports if report.outcome.cause is not None]
    return {
        "schema_version": 1,
        "research_use_only": True,
        "command": command,
        "outcome": next((state for state in _WORST_FIRST if state in states), "cancelled"),
        "cause": _cause(errors[0]) if errors else None,
        "degraded": next((r.outcome.degraded for r in reports if r.outcome.degraded), None),
        "counts": _total(report.outcome.counts for report in reports),
        "sections": [section_account(report) for report in reports],
        "rates": _overall_rates(reports),
        "latency_ms": LatencyHistogram.merged(report.outcome.latency_bins for report in reports).summary(),
        "engine": engine,
        "engine_in_full": engine_in_full,
        "model": model_name,
        "model_sha256": model_sha256,
        "versions": dict(versions),
        "started_utc": started_utc.isoformat(),
        "finished_utc": datetime.now(UTC).isoformat(),
    }


def write_summary(summary: Mapping[str, Any], path: Path) -> Path:
    """Write `summary` to `path`, whole or not at all; an earlier one is kept under the date of its run."""
    _keep_earlier(path)
    replace_file(path, json_bytes(summary), shared=True)  # another run may end in the same folder now
    return path


def _keep_earlier(path: Path) -> None:
    """Give an earlier summary the date of its run as its name, never that of another one."""
    with suppress(FileNotFoundError):  # there is none, or a run beside this one has just renamed it
        stamp = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y%m%dT%H%M%S%fZ")
        kept = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        while kept.exists():
            kept = path.with_name(f"{path.stem}-{stamp}-{uuid.uuid4().hex[:4]}{path.suffix}")
        path.rename(kept)
