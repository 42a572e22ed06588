"""The stable interface for scripts: these names, and what they do, do not change within a major version.

Everything else in `hcc_scope` may change between versions. Nothing here needs Qt or a screen. Every error for a
person is a `HccScopeError` with one clear sentence. Where a path is asked for, a string will do.

Stores
    `open_store`, `read_predictions`
Models and scores
    `load_model`, `start_section` (a source into a new store), `start_replay` (a store again)
Training
    `train_model`, `evaluate_model`
Your own parts
    a class with the methods of `FrameSource`, `FrameSink` or `Classifier`; `start_section` takes any source,
    `start_replay_with` any classifier, and `Session` connects whatever you have

The folder ``examples`` of the repository has a short script for each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.protocols import Classifier, FrameSink, FrameSource, ResultSink, StopSignal
from hcc_scope.quality import QualityLimits
from hcc_scope.report.summary import SectionReport
from hcc_scope.runs import replay as _replay
from hcc_scope.runs import section as _section
from hcc_scope.runs.replay import ReplayRun
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import SectionRun
from hcc_scope.scoring import SectionScorer
from hcc_scope.session import Session, SessionLimits
from hcc_scope.shading.correction import Shading
from hcc_scope.storage import predictions as _predictions
from hcc_scope.storage import reader as _reader
from hcc_scope.storage.place import place_of as _place_of
from hcc_scope.storage.reader import SectionStore
from hcc_scope.types import (
    Classification,
    Counts,
    Frame,
    FrameResult,
    QualityFlag,
    RunOutcome,
    RunSpec,
    SectionScore,
    Snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.progress import OnProgress
    from hcc_scope.training.config import NetworkName, RecipeName, TrainConfig

__all__ = [
    "Classification",
    "Classifier",
    "Counts",
    "Frame",
    "FrameResult",
    "FrameSink",
    "FrameSource",
    "HccScopeError",
    "Progress",
    "QualityFlag",
    "QualityLimits",
    "ReplayRun",
    "ResultSink",
    "RunOutcome",
    "RunSpec",
    "ScoringModel",
    "SectionReport",
    "SectionRun",
    "SectionScore",
    "SectionScorer",
    "SectionStore",
    "Session",
    "SessionLimits",
    "Shading",
    "Snapshot",
    "StopSignal",
    "evaluate_model",
    "load_model",
    "open_store",
    "read_predictions",
    "start_replay",
    "start_replay_with",
    "start_section",
    "train_model",
]


def _ignore(_sentence: str) -> None:
    """Take a sentence, and do nothing with it."""


def open_store(path: str | Path) -> SectionStore:
    """Open a store read-only, also while a run still writes to it.

    Parameters
    ----------
    path : str or Path
        The folder, ``<animal>_<section>.ome.zarr``, or the address of one on object storage, such as
        ``s3://bucket/<animal>_<section>.ome.zarr``.

    Returns
    -------
    SectionStore
        The frames that the journal listed when it was opened.

    Raises
    ------
    HccScopeError
        If there is no store, it is not one of ours, or its facts or its journal cannot be read.
    """
    return _reader.open_store(_place_of(path))


def read_predictions(store: str | Path, name: str = "predictions") -> dict[int, FrameResult]:
    """Return what a run recorded for the frames of a store, by `seq`, every bit as it was.

    Parameters
    ----------
    store : str or Path
        The store's folder.
    name : str
        ``predictions`` of the run itself, or ``predictions-<save>`` of a replay that saved its own.

    Raises
    ------
    HccScopeError
        If the store has no predictions of that name, or some of them are unreadable.
    """
    return _predictions.read_predictions(_place_of(store), name)


def load_model(
    name_or_folder: str | Path,
    engine: str = "auto",
    *,
    score_unlike: bool = False,
    allow_phantom_model: bool = False,
    note: Callable[[str], None] | None = None,
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
    note : callable, optional
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
        note=note or _ignore,
        score_unlike=score_unlike,
        allow_phantom_model=allow_phantom_model,
    )


def start_section(
    source: FrameSource,
    model: ScoringModel,
    out: str | Path,
    *,
    interval_s: float | None = None,
    shading: Shading | None = None,
) -> SectionRun:
    """Make a store and begin to acquire a section into it, classified while it comes.

    Parameters
    ----------
    source : FrameSource
        Open, and not started.
    model : ScoringModel
        What classifies.
    out : str or Path
        Folder in which the store is made, named after animal and section.
    interval_s : float, optional
        Wanted time between the frames of a time series.
    shading : Shading, optional
        Corrects frames by a dark and a flat field before they are classified; what is stored stays raw.

    Returns
    -------
    SectionRun
        Under way: ``finish()`` waits for its end; ``session`` stops, pauses and shows it.

    Raises
    ------
    HccScopeError
        If the run cannot start; there is no store then. What goes wrong later is in the outcome.
    """
    return _section.start_section(source, model, Path(out), interval_s=interval_s, shading=shading)


def start_replay(
    store: str | Path | SectionStore,
    model: ScoringModel,
    *,
    save: str | None = None,
    score_unlike: bool | None = None,
    correct: bool = True,
) -> ReplayRun:
    """Begin to classify the frames of a store again, as ``hcc-scope replay`` does.

    Parameters
    ----------
    store : str, Path or SectionStore
        Its folder or its address, or the open store.
    model : ScoringModel
        What classifies.
    save : str, optional
        Keep the results in the store as ``predictions-<save>``; without it nothing is written.
    score_unlike : bool, optional
        Score tiles that are unlike the model's training tiles all the same; as recorded in the store by default.
    correct : bool
        Correct frames by the dark and flat field that the store keeps, if it keeps them.

    Returns
    -------
    ReplayRun
        Under way, with the operator's exclusions.

    Raises
    ------
    HccScopeError
        If the store cannot be read, has predictions of that name, or is not for this model.
    """
    return _replay.start_replay(_store(store), model, save, score_unlike=score_unlike, correct=correct)


def start_replay_with(
    store: str | Path | SectionStore,
    classifier: Classifier,
    *,
    threshold: float,
    temperature: float = 1.0,
    tile_px: int | None = None,
    unlike_beyond: float | None = None,
    correct: bool = True,
) -> ReplayRun:
    """Begin to classify the frames of a store by a classifier of your own. Nothing is written.

    Parameters
    ----------
    store : str, Path or SectionStore
        Its folder or its address, or the open store.
    classifier : Classifier
        An object with a name, `engine`, and a method `classify`.
    threshold : float
        Decision threshold of the score, 0 to 1, as the card of a model has one.
    temperature : float
        Log-odds are divided by it before they become probabilities.
    tile_px : int, optional
        Side of the tiles; as recorded in the store by default.
    unlike_beyond : float, optional
        Tiles whose distance is beyond it are flagged and not scored.
    correct : bool
        As in `start_replay`.

    Returns
    -------
    ReplayRun
        Under way, with the operator's exclusions and with the quality limits of the live run.

    Raises
    ------
    HccScopeError
        If the store cannot be read, or its frames are smaller than a tile.
    """
    return _replay.start_replay_with(
        _store(store),
        classifier,
        threshold=threshold,
        temperature=temperature,
        tile_px=tile_px,
        unlike_beyond=unlike_beyond,
        correct=correct,
    )


def _store(store: str | Path | SectionStore) -> Path | SectionStore:
    return store if isinstance(store, SectionStore) else Path(store)


def _train_config(network: NetworkName, recipe: RecipeName, epochs: int | None, seed: int) -> TrainConfig:
    """Return what a training is configured by; a script's values are not checked by any parser of options."""
    from hcc_scope.training.config import NetworkName, RecipeName, TrainConfig

    for what, value, known in (("network", network, get_args(NetworkName)), ("recipe", recipe, get_args(RecipeName))):
        if value not in known:
            raise UsageError(f"there is no {what} {value!r}", hint=f"There are: {', '.join(known)}.")
    if epochs is not None and epochs < 1:
        raise UsageError(f"{epochs} epochs train nothing", hint="Ask for at least 1.")
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative", hint="Give 0 or a positive whole number.")
    return TrainConfig(network=network, recipe=recipe, epochs=epochs, seed=seed)


def train_model(
    manifest: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    network: NetworkName = "meng2019",
    recipe: RecipeName = "modern",
    epochs: int | None = None,
    seed: int = 2019,
    hold_out: int | None = 1,
    note: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
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
    network : str
        ``meng2019``, the paper's, or ``compact``.
    recipe : str
        ``modern``, or ``meng2019``, the paper's (``docs/training.md``).
    epochs : int, optional
        Passes over the training tiles, at most; the recipe's by default.
    seed : int
        Decides first weights, order of tiles, augmentation, and which animals are held out.
    hold_out : int or None
        Animals of each class that are kept for the calibration; None: nothing is held out or calibrated.
    note : callable, optional
        Takes sentences about what the model will lack, and why.
    on_progress : callable, optional
        Takes a `Progress` at each step.

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
    from hcc_scope.training.run_folder import TrainRun, train_run

    folder = Path(out)
    chosen = name or folder.resolve().name
    options = f"network={network!r}, recipe={recipe!r}, epochs={epochs}, seed={seed}, hold_out={hold_out}"
    run = TrainRun(
        manifest=Path(manifest),
        folder=folder,
        name=chosen,
        config=_train_config(network, recipe, epochs, seed),
        hold_out=hold_out,
        command=f"hcc_scope.api.train_model({Path(manifest).name!r}, {folder.name!r}, name={chosen!r}, {options})",
    )
    say, step = note or _ignore, on_progress or ignore_progress
    return train_run(run, partial(make_model, on_progress=step, say=say), on_progress=step, say=say)


def evaluate_model(
    manifest: str | Path,
    out: str | Path,
    *,
    network: NetworkName = "meng2019",
    recipe: RecipeName = "modern",
    epochs: int | None = None,
    seed: int = 2019,
    folds: int = 5,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
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
    jobs : int
        Folds side by side. More than one are processes of their own, which import your script: what it does must
        then stand below ``if __name__ == "__main__":``.
    on_progress : callable, optional
        Takes a `Progress` at each step.

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
    from hcc_scope.evaluation.run import evaluate, open_evaluation_executor
    from hcc_scope.evaluation.splits import require_animals
    from hcc_scope.training.folder_lock import lock_folder

    folder, step = Path(out), on_progress or ignore_progress
    check_folder(folder, resume=False)  # now, and not when the tiles are cut
    data = read_manifest(Path(manifest))
    require_animals(data.images)
    config = _train_config(network, recipe, epochs, seed)
    with lock_folder(folder, "another evaluation"):
        tiles = cut_tiles(data, None, step)
        with open_evaluation_executor(config, jobs, None) as executor:
            result = evaluate(data, tiles, config, folder, folds=folds, executor=executor, on_progress=step)
        options = f"network={network!r}, recipe={recipe!r}, epochs={epochs}, seed={seed}, folds={folds}"
        command = f"hcc_scope.api.evaluate_model({Path(manifest).name!r}, {folder.name!r}, {options})"
        write_evaluation(analyse(result), folder, command)
    content: dict[str, Any] = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    return content
