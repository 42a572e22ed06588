"""How nuclei lie beside each other: two arrangements that only three nuclei or more at a time tell apart.

Nuclei grow in groups of four sites. In a *nested* group all four sites are taken (one group in three) or a single one;
in an *open* group three are taken (two groups in three) or none. Both have two nuclei on average, with a variance of
two. Which sites are taken is drawn with equal chances, so the density of nuclei, and the density of pairs of nuclei at
any distance and direction, are the same in both: with n of four sites taken, two given sites are both taken with the
probability E[n (n - 1)] / 12, and mean and variance of n decide it. The third moment differs: nests of four among
single nuclei, or nests of three among gaps. The same nuclei are drawn in both. So grey level, histogram and
what compares two pixels hardly change, and a network that sees some 30 um at once can tell the two apart.

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
_HEIGHT = math.sqrt(0.75) * _SPACING_UM
SITES_UM = np.array([(-0.5 * _SPACING_UM, 0.0), (0.5 * _SPACING_UM, 0.0), (0.0, _HEIGHT), (0.0, -_HEIGHT)])
"""(site, x y) of a group around its centre: two triangles with a side in common."""
SITES_PER_GROUP = len(SITES_UM)
NESTED = {4: 1 / 3, 1: 2 / 3}
"""Chance of each number of taken sites in a nested group."""
OPEN = {0: 1 / 3, 3: 2 / 3}
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
        Two nuclei for each group on average; every group is turned at random.
    """
    rare = rng.random(x_um.size) < 1 / 3
    (many, one), (none, three) = NESTED, OPEN
    taken = np.where(nested, np.where(rare, many, one), np.where(rare, none, three))
    rank = rng.random((x_um.size, SITES_PER_GROUP)).argsort(axis=1)
    turn = rng.uniform(0.0, 2.0 * math.pi, x_um.size)[:, None]
    off = rng.normal(0.0, _MEMBER_SD_UM, (2, x_um.size, SITES_PER_GROUP))
    here = rank < taken[:, None]
    x = x_um[:, None] + SITES_UM[:, 0] * np.cos(turn) - SITES_UM[:, 1] * np.sin(turn) + off[0]
    y = y_um[:, None] + SITES_UM[:, 0] * np.sin(turn) + SITES_UM[:, 1] * np.cos(turn) + off[1]
    return x[here], y[here]
