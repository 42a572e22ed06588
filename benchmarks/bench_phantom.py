"""Measure how fast the phantom delivers frames: ``python benchmarks/bench_phantom.py [fields]``.

Fresh fields are drawn from nothing; cached ones lie where a field was before. Both include the camera's noise.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor

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

    both = [pool_round(workers, n) for workers in (1, 2)]
    print(f"processes: 1 draws {both[0]:.1f} fresh fields/s, 2 draw {both[1]:.1f}")


def pool_round(workers: int, n: int) -> float:
    """Return fresh fields per second of so many processes, each with a section of its own that has grown before."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(draw, [(number, 0) for number in range(workers)]))
        wall = time.perf_counter()
        list(pool.map(draw, [(number, n) for number in range(workers)]))
        return workers * n / (time.perf_counter() - wall)


def draw(job: tuple[int, int]) -> None:
    """Draw n fields apart from each other; the process keeps its section."""
    number, n = job
    specimen = _sections.setdefault(number, Specimen(number, "bench", "pool", "high"))
    specimen.render(0.0, 0.0, 0.0, (64, 64), UM_PER_PX)
    side_um = 1.13 * SHAPE_YX[0] * UM_PER_PX
    for i in range(n):
        field = specimen.render((i % 6 - 2.5) * side_um, (i // 6 - 1.0) * side_um, 0.0, SHAPE_YX, UM_PER_PX)
        CameraPhysics().expose(field, exposure_ms=10.0, noise_seed=i, day=specimen.day_effect)


_sections: dict[int, Specimen] = {}


if __name__ == "__main__":
    main()
