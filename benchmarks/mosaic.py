"""Measure the mosaic of everything seen of a section by hand: ``python -m benchmarks mosaic [frames]``.

Processor time of laying one frame of the phantom, in ms: median and largest, with the picture that the tracker has
reduced and with the whole frame. Then how the mosaic of a long drive becomes coarser, and what that costs once.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.thumbnails import block_means
from hcc_scope.tracking import Place
from hcc_scope.tracking.mosaic import SeenMosaic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

UM_PER_PX = 0.65
FIELD_UM = 1024 * UM_PER_PX
STEP_UM = 65.0
"""Of a hand that moves at 1.7 mm/s before a camera of 26 frames/s."""
SECTION_UM = 24_000.0
"""Side of the square that is driven line by line: larger than a mosaic holds at its finest."""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    specimen = Specimen(1, "M1", "S1", "high", cache_mb=256)
    for side_px in (2048, 1024):
        light = specimen.render(0.0, 0.0, 0.0, (side_px, side_px), UM_PER_PX)
        whole = CameraPhysics().expose(light, exposure_ms=10.0, noise_seed=1)
        small = block_means(whole, side_px // 256)
        for name, picture in (("reduced", small), ("whole", whole)):
            costs, _ = laid(whole.shape, picture, list(places(n, STEP_UM)))
            print(f"{side_px} px, {name} picture: {statistics.median(costs):.2f} ms, largest {max(costs):.1f} ms")
    n_fields = int((SECTION_UM / FIELD_UM + 1) ** 2)
    costs, mosaic = laid((1024, 1024), small, list(places(n_fields, FIELD_UM)))
    mm2, um_per_px = (SECTION_UM / 1e3) ** 2, mosaic.changes().um_per_px
    print(f"{mm2:.0f} mm²: {mosaic.n_bytes / 2**20:.0f} MiB at {um_per_px:.1f} um per px, largest {max(costs):.0f} ms")


def places(n: int, step_um: float) -> Iterator[tuple[float, float]]:
    """Give x and y of n frames, line by line."""
    in_line = int(SECTION_UM / step_um) + 1
    for i in range(n):
        line, along = divmod(i, in_line)
        yield along * step_um, line * FIELD_UM


def laid(
    shape_yx: tuple[int, ...], picture: NDArray[Any], at_um: list[tuple[float, float]]
) -> tuple[list[float], SeenMosaic]:
    """Return what each frame cost in ms, and the mosaic."""
    mosaic = SeenMosaic((shape_yx[0], shape_yx[1]), UM_PER_PX)
    costs = []
    for x_um, y_um in at_um:
        began = time.thread_time()
        mosaic.add(Place(0, x_um, y_um, 0.3), picture)
        costs.append(1e3 * (time.thread_time() - began))
    return costs, mosaic


if __name__ == "__main__":
    main()
