"""Whether the chosen model fits the rig that is open: compared whenever the model, the rig or its settings change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import sentence
from hcc_scope.inference.catalogue import find_model
from ui.control.model_list import WORKER

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.catalogue import CardCache
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.runs.model_demands import ModelFit
    from hcc_scope.runs.references import ShadingChoice
    from hcc_scope.shading.freshness import ReferencesState
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.model_list import ModelList
    from ui.control.reference_control import ReferenceControl
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs

__all__ = ["ModelCheck", "Tone", "Verdict"]

AGAIN_MS = 2000
"""After so long a card that could not be read is read again."""

Tone = Literal["unknown", "good", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether sections can use the chosen model."""

    tone: Tone
    sentence: str
    """Empty while nothing is known."""


class _Question(NamedTuple):
    """All that the answer depends on."""

    model: str
    rig: int
    painted: bool
    shading: ShadingChoice
    camera: tuple[object, ...]
    references: ReferencesState | None


class ModelCheck(QObject):
    """Compares the chosen model, or another one, with the rig, by the rules of the start of a section.

    Parameters
    ----------
    models : ModelList
        Its cards are read.
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
    references : ReferenceControl
    parent : QObject, optional
    """

    changed = Signal()
    """`verdict` and `fit` may be others."""

    def __init__(
        self,
        models: ModelList,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        references: ReferenceControl,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs, self._state, self._rig, self._run, self._setup = jobs, state, rig, run, setup
        self._references: ReferencesState | None = None
        self._question: _Question | None = None
        self._cards = models.cards
        self._followed: str | None = None
        self._unreadable = ""
        self._again = QTimer(self, singleShot=True, interval=AGAIN_MS)
        self._again.timeout.connect(self._read_again)
        self._not_loaded: tuple[str, str] = ("", "")
        self.fit: ModelFit | None = None
        """The chosen model's demands beside the rig's frames; None while they are not known."""
        setup.changed.connect(self._look)
        rig.opened.connect(self._look)
        rig.closed.connect(self._look)
        state.rig_changed.connect(self._look)
        run.phase_changed.connect(self._look)
        run.model_refused.connect(self._take_refusal)
        run.model_ready.connect(self._forget_refusal)
        references.state_changed.connect(self._take_references)

    # -- what is known -------------------------------------------------------------------------------------------------

    @property
    def verdict(self) -> Verdict:
        """Whether sections can use the model, in a sentence."""
        model, why = self._not_loaded
        if model and model == self._model:
            return Verdict("error", why)
        if self._unreadable:
            return Verdict("error", self._unreadable)
        if self.fit is None:
            return Verdict("unknown", "")
        if self.fit.fits:
            return Verdict("good", self.fit.sentence)
        return Verdict("warning", self.fit.sentence)

    @property
    def problem(self) -> str:
        """Why no section can start with this model on this rig, as text; empty if one can, or it is not known.

        A plan file may bring another objective or exposure, and a rig whose frames are not known now may have been
        mended since: then only the start itself decides.
        """
        if self._unreadable:
            return self._unreadable.rstrip(".")
        fit = self.fit
        if fit is None or fit.unknown is not None or fit.refusal is None or self._setup.request.plan.kind == "file":
            return ""
        return fit.refusal.message

    # -- find out ------------------------------------------------------------------------------------------------------

    def follow(self, reference: str) -> None:
        """Compare this model from now on, and not the one that is chosen for sections."""
        if reference != self._followed:
            self._followed = reference
            self._question, self.fit, self._unreadable = None, None, ""  # also while a section keeps it from asking
            self._look()

    @property
    def _model(self) -> str:
        return self._setup.request.model if self._followed is None else self._followed

    @Slot()
    def ask_again(self) -> None:
        """Compare once more: a card may have changed."""
        self._question = None
        self._look()

    @Slot()
    def _look(self) -> None:
        if self._run.active:
            return
        question = self._ask()
        if question == self._question:
            return
        self._question = question
        self.fit, self._unreadable = None, ""
        self.changed.emit()
        if question is not None:
            self._jobs.submit(WORKER, partial(_card_of, self._cards, question.model), partial(self._compare, question))

    def _ask(self) -> _Question | None:
        request, loaded, rig = self._setup.request, self._rig.loaded, self._state.rig
        if not self._model or loaded is None or rig is None:
            return None
        painted = loaded.is_demo and request.specimen != "none"
        return _Question(self._model, id(loaded), painted, request.shading, _camera(rig), self._references)

    def _compare(self, question: _Question, card: ModelCard | str) -> None:
        if question != self._question:
            return
        if isinstance(card, str):
            if card != self._unreadable:
                self._unreadable = card
                self.changed.emit()
            self._again.start()
            return
        self._unreadable = ""
        loaded = self._rig.loaded
        if loaded is None or self._run.active:
            self._question = None  # asked again after the section
            return
        allowed = self._run.allow_phantom_model
        self._jobs.submit("rig", partial(_fit, loaded, card, question, allowed), partial(self._take, question))

    @Slot()
    def _read_again(self) -> None:
        """Look whether a card that could not be read is there again: a drive may have been away for a moment."""
        question = self._question
        if question is None or not self._unreadable:
            return
        if self._run.active:
            self._again.start()
            return
        self._jobs.submit(WORKER, partial(_card_of, self._cards, question.model), partial(self._compare, question))

    def _take(self, question: _Question, fit: ModelFit) -> None:
        if question == self._question:
            self.fit = fit
            self.changed.emit()

    @Slot(object)
    def _take_references(self, state: ReferencesState | None) -> None:
        self._references = state
        self._look()

    @Slot(str, str)
    def _take_refusal(self, model: str, why: str) -> None:
        self._not_loaded = model, why
        self.changed.emit()

    @Slot()
    def _forget_refusal(self) -> None:
        self._not_loaded = "", ""
        self.changed.emit()


def _camera(rig: RigState) -> tuple[object, ...]:
    """Return what of a rig's state decides whether a model fits, and which dark and flat field count."""
    camera = rig.camera
    return (
        rig.pixel_size_um,
        None if rig.objective is None else rig.objective.current,
        camera.label,
        camera.roi,
        camera.binning,
        camera.bit_depth,
        camera.exposure_ms,
        camera.em_gain,
        camera.em_switch,
        camera.readout,
    )


# -- in the workers ----------------------------------------------------------------------------------------------------


def _card_of(cards: CardCache, model: str) -> ModelCard | str:
    """Return a model's card, or why there is none, as a sentence."""
    try:
        return cards(find_model(model))
    except HccScopeError as error:
        return sentence(str(error))
    except OSError as error:
        return sentence(f"the card of the model {model} cannot be read: {error.strerror or error}")


def _fit(loaded: LoadedRig, card: ModelCard, question: _Question, allow_phantom_model: bool) -> ModelFit:
    from hcc_scope.runs.model_demands import fit_on

    return fit_on(loaded.rig, card, question.shading, painted=question.painted, allow_phantom_model=allow_phantom_model)
