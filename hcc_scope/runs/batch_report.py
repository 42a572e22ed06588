"""What a batch came to, for people and for programs: the tables, the plot, ``batch.json``, and sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.formatting import counted, percent
from hcc_scope.report.score_plot import score_plot
from hcc_scope.runs.batch_tables import write_failures, write_tables
from hcc_scope.score_text import SCORE_DECIMALS

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.runs.batch import BatchOutcome
    from hcc_scope.runs.batch_agreement import Agreement
    from hcc_scope.runs.batch_result import EngineAnswers, ResultFolder

__all__ = ["BatchReport", "describe_agreement", "describe_engines", "write_report"]

_NAMED = 20
"""Flips that are named; the table has them all."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What was written."""

    card: ModelCard
    agreement: Agreement
    written: tuple[Path, ...]
    account: dict[str, Any]
    """What ``batch.json`` holds."""


def write_report(outcome: BatchOutcome, results: ResultFolder, card: ModelCard, engine: str) -> BatchReport:
    """Write tables, plot and account into the folder of the results; earlier ones are replaced.

    Raises
    ------
    StoreUnwritableError
        If they cannot be written.
    """
    folder = results.folder
    agreement, written = write_tables(results, outcome.scored, folder)
    written += write_failures(outcome.failures, folder)
    account = _account(outcome, agreement, card, engine)
    plot, summary = folder / "scores.svg", folder / "batch.json"
    try:
        if agreement.points:
            drawing = score_plot(
                agreement.points,
                previous=", ".join(agreement.previous_models),
                new=card.name,
                threshold=card.decision_threshold,
                previous_threshold=agreement.previous_threshold,
                n_sections=agreement.compared,
            )
            replace_file(plot, drawing.encode(errors="backslashreplace"), shared=True)
            written.append(plot)
        else:
            plot.unlink(missing_ok=True)
        replace_file(summary, json_bytes(account), shared=True)
    except OSError as error:
        raise StoreUnwritableError(
            f"The account cannot be written to {folder}: {error.strerror or error}",
            hint="The results are kept; give the command again.",
        ) from error
    return BatchReport(card, agreement, (*written, summary), account)


def _account(outcome: BatchOutcome, agreement: Agreement, card: ModelCard, engine: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "research_use_only": True,
        "model": card.name,
        "model_sha256": card.sha256,
        "engine": engine,
        "stores": outcome.n_stores,
        "scored": len(outcome.scored),
        "failed": len(outcome.failures),
        "without_usable_tile": agreement.n_empty,
        "left": outcome.n_left,
        "engines": [{"engine": one.engine, "digest": one.digest} for one in outcome.answers],
        "largest_engine_difference": largest_engine_difference(outcome.answers),
        "probability_tolerance": card.probability_tolerance,
        "previous": {
            "models": agreement.previous_models,
            "sections": agreement.sections,
            "compared": agreement.compared,
            "same_side": agreement.compared - agreement.n_flips,
            "flips": agreement.n_flips,
            "decisions_compared": agreement.decisions_compared,
            "flips_of_decisions": agreement.n_flips_decided,
            "mean_difference": agreement.mean_difference,
            "largest_difference": agreement.largest_difference if agreement.compared else None,
            "flipped": [asdict(one) for one in agreement.flips],
            "checked": agreement.n_same + agreement.n_different,
            "different": agreement.n_different,
            "differences": agreement.differences,
        },
        "failures": [{"store": one.store, "attempts": one.attempts, "reason": one.reason} for one in outcome.failures],
    }


def largest_engine_difference(answers: tuple[EngineAnswers, ...]) -> float:
    """Return the largest difference of a probability between engines that made results of one table."""
    pairs = [(one, other) for i, one in enumerate(answers) for other in answers[:i]]
    return max((one.largest_difference(other) for one, other in pairs), default=0.0)


def describe_engines(answers: tuple[EngineAnswers, ...], card: ModelCard) -> str:
    """Return which engines made the results, as a sentence; empty without a result."""
    if not answers:
        return ""
    names = sorted({one.engine for one in answers})
    if len(answers) == 1:
        return f"Engine: {names[0]}."
    apart = largest_engine_difference(answers)
    within = "within" if apart <= card.probability_tolerance else "BEYOND"
    return (
        f"Results of {len(answers)} engines stand beside each other ({'; '.join(names)}): on the model's test tiles "
        f"their probabilities differ by up to {apart:.2g}, {within} the tolerance of {card.probability_tolerance:g}."
    )


def describe_agreement(agreement: Agreement) -> list[str]:
    """Return how the scores lie beside the recorded ones, in sentences; none without a pair."""
    n = agreement.compared
    if not n or agreement.share is None or agreement.mean_difference is None:
        return []
    models = ", ".join(agreement.previous_models)
    same = f"{n - agreement.n_flips:,} of {counted(n, 'section')}"
    lines = [
        f"Beside the recorded scores ({models}): {same} lie on the same side of the threshold "
        f"({percent(agreement.share)}). The scores differ by {agreement.mean_difference:+.{SCORE_DECIMALS}f} on "
        f"average, and by up to {agreement.largest_difference:.{SCORE_DECIMALS}f}."
    ]
    if agreement.decisions_compared:
        lines.append(
            f"Of {counted(agreement.decisions_compared, 'section')} that both decide, "
            f"{agreement.n_flips_decided:,} {'is' if agreement.n_flips_decided == 1 else 'are'} decided the other way."
        )
    lines += [
        f"  {one.animal_id}, section {one.section_id}: {one.previous_score:.{SCORE_DECIMALS}f} then, "
        f"{one.score:.{SCORE_DECIMALS}f} now, on the {one.side} side{' (both decided)' if one.decided else ''}"
        for one in agreement.flips[:_NAMED]
    ]
    if agreement.n_flips > _NAMED:
        lines.append(f"  and {agreement.n_flips - _NAMED:,} more: column flip of the table")
    return lines
