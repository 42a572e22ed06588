"""Store and classify 10,000 frames of 1024 x 1024 at the pipeline's pace and watch memory: it must stay flat.

``python -m benchmarks.soak [FRAMES] [FRAMES_PER_S]``. Every tile is classified, so the network is under load as well.
Needs about 1.1 MiB of disk a frame, which is given back at the end.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time

import psutil

from hcc_scope.bench.live import LiveContender

FRAMES = 10_000
RATE_HZ = 40.0
SIDE_PX = 1024
MIB = 1 << 20


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES
    rate_hz = float(sys.argv[2]) if len(sys.argv) > 2 else RATE_HZ
    samples_mib: list[float] = []
    over = threading.Event()

    def watch() -> None:
        process = psutil.Process()
        while not over.wait(0.5):
            samples_mib.append(process.memory_info().rss / MIB)

    with tempfile.TemporaryDirectory() as folder:
        contender = LiveContender("auto", "phantom-meng2019", folder)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            began_s = time.monotonic()
            answer = contender.round({"frames": frames, "side_px": SIDE_PX, "exposure_ms": 1e3 / rate_hz})
            seconds = time.monotonic() - began_s
        finally:
            over.set()
            watcher.join()
            contender.close()
    tenths = [samples_mib[len(samples_mib) * part // 10 : len(samples_mib) * (part + 1) // 10] for part in range(10)]
    print(f"{contender.facts['engine']}")
    print(f"{frames} frames of {SIDE_PX} x {SIDE_PX} at {frames / seconds:.1f} frames/s; put off {answer['put_off']}")
    print(f"counts {answer['counts']}")
    print(
        "resident memory in each tenth of the run, median, MiB:", *(round(statistics.median(part)) for part in tenths)
    )


if __name__ == "__main__":
    main()
