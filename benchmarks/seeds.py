"""Run the demo with seeds 1 to 10 and count how often its two sections score on their own side of the threshold."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.processes import run_json

SEEDS = range(1, 11)


def main() -> None:
    right = 0
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            summary = run_json("demo", "--seed", str(seed), "--out", str(Path(folder) / "demo"))
        low, high = sorted(summary["sections"], key=lambda section: section["animal_id"] == "demo-high")
        apart = low["score"] < low["threshold"] <= high["score"]
        right += apart
        print(
            f"seed {seed:2}: low {low['score']:.3f} {low['interval']}, high {high['score']:.3f} {high['interval']}, "
            f"threshold {low['threshold']:.2f}: {'apart' if apart else 'NOT apart'}, "
            f"decided {low['decision']}, {high['decision']}; "
            f"{summary['rates']['end_to_end_fps']:.1f} frames/s",
            flush=True,
        )
    print(f"{right} of {len(SEEDS)} seeds: opposite sides of the threshold, each on its own")


if __name__ == "__main__":
    main()
