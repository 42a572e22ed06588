"""A model as other programs can use it: raw counts to calibrated probabilities, everything inside the graph."""

# TorchScript reads the annotations below at run time, so they must not become strings ("from __future__ ...").
import torch
from torch import Tensor, nn

from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.inference.output_checks import SMALLEST_PROBABILITY

__all__ = ["FirstOf", "Probabilities"]


class FirstOf(nn.Module):
    """The logits of a model that returns several things.

    Parameters
    ----------
    inner : torch.jit.ScriptModule
        Returns a tuple, logits first.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, counts: Tensor) -> Tensor:
        """Return logits (n, 2)."""
        logits: Tensor = self.inner(counts)[0]
        return logits


class Probabilities(nn.Module):
    """Counts to the calibrated probabilities of *low* and *high*, as HCC-Scope computes them from the logits.

    Parameters
    ----------
    inner : torch.jit.ScriptModule
        Returns logits (n, 2) alone.
    temperature : float
        The card's.
    external_scale : float or None
        The card's ``count_scale`` if mean stretching has to be applied before the model; None if it is inside.
    softmax_inside : bool
        Whether `inner` returns probabilities instead of logits.
    """

    def __init__(
        self, inner: nn.Module, temperature: float, external_scale: float | None, *, softmax_inside: bool = False
    ) -> None:
        super().__init__()
        self.inner = inner
        self.temperature = temperature
        self.softmax_inside = softmax_inside
        self.smallest = SMALLEST_PROBABILITY
        self.external = external_scale is not None
        self.scale = 1.0 if external_scale is None else external_scale

    def forward(self, counts: Tensor) -> Tensor:
        """Return (n, 2) float32: probabilities of *low* and *high*, summing to 1.

        Parameters
        ----------
        counts : Tensor
            (n, 1, tile, tile) raw counts of any real dtype.
        """
        x = counts
        if self.external:
            x = mean_stretching(counts) * self.scale
        logits: Tensor = self.inner(x)
        if self.softmax_inside:
            logits = logits.clamp_min(self.smallest).log()
        return torch.softmax(logits.to(torch.float64) / self.temperature, dim=1).to(torch.float32)
