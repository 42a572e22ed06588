"""Classify a stored section again, with its progress and a way to cancel it; `Reclassification.run` blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError
from hcc_scope.formatting import counted, format_duration
from hcc_scope.progress import Progress
from hcc_scope.runs.section_analyses import RAW_NOTE, replay_analysis
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.runs.replay import ReplayRun
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section_analyses import SectionAnalysis
    from hcc_scope.types import RunOutcome

__all__ = ["Reclassification"]

_STAGE = "classify"


class Reclassification:
    """One model over one store.

    Parameters
    ----------
    store : Path
        Of any tile size: its frames are cut into the tiles of the model.
    model : str
        Name or folder.
    engine : str
        Name of an engine, or ``"auto"``.
    title : str
        Of the resulting analysis.
    save_as : str, optional
        Name under which the predictions are kept in the store.
    allow_phantom_model : bool
        Let a model that was trained on a phantom only classify what may be tissue.
    """

    def __init__(
        self,
        store: Path,
        *,
        model: str,
        engine: str,
        title: str,
        save_as: str | None = None,
        allow_phantom_model: bool = False,
    ) -> None:
        self._store = store
        self._model = model
        self._engine = engine
        self._title = title
        self._save_as = save_as
        self._allow_phantom_model = allow_phantom_model
        self._stop = StopToken()
        self._run: ReplayRun | None = None
        self._message = "Loading the model ..."

    def cancel(self) -> None:
        """End early; from any thread. What is classified until then stays."""
        self._stop.request()

    @property
    def cancelled(self) -> bool:
        """Whether it ends early; from any thread."""
        return self._stop.requested

    def progress(self) -> Progress:
        """Return how many fields are classified; from any thread."""
        run = self._run
        if run is None:
            return Progress(_STAGE, 0, 0, self._message)
        now = run.session.snapshot()
        parts = [f"{now.classify_fps:.1f} fields/s"] if now.classify_fps > 0 else ["Classifying ..."]
        if now.eta_s is not None:
            parts.append(f"{format_duration(now.eta_s)} left")
        return Progress(_STAGE, len(run.results), now.expected_frames or 0, ", ".join(parts))

    def load_model(self) -> ScoringModel:
        """Load the model on its engine; takes seconds.

        Raises
        ------
        ModelError
            If the model or the engine cannot be used.
        """
        from hcc_scope.runs.scoring_model import load_scoring_model

        return load_scoring_model(
            self._model, self._engine, self._set_message, allow_phantom_model=self._allow_phantom_model
        )

    def run(self, scoring_model: ScoringModel | None = None) -> SectionAnalysis | None:
        """Load the model, classify every field, return the analysis.

        Parameters
        ----------
        scoring_model : ScoringModel, optional
            What `load_model` returned, here or in another of the same model and engine.

        Returns
        -------
        SectionAnalysis or None
            None if it was cancelled before the first field.

        Raises
        ------
        ModelError, ModelMismatchError, FrameSizeError
            If the model or the engine cannot be used, or not for these frames.
        StoreError, IdError
            If the store cannot be read, or the predictions cannot be kept under that name.
        """
        from hcc_scope.runs.replay import start_replay
        from hcc_scope.storage.naming import check_id
        from hcc_scope.storage.reader import open_store

        if self._save_as is not None:
            check_id(self._save_as, "name of the predictions")
        if scoring_model is None:
            scoring_model = self.load_model()
        if self._stop.requested:
            return None
        run = self._run = start_replay(open_store(self._store), scoring_model, self._save_as, self._stop)
        outcome = run.finish().outcome
        if outcome.state == "failed":
            raise outcome.cause if outcome.cause is not None else ModelError("the frames could not be classified")
        results = dict(run.results)
        if not results and outcome.state == "cancelled":
            return None
        note = self._note(outcome, len(run.damaged))
        if run.store.recorded.provenance.corrected and scoring_model.model.card.shading == "refused":
            note = " ".join(filter(None, (note, RAW_NOTE)))
        is_stored = self._save_as is not None
        return replay_analysis(self._title, run.store, scoring_model, results, outcome, note, is_stored=is_stored)

    def _set_message(self, message: str) -> None:
        self._message = message

    def _note(self, outcome: RunOutcome, n_damaged: int) -> str:
        counts = outcome.counts
        parts = []
        if outcome.state == "cancelled":
            parts.append(f"ended early after {counted(counts.classified + counts.excluded, 'field')}")
        if counts.failed:
            parts.append(f"{counted(counts.failed, 'field')} could not be classified")
        if n_damaged:
            parts.append(f"{counted(n_damaged, 'field')} {'is' if n_damaged == 1 else 'are'} damaged and left out")
        if self._save_as is not None:
            parts.append(f"kept in the store as predictions-{self._save_as}")
        return f"{self._title}: {'; '.join(parts)}." if parts else ""
