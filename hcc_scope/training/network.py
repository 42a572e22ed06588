"""The paper's network, exactly: five convolutions, one fully connected layer, 10,642 parameters.

Meng, Gao, Wang, Tian, "Deep learning based classification for metastasis of hepatocellular carcinoma with microscopic
images", Proc. SPIE 10949, 109492L (2019), doi 10.1117/12.2512214.
"""

# TorchScript reads the annotations below at run time, so they must not become strings ("from __future__ ...").
import torch
from torch import Tensor, nn

from hcc_scope.inference.normalisation import mean_stretching

__all__ = ["COUNT_SCALE", "FEATURES", "TILE_PX", "Meng2019"]

TILE_PX = 512
MAPS = (16, 16, 16, 8, 8)
FEATURES = MAPS[-1] * (TILE_PX // 2 ** len(MAPS)) ** 2
"""8 x 16 x 16 = 2048 nodes before the fully connected layer."""
COUNT_SCALE = 2.0**-13
"""About 8 over the full scale of 65535. Multiplying the input by a constant is the same as rescaling the first
layer's weights; a power of two rounds nothing. It is there because optimisers expect inputs of about unit size."""


class Meng2019(nn.Module):
    """Raw counts to logits, with mean stretching (eq. 1, 2) inside the graph."""

    count_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 1
        for n_out in MAPS:
            # 1 is "same" for a 3 x 3 kernel; the word itself breaks TorchScript's inference optimiser
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            n_in = n_out
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(FEATURES, 2)
        self.register_buffer("count_scale", torch.tensor(COUNT_SCALE))
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
            (n, 2), columns *low*, *high*.
        features : Tensor
            (n, 2048), the last hidden layer.
        """
        stretched = mean_stretching(counts) * self.count_scale  # (n, 1, 512, 512)
        maps = self.convolutions(stretched)  # (n, 8, 16, 16)
        features = maps.flatten(1)  # (n, 2048)
        # A matrix product is split over threads along the sum, so its last bits would depend on their number.
        # This sum is not, and costs nothing here.
        logits = (features.unsqueeze(1) * self.output.weight).sum(dim=-1) + self.output.bias  # (n, 2)
        return logits, features
