"""Train a network on a manifest of labelled images, and load the model that comes out."""

from __future__ import annotations

import sys
from pathlib import Path

from hcc_scope.api import load_model, train_model


def main(manifest: Path, out: Path) -> None:
    """Train for one epoch: it shows how; leave `epochs` out for a network that learns."""
    folder = train_model(manifest, out, epochs=1, hold_out=1, note=print)
    card = load_model(folder, "torchscript").model.card
    print(f"{folder}: {card.description}")
    print(f"threshold {card.decision_threshold:.3f}, chosen on: {card.calibrated_on}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
