"""Classify a store's frames again by the pipeline of a live run, with the operator's exclusions in its notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError, StoreDamagedError
from hcc_scope.runs.result_log import ResultLog
from hcc_scope.runs.section import SectionRun
from hcc_scope.runs.specimen import check_specimen
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.source import StoreSource
    from hcc_scope.workers import StopToken

__all__ = ["ReplayRun", "recorded_engine", "recorded_model", "start_replay"]


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
        f"{store.path} was classified with {named} (sha256 {str(sha256)[:12]}), which is not known here",
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
) -> ReplayRun:
    """Begin to classify a store's frames again.

    Parameters
    ----------
    store : Path or SectionStore
        Its path, or the open store.
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

    Raises
    ------
    StoreError
        If the store cannot be read, or has predictions of that name.
    FrameSizeError
        If a frame is smaller than a tile of this model.
    ModelMismatchError
        If the model was trained on other frames, or on a phantom only and this may be tissue.
    """
    from hcc_scope.session import Session
    from hcc_scope.storage.notes import NotesWriter, excluded_fields, read_notes_log
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.reader import SectionStore, open_store
    from hcc_scope.storage.scorer import store_scorer
    from hcc_scope.storage.source import StoreSource

    card = scoring_model.model.card
    opened = store if isinstance(store, SectionStore) else open_store(store)
    source = StoreSource(opened, tile_px=card.tile_px)
    spec = source.spec
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    scoring_model.model.check_matches(spec)
    check_specimen(card, spec, allow_phantom_model=scoring_model.allow_phantom_model)
    log = read_notes_log(opened.path)
    saved = None
    if save is not None:
        sha256 = card.sha256
        saved = PredictionWriter(opened.path, spec, run=save, model_sha256=sha256, name=f"predictions-{save}")
    results = ResultLog(saved)
    if score_unlike is None:
        score_unlike = opened.recorded.provenance.score_unlike
    session = Session(
        source,
        None,
        scoring_model.classifier,
        scorer=store_scorer(opened, card.decision_threshold, card.temperature),
        limits=opened.recorded.provenance.quality,
        results=results,
        notes=NotesWriter(opened.path),
        excluded=[seq for seq in excluded_fields(log.notes) if seq < opened.n_frames],
        stop=stop,
        store=str(opened.path),
        unlike_beyond=scoring_model.unlike_limit(score_unlike=score_unlike),
    )
    session.start()
    problems = tuple(StoreDamagedError(problem) for problem in (*opened.problems, *log.problems))
    beyond = scoring_model.scored_limit(score_unlike=score_unlike)
    return ReplayRun(session, opened.path, spec, grid, results, beyond, opened, source, problems)
