"""Kill an acquisition (SIGKILL) at a random time, 20 times; check every journalled frame; recover; validate; replay."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import yaozarrs
import zarr

from benchmarks.processes import acquire_command, journalled, run_json

ROUNDS = 20


def main() -> None:
    chance = random.Random(2019)
    total = 0
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            store = out / "m1_s1.ome.zarr"
            process = subprocess.Popen(
                acquire_command(out, "--fields", "30", "--phantom", chance.choice(["low", "high"])),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while not store.exists() and process.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 4.0))
            process.kill()
            process.wait()
            lines = journalled(store)
            frames = zarr.open_array(store / "frames" / "0", mode="r")
            for line in lines:
                crc32 = zlib.crc32(np.ascontiguousarray(frames[line["seq"]], dtype="<u2").tobytes())
                assert crc32 == line["crc32"], f"round {number}, frame {line['seq']}"
            for _ in range(2):
                recovered = run_json("recover", str(store))["stores"][0]
                assert recovered["frames"] == len(lines), (number, recovered)
                assert not recovered["damaged"], (number, recovered)
            yaozarrs.validate_zarr_store(str(store))
            if lines:
                counts = run_json("replay", str(store))["counts"]
                assert counts["acquired"] == len(lines) == counts["classified"] + counts["excluded"], (number, counts)
            total += len(lines)
            print(f"round {number + 1:2}: {len(lines):2} frames journalled, all readable, recovered, valid", flush=True)
    print(f"{ROUNDS} rounds, {total} journalled frames, none missing")


if __name__ == "__main__":
    main()
