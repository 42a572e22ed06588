"""Check that saliency maps depend on what a network learnt: the model-randomisation test.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: the weights are drawn anew layer by layer, from the
output back, and the map of each such network is compared with that of the trained one. Maps that stay as they were show
the structure of the image, whatever was learnt. The comparison is the rank correlation of magnitudes (Spearman).

Two controls go with it: the edges of the image, which know nothing of any weights, and the map against itself shifted,
which keeps the map's own graininess and leaves chance.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy.ndimage import sobel
from scipy.stats import rankdata
from torch import nn

from hcc_scope.errors import ModelFormatError
from hcc_scope.inference.output_checks import last_line
from hcc_scope.inference.saliency import saliency
from hcc_scope.inference.torchscript import parse
from hcc_scope.training.export import to_torchscript
from hcc_scope.training.network import make_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from hcc_scope.training.config import NetworkName

__all__ = ["AS_TRAINED", "SanityCheck", "cascade", "check_map", "module_of", "networks_of", "verdict"]

AS_TRAINED = "as trained"
_SHIFTS = 8
_LITTLE, _MUCH = 0.2, 0.5
"""Where `verdict` draws its lines, between 0 (chance) and 1 (the same map). Ours; Adebayo et al. give none."""


@dataclass(frozen=True, slots=True)
class SanityCheck:
    """What became of one tile's map."""

    steps: tuple[str, ...]
    """`AS_TRAINED`, then the layers in the order in which their weights were drawn anew."""
    maps: NDArray[np.float32]
    """(steps, h, w)."""
    correlations: NDArray[np.float64]
    """(steps,) Spearman's, of each map with the first; the first is 1."""
    edges: float
    """Spearman's, of the first map with the magnitude of the tile's Sobel gradient."""
    chance: NDArray[np.float64]
    """(k,) Spearman's, of the first map with itself, shifted around the tile's edge by amounts drawn at random."""


def cascade(network: nn.Module, fresh: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the network as it is, then with one more layer of `fresh` each time, the last layer first.

    Layers are those with a matrix or kernel of weights, in the order in which the network registers them; what lies
    between two of them (normalisation with its running statistics) goes with the one before. The last network yielded
    is `fresh`, as far as anything in it is learnt.

    Parameters
    ----------
    network : torch.nn.Module
        As trained; left as it is.
    fresh : torch.nn.Module
        The same network before training, from another seed.
    """
    current = copy.deepcopy(network).eval()
    yield AS_TRAINED, current
    sources = dict(fresh.named_modules())
    for words, names in reversed(_layers(network)):
        current = copy.deepcopy(current)
        targets = dict(current.named_modules())
        for name in names:
            targets[name].load_state_dict(sources[name].state_dict())
        yield words, current.eval()


def _layers(network: nn.Module) -> list[tuple[str, list[str]]]:
    """Return, from first to last, what each layer is called and the names of its modules."""
    layers: list[tuple[str, list[str]]] = []
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    seen = 0
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if any(True for _ in module.children()) or not (own or list(module.buffers(recurse=False))):
            continue
        if any(parameter.ndim > 1 for parameter in own):
            if isinstance(module, nn.Conv2d):
                seen += 1
                words = "convolution" if convolutions == 1 else f"convolution {seen}"
            else:
                words = name.rpartition(".")[2] or type(module).__name__
            layers.append((words, [name]))
        elif layers:
            layers[-1][1].append(name)
    return layers


def module_of(network: nn.Module) -> torch.jit.ScriptModule:
    """Return the network's artefact, parsed: what saliency is computed from."""
    return parse(to_torchscript(network), "the network")


def networks_of(name: NetworkName, weights: Path, bit_depth: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """Return a network with its weights, and the same before training, from another seed.

    Parameters
    ----------
    name : str
        Of the network.
    weights : Path
        ``weights.safetensors``.
    bit_depth : int
        Of the images that it was trained on.
    seed : int
        Of the fresh weights.

    Raises
    ------
    ModelFormatError
        If the weights are not there, or are not those of this network.
    """
    trained = make_network(name, bit_depth=bit_depth)
    try:
        trained.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFormatError(f"{weights} does not hold the weights of {name}: {last_line(error)}") from error
    return trained, make_network(name, bit_depth=bit_depth, seed=seed)


def check_map(network: nn.Module, fresh: nn.Module, tile: NDArray[np.uint16], smooth: int = 0) -> SanityCheck:
    """Draw the weights anew, layer by layer, and compare the maps.

    Parameters
    ----------
    network, fresh : torch.nn.Module
        See `cascade`.
    tile : (h, w) uint16
        Raw counts.
    smooth : int
        As for `hcc_scope.inference.saliency.saliency`.
    """
    steps: list[str] = []
    maps: list[NDArray[np.float32]] = []
    for step, one in cascade(network, fresh):
        steps.append(step)
        maps.append(saliency(module_of(one), tile, smooth))
    counts = tile.astype(np.float32)
    edges = np.hypot(sobel(counts, axis=0), sobel(counts, axis=1))
    rng = np.random.default_rng(len(steps))
    height, width = tile.shape
    shifts = zip(
        rng.integers(height // 4, max(height // 4 + 1, 3 * height // 4), _SHIFTS).tolist(),
        rng.integers(width // 4, max(width // 4 + 1, 3 * width // 4), _SHIFTS).tolist(),
        strict=True,
    )
    ranks = _ranks(maps[0])
    return SanityCheck(
        steps=tuple(steps),
        maps=np.stack(maps),
        correlations=np.array([1.0, *(_pearson(ranks, _ranks(one)) for one in maps[1:])]),
        edges=_pearson(ranks, _ranks(edges)),
        chance=np.array([_pearson(ranks, np.roll(ranks, shift, (0, 1))) for shift in shifts]),
    )


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(rankdata(values.ravel()), np.float64).reshape(values.shape)


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def verdict(checks: Sequence[SanityCheck]) -> str:
    """Return whether the maps depend on the weights, with the figures that it rests on."""
    if not checks:
        return "Not checked: there is no map."
    end = float(np.mean([check.correlations[-1] for check in checks]))
    edges = float(np.mean([check.edges for check in checks]))
    if abs(end) < _LITTLE:
        finding = "The maps depend on the weights"
    elif abs(end) < _MUCH:
        finding = "The maps depend on the weights in part, and in part on the image alone"
    else:
        finding = "The maps depend little on the weights: they show the image rather than what was learnt"
    tiles = "1 tile" if len(checks) == 1 else f"{len(checks)} tiles"
    return (
        f"{finding}: with all weights drawn anew their rank correlation with the original maps is {end:.2f} "
        f"(the image's edges: {edges:.2f}; 1 is the same map; mean of {tiles})."
    )
