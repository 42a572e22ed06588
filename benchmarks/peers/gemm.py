"""The roofline: what the processor can multiply, and what the network asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from hcc_scope.bench.engines import engine_threads
from hcc_scope.inference import load_model

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["PRECISIONS", "GemmContender"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
_SIDES = (1024, 2048)
"""Square matrices that are large beside the caches' latency and small beside a measurement's patience."""
_BUDGET_S = 0.5


class GemmContender:
    """Matrix products on as many threads as our engines use."""

    def __init__(self, model: str) -> None:
        loaded = load_model(model)
        self._threads = engine_threads()
        torch.set_num_threads(self._threads)
        tile = torch.zeros(1, 1, loaded.card.tile_px, loaded.card.tile_px)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            loaded.module(tile)
        # the counter counts a multiplication and an addition as two
        self._gmac_per_tile = counter.get_total_flops() / 2e9

    @property
    def facts(self) -> JsonObject:
        """What one tile costs in convolutions and matrix products, counted while torch does them."""
        return {"gmac_per_tile": self._gmac_per_tile, "threads": self._threads}

    def round(self, request: JsonObject) -> JsonObject:
        """Return the best rate of products of a ``precision`` in 1e9 multiply-adds per second."""
        dtype = PRECISIONS[request["precision"]]
        return {"gmac_s": max(_best_gmac_s(side, dtype) for side in _SIDES)}

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _best_gmac_s(side: int, dtype: torch.dtype) -> float:
    """Return the fastest of the products of two (side, side) matrices done within the budget."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(side, side, generator=generator).to(dtype) for _ in range(2))
    out = torch.mm(a, b)  # the first one chooses the kernel
    best_s, began_s = float("inf"), time.perf_counter()
    while time.perf_counter() - began_s < _BUDGET_S:
        start_s = time.perf_counter()
        torch.mm(a, b, out=out)
        best_s = min(best_s, time.perf_counter() - start_s)
    return side**3 / best_s / 1e9
