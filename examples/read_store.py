"""Open a store: its frames, where they were taken, and what the model answered."""

from __future__ import annotations

import sys
from pathlib import Path

from hcc_scope.api import open_store, read_predictions


def main(path: Path) -> None:
    """Print a line for each frame."""
    store = open_store(path)  # also while a run still writes to it
    print(f"{store.spec.animal_id} {store.spec.section_id}: {store.n_frames} frames of {store.spec.frame_shape_yx}")
    predictions = read_predictions(path)
    for seq in range(store.n_frames):
        frame = store.read(seq)  # its checksum is compared; StoreDamagedError if it differs
        result = predictions.get(seq)
        mean = "none"
        if result is not None and (result.flags == 0).any():  # flagged tiles are not scored
            mean = f"{result.probabilities[result.flags == 0].mean():.3f}"
        print(f"{seq}: mean {frame.pixels.mean():.0f} counts, stage {frame.stage_um} um, probability of high {mean}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
