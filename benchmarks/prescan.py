"""How well a prescan outlines phantom sections of known edge: ``python -m benchmarks.prescan [SECTIONS]``.

Without a microscope: the phantom is drawn at the places of the scan, so that only the sampling and the outline count.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np

from hcc_scope.orientation import Orientation
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.plans.geometry import points_inside
from hcc_scope.plans.tissue_outline import scan_lines, tissue_outline
from hcc_scope.quality import QualityLimits
from hcc_scope.runs.prescan import tissue_samples
from hcc_scope.types import Frame

AREA_UM = (-5000.0, -4000.0, 5000.0, 4000.0)
UM_PER_PX = 0.325
SCANS = ((2048, 800.0), (2048, 1500.0), (512, 1200.0))
"""Side of a field in px, and the spacing in um."""
CELLS = 400


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the area that two outlines share, as a share of what either covers."""
    x, y = np.meshgrid(np.linspace(AREA_UM[0], AREA_UM[2], CELLS), np.linspace(AREA_UM[1], AREA_UM[3], CELLS))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    a, b = points_inside(places, one), points_inside(places, other)
    return float((a & b).sum() / (a | b).sum())


def scan(specimen: Specimen, side_px: int, spacing_um: float) -> tuple[int, int, float, float]:
    """Return the number of fields and corners, the margin in um, and the overlap with the true outline."""
    side_um = side_px * UM_PER_PX
    camera, found, shares, sample_um, seq = CameraPhysics(), [], [], 0.0, 0
    for y_um in scan_lines(AREA_UM[1], AREA_UM[3], side_um, spacing_um):
        for x_um in scan_lines(AREA_UM[0], AREA_UM[2], side_um, spacing_um):
            field = specimen.render(x_um, y_um, 0.0, (side_px, side_px), UM_PER_PX)
            pixels = camera.expose(field, exposure_ms=10.0, noise_seed=seq, day=specimen.day_effect)
            where = (x_um, y_um, 0.0)
            frame = Frame(seq, pixels, 0, datetime.now(UTC), 10.0, "", stage_um=where, pixel_size_um=UM_PER_PX)
            places, share, sample_um = tissue_samples(frame, Orientation(), QualityLimits())
            found.append(places)
            shares.append(share)
            seq += 1
    gap_um = max(sample_um, spacing_um - side_um + sample_um)
    outline = tissue_outline(np.concatenate(found), np.concatenate(shares).astype(np.float64), AREA_UM, gap_um)
    return seq, len(outline.points_um), outline.margin_um, overlap(np.array(outline.points_um), specimen.outline_um)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    specimens = [Specimen(seed, "prescan", "S1", ("low", "high")[seed % 2]) for seed in range(n)]
    print(f"{'field':>7} {'spacing':>8} {'fields':>7} {'corners':>8} {'margin':>7}  overlap: lowest, median")
    for side_px, spacing_um in SCANS:
        rows = [scan(specimen, side_px, spacing_um) for specimen in specimens]
        fields, corners, margin_um, overlaps = zip(*rows, strict=True)
        print(
            f"{side_px * UM_PER_PX:4.0f} um {spacing_um:5.0f} um {fields[0]:7d} {int(np.median(corners)):8d}"
            f" {margin_um[0]:4.0f} um  {min(overlaps):.3f}, {np.median(overlaps):.3f}"
        )


if __name__ == "__main__":
    main()
