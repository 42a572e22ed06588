"""Mean stretching, the paper's only normalisation, in a form whose bits depend on nothing but the tile.

Meng et al. 2019, eq. 1: ``m = 1/N^2 * sum f`` with N = 512; eq. 2: ``f_S = f - m``.
"""

# TorchScript reads the annotations below at run time, so they must not become strings ("from __future__ ...").
import torch
from torch import Tensor

__all__ = ["mean_stretching"]


def mean_stretching(counts: Tensor) -> Tensor:
    """Subtract each tile's own mean (eq. 1, 2).

    Parameters
    ----------
    counts : Tensor
        (n, 1, y, x), raw counts of any real dtype.

    Returns
    -------
    Tensor
        (n, 1, y, x) float32, in counts, each tile with mean 0.

    Notes
    -----
    The sum of up to 2**37 counts of 16 bits is exact in float64, in any order, and for a tile of 512 x 512 so are
    the mean (a division by 2**18) and the difference. The result is therefore rounded once, is the same whatever the
    number of threads and the batch, and a constant added to all counts changes no bit of it. The mean is taken along
    rows first because torch splits a single-output sum over its threads, which would matter for counts that are not
    whole numbers.
    """
    exact = counts.to(torch.float64)
    mean = exact.mean(dim=-1, keepdim=True).mean(dim=-2, keepdim=True)  # (n, 1, 1, 1)
    return (exact - mean).to(torch.float32)
