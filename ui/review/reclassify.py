"""Send a stored section through a model again. Blocks: for a thread of its own. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError, ModelError
from hcc_scope.quality import QualityLimits
from hcc_scope.scoring import SectionScorer
from hcc_scope.workers import StopToken
from ui.review.analysis import Analysis, section_score

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.engines import Engine
    from hcc_scope.session import Session
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.source import StoreSource
    from hcc_scope.types import FrameResult, RunOutcome, RunSpec

__all__ = ["Progress", "Reclassification"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    done: int
    total: int
    """Fields; 0 until that is known."""
    words: str
    cancelled: bool


class Reclassification:
    """One model over one store.

    Parameters
    ----------
    store : Path
    model : str
        Name or folder.
    engine : str
    title : str
        Of the analysis that comes of it.
    save_as : str, optional
        Name under which the predictions are kept in the store.
    excluded : collection of int
        Fields that the score leaves out.
    """

    def __init__(
        self,
        store: Path,
        *,
        model: str,
        engine: str,
        title: str,
        save_as: str | None = None,
        excluded: Collection[int] = (),
    ) -> None:
        self._store = store
        self._model = model
        self._engine = engine
        self._title = title
        self._save_as = save_as
        self._excluded = excluded
        self._stop = StopToken()
        self._session: Session | None = None
        self._said = "Loading the model ..."

    def cancel(self) -> None:
        """End early; from any thread. What was classified until then is kept."""
        self._stop.request()

    def progress(self) -> Progress:
        """Return how far it is; from any thread."""
        session, cancelled = self._session, self._stop.requested
        if session is None:
            return Progress(0, 0, self._said, cancelled)
        now = session.snapshot()
        counts = now.counts
        done, total = counts.classified + counts.excluded + counts.failed, now.expected_frames or 0
        parts = [f"{now.classify_fps:.1f} fields/s"] if now.classify_fps > 0 else ["Classifying ..."]
        if now.eta_s is not None:
            parts.append(f"{now.eta_s:.0f} s left")
        return Progress(done, total, ", ".join(parts), cancelled)

    def run(self) -> Analysis:
        """Load the model, classify every field, return what came of it.

        Raises
        ------
        ModelError, ModelMismatchError
            If the model or the engine cannot be used, or not for these frames.
        StoreError
            If the store cannot be read, or the predictions not be kept.
        HccScopeError
            If it was cancelled before the first field.
        """
        from hcc_scope.inference import load_model
        from hcc_scope.storage.naming import check_id
        from hcc_scope.storage.reader import open_store
        from hcc_scope.storage.source import StoreSource

        if self._save_as is not None:
            check_id(self._save_as, "name of the predictions")
        source = StoreSource(open_store(self._store))
        model = load_model(self._model)
        model.check_matches(source.spec)
        self._said = "Preparing the engine ..."
        classifier = model.classifier(self._engine, note=self._say)
        outcome, results = self._classify(source, model.card, classifier)
        if outcome.state == "failed":
            raise outcome.cause if outcome.cause is not None else ModelError("the frames could not be classified")
        if not results:
            raise HccScopeError("Cancelled before the first field was classified")
        return Analysis(
            title=self._title,
            model=model.card.name,
            engine=classifier.engine,
            results=results,
            score=section_score(results.values(), source.spec, model.card.decision_threshold, self._excluded),
            model_sha256=model.card.sha256,
            tolerance=model.card.probability_tolerance,
            note=self._note(outcome, len(source.damaged)),
        )

    def _say(self, sentence: str) -> None:
        self._said = sentence

    def _classify(
        self, source: StoreSource, card: ModelCard, classifier: Engine
    ) -> tuple[RunOutcome, Mapping[int, FrameResult]]:
        from hcc_scope.session import Session
        from hcc_scope.storage.predictions import PredictionWriter

        spec = source.spec
        kept = _Kept()
        if self._save_as is not None:
            kept.file = PredictionWriter(
                self._store, spec, run=self._save_as, model_sha256=card.sha256, name=f"predictions-{self._save_as}"
            )
        session = Session(
            source,
            None,
            classifier,
            scorer=SectionScorer(card.decision_threshold, card.temperature, spec.sampling),
            limits=_recorded_limits(spec),
            results=kept,
            stop=self._stop,
            store=str(self._store),
        )
        session.start()
        self._session = session
        return session.join(), kept.results

    def _note(self, outcome: RunOutcome, n_damaged: int) -> str:
        counts = outcome.counts
        parts = []
        if outcome.state == "cancelled":
            parts.append(f"ended early after {counts.classified + counts.excluded} fields")
        if counts.failed:
            parts.append(f"{counts.failed} fields could not be classified")
        if n_damaged:
            parts.append(f"{n_damaged} fields are damaged and were left out")
        if self._save_as is not None:
            parts.append(f"kept in the store as predictions-{self._save_as}")
        return f"{self._title}: {'; '.join(parts)}." if parts else ""


class _Kept:
    """A `hcc_scope.protocols.ResultSink`: in memory, and in a file if there is one."""

    def __init__(self) -> None:
        self.results: dict[int, FrameResult] = {}
        self.file: PredictionWriter | None = None

    def append(self, result: FrameResult) -> None:
        if self.file is not None:
            self.file.append(result)
        self.results[result.seq] = result

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _recorded_limits(spec: RunSpec) -> QualityLimits:
    """Return the quality limits of the live run, so that the same tiles are excluded."""
    known = QualityLimits().as_dict()
    recorded = {name: spec.provenance.get(f"quality_{name}", limit) for name, limit in known.items()}
    return QualityLimits(**{name: float(limit) for name, limit in recorded.items() if isinstance(limit, (int, float))})
