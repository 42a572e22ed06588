"""Estimate a flat field from stored fields of tissue, for a rig that has no reference.

Fields at random places hold tissue in every part of the image equally often, so the trimmed mean of many, each divided
by its own mean, is the light; a polynomial of degree 2 keeps what a lamp and a condenser do and drops the tissue. It is
worth less than a measured one: whatever the fields share (an edge of the section, a fold) is taken for light. It is
accepted only if the two halves of the fields agree, and is marked as estimated wherever it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted
from hcc_scope.shading.making import SATURATED_SHARE, Refusal
from hcc_scope.shading.reference import Reference
from hcc_scope.shading.smooth import block_means, polynomial_field

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from numpy.typing import NDArray

    from hcc_scope.shading.reference import Settings

__all__ = ["LEAST_FIELDS", "estimate_flat", "even_dark"]

LEAST_FIELDS = 50
_BLOCKS = 32
"""Along the longer side: what the polynomial is fitted to."""
_DEGREE = 2
"""A higher one follows the tissue into the corners; this one leaves a percent of a vignette of 25 %."""
_TRIMMED = 0.1
"""Share of the darkest and of the brightest fields that is left out, place by place: folds, bubbles, bare glass."""
_HALVES = 0.04
"""Largest difference between the light of the two halves, anywhere; that of all is off by about half of it."""
_LOWEST = 0.2
"""Of the mean light; a lower value is no vignette."""


def even_dark(settings: Settings, t_utc: datetime | None = None) -> Reference:
    """Return a dark field of 0 counts, for a rig without one: the camera's offset is then taken for light."""
    return Reference.of_map("dark", np.zeros(settings.shape_yx), settings, shots=0, estimated=True, t_utc=t_utc)


def estimate_flat(
    fields: Iterable[NDArray[np.uint16]], dark: Reference, settings: Settings, t_utc: datetime | None = None
) -> Reference | Refusal:
    """Return a flat field estimated from fields of tissue, or why there is none.

    Parameters
    ----------
    fields : iterable of (y, x) uint16
        Raw counts, at places of the section that were chosen at random.
    dark : Reference
        Subtracted from them.
    settings : Settings
        Of the rig while they were acquired.
    t_utc : datetime, optional
        When the newest of them was acquired: the estimate is as old. Now by default.
    """
    from scipy.stats import trim_mean  # takes a third of a second, at every start of a section and of the window

    height, width = settings.shape_yx
    side = max(1, max(height, width) // _BLOCKS)
    of_dark = block_means(dark.values, side)
    stack = []
    n_saturated = 0
    for pixels in fields:
        if float((pixels >= 2**settings.bit_depth - 1).mean()) > SATURATED_SHARE:
            n_saturated += 1  # the middle of the image is cut there, and would look as dark as its corners
            continue
        light = block_means(pixels, side) - of_dark
        mean = float(light.mean())
        if mean > 0:
            stack.append(light / mean)
    if len(stack) < LEAST_FIELDS:
        return Refusal(
            "flat",
            f"an estimate takes at least {counted(LEAST_FIELDS, 'field')}, and there are {len(stack)}"
            + (f" besides {n_saturated} that are saturated" if n_saturated else ""),
            "Name more stores of the same settings.",
        )
    all_blocks = np.stack(stack)
    first, second, whole = (
        _light(trim_mean(part, _TRIMMED, axis=0), side, settings.shape_yx)
        for part in (all_blocks[::2], all_blocks[1::2], all_blocks)
    )
    apart = float(np.abs(first / second - 1).max())
    if whole.min() < _LOWEST or not apart <= _HALVES:
        return Refusal(
            "flat",
            f"the two halves of the fields give light that differs by up to {apart:.1%}",
            "Name more stores, of sections that fill their fields, or take a flat field of blank glass.",
        )
    return Reference.of_map(
        "flat",
        whole,
        settings,
        shots=len(stack),
        estimated=True,
        dark_sha256=dark.manifest.pixels_sha256,
        t_utc=t_utc,
    )


def _light(blocks: NDArray[np.float64], block_px: int, shape_yx: tuple[int, int]) -> NDArray[np.float64]:
    """Return the smooth light (y, x) through the means of blocks, with mean 1."""
    field = polynomial_field(blocks, block_px, shape_yx, _DEGREE)
    field /= field.mean()
    return field
