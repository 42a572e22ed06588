"""Classify a stored section again, and read its score. Nothing is written."""

from __future__ import annotations

import sys
from pathlib import Path

from hcc_scope.api import load_model, start_replay


def main(path: Path, model_name: str = "phantom-meng2019") -> None:
    """Print the score, what it rests on, and whether its interval is valid."""
    model = load_model(model_name, "torchscript", note=print)
    run = start_replay(path, model)  # the same pipeline as live, with the operator's exclusions
    outcome = run.finish().outcome
    score, counts = outcome.score, outcome.counts
    low, high = score.interval
    print(f"score {score.score} from {score.frames} fields and {score.tiles} tiles")
    print(f"interval {low:.3f} to {high:.3f}, {'valid' if score.interval_valid else 'not valid'}")
    print(f"classified {counts.classified}, excluded {counts.excluded}, failed {counts.failed} of {counts.acquired}")
    for problem in (*run.problems, *run.damaged):
        print(f"damaged: {problem}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
