"""Train the network: one flat loop, then calibration, then validation by animal, then the model's folder.

The paper minimises half the squared error by plain gradient descent (eq. 4-6) and splits at random by image. Here it
is cross-entropy with AdamW, and animals never lie on both sides of a split.
"""

from __future__ import annotations

import copy
import math
import re
import tempfile
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from hcc_scope.errors import ModelError, StoreUnwritableError, UsageError
from hcc_scope.inference.torchscript import TorchScriptClassifier, parse
from hcc_scope.phantom import CameraPhysics
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.training.config import TrainProgress
from hcc_scope.training.dataset import render_tiles, sections_for
from hcc_scope.training.evaluation import (
    auc,
    choose_threshold,
    cross_entropy,
    fit_temperature,
    relit,
    sensitivity_row,
    validation_rows,
)
from hcc_scope.training.export import export_model, refuse_existing, to_torchscript
from hcc_scope.training.model_card import draft_card, final_card
from hcc_scope.training.network import Meng2019

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.training.config import OnProgress, TrainConfig
    from hcc_scope.training.dataset import TileSet

__all__ = ["LIGHT_FACTORS", "fit", "train"]

LIGHT_FACTORS = (0.7, 0.85, 1.15, 1.3)
"""At which the card's sensitivity to light is measured."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


def train(config: TrainConfig, out_dir: Path, on_progress: OnProgress) -> Path:
    """Make a model from phantom sections.

    Parameters
    ----------
    config : TrainConfig
        Decides everything.
    out_dir : Path
        Where the model's folder, named ``config.name``, is made.
    on_progress : callable
        Takes a `TrainProgress` after every field and every few steps.

    Returns
    -------
    Path
        The model's folder, which `hcc_scope.inference.load_model` takes.

    Raises
    ------
    ModelError
        If the folder exists, there are too few usable tiles, or training diverges.
    UsageError
        If the name cannot be that of a folder everywhere.
    StoreUnwritableError
        If the folder cannot be written.
    """
    folder = _check_folder(out_dir, config.name)
    data = _render(config, on_progress)
    network, epochs = fit(data["train"], data["calibration"], config, on_progress)

    # The figures on the card are those of the very artefact that is written, on the engine that will run it.
    artefact = to_torchscript(network)
    draft = draft_card(config)
    calibration, test = data["calibration"], data["test"]
    calibration_odds = _log_odds(artefact, draft, calibration.tiles, config.threads)
    test_odds = _log_odds(artefact, draft, test.tiles, config.threads)
    temperature = fit_temperature(calibration_odds, calibration.labels)
    threshold = choose_threshold(calibration, calibrate(calibration_odds, temperature))
    camera = CameraPhysics()
    sensitivity = []
    for light in LIGHT_FACTORS:
        tiles = relit(test.tiles, light, camera.offset_counts, camera.full_scale)
        odds = _log_odds(artefact, draft, tiles, config.threads)
        sensitivity.append(sensitivity_row(test, odds, light, temperature, threshold))
    card = final_card(
        draft,
        config,
        parameters=sum(p.numel() for p in network.parameters()),
        temperature=temperature,
        threshold=threshold,
        train_data=data["train"],
        epochs=epochs,
        auc_calibration=auc(calibration_odds, calibration.labels),
        auc_test=auc(test_odds, test.labels),
        validation=(
            *validation_rows(calibration, calibration_odds, temperature, threshold),
            *validation_rows(test, test_odds, temperature, threshold),
        ),
        sensitivity=tuple(sensitivity),
        torch_version=version("torch"),
    )
    one_of_each = [int(np.flatnonzero(test.labels == label)[0]) for label in (0, 1)]
    return export_model(artefact, network, test.tiles[one_of_each], card, folder)


def _check_folder(out_dir: Path, name: str) -> Path:
    """Return the model's folder, if it can be made: told now, and not when the training is done."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the model's name {name!r} cannot be that of a folder everywhere",
            hint="Use up to 100 letters, digits, '-', '_' and '.', for example 'phantom-2'.",
        )
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writable-", dir=out_dir):
            pass
    except OSError as error:
        raise StoreUnwritableError(f"no model can be written to {out_dir}: {error.strerror or error}") from error
    folder = out_dir / name
    refuse_existing(folder)
    return folder


def fit(
    train_data: TileSet, calibration: TileSet, config: TrainConfig, on_progress: OnProgress
) -> tuple[Meng2019, int]:
    """Fit the weights; return the network of the best epoch, and how many epochs that took.

    The same data and configuration give the same weights, bit for bit, on one machine.

    Raises
    ------
    ModelError
        If the loss is not a finite number.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = Meng2019()
        return _fit(network, train_data, calibration, config, on_progress)
    finally:
        torch.set_num_threads(threads_before)


def _fit(
    network: Meng2019, train_data: TileSet, calibration: TileSet, config: TrainConfig, on_progress: OnProgress
) -> tuple[Meng2019, int]:
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    rng = stable_rng("training order", config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    n = len(train_data.tiles)
    steps_per_epoch = math.ceil(n / config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _one_cycle(config.epochs * steps_per_epoch))

    best, best_loss, best_epoch = copy.deepcopy(network), math.inf, 0
    for epoch in range(1, config.epochs + 1):
        network.train()
        order = rng.permutation(n)
        running = math.nan
        for step in range(steps_per_epoch):
            chosen = order[step * config.batch : (step + 1) * config.batch]
            tiles = torch.from_numpy(_turned(train_data.tiles[chosen], rng))  # (b, 1, tile, tile) uint16
            labels = torch.from_numpy(train_data.labels[chosen])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
                logits, _ = network(tiles)
            loss = functional.cross_entropy(logits.float(), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step()
            schedule.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise ModelError(
                    f"training diverged in epoch {epoch}, step {step + 1}", hint="Use a lower learning rate."
                )
            running = value if step == 0 else 0.95 * running + 0.05 * value
            if (step + 1) % 10 == 0 or step + 1 == steps_per_epoch:
                done = (epoch - 1) * steps_per_epoch + step + 1
                message = f"epoch {epoch}, loss {running:.3f}"
                on_progress(TrainProgress("train", done, config.epochs * steps_per_epoch, message))
        odds = _held_out(network, calibration.tiles)
        held_out = cross_entropy(odds, calibration.labels)
        message = f"epoch {epoch}: loss {running:.3f}, on held-out animals {held_out:.3f}"
        message += f", tile AUC {auc(odds, calibration.labels):.3f}"
        on_progress(TrainProgress("validate", epoch, config.epochs, message))
        if held_out < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(network), held_out, epoch
        elif epoch - best_epoch >= config.patience:
            break
    return best, best_epoch


def _render(config: TrainConfig, on_progress: OnProgress) -> dict[str, TileSet]:
    sections = {role: sections_for(config, role) for role in ("train", "calibration", "test")}
    progress = TrainProgress("render", 0, config.fields * sum(map(len, sections.values())), "")

    def on_field() -> None:
        nonlocal progress
        progress = replace(progress, done=progress.done + 1)
        on_progress(progress)

    return {role: render_tiles(refs, config, on_field) for role, refs in sections.items()}


def _turned(tiles: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return tiles (b, t, t), each in one of its eight orientations, as (b, 1, t, t): a section has no upside."""
    out = np.empty((len(tiles), 1, *tiles.shape[1:]), np.uint16)
    for row, tile, turns, mirror in zip(
        out, tiles, rng.integers(4, size=len(tiles)), rng.integers(2, size=len(tiles)), strict=True
    ):
        turned = np.rot90(tile, int(turns))
        row[0] = turned[:, ::-1] if mirror else turned
    return out


def _one_cycle(steps: int) -> Callable[[int], float]:
    """Return the factor on the learning rate: a linear rise over the first tenth, then a cosine to zero."""
    rise = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return factor


def _held_out(network: Meng2019, tiles: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return log-odds (n,) of tiles between two epochs, in float32."""
    network.eval()
    with torch.inference_mode():
        # tile by tile, as everywhere
        rows = [network(torch.from_numpy(tile[None, None]))[0] for tile in tiles]
    return log_odds(torch.cat(rows).numpy())


def _log_odds(artefact: bytes, card: ModelCard, tiles: NDArray[np.uint16], threads: int) -> NDArray[np.float32]:
    """Return log-odds (n,) of tiles, as the engine of a run would."""
    classifier = TorchScriptClassifier(parse(artefact, f"the model {card.name}"), card, threads)
    return log_odds(classifier.classify(tiles))
