"""The distance of a tile from the training tiles (OOD): computed beside the logits, inside the artefact.

The distance is one of Mahalanobis, in the logarithms of the mean activations of every map of the last three stages,
under probabilistic principal component analysis: a few directions with their own variances, and one variance for
all the others. It is computed from maps that the network makes anyway.

- Means over a tile: what is measured is how much of each texture there is, not where.
- Logarithms of 1 + activation / usual activation: exposure, gain and the section's thickness multiply contrast, so
  they move all channels along one line, which the training tiles fill; what other things do to the proportions of
  channels lies beside it. Without the 1, a map that is silent on most tissue decides: a few tiles then lie so far out
  that a threshold on some hundred tiles is worth nothing.
- The first two stages are left out: they add nothing that the others do not see, and their maps are large (on the
  engine openvino-bf16 the second one alone would cost 5 % of the speed).
- No deviation of a channel counts as less than 10 % of its activation (`FLOOR`), and no direction's variance as less
  than a tenth of a channel's (`LEAST_VARIANCE`): what happened to be almost constant in the training tiles makes
  nothing unlike, nor does the rounding of an engine that computes in bfloat16.

The threshold is set on tiles of animals that the distance was not fitted to: distances of training tiles themselves are
too small.

Tipping & Bishop, "Probabilistic principal component analysis", J. R. Stat. Soc. B 61 (1999) 611. Lee et al., "A simple
unified framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018, take Mahalanobis
distances of a network's spatial means in the same way.
"""

# TorchScript reads the annotations below at run time, so they must not become strings ("from __future__ ...").
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.errors import TrainingError
from hcc_scope.inference.card import UnlikeTraining
from hcc_scope.training.compute import choose_place, keep_memory, single_threaded
from hcc_scope.training.network import stage_maps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "COMPONENTS",
    "FALSE_FLAG_RATE",
    "FEWEST_TILES",
    "OodFit",
    "WithDistance",
    "distances_of",
    "fit_distance",
    "fit_ood_distance",
    "mean_activations",
    "table_of",
    "threshold_for",
]

COMPONENTS = 16
FLOOR = 0.05
"""Smallest standard deviation of a channel's logarithm that counts: 10 % of the usual activation."""
SILENT_SHARE = 0.1
"""What is usual for a map that is always silent, as a share of the mean over all maps."""
LEAST_VARIANCE = 0.1
"""Smallest variance of a direction, in units of the channels' own: bounds what rounding can do to a distance."""
FEWEST_TILES = 50
"""To fit a distance to."""
FALSE_FLAG_RATE = 0.01
"""Share of tiles like those of the training that are flagged nevertheless: by models, and by the networks of an
evaluation's folds, which leave out what a model leaves out."""
METHOD = (
    "Mahalanobis distance of the logarithms of 1 + relative mean activation of the maps of stages 3 to 5, under "
    "probabilistic PCA (Tipping and Bishop 1999)"
)
_STAGES = slice(2, 5)
_AT_ONCE = 32


class WithDistance(nn.Module):
    """A network that also measures how unlike its training tiles a tile is.

    Parameters
    ----------
    network : nn.Module
        With the methods ``stages`` and ``head`` of `hcc_scope.training.network.Network`; kept as it is.
    usual : ndarray
        (c,) mean activation of a channel over the training tiles.
    mean, deviation : ndarray
        (c,) of the logarithms over the training tiles.
    whitening : ndarray
        (c, c): rows that give uncorrelated coordinates of unit variance.
    """

    gain: Tensor
    mean: Tensor
    scale: Tensor
    whitening: Tensor

    def __init__(
        self,
        network: nn.Module,
        usual: "NDArray[np.float64]",
        mean: "NDArray[np.float64]",
        deviation: "NDArray[np.float64]",
        whitening: "NDArray[np.float64]",
    ) -> None:
        super().__init__()
        self.network: Any = network  # a scripted module's methods have no types
        for name, values in (
            ("gain", 1.0 / usual),
            ("mean", mean),
            ("scale", 1.0 / deviation),
            ("whitening", whitening),
        ):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, np.float32)))

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classify tiles and measure them.

        Parameters
        ----------
        counts : Tensor
            (n, 1, 512, 512) raw counts of any real dtype.

        Returns
        -------
        logits : Tensor
            (n, n_outputs), as the network alone returns them.
        features : Tensor
            (n, F), as the network alone returns them.
        distance : Tensor
            (n,) from the training tiles, 0 or more.
        """
        maps = self.network.stages(counts)
        logits, features = self.network.head(maps[-1])
        means = [  # written out: not every engine can take a list that grows
            maps[2].mean(dim=-1).mean(dim=-1),
            maps[3].mean(dim=-1).mean(dim=-1),
            maps[4].mean(dim=-1).mean(dim=-1),
        ]
        return logits, features, self.distance(torch.cat(means, dim=1))

    def distance(self, means: Tensor) -> Tensor:
        """Return the distance (n,) of tiles by their mean activations (n, c)."""
        standard = (torch.log(1.0 + means * self.gain) - self.mean) * self.scale  # (n, c)
        # no matrix product: its last bits would depend on the number of threads (see Meng2019.head)
        white = (standard.unsqueeze(1) * self.whitening).sum(dim=-1)  # (n, c)
        return (white * white).sum(dim=-1).sqrt()


def mean_activations(
    network: nn.Module, tiles: TileTable, rows: "NDArray[np.int64] | Sequence[int]", *, threads: int | None = None
) -> "NDArray[np.float64]":
    """Return (k, c) the mean activation of every map of the last three stages, on the processor, tile by tile.

    Parameters
    ----------
    network : nn.Module
        As `hcc_scope.training.network.make_network` returns it; left in the mode that it was in, and where it was.
    tiles : TileTable
        The tiles.
    rows : sequence of int
        Which of them, in the order wanted.
    threads : int, optional
        All cores if not given. Changes the speed only.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    was_training, was_on = network.training, next(network.parameters()).device
    network.eval().to("cpu")
    found: NDArray[np.float64] | None = None
    try:
        with ExitStack() as stack:
            keep_memory()
            stack.enter_context(single_threaded())
            n_threads = choose_place("cpu", "float32", threads).threads
            pool = stack.enter_context(ThreadPoolExecutor(n_threads, "ood", torch.set_num_threads, (1,)))
            for begin in range(0, len(chosen), _AT_ONCE):
                counts = tiles.reader.read(chosen[begin : begin + _AT_ONCE]).astype(np.float32)
                means = np.array(list(pool.map(lambda one: _means_of(network, one), counts)))
                # one array for all: small ones that stay would lie between large ones that go, and no room is free
                found = np.empty((len(chosen), means.shape[1])) if found is None else found
                found[begin : begin + len(means)] = means
    finally:
        network.train(was_training).to(was_on)
    return np.array([]) if found is None else found


def _means_of(network: nn.Module, tile: "NDArray[np.float32]") -> "NDArray[np.float64]":
    with torch.inference_mode():
        counts = torch.from_numpy(tile[None, None]).to(memory_format=torch.channels_last)
        maps = stage_maps(network, counts)[_STAGES]
        means: NDArray[np.float64] = torch.cat([one.double().mean(dim=(2, 3))[0] for one in maps]).numpy()
        return means


def table_of(pixels: "NDArray[np.uint16]") -> TileTable:
    """Return tiles (n, tile, tile) of no image as a table."""
    return TileTable((), np.zeros(len(pixels), np.int64), np.arange(len(pixels)), ArrayTiles(pixels))


def fit_distance(network: nn.Module, means: "NDArray[np.float64]", components: int = COMPONENTS) -> WithDistance:
    """Return the network with the distance from some tiles, by their `mean_activations`.

    Parameters
    ----------
    network : nn.Module
        What the means are of.
    means : ndarray
        (n, c), n at least `FEWEST_TILES`.
    components : int
        Directions with their own variance; fewer if there are not as many channels.

    Raises
    ------
    TrainingError
        If there are too few tiles.
    """
    if len(means) < FEWEST_TILES:
        raise TrainingError(
            f"{len(means)} tiles are too few to fit the distance of other tiles to; {FEWEST_TILES} are needed",
            hint="Give more images.",
        )
    usual = means.mean(axis=0)
    usual = np.maximum(usual, max(SILENT_SHARE * float(usual.mean()), 1e-30))
    logarithms = np.log1p(means / usual)
    mean, deviation = logarithms.mean(axis=0), np.maximum(logarithms.std(axis=0), FLOOR)
    variances, directions = np.linalg.eigh(np.cov((logarithms - mean) / deviation, rowvar=False))
    variances, directions = variances[::-1].copy(), directions[:, ::-1]
    kept = min(components, len(variances) - 1)
    variances[kept:] = variances[kept:].mean()  # one for all: probabilistic PCA
    whitening = (directions / np.sqrt(np.maximum(variances, LEAST_VARIANCE))).T
    return WithDistance(network, usual, mean, deviation, whitening)


def distances_of(measuring: WithDistance, means: "NDArray[np.float64]") -> "NDArray[np.float32]":
    """Return the distances (n,) of tiles by their `mean_activations`, as the artefact computes them."""
    with torch.inference_mode():
        found: NDArray[np.float32] = measuring.distance(torch.from_numpy(means.astype(np.float32))).numpy()
    return found


def threshold_for(distances: "NDArray[np.float32]", false_flag_rate: float) -> float:
    """Return the smallest of the distances beyond which no more than a share of them lies.

    Raises
    ------
    TrainingError
        If there are too few: a rate of one in 100 takes 100 tiles.
    """
    needed = int(np.ceil(1.0 / false_flag_rate))
    if len(distances) < needed:
        raise TrainingError(
            f"a false-flag rate of {false_flag_rate:g} cannot be set on {len(distances)} tiles; {needed} are needed",
            hint="Give more images.",
        )
    return float(np.quantile(distances, 1.0 - false_flag_rate, method="higher"))


@dataclass(frozen=True, slots=True)
class OodFit:
    """A network with its distance from the training tiles."""

    network: WithDistance
    """In evaluation mode; shares the network that was measured."""
    record: UnlikeTraining
    """For the card."""
    held_out_distances: "NDArray[np.float32]"
    """(k,) of the held-out rows, in their order."""


def fit_ood_distance(
    network: nn.Module,
    tiles: TileTable,
    rows: "NDArray[np.int64] | Sequence[int]",
    held_out_rows: "NDArray[np.int64] | Sequence[int]",
    *,
    false_flag_rate: float = FALSE_FLAG_RATE,
    components: int = COMPONENTS,
    others: "Mapping[str, NDArray[np.uint16]] | None" = None,
    threads: int | None = None,
) -> OodFit:
    """Fit the distance to a network's training tiles, and set its threshold.

    Parameters
    ----------
    network : nn.Module
        Trained.
    tiles : TileTable
        The tiles.
    rows : sequence of int
        Those that the distance is fitted to.
    held_out_rows : sequence of int
        Those that the threshold is set on, best of other animals. If there are none, the threshold is set by cross-fit:
        each animal of `rows` by a distance that was fitted to the others.
    false_flag_rate : float
        Share of the held-out tiles beyond the threshold.
    components : int
        See `fit_distance`.
    others : mapping, optional
        Tiles (n, tile, tile) of other things, by what they are (`hcc_scope.training.ood_tiles`): the share of them that
        is flagged goes into the card.
    threads : int, optional
        All cores if not given. Changes the speed only.

    Returns
    -------
    OodFit

    Raises
    ------
    TrainingError
        If there are too few tiles.
    """
    fitted_to, held_out = np.asarray(rows, np.int64), np.asarray(held_out_rows, np.int64)
    means = mean_activations(network, tiles, fitted_to, threads=threads)
    measuring = fit_distance(network, means, components).eval()
    of_held_out: NDArray[np.float32] = np.zeros(0, np.float32)
    if len(held_out):
        distances = of_held_out = distances_of(measuring, mean_activations(network, tiles, held_out, threads=threads))
        measured_on = _describe_held_out(_animals(tiles, fitted_to), _animals(tiles, held_out))
    else:
        distances, measured_on = _cross_fitted(network, means, _animals(tiles, fitted_to), components)
    threshold = math.ceil(1e4 * threshold_for(distances, false_flag_rate)) / 1e4  # up: no tile more is flagged

    def share_beyond(pixels: "NDArray[np.uint16]") -> float:
        found = mean_activations(network, table_of(pixels), range(len(pixels)), threads=threads)
        return round(float((distances_of(measuring, found) > threshold).mean()), 4)

    record = UnlikeTraining(
        method=METHOD,
        components=min(components, means.shape[1] - 1),
        threshold=threshold,
        false_flag_rate=false_flag_rate,
        measured_on=measured_on,
        flagged={what: share_beyond(pixels) for what, pixels in (others or {}).items()},
    )
    return OodFit(measuring, record, of_held_out)


def _animals(tiles: TileTable, rows: "NDArray[np.int64]") -> "NDArray[np.str_]":
    """Return the animal of each row."""
    return np.array([image.animal_id for image in tiles.images])[tiles.image_index[rows]]


def _describe_held_out(fitted_to: "NDArray[np.str_]", held_out: "NDArray[np.str_]") -> str:
    if np.isin(held_out, fitted_to).any():
        return f"{len(held_out)} tiles of other images; some of their animals had tiles that the distance was fitted to"
    return f"{len(held_out)} tiles of {len(np.unique(held_out))} animals that the distance was not fitted to"


def _cross_fitted(
    network: nn.Module, means: "NDArray[np.float64]", animals: "NDArray[np.str_]", components: int
) -> "tuple[NDArray[np.float32], str]":
    """Return each tile's distance from the tiles of the other animals, and that in words."""
    names = np.unique(animals)
    if len(names) < 2:
        raise TrainingError(
            "the distance from the training tiles cannot be given a threshold: all tiles are of one animal",
            hint="Give images of more animals.",
        )
    distances = np.empty(len(means), np.float32)
    for name in names:
        own = animals == name
        distances[own] = distances_of(fit_distance(network, means[~own], components), means[own])
    return distances, f"{len(means)} training tiles of {len(names)} animals, each by a distance fitted to the others"
