"""How fast the phantom delivers frames: ``python benchmarks/bench_phantom.py [fields]``.

Fresh fields are drawn from nothing; cached ones lie where a field was before. Both include the camera's noise.
"""

from __future__ import annotations

import sys
import time

from hcc_scope.phantom import CameraPhysics, Specimen

SHAPE_YX = (2048, 2048)
UM_PER_PX = 0.325


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    camera = CameraPhysics()
    for tumour_class in ("low", "high"):
        specimen = Specimen(1, "bench", tumour_class, tumour_class)
        start = time.perf_counter()
        warm_up = specimen.render(0.0, 0.0, 0.0, (64, 64), UM_PER_PX)
        camera.expose(warm_up, exposure_ms=10.0, noise_seed=0, day=specimen.day_effect)
        print(f"{tumour_class}: first field after {time.perf_counter() - start:.2f} s")
        side_um = 1.13 * SHAPE_YX[0] * UM_PER_PX  # apart, so that no field finds parts of another in the cache
        fresh = [((i % 6 - 2.5) * side_um, (i // 6 - 1.0) * side_um) for i in range(n)]
        for name, places in (("fresh", fresh), ("cached", fresh[-1:] * n)):
            wall, cpu = time.perf_counter(), time.process_time()
            for number, (x, y) in enumerate(places):
                field = specimen.render(x, y, 0.0, SHAPE_YX, UM_PER_PX)
                camera.expose(field, exposure_ms=10.0, noise_seed=number, day=specimen.day_effect)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{tumour_class}: {name:6s} {n / wall:6.1f} fields/s, {1e3 * cpu / n:6.1f} ms CPU per field")


if __name__ == "__main__":
    main()
