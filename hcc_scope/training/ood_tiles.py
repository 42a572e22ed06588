"""Tiles of what a model was not trained for, to measure which of them its distance flags: drawn, not photographed.

All but the last are things that a tile of tissue is not. The last one is tissue whose stain is twice as dense: its
textures are those of training in another proportion to the light, so a distance that allows for the day's light and
the section's thickness is not expected to flag it; a card that leaves it out would promise too much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.plans.geometry import scattered_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hcc_scope.phantom import TumourClass

__all__ = ["STAIN", "TWICE_AS_DENSE", "draw_ood_tiles"]

STAIN = "another stain (nuclei that fluoresce)"
TWICE_AS_DENSE = "the stain of training, twice as dense"
EXPOSURE_MS = 10.0
_DRAWN_UM = (0.1, 1.5)
"""Pixel sizes at which the phantom can be drawn in a second and a tile fits into its section."""
_BRIGHTNESS = 0.6
"""Of a fluorescing nucleus whose absorbance would be 1, relative to bare glass in white light."""


def draw_ood_tiles(
    n: int = 32,
    *,
    seed: int = 1,
    pixel_size_um: float = 0.325,
    tile_px: int = 512,
    bit_depth: int = 16,
    of_phantom: bool = True,
) -> Mapping[str, NDArray[np.uint16]]:
    """Return tiles by what they show; the same for the same arguments.

    Parameters
    ----------
    n : int
        Tiles of each kind.
    seed : int
        Which.
    pixel_size_um : float
        Of the specimen, for the phantoms.
    tile_px : int
        Side of a tile.
    bit_depth : int
        Of the camera.
    of_phantom : bool
        Whether the training was of phantoms: the denser stain, the phantom's, is that of the training only then.

    Returns
    -------
    mapping
        What they show to (n, tile, tile) raw counts.
    """
    full = float((1 << bit_depth) - 1)
    rng = stable_rng("strange tiles", seed)  # the key decides the tiles, and so the shares on cards
    y, x = np.mgrid[:tile_px, :tile_px].astype(np.float64)

    def counted(expected: NDArray[np.float64]) -> NDArray[np.uint16]:
        """Add shot noise at 80,000 electrons per full scale, and digitise."""
        sd = np.sqrt(np.maximum(expected, 0.0) * full / 80_000.0) + full * 3e-4
        noisy = expected + sd * rng.standard_normal(expected.shape)
        return np.clip(np.round(noisy), 0.0, full).astype(np.uint16)

    def noise() -> NDArray[np.uint16]:
        return counted(np.full((tile_px, tile_px), full * rng.uniform(0.12, 0.6)))

    def beads() -> NDArray[np.uint16]:
        field = np.full((tile_px, tile_px), full * rng.uniform(0.005, 0.03))
        for _ in range(rng.integers(5, 80)):
            cy, cx = rng.uniform(0, tile_px, 2)
            field += (
                full
                * rng.uniform(0.08, 0.8)
                * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * rng.uniform(1.5, 8) ** 2))
            )
        return counted(np.minimum(field, full))

    def waves() -> NDArray[np.uint16]:
        period, angle = np.exp(rng.uniform(np.log(20), np.log(1100))), rng.uniform(0, np.pi)
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + rng.uniform(0, 2 * np.pi)
        return counted(full * (0.5 + rng.uniform(0.05, 0.45) * np.sin(phase)))

    def glass() -> NDArray[np.uint16]:
        away = (y / tile_px - rng.uniform(0, 1)) ** 2 + (x / tile_px - rng.uniform(0, 1)) ** 2
        return counted(full * rng.uniform(0.3, 0.7) * (1 - rng.uniform(0, 0.15) * away))

    made = {
        "noise": np.stack([noise() for _ in range(n)]),
        "fluorescent beads": np.stack([beads() for _ in range(n)]),
        "waves": np.stack([waves() for _ in range(n)]),
        "blank glass": np.stack([glass() for _ in range(n)]),
    }
    stained = _stained(n, seed, pixel_size_um, tile_px, bit_depth)
    if not of_phantom:
        stained.pop(TWICE_AS_DENSE, None)
    return made | stained


def _stained(n: int, seed: int, pixel_size_um: float, tile_px: int, bit_depth: int) -> dict[str, NDArray[np.uint16]]:
    """Return fields of a low and a high phantom section, as two other stains would show them."""
    if not _DRAWN_UM[0] <= pixel_size_um <= _DRAWN_UM[1]:
        return {}
    camera = CameraPhysics(bit_depth=bit_depth)
    side_um = tile_px * pixel_size_um
    fluorescing: list[NDArray[np.uint16]] = []
    denser: list[NDArray[np.uint16]] = []
    halves: tuple[tuple[TumourClass, int], ...] = (("low", n - n // 2), ("high", n // 2))
    for tumour_class, n_fields in halves:
        if n_fields == 0:
            continue
        specimen = Specimen(seed, f"strangers/{tumour_class}", "s1", tumour_class, "strangers/day", cache_mb=1)
        places = scattered_fields(n_fields, (side_um, side_um), specimen.outline_um, seed)
        for number, (x_um, y_um) in enumerate(places):
            transmitted = specimen.render(x_um, y_um, 0.0, (tile_px, tile_px), pixel_size_um)
            absorbance = -np.log(np.maximum(transmitted, 1e-4))
            for kept, light in (
                (fluorescing, _BRIGHTNESS * np.minimum(absorbance, 1.0)),
                (denser, np.exp(-2.0 * absorbance)),
            ):
                kept.append(
                    camera.expose(
                        light.astype(np.float32),
                        exposure_ms=EXPOSURE_MS,
                        noise_seed=number,
                        day=specimen.day_effect,
                    )
                )
    if not fluorescing:  # one field is wider than a section of the phantom
        return {}
    return {STAIN: np.stack(fluorescing), TWICE_AS_DENSE: np.stack(denser)}
