"""Show the models in their tab and in the model box, and carry out what is done with them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Slot

from hcc_scope.formatting import sentence
from hcc_scope.inference.catalogue import offered
from ui.control.model_list import WORKER
from ui.models.model_page import ModelPage, page_markdown
from ui.models.models_tab import ModelRow
from ui.shell.file_dialogs import choose_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.catalogue import ModelEntry
    from hcc_scope.inference.engine_rates import EngineRates
    from ui.control.model_check import ModelCheck, Tone
    from ui.control.model_list import ModelList
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["ModelsPresenter"]

T = TypeVar("T")

_TESTS = "model tests"
"""The worker of self-tests and timings: an unknown model may take forever."""
_ORIGIN = {"shipped": "shipped", "user": "in the models folder", "added": "added"}


class ModelsPresenter(QObject):
    """Keeps list, page, model box and Replay up to date with the models that there are.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    run : RunControl
    setup : SectionSetup
    models : ModelList
    check : ModelCheck
        Of the chosen model.
    look : ModelCheck
        Of the model that the tab shows.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        run: RunControl,
        setup: SectionSetup,
        models: ModelList,
        check: ModelCheck,
        look: ModelCheck,
    ) -> None:
        super().__init__(window)
        self._window, self._tab, self._replay = window, views.models, views.replay
        self._jobs, self._run, self._setup = jobs, run, setup
        self._models, self._check, self._looked = models, check, look
        self._pages: dict[str, ModelPage] = {}
        """What is known of each model, by its reference."""
        self._tested: dict[str, ModelCard | None] = {}
        """The card that a model had when it was tested or timed: with another one it is another model."""
        self._card: tuple[ModelCard, str] | None = None
        """The card that was made readable last."""
        self._asked_card: ModelCard | None = None
        self._testing = False
        chosen = models.chosen
        window.top.set_models([(Path(chosen).name, chosen, "")] if chosen else [], chosen)
        does: dict[ActionName, Callable[[], None]] = {
            "add_model": self.choose_model_to_add,
            "use_model": self.use,
            "test_model": self.test,
            "time_engines": self.time_engines,
            "remove_model": self.remove,
        }
        for name, do in does.items():
            window.actions_[name].triggered.connect(partial(_ignoring_checked, do))
        models.changed.connect(self._show_models)
        models.added.connect(self._show_added)
        models.removed.connect(partial(window.messages.say, "info"))
        setup.model_changed.connect(self._model_chosen)
        check.changed.connect(self._show_verdict)
        look.changed.connect(self._show_page)
        run.phase_changed.connect(self._update_actions)
        self._tab.selected.connect(self._select)
        self._tab.shown.connect(self._opened)
        self._update_actions()

    # -- the list ------------------------------------------------------------------------------------------------------

    @Slot()
    def _opened(self) -> None:
        """Look again: the folders may hold other models by now, and cards may have changed."""
        if not self._tab.reference:
            self._tab.select(self._models.chosen)
        self._models.refresh()
        for check in (self._check, self._looked):
            check.ask_again()

    @Slot()
    def _show_models(self) -> None:
        models, chosen = self._models, self._models.chosen
        choices = [
            (name, one.reference, one.problem or (one.card.intended_use if one.card is not None else ""))
            for name, one in offered(models.entries, chosen)
        ]
        self._window.top.set_models(choices, chosen)
        self._replay.offer_models([(name, one.folder) for name, one in offered(models.entries)])
        if self._tab.reference and models.find(self._tab.reference) is None:
            self._tab.select(chosen)
        self._show_verdict()
        self._show_page()

    @Slot()
    def _show_verdict(self) -> None:
        """Show in box and list whether sections can use the chosen model."""
        verdict = self._check.verdict
        entry = self._models.find(self._models.chosen)
        if entry is not None and entry.problem is not None:
            self._window.top.model.set_verdict("error", sentence(entry.problem))
        else:
            self._window.top.model.set_verdict(verdict.tone, verdict.sentence)
        self._tab.set_rows([self._row(one) for one in self._models.entries])

    def _row(self, entry: ModelEntry) -> ModelRow:
        about, tip = [_ORIGIN[entry.origin]], str(entry.folder)
        tone: Tone = "unknown"
        if entry.problem is not None:
            return ModelRow(entry.reference, entry.title, "cannot be used", "error", sentence(entry.problem))
        if entry.reference == self._models.chosen:
            verdict = self._check.verdict
            fits = {"good": "fits this rig", "warning": "does not fit this rig", "error": "cannot be used"}
            about = ["used for sections", *([fits[verdict.tone]] if verdict.tone in fits else [])]
            tone, tip = verdict.tone, verdict.sentence or tip
        return ModelRow(entry.reference, entry.title, ", ".join(about), tone, tip)

    @Slot(str)
    def _show_added(self, reference: str) -> None:
        self._window.show_view(self._tab)
        self._tab.select(reference)
        entry = self._models.find(reference)
        if entry is not None and entry.problem is not None:
            self._window.messages.say("warning", sentence(entry.problem))

    # -- one model -----------------------------------------------------------------------------------------------------

    @Slot(str)
    def _select(self, reference: str) -> None:
        self._looked.follow(reference)
        self._show_page()

    @property
    def _entry(self) -> ModelEntry | None:
        """The model that the tab shows."""
        return self._models.find(self._tab.reference)

    @Slot()
    def _show_page(self) -> None:
        self._update_actions()
        entry = self._entry
        if entry is None:
            return
        known = self._pages.get(entry.reference, ModelPage(entry.title, ""))
        if not known.busy and self._tested.get(entry.reference) is not entry.card:
            known = ModelPage(entry.title, "")
        text = ""
        if entry.card is not None:
            if self._card is not None and self._card[0] is entry.card:
                text = self._card[1]
            elif self._asked_card is not entry.card:
                self._asked_card = entry.card
                self._jobs.submit(WORKER, partial(_readable, entry.card), partial(self._take_card, entry.card))
        page = replace(
            known,
            folder=str(entry.folder),
            problem="" if entry.problem is None else sentence(entry.problem),
            fit=self._looked.fit if entry.problem is None else None,
            card=text,
        )
        self._tab.set_page(page_markdown(page))

    def _take_card(self, card: ModelCard, text: str) -> None:
        self._card = card, text
        self._show_page()

    @Slot()
    def _model_chosen(self) -> None:
        self._models.choose(self._setup.request.model)
        self._show_verdict()
        self._update_actions()

    # -- what is done --------------------------------------------------------------------------------------------------

    @Slot()
    def _update_actions(self) -> None:
        entry, actions = self._entry, self._window.actions_
        none = "" if entry is not None else "no model is selected in the tab Models"
        broken = "" if entry is None or entry.problem is None else "this model cannot be used"
        busy = "a section is under way" if self._run.active else ""
        testing = "a model is being tested or timed" if self._testing else ""
        used = "sections use it already" if entry is not None and entry.reference == self._models.chosen else ""
        reasons: dict[ActionName, str] = {
            "use_model": none or busy or broken or used,
            "test_model": none or busy or broken or testing,
            "time_engines": none or busy or broken or testing,
            "remove_model": none or self._models.why_not_removable(entry),
        }
        for name, reason in reasons.items():
            actions.enable(name, reason)

    def choose_model_to_add(self) -> None:
        """Choose a folder to add."""
        title = "Add a model: its folder, a training run's, or a folder of models"
        choose_folder(self._window, title, Path.home(), self.add)

    def add(self, folder: str) -> None:
        """Add a folder to the list."""
        self._models.add(Path(folder))

    def use(self) -> None:
        """Use the model that the tab shows for the next sections."""
        self._window.top.model.choose(self._tab.reference)

    def remove(self) -> None:
        """Remove the model that the tab shows from the list."""
        entry = self._entry
        if entry is not None:
            self._models.remove(entry)

    def test(self) -> None:
        """Test the model that the tab shows, on the engine that sections use."""
        words = "Testing: sha256, test output, engine, program, weights and packages …"
        self._begin(words, partial(_test, self._setup.request.engine), _with_test, _with_failed_test)

    def time_engines(self) -> None:
        """Time all engines with the model that the tab shows."""
        self._begin("Timing every engine that can run it here …", _time, _with_rates, _with_failed_rates)

    def _begin(
        self,
        words: str,
        work: Callable[[Path], T],
        done: Callable[[ModelPage, T], ModelPage],
        failed: Callable[[ModelPage, str], ModelPage],
    ) -> None:
        """Do something long with the model that the tab shows; `done` and `failed` add what it has found to a page."""
        entry = self._entry
        if entry is None or self._testing or self._run.active:
            return
        self._testing = True
        page = self._pages.get(entry.reference, ModelPage(entry.title, ""))
        if self._tested.get(entry.reference) is not entry.card:
            page, self._tested[entry.reference] = ModelPage(entry.title, ""), entry.card
        self._pages[entry.reference] = replace(page, busy=words)
        self._jobs.submit(
            _TESTS,
            partial(work, entry.folder),
            partial(self._ended, entry.reference, done),
            partial(self._ended, entry.reference, failed),
        )
        self._show_page()

    def _ended(self, reference: str, shows: Callable[[ModelPage, T], ModelPage], found: T) -> None:
        self._testing = False
        self._pages[reference] = replace(shows(self._pages[reference], found), busy="")
        self._show_page()


def _ignoring_checked(do: Callable[[], None], _checked: bool = False) -> None:
    do()


# -- in the workers ----------------------------------------------------------------------------------------------------


def _readable(card: ModelCard) -> str:
    from hcc_scope.report.card_markdown import card_markdown

    return card_markdown(card)


def _test(engine: str, folder: Path) -> tuple[str, ...]:
    from hcc_scope.runs.model_test import check_model

    notes: list[str] = []
    found = check_model(folder, engine, note=notes.append)
    return (*notes, *found.lines())


def _time(folder: Path) -> EngineRates:
    from hcc_scope.inference import load_model
    from hcc_scope.inference.engine_rates import engine_rates

    return engine_rates(load_model(folder))


# -- what is found, on a page ------------------------------------------------------------------------------------------


def _with_test(page: ModelPage, found: tuple[str, ...]) -> ModelPage:
    return replace(page, test=found, test_failed=False)


def _with_failed_test(page: ModelPage, why: str) -> ModelPage:
    return replace(page, test=(why,), test_failed=True)


def _with_rates(page: ModelPage, found: EngineRates) -> ModelPage:
    return replace(page, rates=found, rates_problem="")


def _with_failed_rates(page: ModelPage, why: str) -> ModelPage:
    return replace(page, rates=None, rates_problem=why)
