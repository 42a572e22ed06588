"""What the tracker's thresholds rest on: ``python -m benchmarks.tracking_threshold [--pairs N]``.

Pairs of fields that are known not to overlap show how high chance, dirt and the shape of tissue drive the correlation
over a presumed overlap; pairs that do overlap, sharp, out of focus and blurred by motion, show what would be lost.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.phantom import Specimen
from hcc_scope.phantom.hand_motion import Pose
from hcc_scope.phantom.live_picture import LivePicture, Optics
from hcc_scope.tracking import TrackSettings
from hcc_scope.tracking.picture import Picture, reduced, reduction_factor, relative
from hcc_scope.tracking.recognition import PIXEL_SIZE_RATIOS, correlation_at_ratio
from hcc_scope.tracking.registration import match, proposals, threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE_YX = (1024, 1024)
UM_PER_PX = 0.325
FIELD_UM = SHAPE_YX[0] * UM_PER_PX
REACH_UM = 2400.0
OVERLAPS = (0.1, 0.2, 0.3, 0.5, 1.01)


def picture_of(camera: LivePicture, pose: Pose, seed: int) -> Picture:
    pixels = camera.expose(pose, noise_seed=seed)
    return Picture.of(relative(reduced(pixels, reduction_factor(SHAPE_YX, TrackSettings().reduced_px))))


def apart(rng: np.random.Generator, n: int) -> Iterator[tuple[float, float]]:
    """Yield places of fields of which no two overlap."""
    places: list[tuple[float, float]] = []
    while len(places) < n:
        x, y = (float(value) for value in rng.uniform(-REACH_UM, REACH_UM, 2))
        if all(max(abs(x - u), abs(y - v)) > FIELD_UM for u, v in places):
            places.append((x, y))
            yield x, y


def chance(n_fields: int, n_specimens: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (overlap, correlation) of the best proposal for each pair, and the correlations at other px sizes."""
    settings = TrackSettings()
    found, other = [], []
    for number in range(n_specimens):
        rng = np.random.default_rng(number)
        specimen = Specimen(number, "threshold", "S", ("low", "high")[number % 2])
        camera = LivePicture(specimen, SHAPE_YX, UM_PER_PX, optics=Optics(n_dirt=20, seed=number))
        places = apart(rng, n_fields)
        focus = rng.choice([0.0, 0.0, 10.0, 20.0], n_fields)
        fields = [
            picture_of(camera, Pose(0.0, x, y, float(z)), k)
            for k, ((x, y), z) in enumerate(zip(places, focus, strict=True))
        ]
        fields = [one for one in fields if one.covered >= 0.12]
        for i, one in enumerate(fields):
            for two in fields[:i]:
                best = max(proposals(one, two, settings), default=None)
                if best is not None:
                    found.append((best.overlap, best.correlation))
            ratio = PIXEL_SIZE_RATIOS[i % len(PIXEL_SIZE_RATIOS)]
            other.append(correlation_at_ratio(one.structure, fields[i - 1].structure, ratio))
    return np.array(found), np.array(other)


def truth(n: int) -> Iterator[tuple[str, float, float]]:
    """Yield how a pair was taken, its overlap, and the correlation at which it is matched; 0 if it is not."""
    settings = TrackSettings()
    specimen = Specimen(1, "threshold", "S", "high")
    camera = LivePicture(specimen, SHAPE_YX, UM_PER_PX, optics=Optics(n_dirt=20, seed=1))
    rng = np.random.default_rng(1)
    for k in range(n):
        x, y = rng.uniform(-1500.0, 1500.0, 2)
        dx, dy = rng.uniform(-0.45, 0.45, 2) * FIELD_UM
        first = Pose(0.0, float(x), float(y), 0.0)
        second = replace(first, x_um=float(x + dx), y_um=float(y + dy))
        overlap = float((1 - abs(dx) / FIELD_UM) * (1 - abs(dy) / FIELD_UM))
        a = picture_of(camera, first, k)
        for what, pose in (
            ("sharp", second),
            ("10 um out of focus", replace(second, z_um=10.0)),
            ("20 um out of focus", replace(second, z_um=20.0)),
            ("at 1 mm/s", replace(second, vx_um_s=1000.0)),
            ("at 1.9 mm/s", replace(second, vx_um_s=1300.0, vy_um_s=1300.0)),
        ):
            seen = match(a, picture_of(camera, pose, k + n), settings)
            yield what, overlap, 0.0 if seen is None else seen.correlation


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking_threshold", description=__doc__)
    parser.add_argument("--fields", type=int, default=30, help="of each specimen; default 30")
    parser.add_argument("--specimens", type=int, default=4, help="default 4")
    asked = parser.parse_args()
    settings = TrackSettings()
    found, other = chance(asked.fields, asked.specimens)
    out = sys.stdout
    out.write(f"pairs that do not overlap: {len(found)}\n")
    for low, high in itertools.pairwise(OVERLAPS):
        here = found[(found[:, 0] >= low) & (found[:, 0] < high), 1]
        if here.size:
            out.write(
                f"  presumed overlap {low:.1f} to {min(high, 1):.1f}: {here.size:5d} pairs,"
                f" median {np.median(here):.3f}, largest {here.max():.3f}, accepted from {threshold(low, settings):.3f}"
                f" to {threshold(min(high, 1), settings):.3f}\n"
            )
    out.write(f"at another px size: {other.size} pairs, largest {other.max():.3f}\n")
    out.write("pairs that overlap by 0.3 to 1\n")
    table: dict[str, list[tuple[float, float]]] = {}
    for what, overlap, correlation in truth(asked.fields):
        table.setdefault(what, []).append((overlap, correlation))
    for what, rows in table.items():
        values = np.array(rows)
        matched = values[:, 1] > 0
        worst = values[matched, 1].min() if matched.any() else 0.0
        out.write(f"  {what:20} matched {matched.mean():4.0%}, smallest correlation {worst:.2f}\n")


if __name__ == "__main__":
    main()
