"""Stored sections for the tests of the library: small frames, results of every tile, and a recorded score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from storage_cases import SMALL, make_frame, make_spec

from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.score_rule import RULE_KEY
from hcc_scope.scoring import SectionScorer, rescored
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Counts, FrameResult, RunOutcome

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLD = 0.5


def result(seq: int, n_tiles: int, mean: float = 0.7) -> FrameResult:
    """Return the result of a field whose score depends on its number; the last of several tiles is out of focus."""
    p = np.full(n_tiles, np.clip(mean + 0.03 * (seq % 5 - 2), 0.01, 0.99), np.float32)
    flags = np.zeros(n_tiles, np.uint8)
    if n_tiles > 1:
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
    shape_yx: tuple[int, int] = SMALL,
    tile_px: int = 40,
    **changes: object,
) -> Path:
    """Store a section with its results; one that has not ended looks as after a crash."""
    provenance = {
        "specimen": "phantom", "model": "small-model", "decision_threshold": THRESHOLD, RULE_KEY: 2,
        **changes.pop("provenance", {}),
    }  # fmt: skip
    ids = {"animal_id": animal_id, "section_id": section_id}
    more = {"tile_px": tile_px, "model_sha256": "ab" * 32, "expected_frames": n, "provenance": provenance}
    spec = make_spec(shape_yx, **{**ids, **more, **changes})
    n_tiles = TileGrid.for_frame(shape_yx, tile_px).n
    results = {seq: result(seq, n_tiles, mean) for seq in range(n)}
    writer = create_store(folder, spec)
    predictions = PredictionWriter(writer.path, spec, run="r")
    with writer:
        for seq in range(n):
            writer.append(make_frame(seq, shape_yx, section_id=section_id))
            predictions.append(results[seq])
    predictions.close()
    if ended:
        score = rescored(results, SectionScorer.for_section(spec, THRESHOLD, 1.0), n)
        outcome = RunOutcome("completed", None, Counts(acquired=n, stored=n, classified=n), score)
        writer.finalise(section_account(SectionReport(animal_id, section_id, str(writer.path), outcome)))
    return writer.path
