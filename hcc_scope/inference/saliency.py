"""Saliency maps: the gradient of the class score with respect to the pixels of a tile.

Method: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", ICLR 2014 workshop, as Meng et al. 2019 use
it; smoothed after Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.

A map shows where a small change of a count would change the answer, not why; it is no proof that the model looks at the
right thing. It is computed from the TorchScript artefact itself in float32, whichever engine classified the tile.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import torch

from hcc_scope.errors import ModelError
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.inference.output_checks import SMALLEST_PROBABILITY, last_line, wrong_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["saliency"]

_NOISE = 0.1
"""Standard deviation of the noise as a share of the tile's range of counts: within Smilkov's 0.1 to 0.2."""
_SEED = 20_190_512
_one_at_a_time = threading.Lock()
"""TorchScript's executor profiles while it runs; two threads in the same graph would disturb each other."""


def saliency(
    module: torch.jit.ScriptModule,
    tile: NDArray[np.uint16],
    smooth: int = 0,
    *,
    external_scale: float | None = None,
    probabilities: bool = False,
    what: str = "the model",
) -> NDArray[np.float32]:
    """Return how strongly the log-odds of *high* against *low* depend on each count.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        As `hcc_scope.inference.torchscript.parse` returns it.
    tile : (h, w) uint16
        Raw counts.
    smooth : int
        Number of noisy copies of the tile over which the gradient is averaged; 0 takes the tile as it is. The noise is
        the same every time.
    external_scale : float, optional
        The card's ``count_scale``, for a model whose normalisation is not inside.
    probabilities : bool
        Whether a softmax is inside the graph.
    what : str
        What a message calls the model.

    Returns
    -------
    (h, w) float32
        Magnitude of the gradient, in logits per count, 0 or more. It is the same for both classes.

    Raises
    ------
    ModelError
        If the model fails, or gives no gradient.
    ValueError
        If the tile has not two dimensions, or `smooth` is negative.
    """
    if tile.ndim != 2:
        raise ValueError(f"expected a tile (h, w), not {tile.shape}")
    if smooth < 0:
        raise ValueError(f"smooth must not be negative, not {smooth}")
    counts = tile.astype(np.float32)  # (h, w)
    if smooth == 0:
        gradient = _gradient(module, counts, external_scale, what, probabilities=probabilities)
    else:
        noise = np.random.default_rng(_SEED)
        sigma = _NOISE * float(counts.max() - counts.min())
        total = np.zeros(counts.shape, dtype=np.float64)
        for _ in range(smooth):
            noisy = counts + noise.normal(0.0, sigma, counts.shape).astype(np.float32)
            total += _gradient(module, noisy, external_scale, what, probabilities=probabilities)
        gradient = (total / smooth).astype(np.float32)
    return np.abs(gradient)


def _gradient(
    module: torch.jit.ScriptModule,
    counts: NDArray[np.float32],
    external_scale: float | None,
    what: str,
    *,
    probabilities: bool,
) -> NDArray[np.float32]:
    """Return the signed gradient (h, w) of the log-odds."""
    with _one_at_a_time, torch.inference_mode(mode=False), torch.enable_grad():
        inputs = torch.from_numpy(counts.copy())[None, None].requires_grad_()  # (1, 1, h, w)
        stretched = inputs if external_scale is None else mean_stretching(inputs) * external_scale
        try:
            output = module(stretched)
        except (RuntimeError, torch.jit.Error) as error:
            raise ModelError(f"{what} failed on a tile: {last_line(error)}") from error
        logits = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (1, 2):
            found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise wrong_output(what, found)
        if probabilities:
            logits = logits.clamp_min(SMALLEST_PROBABILITY).log()
        try:
            (gradient,) = torch.autograd.grad(logits[0, 1] - logits[0, 0], inputs)
        except RuntimeError as error:
            raise ModelError(
                f"{what} gives no gradient: {last_line(error)}", hint="Export it without detaching its input."
            ) from error
    slope = np.asarray(gradient[0, 0].numpy(), dtype=np.float32)
    if not np.isfinite(slope).all():
        raise ModelError(f"{what} has a gradient that is no finite number on this tile")
    return slope
