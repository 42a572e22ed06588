"""Small models with their folders, for the tests of models and engines."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import torch

from hcc_scope.inference.card import ModelCard, write_card
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE

if TYPE_CHECKING:
    from pathlib import Path

TILE_PX = 32


class Plain(torch.nn.Module):
    """A small model of a user's: no normalisation inside, padding given as a word, logits alone."""

    def __init__(self, n_out: int = 2) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding="same"),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(4),
            torch.nn.Flatten(),
            torch.nn.Linear(64, n_out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Inside(torch.nn.Module):
    """The same with the paper's mean stretching inside the graph."""

    def __init__(self, inner: torch.nn.Module, scale: float) -> None:
        super().__init__()
        self.inner = inner
        self.scale = scale

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        exact = x.to(torch.float64)
        stretched = exact - exact.mean(dim=-1, keepdim=True).mean(dim=-2, keepdim=True)
        logits = self.inner(stretched.to(torch.float32) * self.scale)
        return logits, logits


def archive(module: torch.nn.Module) -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), file)
    return file.getvalue()


def random_tiles(n: int, tile_px: int = TILE_PX, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (n, tile_px, tile_px), dtype=np.uint16)


def make_model(folder: Path, data: bytes, outputs: np.ndarray, inputs: np.ndarray, **card: object) -> Path:
    """Write a model's folder with test tensors and a card that fits."""
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(data)
    np.save(folder / TEST_INPUT_FILE, inputs)
    np.save(folder / TEST_OUTPUT_FILE, outputs)
    values = {
        "name": folder.name,
        "description": "for a test",
        "sha256": hashlib.sha256(data).hexdigest(),
        "classes": ("low", "high"),
        "tile_px": TILE_PX,
        "pixel_size_um": 0.325,
        "pixel_size_tolerance": 0.05,
        "bit_depth": 16,
        "full_scale": 65535,
        "normalisation": "inside",
        "count_scale": 2.0**-13,
        "temperature": 1.0,
        "decision_threshold": 0.5,
        "engine_tolerance": 1e-4,
        "intended_use": "tests",
        "limits": ("none",),
        "licence": "BSD-3-Clause",
        **card,
    }
    write_card(ModelCard.model_validate(values), folder)
    return folder
