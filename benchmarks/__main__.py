"""``python -m benchmarks [NAME]``: the short benchmarks, or one of them by name."""

from __future__ import annotations

import argparse
import importlib
import sys

SHORT = ("bench_phantom", "bench_store")
LONG = {
    "kills": "20 acquisitions killed at random times: what the journal promises is there",
    "seeds": "the demo with 10 seeds: on which side of the threshold its sections score",
    "soak": "2,000 frames at full rate: nothing lost, memory flat",
}


def main() -> None:
    names = [*SHORT, *LONG]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "name", nargs="?", choices=names, help="; ".join(f"{name}: {what}" for name, what in LONG.items())
    )
    chosen = parser.parse_args().name
    for name in SHORT if chosen is None else (chosen,):
        print(f"== {name}", flush=True)
        sys.argv = [name]  # those that have options of their own take their defaults here
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
