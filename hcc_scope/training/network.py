"""The networks: the paper's, exactly, and a modern one of similar cost.

Both take raw counts and return logits and the last hidden layer, and both can be scripted. In evaluation a tile's
result depends on that tile alone, and bit for bit so if it is given alone: kernels differ with the size of the batch.
`stages` and `head` are parts of ``forward`` that a larger module can be built on (one that also measures how unlike the
training tiles a tile is); `pooled_first` computes the same maps in an order that is faster.
"""

# TorchScript reads the annotations below at run time, so they must not become strings ("from __future__ ...").
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hcc_scope.inference.normalisation import mean_stretching

if TYPE_CHECKING:
    from hcc_scope.training.config import NetworkName

__all__ = [
    "COUNT_SCALE",
    "FEATURES",
    "TILE_PX",
    "Compact",
    "Meng2019",
    "Network",
    "count_scale_for",
    "make_network",
    "stage_maps",
]

TILE_PX = 512
MAPS = (16, 16, 16, 8, 8)
FEATURES = MAPS[-1] * (TILE_PX // 2 ** len(MAPS)) ** 2
"""8 x 16 x 16 = 2048 nodes before the fully connected layer."""
COUNT_SCALE = 2.0**-13
"""About 8 over the full scale of 65535. Multiplying the input by a constant is the same as rescaling the first
layer's weights; a power of two rounds nothing. It is there because optimisers expect inputs of about unit size."""
COMPACT_MAPS = (16, 16, 32, 48, 64)
MOMENTUM = 0.05
"""Share of one batch in the running averages of the normalisation."""


class Network(Protocol):
    """What both networks offer, beside being an `nn.Module`."""

    def __call__(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, n_outputs) and features (n, n_features) of raw counts (n, 1, 512, 512)."""

    def stages(self, counts: Tensor) -> list[Tensor]:
        """Return the five pooled maps (n, channels, y, x), first to last. Scriptable."""

    def head(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and features from the last of the `stages`. Scriptable."""

    def pooled_first(self, counts: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last of the `stages`, in the order of operations that is fast, and what `absorb` takes."""

    def absorb(self, moments: list[Tensor]) -> None:
        """Move the running means and variances a step towards those of one batch."""


def count_scale_for(bit_depth: int) -> float:
    """Return 8 / 2**bit_depth, a power of two: counts of any camera become numbers of about unit size."""
    return 8.0 * 2.0**-bit_depth


class Meng2019(nn.Module):
    """Raw counts to logits, with mean stretching (eq. 1, 2) inside the graph: 10,642 parameters for two outputs.

    Meng, Gao, Wang, Tian, "Deep learning based classification for metastasis of hepatocellular carcinoma with
    microscopic images", Proc. SPIE 10949, 109492L (2019), doi 10.1117/12.2512214.

    Parameters
    ----------
    n_outputs : int
        Two in the paper.
    count_scale : float
        As `count_scale_for` returns it.
    """

    count_scale: Tensor

    def __init__(self, n_outputs: int = 2, count_scale: float = COUNT_SCALE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 1
        for n_out in MAPS:
            # 1 is "same" for a 3 x 3 kernel; the word itself breaks TorchScript's inference optimiser
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            n_in = n_out
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(FEATURES, n_outputs)
        self.register_buffer("count_scale", torch.tensor(count_scale))
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                # He et al. 2015: keeps the variance through the ReLUs; torch's default loses it in five layers
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Classify tiles.

        Parameters
        ----------
        counts : Tensor
            (n, 1, 512, 512) raw counts of any real dtype.

        Returns
        -------
        logits : Tensor
            (n, n_outputs); of two the columns are *low*, *high*.
        features : Tensor
            (n, 2048), the last hidden layer.
        """
        stretched = mean_stretching(counts) * self.count_scale  # (n, 1, 512, 512)
        return self.head(self.convolutions(stretched))

    def head(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and features from the last maps (n, 8, 16, 16)."""
        features = last.flatten(1)  # (n, 2048)
        # A matrix product is split over threads along the sum, so its last bits would depend on their number.
        # This sum is not, and costs nothing here.
        logits = (features.unsqueeze(1) * self.output.weight).sum(dim=-1) + self.output.bias  # (n, n_outputs)
        return logits, features

    @torch.jit.export
    def stages(self, counts: Tensor) -> list[Tensor]:
        """Return the pooled maps of all five stages, (n, 16, 256, 256) to (n, 8, 16, 16)."""
        maps: list[Tensor] = []
        x = mean_stretching(counts) * self.count_scale
        for i, layer in enumerate(self.convolutions):
            x = layer(x)
            if i % 3 == 2:
                maps.append(x)
        return maps

    @torch.jit.unused
    def pooled_first(self, counts: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps; pooled before the ReLU, which changes no value and leaves it a quarter of the work."""
        x = mean_stretching(counts) * self.count_scale
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                x = functional.relu_(functional.max_pool2d(layer(x), 2))
        return x, []

    @torch.jit.unused
    def absorb(self, moments: list[Tensor]) -> None:
        """Do nothing: it has no normalisation layers."""


class Compact(nn.Module):
    """A modern network of similar cost: relative contrast, batch normalisation, global average pooling.

    The input is each tile's mean-stretched counts divided by its mean, so that exposure and gain hardly matter, and the
    bit depth not at all.

    A stage is convolution, 2 x 2 max-pooling, batch normalisation, ReLU. The normalisation has a learnt shift but no
    learnt scale: the next convolution can scale. Its factor is therefore positive and passes through maximum and ReLU,
    so that for inference the same values come out of convolution, normalisation, ReLU, pooling, and there the
    normalisation melts into the convolution's weights. While training it sees a quarter of the pixels.

    Parameters
    ----------
    n_outputs : int
        Two for *low*, *high*.
    """

    def __init__(self, n_outputs: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 1
        for n_out in COMPACT_MAPS:
            norm = nn.BatchNorm2d(n_out)
            norm.weight.requires_grad_(False)  # stays 1
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), norm, nn.ReLU(), nn.MaxPool2d(2)]
            n_in = n_out
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(COMPACT_MAPS[-1], n_outputs)
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Classify tiles.

        Parameters
        ----------
        counts : Tensor
            (n, 1, 512, 512) raw counts of any real dtype.

        Returns
        -------
        logits : Tensor
            (n, n_outputs); of two the columns are *low*, *high*.
        features : Tensor
            (n, 64), the means of the last maps.
        """
        return self.head(self.convolutions(self.contrast(counts)))

    def contrast(self, counts: Tensor) -> Tensor:
        """Return (n, 1, y, x) float32: mean-stretched counts over the tile's mean; of a black tile, over one count."""
        mean = (
            counts.to(torch.float64).mean(dim=-1, keepdim=True).mean(dim=-2, keepdim=True)
        )  # exact, see mean_stretching
        return mean_stretching(counts) / mean.clamp_min(1.0).to(torch.float32)

    def head(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and features from the last maps (n, 64, 16, 16)."""
        features = last.mean(dim=-1).mean(dim=-1)  # (n, 64)
        logits = (features.unsqueeze(1) * self.output.weight).sum(dim=-1) + self.output.bias  # as in Meng2019
        return logits, features

    @torch.jit.export
    def stages(self, counts: Tensor) -> list[Tensor]:
        """Return the pooled maps of all five stages, (n, 16, 256, 256) to (n, 64, 16, 16)."""
        maps: list[Tensor] = []
        x = self.contrast(counts)
        for i, layer in enumerate(self.convolutions):
            x = layer(x)
            if i % 4 == 3:
                maps.append(x)
        return maps

    @torch.jit.unused
    def pooled_first(self, counts: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and while it trains mean and 1/sqrt(variance + eps) of each normalisation.

        The running averages are left as they are, so that several threads may each work on a part of a batch.
        """
        x = self.contrast(counts)
        moments: list[Tensor] = []
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                x = functional.max_pool2d(layer(x), 2)
            elif isinstance(layer, nn.BatchNorm2d):
                if self.training:
                    x, mean, inverse_sd = torch.native_batch_norm(
                        x, layer.weight, layer.bias, None, None, True, 0.0, layer.eps
                    )
                    moments += [mean.detach(), inverse_sd.detach()]
                else:
                    x = layer(x)
                x = functional.relu_(x)
        return x, moments

    @torch.jit.unused
    def absorb(self, moments: list[Tensor]) -> None:
        """Move the running averages towards the moments of one (part of a) batch."""
        norms = [layer for layer in self.convolutions if isinstance(layer, nn.BatchNorm2d)]
        for norm, mean, inverse_sd in zip(norms, moments[::2], moments[1::2], strict=True):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert norm.num_batches_tracked is not None
            # the first ones are averaged evenly: a short training would else keep some of the initial 0 and 1
            share = max(MOMENTUM, 1.0 / (1.0 + float(norm.num_batches_tracked)))
            norm.running_mean.lerp_(mean.float(), share)
            norm.running_var.lerp_(inverse_sd.float().pow(-2).sub(norm.eps), share)
            norm.num_batches_tracked += 1


def make_network(name: "NetworkName", *, n_outputs: int = 2, bit_depth: int = 16, seed: int = 0) -> nn.Module:
    """Return a network with its first weights, in training mode, on the CPU.

    Parameters
    ----------
    name : {"meng2019", "compact"}
        Which one.
    n_outputs : int
        Columns of the logits.
    bit_depth : int
        Of the counts.
    seed : int
        Decides the first weights; torch's global generator is left unchanged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Meng2019(n_outputs, count_scale_for(bit_depth)) if name == "meng2019" else Compact(n_outputs)


def stage_maps(network: nn.Module, counts: Tensor) -> list[Tensor]:
    """Return the pooled maps (n, channels, y, x) of the five stages of either network, first to last."""
    return cast("Network", network).stages(counts)
