"""A stored section and the analyses of its frames: the recorded one, and those made again.

A score is a function of the results alone (`hcc_scope.scoring`), so it is computed here from them for every analysis,
recorded or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hcc_scope.errors import FrameSizeError, StoreDamagedError, StoreError
from hcc_scope.focus.record import focus_records
from hcc_scope.report.analysis_model import CardFacts, analysis_model, known_card
from hcc_scope.report.run_log_text import notable_lines
from hcc_scope.runs.replay import recorded_model
from hcc_scope.score_text import describe_assumed_threshold
from hcc_scope.scoring import rescored
from hcc_scope.storage.facts import ROOT
from hcc_scope.storage.files import files_stamp
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import NOTES, excluded_fields, read_notes_log
from hcc_scope.storage.predictions import PREDICTIONS, read_log, read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recorded_run import ASSUMED_THRESHOLD
from hcc_scope.storage.run_log import read_run_log
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.storage.section_labels import certain_label
from hcc_scope.storage.under_way import UNDER_WAY, why_incomplete
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.focus.record import FocusRecord, PlaneRecord
    from hcc_scope.inference.loading import LoadedModel
    from hcc_scope.run_events import RunEvent
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recorded_run import RecordedOutcome
    from hcc_scope.storage.section_labels import SectionLabel
    from hcc_scope.types import Frame, FrameResult, RunOutcome, RunSpec, SectionScore

__all__ = [
    "RAW_NOTE",
    "CardFacts",
    "OpenedStore",
    "RecordedSaliency",
    "SectionAnalysis",
    "known_card",
    "open_section",
    "read_again",
    "recorded_analysis",
    "replay_analysis",
    "section_score",
]


RAW_NOTE = "Frames were classified raw, without the dark and flat fields of the run."


@dataclass(frozen=True, slots=True)
class SectionAnalysis:
    """The predictions of one model on one engine for a section's frames."""

    title: str
    """As a person reads it: ``Recorded``, ``Replay 1`` ..."""
    model: str
    engine: str
    grid: TileGrid
    """Where the tiles of a result lie; of the model's tile size, which need not be that of the live run."""
    results: Mapping[int, FrameResult]
    score: SectionScore
    model_sha256: str | None = None
    card: CardFacts = field(default_factory=CardFacts)
    score_unlike: bool = False
    """Whether tiles unlike the training tiles are scored too."""
    excluded: tuple[int, ...] = ()
    """`seq` of the fields that `score` leaves out, ascending."""
    recorded: RecordedOutcome | None = None
    """How the run ended whose own predictions these are; None for every other analysis."""
    trained_on: str | None = None
    """What its model was trained on, in a few words; None: not known."""
    note: str = ""
    """Further remarks: stopped early, damaged frames ..."""
    is_stored: bool = False
    """Whether a file of the store holds it."""

    @property
    def threshold(self) -> float:
        """The model's decision threshold."""
        return self.score.threshold

    @property
    def threshold_interval(self) -> tuple[float, float] | None:
        """Of the decision threshold itself."""
        return self.score.threshold_interval

    @property
    def label(self) -> str:
        """Title, model and engine in one line."""
        return f"{self.title}: {self.model} on {self.engine}"


class RecordedSaliency:
    """Computes saliency with the model that a store was classified with; loads it when it is first asked.

    Takes seconds the first time. One thread at a time.
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
    """One store that a person looks at. Not thread-safe."""

    path: Path
    store: SectionStore
    grid: TileGrid
    """Of the live run's tiles."""
    analyses: list[SectionAnalysis]
    problems: tuple[str, ...] = ()
    """What is wrong with it, as text."""
    notes: list[Note] = field(default_factory=list)
    """Oldest first."""
    excluded: set[int] = field(default_factory=set)
    """Fields that the operator excluded."""
    label: SectionLabel | None = None
    """For training; None: it has none, or it is not certain, which is then among the problems."""
    happened: tuple[str, ...] = ()
    """The latest lines of its run log: actions, messages, skipped fields."""
    n_replays: int = 0
    stamp: tuple[int, ...] = ()
    """Of the files that all this rests on, from before they were read."""
    focusings: tuple[FocusRecord | PlaneRecord, ...] | None = None
    """How its fields were focused, oldest first; None for a store without a run log."""
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

    def reader_of(self, analysis: SectionAnalysis) -> Callable[[int], Frame]:
        """Return what reads the frame of a `seq` with the pixels that an analysis classified: corrected, or raw."""
        return self.store.read if RAW_NOTE in analysis.note else self.store.read_analysed

    def rescored(self) -> list[SectionAnalysis]:
        """Return the analyses with scores that leave out what the operator excluded by now."""
        excluded = _in_store(self.store, self.excluded)
        return [
            replace(
                one,
                score=section_score(one.results, self.store, one.threshold, excluded, one.threshold_interval),
                excluded=excluded,
            )
            for one in self.analyses
        ]


def section_score(
    results: Mapping[int, FrameResult],
    store: SectionStore,
    threshold: float,
    excluded: Collection[int] = (),
    threshold_interval: tuple[float, float] | None = None,
) -> SectionScore:
    """Return the score of a section's results.

    Parameters
    ----------
    results : mapping
        `seq` to result.
    store : SectionStore
        Holds the frames.
    threshold : float
        The model's decision threshold.
    excluded : collection of int
        `seq` of the fields that the operator excluded.
    threshold_interval : (float, float), optional
        Of the decision threshold.

    Raises
    ------
    StoreError
        If the store's notes are there and cannot be read.
    """
    scorer = store_scorer(store, threshold, threshold_interval=threshold_interval)
    return rescored(results, scorer, store.n_frames, _in_store(store, excluded))


def _in_store(store: SectionStore, seqs: Iterable[int]) -> tuple[int, ...]:
    return tuple(seq for seq in sorted(seqs) if seq < store.n_frames)


def open_section(path: Path) -> OpenedStore:
    """Open a store with everything that is recorded about its frames; reads all its predictions.

    Parameters
    ----------
    path : Path
        The store.

    Raises
    ------
    StoreError
        If there is no store, or it is not one of ours. Predictions that cannot be read are only a problem of it.
    """
    path = path.resolve()
    stamp = _stamp(path)
    store = open_store(path)
    spec = store.spec
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    problems = list(store.problems)
    if not store.complete:
        problems.insert(0, _why_incomplete(path))
    log = read_notes_log(path)
    problems += log.problems
    label = None
    try:
        label = certain_label(path, log)
    except StoreDamagedError as error:
        if any(note.kind == "label" for note in log.notes):  # else the unreadable line alone is worth a sentence
            problems.append(str(error))
    excluded = set(_in_store(store, excluded_fields(log.notes)))
    analyses: list[SectionAnalysis] = []
    for name in _prediction_names(path):
        try:
            analysis = recorded_analysis(store, excluded, name)
        except StoreError as error:
            problems.append(str(error))
        else:
            if analysis is not None:
                analyses.append(analysis)
    events = _events_of_run(path, problems)
    focusings = None if events is None else focus_records(events)
    happened = () if events is None else notable_lines(events)
    return OpenedStore(
        path,
        store,
        grid,
        analyses,
        tuple(problems),
        list(log.notes),
        excluded,
        label,
        happened=happened,
        stamp=stamp,
        focusings=focusings,
    )


def read_again(opened: OpenedStore) -> OpenedStore | None:
    """Return an open store as it is now; None if no file of it has changed since it was read.

    A run, another program or the library may have added fields, notes, a label or predictions. Analyses that are kept
    in no file stay, with the scores of now.

    Raises
    ------
    StoreError
        As `open_section`.
    """
    if _stamp(opened.path) == opened.stamp:
        return None
    now = open_section(opened.path)
    kept = {one.title for one in now.analyses}
    now.n_replays = opened.n_replays
    now.analyses += [one for one in opened.analyses if not one.is_stored and one.title not in kept]
    now.analyses = now.rescored()
    return now


def _stamp(path: Path) -> tuple[int, ...]:
    names = (ROOT, JOURNAL, NOTES)
    return files_stamp([*(path / name for name in names), *sorted(path.glob(f"{PREDICTIONS}*.jsonl"))])


def _events_of_run(path: Path, problems: list[str]) -> tuple[RunEvent, ...] | None:
    """Return a store's run log; None if it has none, or one that cannot be read: it only describes the run."""
    try:
        log = read_run_log(path)
    except StoreError as error:
        problems.append(str(error))
        return None
    if log is None:
        return None
    problems += log.problems
    return log.events


def _why_incomplete(path: Path) -> str:
    why = why_incomplete(path)
    if why == UNDER_WAY:
        return f"{why}: what was stored until now is shown; open it again for more"
    return f"{why}; recover it to make the store whole"


def _prediction_names(path: Path) -> list[str]:
    """Return the names of the predictions in a store, the run's own first."""
    names = sorted(file.name.removesuffix(".jsonl") for file in path.glob(f"{PREDICTIONS}*.jsonl"))
    return sorted(names, key=lambda name: name != PREDICTIONS)


def recorded_analysis(
    store: SectionStore, excluded: Collection[int] = (), name: str = PREDICTIONS
) -> SectionAnalysis | None:
    """Return an analysis whose predictions a store holds; None if they hold no field.

    Parameters
    ----------
    store : SectionStore
    excluded : collection of int
        `seq` of the fields that its score leaves out.
    name : str
        Of the predictions; those of the run itself by default.

    Raises
    ------
    StoreError
        If they are not there or cannot be read.
    """
    path, spec, run = store.place, store.spec, store.recorded
    results = read_predictions(path, name)
    if not results:
        return None
    try:
        header = read_log(path / f"{name}.jsonl").header
    except OSError as error:
        raise StoreError(f"The predictions {path / name}.jsonl cannot be read: {error.strerror or error}") from error
    own = name == PREDICTIONS
    model = analysis_model(store, header)
    card = model.card
    if model.sha256 is not None and (known := known_card(model.sha256, run.provenance.model)) is not None:
        card = replace(card, probability_tolerance=known.probability_tolerance)
    threshold, note = card.decision_threshold, ""
    if threshold is None:
        threshold = ASSUMED_THRESHOLD
        note = describe_assumed_threshold(threshold)
    if header.get("shading") == "none":
        note = " ".join(filter(None, (note, RAW_NOTE)))
    left_out = _in_store(store, excluded)
    try:
        grid = TileGrid.for_frame(spec.frame_shape_yx, header.get("tile_px", spec.tile_px))
    except FrameSizeError as error:
        raise StoreDamagedError(f"The predictions {path / name}.jsonl are damaged: {error.message}") from error
    return SectionAnalysis(
        title="Recorded" if own else f"Saved {name.removeprefix(f'{PREDICTIONS}-')}",
        model=model.name,
        engine=", ".join(sorted({result.engine for result in results.values()})),
        grid=grid,
        results=results,
        score=section_score(results, store, threshold, left_out, card.threshold_interval),
        model_sha256=model.sha256,
        card=card,
        score_unlike=run.provenance.score_unlike,
        excluded=left_out,
        recorded=run.outcome if own else None,
        trained_on=model.trained_on,
        note=note,
        is_stored=True,
    )


def replay_analysis(
    title: str,
    store: SectionStore,
    scoring_model: ScoringModel,
    results: Mapping[int, FrameResult],
    outcome: RunOutcome,
    note: str = "",
    *,
    is_stored: bool = False,
) -> SectionAnalysis:
    """Return the analysis that a replay made.

    Parameters
    ----------
    title : str
        As a person reads it.
    store : SectionStore
        Its frames were classified.
    scoring_model : ScoringModel
        Classified them.
    results : mapping
        `seq` to result.
    outcome : RunOutcome
        How the replay ended.
    note : str
        Further remarks.
    is_stored : bool
        Whether its predictions are kept in the store.
    """
    card = scoring_model.model.card
    return SectionAnalysis(
        title=title,
        model=card.name,
        engine=scoring_model.classifier.engine,
        grid=TileGrid.for_frame(store.spec.frame_shape_yx, card.tile_px),
        results=results,
        score=section_score(
            results, store, card.decision_threshold, outcome.excluded_by_operator, card.threshold_interval
        ),
        model_sha256=card.sha256,
        card=CardFacts.of_card(card),
        score_unlike=store.recorded.provenance.score_unlike,
        excluded=outcome.excluded_by_operator,
        trained_on=card.trained_on,
        note=note,
        is_stored=is_stored,
    )
