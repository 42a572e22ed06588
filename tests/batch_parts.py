"""Small classified sections, and a small model, for the tests of batches."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import torch
from model_parts import TILE_PX, Inside, Plain, archive, make_model, random_tiles

from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.protocols import StopSignal

SHAPE_YX = (2 * TILE_PX, 2 * TILE_PX)
N_FIELDS = 6


def small_model(folder: Path, seed: int = 1, **card: object) -> Path:
    """Return the folder of a model that is loaded in a moment and answers differently to different tiles."""
    torch.manual_seed(seed)
    data = archive(Inside(Plain(), 2.0**-11))
    tiles = random_tiles(3)
    module = torch.jit.load(io.BytesIO(data))
    with torch.inference_mode():
        rows = [module(torch.from_numpy(one[None, None].astype(np.float32)))[0].numpy() for one in tiles]
    return make_model(folder, data, np.concatenate(rows), tiles, **card)


class Blocks:
    """Fields of grey blocks, each another one; a `hcc_scope.protocols.FrameSource`."""

    live = False

    def __init__(self, scoring_model: ScoringModel, animal_id: str, section_id: str, seed: int) -> None:
        sha256 = scoring_model.model.card.sha256
        self.spec = RunSpec(
            SHAPE_YX, 16, 0.325, animal_id, section_id, tile_px=TILE_PX, sampling="random", expected_frames=N_FIELDS,
            model_sha256=sha256, provenance={**scoring_model.facts, "specimen": "phantom"},
        )  # fmt: skip
        self._seed = seed

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        for seq in range(N_FIELDS):
            rng = np.random.default_rng((self._seed, seq))
            blocks = rng.integers(8000, 20000 + 8000 * (self._seed % 3), (16, 16))
            pixels = np.kron(blocks, np.ones((4, 4))).astype(np.uint16)
            pixels.flags.writeable = False
            yield Frame(seq, pixels, 0, datetime.now(UTC), 10.0, self.spec.section_id, pixel_size_um=0.325)


def classified_sections(model: Path, folder: Path, n: int) -> list[Path]:
    """Acquire n sections, two of each animal, and classify them with a model; return their stores."""
    scoring_model = load_scoring_model(model, "torchscript", lambda _: None)
    stores = []
    for k in range(n):
        run = start_section(Blocks(scoring_model, f"M{k // 2}", f"S{k % 2}", k), scoring_model, folder)
        report = run.finish()
        assert report.outcome.state == "completed"
        assert report.outcome.score.tiles > 0
        stores.append(run.store_path)
    return stores
