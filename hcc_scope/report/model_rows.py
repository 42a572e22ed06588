"""The card of a section's model in short, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.formatting import counted, format_number, percent, significant
from hcc_scope.report.card_markdown import headline

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.storage.reader import SectionStore

__all__ = ["ReportModel", "model_rows"]


@dataclass(frozen=True, slots=True)
class ReportModel:
    """The model that a section was classified with, as far as it is known here."""

    card: ModelCard | None = None
    changes: str = ""
    """What its card states differently now than in the run, as text."""
    saliency: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None = None
    """Returns how strongly its answer depends on each count of a tile (t, t)."""


def model_rows(store: SectionStore, model: ReportModel, threshold: float) -> list[tuple[str, str]]:
    """Return the model of a section: what the run recorded, and what its card states.

    Parameters
    ----------
    store : SectionStore
    model : ReportModel
        Without a card, the rows are those of the store alone.
    threshold : float
        The decision threshold that the score is held against.
    """
    spec, provenance = store.spec, store.recorded.provenance
    card, own = model.card, store.recorded.threshold_interval
    interval = "" if own is None else f", 95 % interval {format_number(own[0], 4)} to {format_number(own[1], 4)}"
    assumed = ", assumed: none is recorded" if store.recorded.decision_threshold is None else ""
    rows = [
        ("model", provenance.model or "not recorded"),
        ("trained on", provenance.model_trained_on or "not recorded"),
        (
            "decision threshold",
            f"{format_number(threshold, 6)}{interval}{assumed}",
        ),
    ]
    if provenance.temperature is not None:
        rows.append(("temperature of the calibration", significant(provenance.temperature, 4)))
    if provenance.unlike_threshold is not None:
        done = "scored nevertheless" if provenance.score_unlike else "not scored"
        limit = significant(provenance.unlike_threshold, 4)
        rows.append(("tiles unlike training", f"{done} (distance beyond {limit})"))
    if card is None:
        which = "no model is recorded" if spec.model_sha256 is None else "the model is not known here"
        return [*rows, ("card", f"not shown: {which}")]
    pixel_um, near = significant(card.pixel_size_um, 4), percent(card.pixel_size_tolerance)
    rows += [
        ("description", card.description),
        ("intended use", card.intended_use),
        ("classes", " and ".join(card.classes)),
        ("takes", f"tiles of {card.tile_px} px at {pixel_um} um within {near}, {card.bit_depth} bit"),
        ("validation", headline(card.evaluation)),
    ]
    if card.calibrated_on:
        rows.append(("calibrated on", card.calibrated_on))
    if card.network:
        size = "" if not card.parameters else f", {counted(card.parameters, 'parameter')}"
        rows.append(("network", f"{card.network}{size}"))
    rows += [(f"limit {n}", limit) for n, limit in enumerate(card.limits, start=1)]
    rows.append(("licence", card.licence))
    if model.changes:
        rows.append(("its card differs since the run", model.changes))
    return rows
