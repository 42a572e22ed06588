"""How the camera lay over the stage, as Micro-Manager states it with each image: its pixel size affine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcc_scope.orientation import NOT_TURNED, Orientation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hcc_scope.orientation import Matrix
    from hcc_scope.types import TagValue

__all__ = ["camera_axes", "common_axes"]

_AFFINE = "PixelSizeAffine"
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_LONGEST = 300


def camera_axes(tags: Mapping[str, TagValue]) -> Matrix | None:
    """Return the turn from the camera's axes to the stage's, from the tags of an image; None if they state none.

    Micro-Manager writes the six numbers of the affine row by row, and zeros where it was never measured.

    Examples
    --------
    >>> camera_axes({"PixelSizeAffine": "0.0;-0.325;0.0;0.325;0.0;0.0"})
    (0.0, -1.0, 1.0, 0.0)
    >>> camera_axes({"PixelSizeAffine": "AffineTransform[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]"})
    (1.0, 0.0, 0.0, 1.0)
    >>> camera_axes({"PixelSizeAffine": "0;0;0;0;0;0"}) is None
    True
    """
    text = tags.get(_AFFINE)
    found = _NUMBER.findall(text) if isinstance(text, str) and len(text) <= _LONGEST else []
    if len(found) != 6:
        return None
    a, b, _, c, d, _ = map(float, found)
    try:
        return Orientation.from_affine((a, b, c, d))[0].matrix
    except ValueError:
        return None


def common_axes(stated: Sequence[Matrix | None]) -> tuple[Matrix, str | None]:
    """Return how the camera lay in all sources, and half a sentence if they do not agree: then it counts as not turned.

    Examples
    --------
    >>> common_axes([None, None])
    ((1.0, 0.0, 0.0, 1.0), None)
    >>> common_axes([(0.0, -1.0, 1.0, 0.0), None])[1]
    'the sources do not agree on how the camera lay over the stage, so it counts as not turned'
    """
    different = set(stated)
    if len(different) == 1:
        return different.pop() or NOT_TURNED, None
    return NOT_TURNED, "the sources do not agree on how the camera lay over the stage, so it counts as not turned"
