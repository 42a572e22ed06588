"""Training: our loop, as `hcc_scope.training.fit` runs it for one epoch."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.bench.scenes import make_scenes
from hcc_scope.bench.timing import timed

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["Trainer"]

_TILE_PX = 512


class Trainer:
    """Our loop: tiles read and augmented by their own thread, gradients as `hcc_scope.training.compute` does."""

    def __init__(self, network: str) -> None:
        from hcc_scope.datasets.tiles import ArrayTiles
        from hcc_scope.training.compute import Gradients, choose_place
        from hcc_scope.training.config import TrainConfig
        from hcc_scope.training.network import make_network
        from hcc_scope.training.recipes import make_optimiser, settings_for

        config = TrainConfig(network="compact" if network == "compact" else "meng2019", precision="auto", device="cpu")
        self._settings = settings_for(config)
        self._place = choose_place(config.device, config.precision, config.threads)
        module = make_network(self._settings.network)
        self._tiles = ArrayTiles(np.stack(make_scenes(_TILE_PX, self._settings.batch)))
        self._stack = ExitStack()
        self._gradients = self._stack.enter_context(Gradients(module, self._settings, self._place))
        self._optimiser = make_optimiser(self._settings, module)

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        place, settings = self._place, self._settings
        return {
            "engine": f"hcc_scope.training, {settings.network}, {place.precision}, batch {settings.batch}, "
            f"{place.threads} threads"
        }

    def round(self, request: JsonObject) -> JsonObject:
        """Train on ``tiles`` tiles, as one epoch does: read, turned, lit, learnt from."""
        from hcc_scope.training.prefetch import Prefetch
        from hcc_scope.training.recipes import augmented, shorten_gradient

        batch = self._settings.batch
        n_steps = max(1, int(request["tiles"]) // batch)
        rng = np.random.default_rng(0)
        labels = np.arange(batch) % 2
        batches = [np.arange(batch)] * n_steps
        with timed() as taken, Prefetch(self._tiles, batches, lambda tile, _: augmented(tile, rng)) as ready:
            for one in ready:
                self._gradients.compute(one.counts, labels)
                shorten_gradient(self._settings, self._optimiser)
                self._optimiser.step()
        return taken.account(n_steps * batch)

    def close(self) -> None:
        """End the threads."""
        self._stack.close()
