"""Time and false alarms of control charts.

``python -m benchmarks.qc``: how long ``hcc-scope qc`` reads 1,000 sections, what recording the readings costs a frame,
and how often a microscope that is in control is reported.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.atomic_file import json_bytes
from hcc_scope.control_chart import BASELINE_LEAST, BASELINE_MOST, WIDTHS, limits_of, points_of
from hcc_scope.quality import QualityLimits, assess_tiles
from hcc_scope.readings import ReadingsLog
from hcc_scope.report.control_charts import control_charts
from hcc_scope.storage.metadata import group_metadata, initial_attributes, sealed
from hcc_scope.storage.naming import store_path
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import TagValue

__all__ = ["GOOD", "write_manifest"]

GOOD: dict[str, TagValue] = {
    "frames": 24,
    "background": 0.4,
    "tissue_level": 0.3,
    "vignette": 0.9,
    "focus": 0.06,
    "noise": 2.0,
    "exposure_ms": 10.0,
    "em_gain": 1.0,
    "temperature_c": -70.0,
    "lamp_level": 128.0,
    "objective": "20x",
}
"""Readings of a section on a sound microscope."""
_OUTLINE = [[float(x), float(x)] for x in range(200)]
"""A plan with an outline is most of a manifest."""
_SIMULATED = 20_000
_LENGTH = 40


def write_manifest(
    folder: Path,
    n: int,
    readings: Mapping[str, TagValue] | None,
    *,
    camera: str = "Camera",
    animal: str = "m",
    rig: str | None = None,
    shape_yx: tuple[int, int] = (2048, 2048),
) -> Path:
    """Write the root manifest of the n-th section, as a run leaves it; None: one that recorded no readings."""
    plan = json_bytes({"kind": "random", "n_fields": 24, "outline_um": _OUTLINE}).decode()
    provenance: dict[str, TagValue] = {"camera": camera, "camera_library": "DemoCamera", "plan": plan}
    provenance |= {} if rig is None else {"rig": rig}
    spec = RunSpec(shape_yx, 16, 0.325, animal, f"s{n}", provenance=provenance)
    created = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n)).isoformat()
    attributes = initial_attributes(spec, created_utc=created, interval_s=None, software={"hcc-scope": "0"})
    outcome = {"state": "completed", **({} if readings is None else {"readings": dict(readings)})}
    attributes |= {"complete": True, "n_frames": 24, "finished_utc": created, "outcome": outcome}
    store = store_path(folder, spec.animal_id, spec.section_id)
    store.mkdir(parents=True)
    (store / "zarr.json").write_bytes(json_bytes(group_metadata(spec, sealed(attributes))))
    return store


def _time_of_reading(n_sections: int) -> float:
    rng = np.random.default_rng(1)
    numbers = {name: value for name, value in GOOD.items() if isinstance(value, float)}
    with tempfile.TemporaryDirectory() as name:
        for n in range(n_sections):
            drawn = {key: value * float(rng.normal(1, 0.02)) for key, value in numbers.items()}
            write_manifest(Path(name), n, {**GOOD, **drawn})
        began_s = time.perf_counter()
        found = control_charts([Path(name)])
        seconds = time.perf_counter() - began_s
    assert found.n_stores == n_sections
    assert len(found.charts[0].points) == n_sections
    return seconds


def _cost_of_recording() -> tuple[float, float]:
    """Return ms a frame of the readings, and of judging its quality, for 2048 x 2048."""
    grid = TileGrid.for_frame((2048, 2048))
    pixels = np.random.default_rng(1).poisson(20_000, (2048, 2048)).astype(np.uint16)
    frame = Frame(0, pixels, 0, datetime.now(UTC), 10.0, "s")
    views = grid.views(pixels)
    log, times = ReadingsLog(grid), []
    for _ in range(20):
        began_s = time.perf_counter()
        assessed = assess_tiles(views, QualityLimits(), 16)
        judged_s = time.perf_counter()
        log.add(frame, views, assessed)
        times.append((judged_s - began_s, time.perf_counter() - judged_s))
    judging, recording = np.median(np.array(times), axis=0) * 1000
    return float(recording), float(judging)


def _false_alarms() -> None:
    rng = np.random.default_rng(1)
    print("| readings before | limits | outside, though in control |\n|---:|---:|---:|")
    for n in (*range(BASELINE_LEAST, BASELINE_MOST, 4), BASELINE_MOST):
        drawn = rng.standard_normal((_SIMULATED, n + 1))
        outside = 0
        for row in drawn:
            limits = limits_of(row[:n].tolist())
            outside += not limits.low <= row[n] <= limits.high
        print(f"| {n} | {WIDTHS[n]} SD | {outside / _SIMULATED:.2%} |")
    charts = [points_of(rng.standard_normal(_LENGTH).tolist()) for _ in range(_SIMULATED // 20)]
    judged = [point.verdict for chart in charts for point in chart[BASELINE_MOST:]]
    for verdict in ("outside", "drift"):
        print(f"{verdict}: {judged.count(verdict) / len(judged):.2%} of readings {BASELINE_MOST} to {_LENGTH}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.qc", description=__doc__)
    parser.add_argument("--sections", type=int, default=1000)
    n_sections = parser.parse_args().sections
    print(f"{n_sections} sections read and charted in {_time_of_reading(n_sections):.2f} s")
    recording, judging = _cost_of_recording()
    print(f"readings cost {recording:.2f} ms a frame of 2048 x 2048, beside {judging:.1f} ms for its quality")
    _false_alarms()


if __name__ == "__main__":
    main()
