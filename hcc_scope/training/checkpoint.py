"""The state of a training run between two steps, in one file that is complete or absent.

A checkpoint holds everything that the rest of the run depends on, so that a killed run continues to the same bytes:
weights and running averages, the optimiser's state, the best weights so far, and how far the run is. There are no
random states in it: order and augmentation are functions of seed, epoch and tile.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

import pydantic
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hcc_scope.atomic_file import replace_file
from hcc_scope.errors import ResumeError
from hcc_scope.storage.files import explain
from hcc_scope.training.fit_result import Epoch
from hcc_scope.training.records import EpochRecord, StrictRecord, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "CHECKPOINT",
    "HowFar",
    "check_identity",
    "read_checkpoint",
    "write_bytes",
    "write_checkpoint",
]

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
    silent_steps: int = 0
    """The last ones, in which no batch has changed what the network computes of a tile."""
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

    def check(self, network: torch.nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> None:
        """Raise `ResumeError` unless the weights and the optimiser's state fit a network, and are finite numbers."""
        wanted = network.state_dict()
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        try:
            _check_tensors(self.network, wanted, "network")
            if self.best:
                _check_tensors(self.best, wanted, "best")
            if self.optimiser:
                _check_optimiser(self.optimiser, weights)
        except ValueError as error:
            raise _unreadable(path, error) from error

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


class _HowFar(StrictRecord):
    epoch: int = pydantic.Field(ge=1)
    step: int = pydantic.Field(ge=0)
    loss_sum: float
    seconds: float = pydantic.Field(ge=0)
    silent_steps: int = pydantic.Field(ge=0)
    best_epoch: int = pydantic.Field(ge=0)
    best_loss: float | None
    finished: bool
    metrics_bytes: int = pydantic.Field(ge=0)
    history: list[EpochRecord]

    @pydantic.model_validator(mode="after")
    def _agrees(self) -> Self:
        if [one.epoch for one in self.history] != list(range(1, self.epoch)):
            raise ValueError("history: it is not that of the epochs so far")
        if self.best_epoch >= self.epoch:
            raise ValueError("best_epoch: it is still to come")
        return self


class _Content(StrictRecord):
    identity: dict[str, str | int | float | bool | None]
    how_far: _HowFar


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint, or None if there is none.

    Raises
    ------
    ResumeError
        If it is not one of ours.
    """
    if not os.path.lexists(path):
        return None
    try:
        content, tensors = _read(path)
        parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = value
        optimiser: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in parts["optimiser"].items():
            number, _, name = key.partition("/")
            optimiser.setdefault(int(number), {})[name] = value
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    stored = content.how_far
    how_far = HowFar(**{**dict(stored), "history": [Epoch(**dict(one)) for one in stored.history]})
    return Checkpoint(dict(content.identity), how_far, parts["network"], parts["best"], optimiser)


def _read(path: Path) -> tuple[_Content, dict[str, torch.Tensor]]:
    if not path.is_file():  # a pipe would be waited for
        raise ValueError("it is no file")
    with safe_open(path, framework="pt") as file:
        content = _Content.model_validate_json((file.metadata() or {})[_KEY])
        return content, {key: file.get_tensor(key) for key in file.keys()}


def _unreadable(path: Path, error: Exception) -> ResumeError:
    return ResumeError(
        f"the checkpoint {path} cannot be read ({one_line(error)})", hint="Start the training again in another folder."
    )


def _check_optimiser(found: Mapping[int, Mapping[str, torch.Tensor]], weights: Sequence[torch.Tensor]) -> None:
    if set(found) != set(range(len(weights))):
        raise ValueError("the optimiser's state is not of all weights")
    for index, values in found.items():
        if set(values) != set(found[0]):
            raise ValueError(f"optimiser/{index} lacks a part, or has one too many")
        for name, value in values.items():
            if value.dtype != torch.float32 or (value.ndim and value.shape != weights[index].shape):
                raise ValueError(f"optimiser/{index}/{name} is {value.dtype} of shape {tuple(value.shape)}")
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"optimiser/{index}/{name} is no finite number")


def _check_tensors(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], part: str) -> None:
    odd = sorted(set(found) ^ set(wanted))
    if odd:
        raise ValueError(f"{part}/{odd[0]} is {'missing' if odd[0] in wanted else 'of no use'}")
    for name, like in wanted.items():
        value = found[name]
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(f"{part}/{name} is {value.dtype} of shape {tuple(value.shape)}")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{part}/{name} is no finite number")


_NAMES = {
    "data": "data (other images, or files that were copied or written to since)",
    "loop": "training loop (of another version of HCC-Scope)",
}


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
