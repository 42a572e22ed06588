"""How the camera lay over the stage: by Micro-Manager's pixel size affine, or as this program's exports state it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from hcc_scope.datasets.ome import CAMERA_AXES_KEY
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

    What this program states in the frames that it exports goes first. Micro-Manager writes the six numbers of the
    affine row by row, and zeros where it was never measured.

    Examples
    --------
    >>> camera_axes({"PixelSizeAffine": "0.0;-0.325;0.0;0.325;0.0;0.0"})
    (0.0, -1.0, 1.0, 0.0)
    >>> camera_axes({"PixelSizeAffine": "AffineTransform[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]"})
    (1.0, 0.0, 0.0, 1.0)
    >>> camera_axes({"PixelSizeAffine": "0;0;0;0;0;0"}) is None
    True
    """
    for name, n in ((CAMERA_AXES_KEY, 4), (_AFFINE, 6)):
        text = tags.get(name)
        if isinstance(text, str) and len(text) <= _LONGEST and (axes := _axes_of(text, n)) is not None:
            return axes
    return None


@lru_cache(maxsize=64)
def _axes_of(text: str, n: int) -> Matrix | None:
    """Return the turn that `n` numbers state: of an affine, or of a matrix for a pixel of 1 um."""
    found = [float(one) for one in _NUMBER.findall(text)]
    if len(found) != n:
        return None
    a, b, c, d = found if n == 4 else (*found[:2], *found[3:5])
    try:
        turned = Orientation.from_affine((a, b, c, d))[0].matrix
    except ValueError:
        return None
    return (a, b, c, d) if n == 4 else turned


def common_axes(stated: Sequence[Sequence[Matrix | None]]) -> tuple[Matrix, str | None]:
    """Return how the camera lay in all sources, and half a sentence if they do not agree: then it counts as not turned.

    Parameters
    ----------
    stated : sequence of sequence of Matrix or None
        Of each source, what its images state. Those that state nothing lay as the others of their source.

    Examples
    --------
    >>> common_axes([[None], [None]])
    ((1.0, 0.0, 0.0, 1.0), None)
    >>> common_axes([[(0.0, -1.0, 1.0, 0.0), None]])
    ((0.0, -1.0, 1.0, 0.0), None)
    >>> common_axes([[(0.0, -1.0, 1.0, 0.0)], [None]])[1]
    'the images do not agree on how the camera lay over the stage, so it counts as not turned'
    """
    different = {axes for one in stated for axes in (set(one) - {None} or {None})}
    if len(different) < 2:
        return next(iter(different), None) or NOT_TURNED, None
    return NOT_TURNED, "the images do not agree on how the camera lay over the stage, so it counts as not turned"
