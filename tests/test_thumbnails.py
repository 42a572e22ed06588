"""Thumbnails are the means of blocks: exact, whatever the size of frame and block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.thumbnails import block_means, middle, thumbnail


@given(height=st.integers(1, 40), width=st.integers(1, 40), step_px=st.integers(1, 12), seed=st.integers(0, 9))
def test_every_whole_block_becomes_its_mean(height: int, width: int, step_px: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 2**16, (height, width), dtype=np.uint16)
    means = block_means(pixels, step_px)
    assert means.dtype == np.float32
    assert means.shape == (height // step_px, width // step_px)
    for row, column in np.ndindex(means.shape):
        block = pixels[row * step_px : (row + 1) * step_px, column * step_px : (column + 1) * step_px]
        assert means[row, column] == np.float32(block.mean(dtype=np.float64))


@pytest.mark.parametrize("step_px", [16, 256, 257, 300])
def test_a_block_at_full_scale_keeps_its_level(step_px: int) -> None:
    pixels = np.full((step_px, step_px), 65535, dtype=np.uint16)
    assert block_means(pixels, step_px).tolist() == [[65535.0]]


def test_pixels_need_not_lie_side_by_side() -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    np.testing.assert_array_equal(block_means(pixels[::4, ::2], 4), block_means(pixels[::4, ::2].copy(), 4))


def test_a_thumbnail_fits_and_its_middle_is_finer() -> None:
    pixels = np.arange(1024 * 1024, dtype=np.uint32).reshape(1024, 1024).astype(np.uint16)
    small = thumbnail(pixels)
    assert small.shape == (128, 128)
    assert small[3, 5] == np.round(pixels[24:32, 40:48].mean())
    assert thumbnail(pixels[:, :100]).shape == (128, 12)
    assert middle(pixels).shape == (256, 256)
    assert middle(pixels[:300, :200]).shape == (150, 100)
