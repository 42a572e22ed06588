"""The stable interface for scripts: these names, and what they do, do not change within a major version.

Everything else in `hcc_scope` may change between versions. Nothing here needs Qt or a screen. Every error for a
person is a `HccScopeError` with one clear sentence.

Stores
    `open_store`, `read_predictions`
Models and scores
    `load_model`, `start_section` (a source into a new store), `start_replay` (a store again)
Training
    `train_model`, `evaluate_model`
Your own parts
    a class with the methods of `FrameSource`, `FrameSink` or `Classifier`; `Session` connects them

The folder ``examples`` of the repository has a short script for each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hcc_scope.errors import HccScopeError
from hcc_scope.protocols import Classifier, FrameSink, FrameSource, StopSignal
from hcc_scope.quality import QualityLimits
from hcc_scope.report.summary import SectionReport
from hcc_scope.runs.replay import ReplayRun, start_replay
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import SectionRun, start_section
from hcc_scope.scoring import SectionScorer
from hcc_scope.session import Session
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import SectionStore, open_store
from hcc_scope.types import Counts, Frame, FrameResult, QualityFlag, RunOutcome, RunSpec, SectionScore

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Classifier",
    "Counts",
    "Frame",
    "FrameResult",
    "FrameSink",
    "FrameSource",
    "HccScopeError",
    "QualityFlag",
    "QualityLimits",
    "ReplayRun",
    "RunOutcome",
    "RunSpec",
    "ScoringModel",
    "SectionReport",
    "SectionRun",
    "SectionScore",
    "SectionScorer",
    "SectionStore",
    "Session",
    "StopSignal",
    "evaluate_model",
    "load_model",
    "open_store",
    "read_predictions",
    "start_replay",
    "start_section",
    "train_model",
]


def _ignore(_value: object) -> None:
    """Take a sentence or a step, and do nothing with it."""


def load_model(
    name_or_folder: str | Path,
    engine: str = "auto",
    *,
    score_unlike: bool = False,
    allow_phantom_model: bool = False,
    note: Callable[[str], object] = _ignore,
) -> ScoringModel:
    """Load, check and self-test a model, and put it on an engine.

    Parameters
    ----------
    name_or_folder : str or Path
        Name of a shipped model, or the folder of another one.
    engine : str
        What runs it: ``auto`` (the fastest that agrees with the reference), ``torchscript``, ``openvino``,
        ``openvino-bf16`` or ``cuda``.
    score_unlike : bool
        Also score tiles that are unlike the model's training tiles.
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue. Such a score means nothing.
    note : callable
        Takes a sentence about the engine that was chosen, and about each that cannot be used.

    Raises
    ------
    HccScopeError
        If there is no such model, it was altered, or it does not reproduce its test output on this computer.

    Examples
    --------
    >>> model = load_model("phantom-meng2019", "torchscript")  # doctest: +SKIP
    >>> model.model.card.tile_px  # doctest: +SKIP
    512
    """
    return load_scoring_model(
        name_or_folder,
        engine,
        note=note,  # type: ignore[arg-type]  # what it returns is not used
        score_unlike=score_unlike,
        allow_phantom_model=allow_phantom_model,
    )


def train_model(
    manifest: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    network: Literal["meng2019", "compact"] = "meng2019",
    recipe: Literal["meng2019", "modern"] = "modern",
    epochs: int | None = None,
    seed: int = 2019,
    hold_out: int | None = 1,
    note: Callable[[str], object] = _ignore,
) -> Path:
    """Train a network on labelled images, and make a model of it, as ``hcc-scope train`` does.

    Parameters
    ----------
    manifest : str or Path
        The list of images (``docs/datasets.md``).
    out : str or Path
        Folder of the run; must not exist.
    name : str, optional
        Of the model; the folder's by default.
    network, recipe : str
        See ``docs/training.md``.
    epochs : int, optional
        Passes over the training tiles, at most; the recipe's by default.
    seed : int
        Decides first weights, order of tiles, augmentation, and which animals are held out.
    hold_out : int or None
        Animals of each class that are kept for the calibration; None: nothing is held out or calibrated.
    note : callable
        Takes sentences about what the model will lack, and why.

    Returns
    -------
    Path
        The model's folder, for `load_model`.

    Raises
    ------
    HccScopeError
        If the manifest, an image, an option or the disk does not allow it.
    """
    from functools import partial

    from hcc_scope.runs.build_model import make_model
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.run_folder import TrainRun, train_run

    folder = Path(out)
    chosen = name or folder.resolve().name
    options = f"network={network!r}, recipe={recipe!r}, epochs={epochs}, seed={seed}, hold_out={hold_out}"
    run = TrainRun(
        manifest=Path(manifest),
        folder=folder,
        name=chosen,
        config=TrainConfig(network=network, recipe=recipe, epochs=epochs, seed=seed),
        hold_out=hold_out,
        command=f"hcc_scope.api.train_model({Path(manifest).name!r}, {folder.name!r}, name={chosen!r}, {options})",
    )
    say: Any = note
    return train_run(run, partial(make_model, on_progress=_ignore, say=say), on_progress=_ignore, say=say)


def evaluate_model(
    manifest: str | Path,
    out: str | Path,
    *,
    network: Literal["meng2019", "compact"] = "meng2019",
    recipe: Literal["meng2019", "modern"] = "modern",
    epochs: int | None = None,
    seed: int = 2019,
    folds: int = 5,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Validate a network by both protocols, images at random and by animal, as ``hcc-scope evaluate`` does.

    Figures are not drawn; the command draws them.

    Parameters
    ----------
    manifest : str or Path
        The list of images (``docs/datasets.md``).
    out : str or Path
        Folder of the evaluation; must not exist. Takes ``report.md``, ``table1.md`` and ``evaluation.json``.
    network, recipe, epochs, seed
        As in `train_model`; every fold is trained so.
    folds : int
        Of the protocol by images; at most so many by animal.
    jobs : int, optional
        Folds side by side; a process each. By default as many as the processor has cores.

    Returns
    -------
    dict
        What ``evaluation.json`` holds (``docs/evaluation.md``).

    Raises
    ------
    HccScopeError
        If the manifest, an image, an option or the disk does not allow it.
    """
    import json

    from hcc_scope.datasets.cache import cut_tiles
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.evaluation.analysis import analyse
    from hcc_scope.evaluation.plan import check_folder
    from hcc_scope.evaluation.record import EVALUATION_FILE, write_evaluation
    from hcc_scope.evaluation.run import evaluate
    from hcc_scope.evaluation.splits import require_animals
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.folder_lock import lock_folder

    folder = Path(out)
    check_folder(folder, resume=False)  # now, and not when the tiles are cut
    data = read_manifest(Path(manifest))
    require_animals(data.images)
    config = TrainConfig(network=network, recipe=recipe, epochs=epochs, seed=seed)
    with lock_folder(folder, "another evaluation"):
        tiles = cut_tiles(data, None, _ignore)
        result = evaluate(data, tiles, config, folder, folds=folds, jobs=jobs, on_progress=_ignore)
        options = f"network={network!r}, recipe={recipe!r}, epochs={epochs}, seed={seed}, folds={folds}"
        command = f"hcc_scope.api.evaluate_model({Path(manifest).name!r}, {folder.name!r}, {options})"
        write_evaluation(analyse(result), folder, command)
    content: dict[str, Any] = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    return content
