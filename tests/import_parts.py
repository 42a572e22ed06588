"""A source of images in memory, at the seam of the readers: what an import makes of it shows in the frames' pixels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import ImageError
from hcc_scope.imports.collection import Plane
from hcc_scope.inference.base import DEFAULT_MODEL
from hcc_scope.resources import models_dir

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

SHAPE_YX = (512, 512)
TIME = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def plane(index: int, **facts: Any) -> Plane:  # noqa: ANN401 - of any field
    known = Plane(
        where=f"shelf, page {index}",
        shape_yx=SHAPE_YX,
        dtype="uint16",
        bit_depth=16,
        pixel_size_yx_um=(0.325, 0.325),
        stage_um=(100.0 * index, -5.0, 2.5),
        exposure_ms=10.0 + index,
        t_utc=TIME,
        camera_frame=index,
        tags={"Camera": "iXon", "number": index},
    )
    return replace(known, **facts)


class Shelf:
    """An `ImageCollection`; the pixels of page n are made of n."""

    format = "shelf"

    def __init__(
        self,
        planes: Sequence[Plane],
        *,
        damaged: Collection[int] = (),
        channel_names: Sequence[str] = (),
        problems: Sequence[str] = (),
        path: Path | None = None,
    ) -> None:
        self.path = Path(__file__) if path is None else path
        self.planes, self.channel_names, self.problems = tuple(planes), tuple(channel_names), tuple(problems)
        self.damaged = set(damaged)
        self.closed = False

    def read(self, index: int) -> NDArray[Any]:
        if index in self.damaged:
            raise ImageError(f"{self.planes[index].where} cannot be decoded")
        return pixels_of(index)

    def close(self) -> None:
        self.closed = True


def pixels_of(index: int) -> NDArray[np.uint16]:
    """Return the counts (y, x) of page `index`: a tile that a model is asked about, unlike every other page's."""
    tiles = np.load(models_dir() / DEFAULT_MODEL / "test_input.npy")
    counts: NDArray[np.uint16] = np.roll(tiles[index % len(tiles)], index, axis=1)
    return counts
