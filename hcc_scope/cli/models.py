"""``hcc-scope models list`` and ``hcc-scope models test``."""

from __future__ import annotations

from typing import Any

import numpy as np

from hcc_scope.cli.console import RESEARCH_USE_ONLY, people, print_json

__all__ = ["run_list", "run_test"]


def run_list(*, json_mode: bool) -> None:
    """Print every model that is found; a broken card is listed with what is wrong with it."""
    from hcc_scope.inference.catalogue import list_models

    entries = list_models()
    if json_mode:
        found: list[dict[str, Any]] = []
        for entry in entries:
            row: dict[str, Any] = {"name": entry.name, "folder": str(entry.folder), "problem": entry.problem}
            if entry.card is not None:
                row["card"] = entry.card.model_dump(mode="json")
            found.append(row)
        print_json({"models": found})
        return
    console = people(json_mode=False)
    for entry in entries:
        card = entry.card
        console.note(entry.name, "bold")
        if card is None:
            console.note(f"  cannot be used: {entry.problem}", "yellow")
            continue
        console.note(f"  {card.description}")
        console.note(
            f"  for {card.pixel_size_um:g} um/px, {card.bit_depth} bit, tiles of {card.tile_px} px; "
            f"section threshold {card.decision_threshold:.3f}; sha256 {card.sha256[:12]}",
        )
    console.note(RESEARCH_USE_ONLY, "italic")


def run_test(name: str, *, engine: str, json_mode: bool) -> None:
    """Load a model with all its checks, and say how near it comes to its own test output here."""
    from hcc_scope.inference import load_model

    model = load_model(name)
    console = people(json_mode=json_mode)
    classifier = model.classifier(engine, note=console.note)
    agreement = model.agreement()
    apart = agreement.largest_difference(classifier)
    difference = float(np.abs(classifier.classify(model.test_input) - model.test_output).max())
    if json_mode:
        print_json(
            {
                "model": model.card.name,
                "model_sha256": model.card.sha256,
                "engine": classifier.name,
                "engine_in_full": classifier.engine,
                "test_tiles": len(model.test_input),
                "largest_logit_difference": difference,
                "tolerance": model.card.engine_tolerance,
                "comparison_tiles": len(agreement.tiles),
                "largest_probability_difference": apart,
                "probability_tolerance": agreement.tolerance,
                "passed": True,
            }
        )
        return
    console.note(
        f"{model.card.name}: sha256 as in its card; on engine {classifier.engine} the logits of its "
        f"{len(model.test_input)} test tiles differ by at most {difference:.2g} (tolerance of the reference engine "
        f"{model.card.engine_tolerance:g}), the probabilities of {len(agreement.tiles)} tiles from the reference "
        f"engine's by at most {apart:.2g} (tolerance {agreement.tolerance:g}).",
    )
