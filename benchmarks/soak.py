"""Acquire 2,000 frames of 2048 x 2048 at full rate and watch memory: nothing may be lost, and it must stay flat."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.processes import acquire_command, journalled

FRAMES = 2000
WARM_FRAMES = 200
MIB = 1 << 20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        process = subprocess.Popen(
            acquire_command(out, "--frames", str(FRAMES)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        watched = psutil.Process(process.pid)
        samples: list[tuple[int, float]] = []
        while process.poll() is None:
            try:
                resident = watched.memory_info().rss / MIB
            except psutil.NoSuchProcess:
                break
            if resident > 0:  # 0 is a process that has just ended
                samples.append((len(journalled(out / "m1_s1.ome.zarr")), resident))
            time.sleep(0.25)
        printed, _ = process.communicate()
        summary = json.loads(printed)
    warm = [resident for frames, resident in samples if frames >= WARM_FRAMES]
    print(f"outcome {summary['outcome']}, counts {summary['counts']}")
    print(f"rates {summary['rates']}")
    print(
        f"resident memory: {warm[0]:.0f} MiB at frame {WARM_FRAMES}, "
        f"{max(warm):.0f} MiB at most, {warm[-1]:.0f} MiB at the end"
    )


if __name__ == "__main__":
    main()
