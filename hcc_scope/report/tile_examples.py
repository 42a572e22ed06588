"""The most and the least typical tiles of a section, with where the model looks in them.

Typical is what the section's score rests on: the tiles whose probability is nearest the median of all tiles in the
score. Least typical are those farthest from it, on either side. At most one tile of a field is in a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import format_score, significant
from hcc_scope.inference.saliency_map import relative_saliency
from hcc_scope.orientation import Orientation
from hcc_scope.report.document import Figure
from hcc_scope.report.png import as_shown, picture_uri
from hcc_scope.thumbnails import thumbnail
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

    Saliency = Callable[[NDArray[np.uint16]], NDArray[np.float32]]
    """Returns how strongly the answer of the section's model depends on each count of a tile (t, t)."""

__all__ = ["ExampleTile", "TileFigures", "choose_tiles", "tile_figures"]

_EACH = 3
_SIDE_PX = 256
"""Of a tile's picture, at most."""
_OPACITY = 0.9
"""Of the saliency over a tile."""

Group = Literal["typical", "least typical"]


@dataclass(frozen=True, slots=True)
class ExampleTile:
    """One tile that stands for others, or for none."""

    group: Group
    seq: int
    """Of its field."""
    tile: int
    """Place in the order of the `TileGrid`."""
    probability: float
    distance: float | None
    """From the model's training tiles; None if the model measures none."""


@dataclass(frozen=True, slots=True)
class TileFigures:
    """The pictures of one group."""

    tiles: tuple[Figure, ...]
    overlays: tuple[Figure, ...]
    """The tiles with their saliency; none without a model that gives it."""
    problems: tuple[str, ...] = ()
    """Why a tile or its saliency is missing, as half a sentence."""


def choose_tiles(results: Iterable[FrameResult], left_out: Collection[int]) -> tuple[float, list[ExampleTile]]:
    """Return the median probability of the tiles in a section's score, and up to three tiles of each group.

    Parameters
    ----------
    results : iterable of FrameResult
        Of the section.
    left_out : collection of int
        `seq` of the fields that the score leaves out.

    Returns
    -------
    median : float
        NaN without a tile.
    tiles : list of ExampleTile
        Most typical first; the least typical begin with the one that is farthest off.
    """
    scored: list[tuple[int, int, float, float | None]] = []
    for result in results:
        if result.seq in left_out:
            continue
        for tile in np.flatnonzero((result.flags == 0) & np.isfinite(result.probabilities)).tolist():
            distance = None if result.distances is None else float(result.distances[tile])
            scored.append((result.seq, tile, float(result.probabilities[tile]), distance))
    if not scored:
        return float("nan"), []
    median = float(np.median([probability for _, _, probability, _ in scored]))
    nearest = sorted(scored, key=lambda one: (abs(one[2] - median), one[0], one[1]))
    farthest = sorted(scored, key=lambda one: (-abs(one[2] - median), one[0], one[1]))
    typical = _of_different_fields(nearest)
    least = _of_different_fields([one for one in farthest if one not in typical])
    groups: tuple[tuple[Group, list[tuple[int, int, float, float | None]]], ...] = (
        ("typical", typical),
        ("least typical", least),
    )
    return median, [ExampleTile(group, *one) for group, chosen in groups for one in chosen]


def _of_different_fields(
    tiles: Iterable[tuple[int, int, float, float | None]],
) -> list[tuple[int, int, float, float | None]]:
    first: dict[int, tuple[int, int, float, float | None]] = {}
    for one in tiles:
        if len(first) == _EACH:
            break
        first.setdefault(one[0], one)
    return list(first.values())


def tile_figures(
    store: SectionStore,
    tiles: Iterable[ExampleTile],
    saliency: Saliency | None,
    display: tuple[float, float],
    threshold: float,
) -> TileFigures:
    """Return the pictures of some tiles as they were classified, and each with its saliency.

    Parameters
    ----------
    store : SectionStore
        Holds their frames.
    tiles : iterable of ExampleTile
    saliency : callable, optional
        Of the model that classified the section.
    display : (float, float)
        Counts that are black and white.
    threshold : float
        The decision threshold, which a probability is read beside.
    """
    grid = TileGrid.for_frame(store.spec.frame_shape_yx, store.spec.tile_px)
    upright = Orientation(store.spec.camera_axes).upright
    pictures: list[Figure] = []
    overlays: list[Figure] = []
    problems: list[str] = []
    for one in tiles:
        try:
            frame = store.read_analysed(one.seq)
        except HccScopeError as error:
            problems.append(f"field {one.seq} is not shown: {error.message}")
            continue
        counts = grid.views(frame.pixels)[one.tile]
        grey = as_shown(upright(thumbnail(counts, _SIDE_PX)), *display)
        size_px = (grey.shape[1], grey.shape[0])
        pictures.append(Figure(_caption(one, threshold), picture=picture_uri(grey), size_px=size_px))
        if saliency is None:
            continue
        try:
            relative = relative_saliency(saliency(counts))
        except HccScopeError as error:
            problems.append(f"there is no saliency: {error.message}")
            saliency = None
            overlays = []
            continue
        overlay = _over(grey, upright(_reduced(relative, _SIDE_PX)))
        overlays.append(Figure(f"field {one.seq}: saliency", picture=picture_uri(overlay), size_px=size_px))
    return TileFigures(tuple(pictures), tuple(overlays), tuple(problems))


def _caption(one: ExampleTile, threshold: float) -> str:
    words = f"field {one.seq}, tile {one.tile}: probability {format_score(one.probability, threshold)}"
    return words if one.distance is None else f"{words}; distance from training {significant(one.distance)}"


def _reduced(relative: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Return a map reduced by a whole number, as `thumbnail` reduces counts."""
    step = max(1, -(-max(relative.shape) // side_px))
    height, width = (n // step for n in relative.shape)
    blocks = relative[: height * step, : width * step].reshape(height, step, width, step)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _over(grey: NDArray[np.uint8], relative: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture (y, x, 3) of a tile with its saliency, whose opacity goes with it: the tile stays visible."""
    import matplotlib as mpl

    colour: NDArray[np.float64] = mpl.colormaps["inferno"](relative)[..., :3]
    opacity = (_OPACITY * relative)[..., None]
    mixed = (1 - opacity) * (grey[..., None] / 255.0) + opacity * colour
    return (mixed * 255).round().astype(np.uint8)
