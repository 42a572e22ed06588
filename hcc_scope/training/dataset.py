"""Tiles of phantom sections, rendered, exposed, cut and checked as the pipeline does with a microscope's frames.

Animals are named ``train-low-1``, ``calibration-high-2``, ``test-low-3``. The phantom draws a specimen from its seed
*and* its animal's name; here the name it gets starts with ``training/``, which the pipeline refuses in an id (it is
part of a file's name). So no seed and no id of a demo or an acquisition can show a specimen that was trained on.

Section j of animal i is imaged on the same day for both classes, as a balanced study would: the day's light,
gain and staining batch then say nothing about the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.errors import ModelError
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.plans.geometry import scattered_fields
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.tiling import TileGrid
from hcc_scope.training.network import TILE_PX

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.training.config import TrainConfig

__all__ = ["CLASSES", "Role", "SectionRef", "TileSet", "render_tiles", "sections_for"]

Role = Literal["train", "calibration", "test"]
CLASSES: tuple[Literal["low"], Literal["high"]] = ("low", "high")

NAMESPACE = "training/"
EXPOSURE_MS = 10.0
EXPOSURE_SD = 0.10
"""Log of the operator's factor on the exposure, per field, on top of the day's own light."""
DEFOCUS_UM = 1.0
"""Standard deviation of the focus error, per field: what an operator or an autofocus leaves."""


@dataclass(frozen=True, slots=True)
class SectionRef:
    """One section to image."""

    role: Role
    animal: str
    section: str
    tumour_class: Literal["low", "high"]
    day: str

    @property
    def label(self) -> int:
        """Column of the section's class in the logits."""
        return CLASSES.index(self.tumour_class)


@dataclass(frozen=True, slots=True)
class TileSet:
    """Tiles that passed quality, each with where it came from."""

    sections: tuple[SectionRef, ...]
    tiles: NDArray[np.uint16]
    """(n, tile, tile) raw counts."""
    labels: NDArray[np.int64]
    """(n,) 0 for low, 1 for high."""
    section_index: NDArray[np.int64]
    """(n,) into `sections`."""
    field_index: NDArray[np.int64]
    """(n,) number of the field within its section."""


def sections_for(config: TrainConfig, role: Role) -> tuple[SectionRef, ...]:
    """Return the sections of all animals with one role, classes alternating."""
    n_animals = {
        "train": config.train_animals,
        "calibration": config.calibration_animals,
        "test": config.test_animals,
    }[role]
    return tuple(
        SectionRef(role, f"{role}-{tumour_class}-{i}", f"s{j}", tumour_class, f"{role}-day-{i}-{j}")
        for i in range(1, n_animals + 1)
        for j in range(1, config.sections + 1)
        for tumour_class in CLASSES
    )


def render_tiles(sections: tuple[SectionRef, ...], config: TrainConfig, on_field: Callable[[], None]) -> TileSet:
    """Image random fields of sections and keep the tiles that pass quality.

    Parameters
    ----------
    sections : tuple of SectionRef
        As `sections_for` returns them.
    config : TrainConfig
        Seed, fields per section, their size and pixel size.
    on_field : callable
        Called after each field.

    Returns
    -------
    TileSet

    Raises
    ------
    ModelError
        If a class has no tile that passes quality.
    """
    grid = TileGrid.for_frame((config.field_px, config.field_px), TILE_PX)
    camera = CameraPhysics()
    limits = QualityLimits()
    n_max = len(sections) * config.fields * grid.n
    # pages that no tile is written to take no memory
    tiles = np.empty((n_max, TILE_PX, TILE_PX), np.uint16)
    section_index = np.empty(n_max, np.int64)
    field_index = np.empty(n_max, np.int64)
    n = 0
    for s, ref in enumerate(sections):
        specimen = Specimen(
            config.seed, NAMESPACE + ref.animal, ref.section, ref.tumour_class, NAMESPACE + ref.day, cache_mb=1
        )
        rng = stable_rng("training fields", config.seed, ref.animal, ref.section)
        side_um = config.field_px * config.pixel_size_um
        centres = scattered_fields(config.fields, (side_um, side_um), specimen.outline_um, int(rng.integers(1 << 32)))
        for f, (x_um, y_um) in enumerate(centres):
            field = specimen.render(
                x_um, y_um, DEFOCUS_UM * rng.standard_normal(), (config.field_px, config.field_px), config.pixel_size_um
            )
            pixels = camera.expose(
                field,
                exposure_ms=EXPOSURE_MS * float(np.exp(EXPOSURE_SD * rng.standard_normal())),
                noise_seed=int(rng.integers(1 << 32)),
                day=specimen.day_effect,
            )
            kept = grid.cut(pixels, np.flatnonzero(assess(pixels, grid, limits, camera.bit_depth).flags == 0))
            tiles[n : n + len(kept)] = kept
            section_index[n : n + len(kept)] = s
            field_index[n : n + len(kept)] = f
            n += len(kept)
            on_field()
    labels = np.array([ref.label for ref in sections], np.int64)[section_index[:n]]
    if set(labels.tolist()) != {0, 1}:
        raise ModelError(
            "the rendered sections have too few usable tiles to train on", hint="Take more fields or larger ones."
        )
    return TileSet(sections, tiles[:n], labels, section_index[:n], field_index[:n])
