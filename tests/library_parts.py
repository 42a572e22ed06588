"""Stored sections for the tests of the library: small frames, results of every tile, and a recorded score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from storage_cases import make_frame, make_spec

from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.score_rule import RULE_KEY
from hcc_scope.scoring import SectionScorer, rescored
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Counts, FrameResult, RunOutcome

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLD = 0.5
N_TILES = 6


def result(seq: int, mean: float = 0.7) -> FrameResult:
    """Return the result of a field whose score depends on its number."""
    p = np.full(N_TILES, np.clip(mean + 0.03 * (seq % 5 - 2), 0.01, 0.99), np.float32)
    flags = np.zeros(N_TILES, np.uint8)
    flags[-1], p[-1] = 2, np.nan
    return FrameResult(seq, "classified", np.log(p / (1 - p)), p, flags, "torchscript")


def stored_section(
    folder: Path,
    animal_id: str = "M1",
    section_id: str = "S1",
    n: int = 4,
    *,
    mean: float = 0.7,
    ended: bool = True,
    **changes: object,
) -> Path:
    """Store a section with its results; one that has not ended looks as after a crash."""
    provenance = {"model": "small-model", "decision_threshold": THRESHOLD, RULE_KEY: 2, **changes.pop("provenance", {})}
    spec = make_spec(
        animal_id=animal_id, section_id=section_id, tile_px=40, model_sha256="ab" * 32, expected_frames=n,
        provenance=provenance, **changes,
    )  # fmt: skip
    results = {seq: result(seq, mean) for seq in range(n)}
    writer = create_store(folder, spec)
    predictions = PredictionWriter(writer.path, spec, run="r")
    with writer:
        for seq in range(n):
            writer.append(make_frame(seq, section_id=section_id))
            predictions.append(results[seq])
    predictions.close()
    if ended:
        score = rescored(results, SectionScorer.for_section(spec, THRESHOLD, 1.0), n)
        outcome = RunOutcome("completed", None, Counts(acquired=n, stored=n, classified=n), score)
        writer.finalise(section_account(SectionReport(animal_id, section_id, str(writer.path), outcome)))
    return writer.path
