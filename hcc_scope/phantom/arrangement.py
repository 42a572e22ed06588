"""How nuclei lie beside each other: two arrangements that only three nuclei or more at a time tell apart.

Nuclei grow in groups of seven sites, one in the middle of six. In a *nested* group all seven sites are taken (three
groups in ten) or two; in an *open* group five are taken (seven groups in ten) or none. Both have 3.5 nuclei on average,
with a variance of 5.25. Which sites are taken is drawn with equal chances, so the density of nuclei, and the density of
pairs of nuclei at any distance and direction, are the same in both: with n of seven sites taken, two given sites are
both taken with the probability E[n (n - 1)] / 42, which mean and variance of n decide. The third moment differs: full
nests among pairs of nuclei, or half-filled groups among gaps. The same nuclei are drawn in both. So the mean grey does
not change; the histogram and what compares two pixels change little (where nuclei overlap, light is not the sum of its
parts); and a network that sees some 30 um at once can tell the two apart.

The idea is that of textures with equal statistics of second order: Julesz, Gilbert, Victor, "Visual discrimination of
textures with identical third-order statistics", Biological Cybernetics 31 (1978) 137.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NESTED", "OPEN", "SITES_PER_GROUP", "SITES_UM", "group_pitch_um", "nuclei_of_groups"]

_SPACING_UM = 7.2
"""Between neighbouring sites of a group: nuclei of usual size just touch."""
SITES_UM = _SPACING_UM * np.array(
    [(0.0, 0.0), *((math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6))]
)
"""(site, x y) of a group around its centre: a hexagon and its middle."""
SITES_PER_GROUP = len(SITES_UM)
NESTED = {7: 0.3, 2: 0.7}
"""Chance of each number of taken sites in a nested group."""
OPEN = {0: 0.3, 5: 0.7}
"""The same of an open group: mean and variance are those of `NESTED`."""
_MEMBER_SD_UM = 0.4
"""How far a nucleus lies from its site, along each axis."""


def group_pitch_um(site_pitch_um: float) -> float:
    """Return the distance of the groups' centres at which there are as many nuclei as sites of that pitch."""
    return site_pitch_um * math.sqrt(sum(n * chance for n, chance in NESTED.items()))


def nuclei_of_groups(
    rng: np.random.Generator, x_um: NDArray[np.float64], y_um: NDArray[np.float64], nested: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of all nuclei of some groups.

    Parameters
    ----------
    rng : Generator
    x_um, y_um : (n,) ndarray
        The groups' centres.
    nested : (n,) ndarray of bool
        Which arrangement each group has.

    Returns
    -------
    x_um, y_um : (k,) ndarray
        3.5 nuclei for each group on average; every group is turned at random.
    """
    taken = np.where(nested, *(rng.choice(list(kind), x_um.size, p=list(kind.values())) for kind in (NESTED, OPEN)))
    rank = rng.random((x_um.size, SITES_PER_GROUP)).argsort(axis=1)
    turn = rng.uniform(0.0, 2.0 * math.pi, x_um.size)[:, None]
    off = rng.normal(0.0, _MEMBER_SD_UM, (2, x_um.size, SITES_PER_GROUP))
    here = rank < taken[:, None]
    x = x_um[:, None] + SITES_UM[:, 0] * np.cos(turn) - SITES_UM[:, 1] * np.sin(turn) + off[0]
    y = y_um[:, None] + SITES_UM[:, 0] * np.sin(turn) + SITES_UM[:, 1] * np.cos(turn) + off[1]
    return x[here], y[here]
