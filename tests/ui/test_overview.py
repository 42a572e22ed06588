"""What was seen before a section: from scans, and from Live at rest; with a bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.orientation import Orientation
from hcc_scope.types import Frame
from ui.control.overview import MOSAIC_BYTES, MOST_MOSAICS, Overview

if TYPE_CHECKING:
    from collections.abc import Callable

UPRIGHT = Orientation()


class AtOnce:
    """Does work where it is submitted."""

    def submit(self, _worker: str, fn: Callable[[], object], done: Callable[[object], None], _failed: object) -> None:
        done(fn())

    def post(self, call: Callable[[], None]) -> None:
        call()


@pytest.fixture
def overview() -> Overview:
    return Overview(AtOnce())  # type: ignore[arg-type]  # all that it needs of the workers


def frame(t_s: float, x_um: float, side_px: int = 256) -> Frame:
    pixels = np.full((side_px, side_px), 900, np.uint16)
    t_utc = datetime(2026, 1, 1, tzinfo=UTC)
    return Frame(
        0, pixels, int(t_s * 1e9), t_utc, 10.0, "", stage_um=(x_um, 0.0, None), pixel_size_um=1.0, bit_depth=16
    )


def seen_boxes(overview: Overview) -> list[tuple[float, float, float, float]]:
    return [box for mosaic in overview.mosaics for box in mosaic.boxes_um().values()]


def test_a_picture_of_live_is_laid_once_a_later_one_has_its_position(overview: Overview):
    for t_s in (0.0, 0.1, 0.2, 0.3):
        overview.take_live(frame(t_s, 0.0), UPRIGHT)
    assert overview.mosaics == ()
    for t_s in (0.4, 0.7, 0.75):  # the stage is on its way, and its position may have been read before
        overview.take_live(frame(t_s, 1000.0 * t_s), UPRIGHT)
    assert overview.mosaics == ()
    overview.take_live(frame(0.8, 900.0), UPRIGHT)
    overview.take_live(frame(1.4, 900.2), UPRIGHT)  # no encoder reports the same number twice
    assert seen_boxes(overview) == [(772.0, -128.0, 256.0, 256.0)]


def test_a_scan_and_a_snap_are_laid_at_once_and_all_is_forgotten(overview: Overview):
    grown: list[int] = []
    overview.grown.connect(lambda: grown.append(1))
    overview.take_scanned(frame(0.0, 0.0), UPRIGHT)
    overview.take_snap(frame(0.1, 1000.0), UPRIGHT)
    overview.take_scanned(replace(frame(0.2, 5.0), stage_um=None), UPRIGHT)  # no one knows where it lies
    assert (len(grown), seen_boxes(overview)) == (2, [(-128.0, -128.0, 1256.0, 256.0)])
    overview.clear()
    assert (len(grown), overview.mosaics) == (3, ())


def test_its_memory_has_a_bound(overview: Overview):
    for side_px in (64, 96, 128, 160, 192):  # another binning or region each
        for k in range(3):
            overview.take_scanned(frame(0.0, 2000.0 * k, side_px), UPRIGHT)
    assert len(overview.mosaics) == MOST_MOSAICS
    assert all(mosaic.n_bytes <= MOSAIC_BYTES for mosaic in overview.mosaics)
