"""Boxes on the map: left, top, width and height in stage um."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ui.canvas.viewport import Box

__all__ = ["box_around", "box_of", "box_of_boxes"]


def box_around(centre_um: Sequence[float], size_um: tuple[float, float]) -> Box:
    """Return the box of a width and height around a place x, y."""
    (x, y), (width, height) = centre_um, size_um
    return x - width / 2, y - height / 2, width, height


def box_of(points_um: NDArray[np.float64]) -> Box:
    """Return the smallest box that holds points (n, 2)."""
    (left, top), (right, bottom) = points_um.min(axis=0).tolist(), points_um.max(axis=0).tolist()
    return left, top, right - left, bottom - top


def box_of_boxes(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that holds all."""
    return box_of(
        np.array([one for left, top, width, height in boxes for one in ((left, top), (left + width, top + height))])
    )
