"""An opened store and the analyses of its frames: the recorded one, and those made again. No Qt here.

A score is a function of the results alone (`hcc_scope.scoring`), so it is computed here from them for every analysis,
recorded or not: what is compared was made in one way.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.runs.comparison import rescored
from hcc_scope.runs.replay import recorded_model
from hcc_scope.runs.unfinished import is_written_to
from hcc_scope.storage.notes import excluded_fields, read_notes_log
from hcc_scope.storage.predictions import PREDICTIONS, read_log, read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.loading import LoadedModel
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult, RunSpec, SectionScore

__all__ = [
    "OpenedStore",
    "RecordedSaliency",
    "SectionAnalysis",
    "open_section",
    "section_score",
]

_DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class SectionAnalysis:
    """What one model on one engine made of a section's frames."""

    title: str
    """As a person reads it: ``Recorded``, ``Replay 1`` ..."""
    model: str
    engine: str
    results: Mapping[int, FrameResult]
    score: SectionScore
    model_sha256: str | None = None
    tolerance: float = 0.0
    """By how much a probability may differ between engines, from the model's card; 0: not known."""
    trained_on: str | None = None
    """What its model was trained on, in a few words; None: not known."""
    note: str = ""
    """What else there is to say: stopped early, damaged frames ..."""

    @property
    def threshold(self) -> float:
        """The model's decision threshold."""
        return self.score.threshold

    @property
    def label(self) -> str:
        """Title, model and engine in one line."""
        return f"{self.title}: {self.model} on {self.engine}"


class RecordedSaliency:
    """Computes saliency with the model that a store was classified with; loads it when it is first asked.

    Takes seconds the first time: not for the Qt thread, and one thread at a time (the worker ``model``).
    """

    def __init__(self, store: SectionStore) -> None:
        self._store = store
        self._model: LoadedModel | None = None

    def __call__(self, tile: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return how strongly the class score depends on each count of a tile (t, t).

        Raises
        ------
        ModelError
            If the recorded model is not here in that version, or gives no gradient.
        """
        if self._model is None:
            from hcc_scope.inference import load_model

            self._model = load_model(recorded_model(self._store))
        return self._model.saliency(tile)


@dataclass(slots=True)
class OpenedStore:
    """One store that a person looks at; belongs to the Qt thread once it is there."""

    path: Path
    store: SectionStore
    grid: TileGrid
    analyses: list[SectionAnalysis]
    problems: tuple[str, ...] = ()
    """What is wrong with it, in words."""
    notes: list[Note] = field(default_factory=list)
    """Oldest first."""
    excluded: set[int] = field(default_factory=set)
    """Fields that the operator excluded."""
    n_replays: int = 0
    saliency: RecordedSaliency = field(init=False)
    """Of the model that classified it live."""

    def __post_init__(self) -> None:
        self.saliency = RecordedSaliency(self.store)

    @property
    def spec(self) -> RunSpec:
        """What was known before its first frame."""
        return self.store.spec

    @property
    def name(self) -> str:
        """Animal and section."""
        return f"{self.spec.animal_id}, section {self.spec.section_id}"

    def score_of(self, results: Mapping[int, FrameResult], threshold: float) -> SectionScore:
        """Return the score of results of this store's frames, without the fields that the operator excluded."""
        return section_score(results, self.store, threshold, self.excluded)

    def rescored(self) -> list[SectionAnalysis]:
        """Return the analyses with scores that leave out what the operator excluded by now."""
        return [replace(one, score=self.score_of(one.results, one.threshold)) for one in self.analyses]


def section_score(
    results: Mapping[int, FrameResult],
    store: SectionStore,
    threshold: float,
    excluded: Collection[int] = (),
) -> SectionScore:
    """Return the score of a section's results; `excluded` are the fields that the operator took out."""
    taken_out = [seq for seq in sorted(excluded) if seq < store.n_frames]
    return rescored(results, store_scorer(store, threshold), store.n_frames, taken_out)


def open_section(path: Path) -> OpenedStore:
    """Open a store with everything that was recorded about its frames. Reads files: not for the Qt thread.

    Raises
    ------
    StoreError
        If there is no store, or it is not one of ours. Predictions that cannot be read are only a problem of it.
    """
    path = path.resolve()
    store = open_store(path)
    spec = store.spec
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    problems = list(store.problems)
    if not store.complete:
        problems.insert(0, _why_incomplete(path))
    log = read_notes_log(path)
    problems += log.problems
    excluded = set(excluded_fields(log.notes))
    analyses: list[SectionAnalysis] = []
    for name in _prediction_names(path):
        try:
            analysis = _recorded(store, name, excluded)
        except StoreError as error:
            problems.append(str(error))
        else:
            if analysis is not None:
                analyses.append(analysis)
    return OpenedStore(path, store, grid, analyses, tuple(problems), list(log.notes), excluded)


def _why_incomplete(path: Path) -> str:
    with suppress(OSError):
        if is_written_to(path):
            return "its run is under way: what was stored until now is shown; open it again for more"
    return "the run was not ended in order; recover it to make the store whole"


def _prediction_names(path: Path) -> list[str]:
    """Return the names of the predictions in a store, the run's own first."""
    names = sorted(file.name.removesuffix(".jsonl") for file in path.glob(f"{PREDICTIONS}*.jsonl"))
    return sorted(names, key=lambda name: name != PREDICTIONS)


def _recorded(store: SectionStore, name: str, excluded: Collection[int]) -> SectionAnalysis | None:
    path, spec = store.path, store.spec
    results = read_predictions(path, name)
    if not results:
        return None
    try:
        header = read_log(path / f"{name}.jsonl").header
    except OSError as error:
        raise StoreError(f"The predictions {path / name}.jsonl cannot be read: {error.strerror or error}") from error
    if header.get("tile_px") != spec.tile_px:
        raise StoreError(
            f"The predictions {name} are of tiles of {header.get('tile_px')} px; the window shows this section's own, "
            f"of {spec.tile_px} px"
        )
    own = name == PREDICTIONS
    sha256 = header.get("model_sha256")
    same_model = sha256 == spec.model_sha256
    provenance = spec.provenance
    model = str(provenance.get("model", "unknown model")) if same_model else f"model {str(sha256)[:8]}"
    trained_on = provenance.get("model_trained_on")
    threshold = provenance.get("decision_threshold")
    if not isinstance(threshold, (int, float)):
        threshold = _DEFAULT_THRESHOLD
    engines = sorted({result.engine for result in results.values()})
    return SectionAnalysis(
        title="Recorded" if own else f"Saved {name.removeprefix(f'{PREDICTIONS}-')}",
        model=model,
        engine=", ".join(engines),
        results=results,
        score=section_score(results, store, float(threshold), excluded),
        model_sha256=sha256,
        trained_on=trained_on if same_model and isinstance(trained_on, str) else None,
    )
