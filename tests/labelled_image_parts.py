"""Small labelled sets whose classes a network learns in a few steps, for the tests of training and evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage, LabelledSet, TumourClass
from hcc_scope.datasets.tiles import ArrayTiles, TileTable

TILE_PX = 512


def texture_tile(rng: np.random.Generator, label: int, tile_px: int = TILE_PX) -> np.ndarray:
    """Coarse (low) or fine (high) noise around half of the full scale."""
    grain = 2 if label else 32
    coarse = rng.normal(30_000, 6_000, (tile_px // grain, tile_px // grain))
    return np.kron(coarse, np.ones((grain, grain))).clip(0, 65535).astype(np.uint16)


def labelled_image(i: int, tumour_class: TumourClass = "low", animal: str = "a") -> LabelledImage:
    """The i-th image of an animal, on no disk."""
    return LabelledImage(Path(f"/nowhere/{i}.tif"), 0, tumour_class, animal, "s1", "mon", 0.325, (TILE_PX, TILE_PX), 16)


def texture_set(
    animals_per_class: int = 2, sections: int = 1, images: int = 2, tiles: int = 1, seed: int = 1
) -> tuple[LabelledSet, TileTable]:
    """A set of images with `tiles` tiles each, in memory; section j of every animal is imaged on day j."""
    rng = np.random.default_rng(seed)
    listed = tuple(
        LabelledImage(
            path=Path(f"/nowhere/{name}-{animal}-s{section}-{image}.tif"),
            index=0,
            tumour_class=name,
            animal_id=f"{name}-{animal}",
            section_id=f"s{section}",
            day=f"2026-01-{section:02d}",
            pixel_size_um=0.325,
            shape_yx=(TILE_PX, TILE_PX * tiles),
            bit_depth=16,
        )
        for animal in range(1, animals_per_class + 1)
        for name in CLASSES
        for section in range(1, sections + 1)
        for image in range(1, images + 1)
    )
    image_index = np.repeat(np.arange(len(listed)), tiles)
    pixels = np.stack([texture_tile(rng, listed[i].label) for i in image_index])
    table = TileTable(
        images=listed,
        image_index=image_index,
        tile_index=np.tile(np.arange(tiles), len(listed)),
        reader=ArrayTiles(pixels),
        tile_px=TILE_PX,
        digests=tuple(f"{i:064x}" for i in range(len(listed))),
    )
    labelled = LabelledSet(
        Path("/nowhere/manifest.csv"), listed, 0.325, 16, "f" * 64, "Noise of two grains, for tests."
    )
    return labelled, table
