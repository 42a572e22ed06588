"""Images and manifests on disk, for the tests of labelled data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADER = "path,class,animal_id,section_id,day,pixel_size_um"


def tissue(seed: int, shape_yx: tuple[int, int] = (512, 512), grain: int = 8) -> np.ndarray:
    """Noise that passes quality: textured, in focus, well exposed."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(30_000, 6_000, (-(-shape_yx[0] // grain), -(-shape_yx[1] // grain)))
    fine = np.kron(coarse, np.ones((grain, grain)))[: shape_yx[0], : shape_yx[1]]
    return fine.clip(0, 65_535).astype(np.uint16)


def write_image(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, photometric="minisblack", compression="zlib", metadata=None)
    return path


def write_lines(path: Path, lines: Sequence[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def small_set(
    folder: Path, animals_per_class: int = 2, images: int = 1, shape_yx: tuple[int, int] = (512, 512)
) -> Path:
    """A sound set: every animal with one section, animal i of both classes on day i."""
    lines = []
    for i in range(1, animals_per_class + 1):
        for label, name in enumerate(("low", "high")):
            for k in range(images):
                file = f"{name}{i}-{k}.tif"
                write_image(folder / file, tissue(100 * i + 10 * label + k, shape_yx))
                lines.append(f"{file},{name},{name}{i},s1,2026-01-{i:02d},0.325")
    return write_lines(folder / "manifest.csv", lines)


def edit(manifest: Path, old: str, new: str) -> Path:
    text = manifest.read_text(encoding="utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), encoding="utf-8")
    return manifest
