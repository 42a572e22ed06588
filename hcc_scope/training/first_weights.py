"""First weights that fit the tiles: every map of every stage begins with mean 0 and standard deviation 1.

A tile's contrast is a small part of its counts, and each pooling shifts the mean of what it passes on. With random
weights of any fixed size the maps of the paper's five stages therefore begin either silent or saturated, and many such
networks learn nothing. Mishkin & Matas, "All you need is a good init", ICLR 2016; Kraehenbuehl et al., "Data-dependent
initializations of convolutional neural networks", ICLR 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.training.network import Meng2019

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable

__all__ = ["TILES", "standardise_stages", "tiles_to_begin_with"]

TILES = 16
"""That the first weights are fitted to."""
_LEAST_SD = 1e-6


def tiles_to_begin_with(tiles: TileTable, rows: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Return (n, 1, y, x) counts of `TILES` training tiles, or of all if there are fewer; the seed decides which."""
    chosen = stable_rng("first weights", seed).choice(rows, min(TILES, len(rows)), replace=False)
    counts: NDArray[np.float32] = tiles.reader.read(np.sort(chosen).tolist()).astype(np.float32)[:, None]
    return counts


@torch.no_grad()
def standardise_stages(network: nn.Module, counts: NDArray[np.float32]) -> None:
    """Scale and shift the convolutions of a network without normalisation layers; leave any other as it is.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU.
    counts : (n, 1, y, x) float32
        Of training tiles.
    """
    if not isinstance(network, Meng2019):
        return
    # one tile after the other: the maps of the first stage are large
    inputs = [mean_stretching(torch.from_numpy(tile[None])) * network.count_scale for tile in counts]
    for layer in network.convolutions:
        if not isinstance(layer, nn.Conv2d) or layer.bias is None:
            continue
        maps = [layer(x) for x in inputs]
        mean = torch.stack([each.mean(dim=(0, 2, 3)) for each in maps]).mean(dim=0)
        square = torch.stack([(each - mean[:, None, None]).square().mean(dim=(0, 2, 3)) for each in maps]).mean(dim=0)
        sd = square.sqrt().clamp_min(_LEAST_SD)
        layer.weight.div_(sd[:, None, None, None])
        layer.bias.copy_((layer.bias - mean) / sd)
        inputs = [functional.relu(functional.max_pool2d(layer(x), 2)) for x in inputs]
