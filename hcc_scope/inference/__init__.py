"""Models: find them, check them, run them on an engine.

Importing this package imports neither torch nor pydantic; calling it does.

- `hcc_scope.inference.card`: what a model says about itself (``card.yaml``).
- `hcc_scope.inference.catalogue`: where models are found, and what there is.
- `hcc_scope.inference.loading`: the checks between a folder and a model that may be trusted.
- `hcc_scope.inference.torchscript`: the one door to ``torch.jit.load``, and the engine that runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.loading import LoadedModel

__all__ = ["load_model"]


def load_model(name_or_path: str | Path) -> LoadedModel:
    """Find, check, parse and self-test a model; see `hcc_scope.inference.loading.load_model`."""
    from hcc_scope.inference import loading

    return loading.load_model(name_or_path)
