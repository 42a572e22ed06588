"""Judge the pictures on the screen that no section acquires, in workers of their own.

One picture is judged at a time, and of those that come meanwhile the newest is next. A worker rests after each as long
as it took. A model that is slower than the eye is asked in a worker beside, so that focus and light do not wait for it.
While a section takes or classifies frames, nothing is judged here: its frames come first.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.runs.preview_judge import PreviewJudge, PreviewJudgement, PreviewMeans

if TYPE_CHECKING:
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.types import Frame
    from ui.kit.jobs import Jobs

__all__ = ["LiveJudge"]

_LEAST_REST_MS = 15
_SLOW_S = 0.25
"""A picture that takes longer is judged without the model, which is asked beside."""


class LiveJudge(QObject):
    """Judges pictures that it is given; the newest one wins.

    Parameters
    ----------
    jobs : Jobs
        Works on its workers ``judge`` and ``predict``.
    parent : QObject, optional
    """

    judged = Signal(PreviewJudgement)
    """What is known of a picture; of a slow model its answer for an earlier picture of the same."""
    predicted = Signal(PreviewJudgement)
    """A picture with what the model finds in it."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._judge, self._predictor = PreviewJudge(), PreviewJudge()
        self._means = PreviewMeans()
        self._broken: ScoringModel | None = None
        """A model that has failed; it is not asked again."""
        self._allowed = True
        self._busy = self._predicts = self._slow = False
        self._waiting: Frame | None = None
        self._answer: PreviewJudgement | None = None
        """The newest one of a slow model."""
        self._view: object = None
        self._rest, self._model_rest = QTimer(self, singleShot=True), QTimer(self, singleShot=True)
        self._rest.timeout.connect(self._take)

    @property
    def means(self) -> PreviewMeans:
        """By what pictures are judged."""
        return self._means

    def set_means(self, means: PreviewMeans) -> None:
        """Judge by something else from now on; a model that has failed is not asked again, as a message reported."""
        model = means.scoring_model
        if model is not None and model is self._broken:
            means = replace(
                means, scoring_model=None, no_model=f"The model {model.model.card.name} has failed: see the messages"
            )
        if means.scoring_model is not self._means.scoring_model:
            self._slow, self._answer = False, None
        self._means = means

    def allow(self, allowed: bool) -> None:
        """Judge, or leave the computer to a section."""
        self._allowed = allowed
        if not allowed:
            self._waiting = None

    @property
    def allowed(self) -> bool:
        """Whether it judges."""
        return self._allowed

    @Slot()
    def restart(self) -> None:
        """Forget the best focus that was seen: another field is under the lens."""
        self._judge.restart()
        self._predictor.restart()
        self._waiting = self._answer = None

    def note_view(self, view: object) -> None:
        """Note which part of the sensor is read; another one shows something else."""
        if view != self._view:
            self._view = view
            self.restart()

    def see(self, frame: Frame) -> None:
        """Take the newest picture on the screen; returns at once."""
        if not self._allowed:
            return
        self._waiting = frame
        if not self._busy and not self._rest.isActive():
            self._take()

    @Slot()
    def _take(self) -> None:
        frame, self._waiting = self._waiting, None
        if frame is None or self._busy:
            return
        self._busy = True
        means, whole = self._means, not self._slow
        work = partial(self._judge.judge, frame, means, asks_model=whole)
        self._jobs.submit("judge", work, partial(self._took, means, whole), partial(self._failed, means))
        if self._slow and not self._predicts and not self._model_rest.isActive():
            self._predicts = True
            work = partial(self._predictor.judge, frame, means)
            self._jobs.submit("predict", work, partial(self._answered, means), partial(self._failed, means))

    def _took(self, means: PreviewMeans, whole: bool, judgement: PreviewJudgement) -> None:
        self._busy = False
        self._rest.start(max(_LEAST_REST_MS, math.ceil(1000 * judgement.took_s)))
        if not self._allowed or means.scoring_model is not self._means.scoring_model:
            return
        if whole:
            self._slow = judgement.result is not None and judgement.took_s > _SLOW_S
            self._answer = judgement if self._slow else None
            if judgement.result is not None:
                self.predicted.emit(judgement)
        elif self._answer is not None and not judgement.why_no_result and self._answer.subject == judgement.subject:
            likeness = self._answer.quality.likeness
            judgement = replace(judgement, quality=replace(judgement.quality, likeness=likeness))
        self.judged.emit(judgement)

    def _answered(self, means: PreviewMeans, judgement: PreviewJudgement) -> None:
        self._predicts = False
        self._model_rest.start(math.ceil(1000 * judgement.took_s))
        if not self._allowed or means.scoring_model is not self._means.scoring_model:
            return
        self._slow = judgement.took_s > _SLOW_S
        self._answer = judgement
        if judgement.result is not None:
            self.predicted.emit(judgement)

    def _failed(self, means: PreviewMeans, _sentence: str) -> None:
        self._busy = self._predicts = False
        self._broken = means.scoring_model
        self.set_means(self._means)
        self._rest.start(_LEAST_REST_MS)
