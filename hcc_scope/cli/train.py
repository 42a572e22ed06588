"""``hcc-scope train``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hcc_scope.cli.console import RESEARCH_USE_ONLY, people, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.training.config import TrainProgress

__all__ = ["run_train"]


def run_train(*, out: Path, name: str, seed: int, epochs: int | None, json_mode: bool) -> None:
    """Train, export and check a model, and say what its card says."""
    from hcc_scope.inference import load_model
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.loop import train

    console = people(json_mode=json_mode)
    config = TrainConfig(name=name, seed=seed)
    if epochs is not None:
        config = replace(config, epochs=epochs)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}"),
        console=console.console,
        disable=not console.is_terminal,
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(now: TrainProgress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = progress.add_task(now.stage, total=now.total, message="")
                if not console.is_terminal:
                    console.note(f"{now.stage} ...")
            progress.update(tasks[now.stage], completed=now.done, total=now.total, message=now.message)

        folder = train(config, out, on_progress)
    card = load_model(folder).card
    if json_mode:
        print_json({"folder": str(folder), "card": card.model_dump(mode="json")})
        return
    console.note(f"{folder}: {card.description}")
    if card.training is not None:
        console.note(
            f"tile AUC on animals used for nothing else: {card.training.tile_auc_test}; temperature "
            f"{card.temperature:.3f}; section threshold {card.decision_threshold:.3f}",
        )
    console.note(RESEARCH_USE_ONLY, "italic")
