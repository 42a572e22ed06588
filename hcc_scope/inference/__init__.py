"""Models: find them, check them, run them on an engine.

Importing this package imports neither torch nor pydantic; calling it does.

- `hcc_scope.inference.card`: a model's card (``card.yaml``).
- `hcc_scope.inference.catalogue`: where models are found, and what there is.
- `hcc_scope.inference.loading`: the checks between a folder and a model that may be trusted.
- `hcc_scope.inference.base`: the engines by name.
- `hcc_scope.inference.engines`: how to make an engine, which ones this machine can have, and with how many threads.
- `hcc_scope.inference.torchscript`: the one door to ``torch.jit.load``, and the reference engine.
- `hcc_scope.inference.openvino`: the one door to OpenVINO, and its engines.
- `hcc_scope.inference.cuda`: the engine for an NVIDIA GPU.
- `hcc_scope.inference.agreement`: whether an engine's probabilities are the reference's.
- `hcc_scope.inference.saliency`: which pixels an answer depends on.
- `hcc_scope.inference.auto_engine`: which engine is the fastest here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.loading import LoadedModel

__all__ = ["load_model"]

# Read by the OpenMP library when torch loads it, hence here. By default its threads wait for one another by spinning;
# as soon as anything else wants a core (the writer does, all the time), the spinning thread keeps the one that it
# waits for from running, and a frame takes 20 times as long (docs/decisions/0005-engines.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load_model(name_or_path: str | Path) -> LoadedModel:
    """Find, check, parse and self-test a model; see `hcc_scope.inference.loading.load_model`."""
    from hcc_scope.inference import loading

    return loading.load_model(name_or_path)
