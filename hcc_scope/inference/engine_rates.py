"""How fast each engine classifies a model's tiles here, measured now, and how near to the reference it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError
from hcc_scope.inference.auto_engine import BUDGET_S, TIMED_TILES, measure
from hcc_scope.inference.base import REFERENCE
from hcc_scope.inference.engines import candidates, make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.inference.base import Engine, EngineName
    from hcc_scope.inference.loading import LoadedModel

__all__ = ["COLUMNS", "EngineRate", "EngineRates", "engine_rates"]

COLUMNS = ("engine", "tiles/s", "ms per tile", "largest difference")
"""Of `EngineRates.rows`."""


@dataclass(frozen=True, slots=True)
class EngineRate:
    """One engine with one model on this machine."""

    name: EngineName
    in_full: str
    """With version and threads."""
    tiles_per_s: float
    """Best of the rounds."""
    difference: float
    """Largest difference of a tile's probability from the reference engine's."""


@dataclass(frozen=True, slots=True)
class EngineRates:
    """All engines with one model on this machine, fastest first."""

    model: str
    tile_px: int
    n_tiles: int
    """That were timed in each round."""
    tolerance: float
    """Of the probabilities."""
    rates: tuple[EngineRate, ...]
    problems: tuple[str, ...]
    """A sentence for each engine that cannot be used."""

    @property
    def sentence(self) -> str:
        """Where and how it was measured."""
        return (
            f"Measured now on this computer with {self.n_tiles} tiles of {self.tile_px} x {self.tile_px} px at a time; "
            f"probabilities may differ by at most {self.tolerance:g} from the reference engine's ({REFERENCE})."
        )

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return engine, tiles per s, ms per tile and largest difference of each, as text."""
        return [
            (one.in_full, f"{one.tiles_per_s:,.0f}", f"{1000 / one.tiles_per_s:.2f}", f"{one.difference:.2g}")
            for one in self.rates
        ]


def engine_rates(model: LoadedModel, clock: Callable[[], float] = time.perf_counter) -> EngineRates:
    """Make, check and time every engine that can run a model here; takes a few seconds and remembers nothing.

    Parameters
    ----------
    model : LoadedModel
    clock : callable
        Returns s.
    """
    problems: list[str] = []
    agreement = model.agreement()
    usable: dict[EngineName, Engine] = {}
    apart: dict[EngineName, float] = {}
    for name in candidates(problems.append):
        try:
            engine = model.reference if name == REFERENCE else _made(name, model)
            agreement.check(engine)
            apart[name] = agreement.largest_difference(engine)
        except HccScopeError as error:
            problems.append(f"Engine {name} is not used: {error}")
        else:
            usable[name] = engine
    timed = min(TIMED_TILES, len(agreement.tiles))
    best_s = measure(usable, agreement, clock() + BUDGET_S, clock) if usable else {}
    rates = [EngineRate(name, usable[name].engine, timed / seconds, apart[name]) for name, seconds in best_s.items()]
    rates.sort(key=lambda one: -one.tiles_per_s)
    card = model.card
    return EngineRates(card.name, card.tile_px, timed, agreement.tolerance, tuple(rates), tuple(problems))


def _made(name: EngineName, model: LoadedModel) -> Engine:
    return make_engine(name, model.module, model.card, model.reference_threads)
