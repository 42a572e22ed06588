"""The state of a training run between two steps, in one file that is complete or absent.

A checkpoint holds everything that the rest of the run depends on, so that a killed run goes on to the same bytes:
weights and running averages, the optimiser's state, the best weights so far, and how far the run is. There are no
random states in it: order and augmentation are functions of seed, epoch and tile.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hcc_scope.errors import ResumeError
from hcc_scope.storage.files import explain, replace_file
from hcc_scope.training.fitted import Epoch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CHECKPOINT", "HowFar", "check_identity", "read_checkpoint", "write_bytes", "write_checkpoint"]

CHECKPOINT = "checkpoints/last.safetensors"
_KEY = "hcc_scope_training"


@dataclass(slots=True)
class HowFar:
    """How far a run is."""

    epoch: int = 1
    """The one that is under way: 1, 2, ..."""
    step: int = 0
    """Steps of it that are done."""
    loss_sum: float = 0.0
    """Over these steps."""
    seconds: float = 0.0
    """Of the epoch so far."""
    best_epoch: int = 0
    best_loss: float | None = None
    finished: bool = False
    metrics_bytes: int = 0
    """Of the file of metrics that belong to the past."""
    history: list[Epoch] = field(default_factory=list)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, complete or not at all.

    Raises
    ------
    DiskFullError, StoreUnwritableError, StoreError
        If that is not possible.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
    except OSError as error:
        raise explain(error, f"{path} cannot be written") from error


def write_checkpoint(
    path: Path,
    identity: Mapping[str, object],
    how_far: HowFar,
    network: Mapping[str, torch.Tensor],
    best: Mapping[str, torch.Tensor] | None,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint in place of the one before."""
    tensors = {f"network/{name}": value for name, value in network.items()}
    tensors |= {f"best/{name}": value for name, value in (best or {}).items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": value for name, value in values.items() if value is not None}
    content = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    words = json.dumps({"identity": dict(identity), "how_far": asdict(how_far)}, allow_nan=False)
    write_bytes(path, save(content, {_KEY: words}))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read."""

    identity: dict[str, object]
    how_far: HowFar
    network: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    optimiser: dict[int, dict[str, torch.Tensor]]

    def restore_optimiser(self, optimiser: torch.optim.Optimizer) -> None:
        """Put the state back, laid out in memory as the weights are."""
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        state = {}
        for index, values in self.optimiser.items():
            like = weights[index]
            state[index] = {
                name: torch.empty_like(like).copy_(value) if value.shape == like.shape else value
                for name, value in values.items()
            }
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint, or None if there is none.

    Raises
    ------
    ResumeError
        If it is not one of ours.
    """
    if not path.exists():
        return None
    parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()[_KEY])
            for key in file.keys():  # it is no mapping
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
        numbers = content["how_far"]
        how_far = HowFar(**{**numbers, "history": [Epoch(**epoch) for epoch in numbers["history"]]})
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ResumeError(
            f"the checkpoint {path} cannot be read ({error})", hint="Start the training anew in another folder."
        ) from error
    optimiser: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in parts["optimiser"].items():
        index, _, name = key.partition("/")
        optimiser.setdefault(int(index), {})[name] = value
    return Checkpoint(content["identity"], how_far, parts["network"], parts["best"], optimiser)


_NAMES = {"data": "data (other images, or files that were copied or written to since)"}


def check_identity(then: Mapping[str, object], now: Mapping[str, object], folder: Path) -> None:
    """Refuse to continue another run.

    Raises
    ------
    ResumeError
        Lists what differs, a line each.
    """
    differing = [key for key in dict.fromkeys([*then, *now]) if then.get(key) != now.get(key)]
    if differing:
        lines = "".join(
            f"\n  {_NAMES.get(key, key)}: {then.get(key)} in the run, {now.get(key)} now" for key in differing
        )
        raise ResumeError(
            f"the training in {folder} cannot be continued, because it was started with another configuration or other "
            "data",
            hint=f"Start in another folder, or with what differs put back:{lines}",
        )
