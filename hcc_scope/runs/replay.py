"""Classify a store's frames again by the pipeline of a live run, with the operator's exclusions in its notes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError, StoreDamagedError, UsageError
from hcc_scope.runs.model_shading import check_wish, wanted_shading
from hcc_scope.runs.result_log import ResultLog
from hcc_scope.runs.section import SectionRun
from hcc_scope.runs.specimen import check_specimen
from hcc_scope.storage.place import RemotePath
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from hcc_scope.protocols import Classifier
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.source import StoreSource
    from hcc_scope.workers import StopToken

__all__ = ["ReplayRun", "recorded_engine", "recorded_model", "start_replay", "start_replay_with"]


@dataclass(frozen=True, slots=True)
class ReplayRun(SectionRun):
    """A replay under way."""

    store: SectionStore
    source: StoreSource
    problems: tuple[StoreDamagedError, ...]
    """What is wrong with the journal or the notes, known before the first frame."""

    @property
    def damaged(self) -> tuple[StoreDamagedError, ...]:
        """Frames that could not be read so far."""
        return tuple(self.source.damaged)


def recorded_model(store: SectionStore) -> Path:
    """Return the folder of the model that a store was classified with, by the sha256 that it records.

    Only a model that is known here counts (`hcc_scope.inference.catalogue.known_model`): a store may come from
    anywhere, and so may a model in a folder that the store names.

    Raises
    ------
    ModelError
        If no such model is known here.
    """
    from hcc_scope.inference.catalogue import known_model

    sha256 = store.spec.model_sha256
    name = store.recorded.provenance.model or ""
    folder = None if sha256 is None else known_model(sha256, name)
    if folder is not None:
        return folder
    named = f"the model {name[:100]!r}" if name else "a model"
    raise ModelError(
        f"{store.place} was classified with {named} (sha256 {str(sha256)[:12]}), which is not known here",
        hint="If you have it and trust it, give its folder with --model; another model classifies the section again.",
    )


def recorded_engine(store: SectionStore) -> str:
    """Return the short name of the engine that a store records; the reference's if it records none."""
    from hcc_scope.inference.base import REFERENCE

    return store.recorded.provenance.engine or REFERENCE


def start_replay(
    store: Path | SectionStore,
    scoring_model: ScoringModel,
    save: str | None = None,
    stop: StopToken | None = None,
    *,
    score_unlike: bool | None = None,
    correct: bool = True,
) -> ReplayRun:
    """Begin to classify a store's frames again.

    Parameters
    ----------
    store : Path or SectionStore
        Its path or its address, or the open store.
    scoring_model : ScoringModel
        What classifies.
    save : str, optional
        Keep the results in the store as ``predictions-<save>``; without it nothing is written but the marks that are
        made on fields meanwhile.
    stop : StopToken, optional
        Ends or pauses the replay.
    score_unlike : bool, optional
        Also score tiles that are unlike the model's training tiles; as recorded in the store if not given:
        the choice of `scoring_model` is for new sections.
    correct : bool
        Correct frames by the dark and flat field that the store keeps; a store that keeps none is classified raw.

    Raises
    ------
    StoreError
        If the store cannot be read, or has predictions of that name.
    StoreDamagedError
        If its dark or flat field is missing or damaged.
    FrameSizeError
        If a frame is smaller than a tile of this model.
    ModelMismatchError
        If the model was trained on other frames, or on a phantom only and this may be tissue, or requires corrected
        frames.
    """
    card = scoring_model.model.card
    opened, source, grid = _opened(store, card.tile_px)
    scoring_model.model.check_matches(source.spec)
    check_specimen(card, source.spec, allow_phantom_model=scoring_model.allow_phantom_model)
    shading = wanted_shading(card, opened.shading if correct else None)
    check_wish(card, shading, stored=True)
    if score_unlike is None:
        score_unlike = opened.recorded.provenance.score_unlike
    return _started(
        opened,
        source,
        grid,
        scoring_model.classifier,
        threshold=card.decision_threshold,
        temperature=card.temperature,
        threshold_interval=card.threshold_interval,
        save=save,
        model_sha256=card.sha256,
        stop=stop,
        unlike_beyond=scoring_model.unlike_limit(score_unlike=score_unlike),
        scored_beyond=scoring_model.scored_limit(score_unlike=score_unlike),
        shading=shading,
    )


def start_replay_with(
    store: Path | SectionStore,
    classifier: Classifier,
    *,
    threshold: float,
    temperature: float = 1.0,
    tile_px: int | None = None,
    unlike_beyond: float | None = None,
    correct: bool = True,
    stop: StopToken | None = None,
) -> ReplayRun:
    """Begin to classify a store's frames by a classifier that is no model of ours. No result is written.

    Parameters
    ----------
    store : Path or SectionStore
        Its path, or the open store.
    classifier : Classifier
        What classifies.
    threshold : float
        Decision threshold of the score, 0 to 1, as the card of a model has one.
    temperature : float
        By which log-odds are divided before they become probabilities.
    tile_px : int, optional
        Side of the tiles; as recorded in the store if not given.
    unlike_beyond : float, optional
        Distance from the training tiles beyond which a tile is flagged and not scored.
    correct : bool
        Correct frames by the dark and flat field that the store keeps.
    stop : StopToken, optional
        Ends or pauses the replay.

    Raises
    ------
    StoreError
        If the store cannot be read.
    FrameSizeError
        If a frame is smaller than a tile.
    UsageError
        If a number makes no sense.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"a threshold of {threshold} is no probability", hint="Give a number from 0 to 1.")
    if not 0 < temperature < math.inf:
        raise UsageError(f"a temperature of {temperature} calibrates nothing", hint="Give a positive number.")
    if tile_px is not None and tile_px < 1:
        raise UsageError(f"tiles of {tile_px} px hold nothing", hint="Give the side of a tile in px.")
    opened, source, grid = _opened(store, tile_px)
    return _started(
        opened,
        source,
        grid,
        classifier,
        threshold=threshold,
        temperature=temperature,
        stop=stop,
        unlike_beyond=unlike_beyond,
        shading=opened.shading if correct else None,
    )


def _opened(store: Path | SectionStore, tile_px: int | None) -> tuple[SectionStore, StoreSource, TileGrid]:
    from hcc_scope.storage.reader import SectionStore, open_store
    from hcc_scope.storage.source import StoreSource

    opened = store if isinstance(store, SectionStore) else open_store(store)
    source = StoreSource(opened, tile_px=tile_px)
    return opened, source, TileGrid.for_frame(source.spec.frame_shape_yx, source.spec.tile_px)


def _started(
    opened: SectionStore,
    source: StoreSource,
    grid: TileGrid,
    classifier: Classifier,
    *,
    threshold: float,
    temperature: float,
    threshold_interval: tuple[float, float] | None = None,
    stop: StopToken | None,
    unlike_beyond: float | None,
    scored_beyond: float | None = None,
    save: str | None = None,
    model_sha256: str | None = None,
    shading: Shading | None = None,
) -> ReplayRun:
    """Start a replay: with the operator's exclusions, and with the quality limits and reservations of the live run."""
    from hcc_scope.session import Session
    from hcc_scope.storage.notes import NotesWriter, excluded_fields, read_notes_log
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.scorer import store_scorer

    place = opened.place
    log = read_notes_log(place)
    saved = None
    if save is not None:
        name = f"predictions-{save}"
        raw = opened.recorded.provenance.corrected and shading is None
        saved = PredictionWriter(opened.path, source.spec, run=save, model_sha256=model_sha256, name=name, raw=raw)
    results = ResultLog(saved)
    session = Session(
        source,
        None,
        classifier,
        scorer=store_scorer(opened, threshold, temperature, threshold_interval),
        limits=opened.recorded.provenance.quality,
        results=results,
        notes=None if isinstance(place, RemotePath) else NotesWriter(place),
        excluded=[seq for seq in excluded_fields(log.notes) if seq < opened.n_frames],
        stop=stop,
        store=str(place),
        unlike_beyond=unlike_beyond,
        shading=shading,
    )
    session.start()
    problems = tuple(StoreDamagedError(problem) for problem in (*opened.problems, *log.problems))
    return ReplayRun(
        session,
        Path(str(place)),
        source.spec,
        grid,
        results,
        scored_beyond,
        opened,
        source,
        problems,
        first_frames=opened.recorded.first_frames,
    )
