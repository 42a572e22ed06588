"""The setup of the next section: one object, which the top bar edits and which names what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.plans import Focusing
from ui.control.replay_focus import ReplayedField, ReplayFocus
from ui.control.section_request import PlanChoice, SectionRequest
from ui.control.section_setup import SectionSetup
from ui.control.settings import Settings
from ui.kit.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ui.app import App
    from ui.control.settings_store import SettingsStore

REQUEST = SectionRequest("M7", "S1", Path("sections"), PlanChoice(), "high", "phantom-meng2019", "auto", 1)


@pytest.mark.parametrize(
    ("changes", "has_stage", "problem"),
    [
        ({}, True, ""),
        ({"animal_id": ""}, True, "the animal id is missing"),
        ({"animal_id": "", "section_id": ""}, True, "the animal id is missing"),
        ({"section_id": ""}, True, "the section id is missing"),
        ({"section_id": "a/b"}, True, "'a/b' contains /"),
        ({"model": ""}, True, "no model is chosen"),
        ({"plan": PlanChoice("file", file=" ")}, True, "no plan file is chosen"),
        ({"plan": PlanChoice("file", file="plan.yaml")}, False, ""),
        ({}, False, "no stage that can move to fields"),
        ({"plan": PlanChoice("sequence")}, False, ""),
        ({"plan": PlanChoice("guided")}, False, ""),
        ({"plan": PlanChoice("free")}, True, "has a motorised stage"),
    ],
)
def test_a_request_names_the_first_thing_that_is_missing(changes: dict[str, object], has_stage: bool, problem: str):
    found = replace(REQUEST, **changes).problem(has_stage=has_stage)
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.fixture
def setup(tmp_path: Path, settings_store: Callable[..., SettingsStore]) -> Iterator[SectionSetup]:
    jobs = Jobs()
    yield SectionSetup(settings_store(Settings(out_dir=str(tmp_path)), tmp_path / "settings", jobs))
    assert jobs.close() == ()


def test_each_change_is_signalled_once_and_what_stays_the_same_is_not(setup: SectionSetup, tmp_path: Path):
    heard: list[object] = []
    setup.changed.connect(lambda: heard.append("changed"))
    setup.model_changed.connect(lambda: heard.append("model"))
    setup.folder_changed.connect(heard.append)
    setup.change(animal_id="M7", section_id="S1")
    assert heard == ["changed"]
    setup.change(animal_id="M7")
    assert heard == ["changed"]
    setup.change(engine="openvino")
    assert heard[1:] == ["model", "changed"]
    setup.choose_folder(tmp_path / "other")
    assert heard[3:] == [tmp_path / "other", "changed"]
    assert setup.request.store == tmp_path / "other" / "M7_S1.ome.zarr"


def test_choices_are_remembered_and_a_plan_that_fits_the_rig_is_not(
    tmp_path: Path, settings_store: Callable[..., SettingsStore]
):
    jobs = Jobs()
    store = settings_store(Settings(), tmp_path, jobs)
    setup = SectionSetup(store)
    setup.choose_plan(PlanChoice("random", n_fields=7))
    setup.choose_folder(tmp_path)
    assert (store.settings.n_fields, store.settings.out_dir) == (7, str(tmp_path))
    assert setup.fit_rig(has_stage=False)
    assert (setup.request.plan.kind, store.settings.plan) == ("guided", "random")
    assert not setup.fit_rig(has_stage=True)
    assert setup.request.plan == PlanChoice("random", n_fields=7)
    setup.choose_plan(PlanChoice("sequence"))
    assert not setup.fit_rig(has_stage=True)
    assert setup.request.plan.kind == "sequence"  # the operator's own choice
    setup.choose_plan(PlanChoice("free"))
    assert not setup.fit_rig(has_stage=True)
    assert setup.request.plan.kind == "random"
    assert setup.fit_rig(has_stage=False)
    assert setup.request.plan.kind == "free"  # as it was the last time by hand
    setup.choose_plan(PlanChoice("sequence"))
    setup.change(specimen="low", model="mine", engine="torchscript")
    setup.remember()
    again = SectionSetup(store).request
    assert (again.plan, again.out_dir) == (PlanChoice("sequence"), tmp_path)
    assert (again.specimen, again.engine, store.settings.model) == ("low", "torchscript", "mine")
    assert jobs.close() == ()


def test_a_rig_without_a_focus_drive_leaves_the_remembered_focusing_alone(
    tmp_path: Path, settings_store: Callable[..., SettingsStore]
):
    jobs = Jobs()
    store = settings_store(Settings(), tmp_path, jobs)
    setup = SectionSetup(store)
    setup.choose_plan(PlanChoice(focus=Focusing("every_k", every_k=3)))
    setup.fit_rig(has_stage=True, has_focus=False)
    assert setup.request.plan.focus == Focusing()
    setup.choose_plan(PlanChoice(n_fields=9))
    setup.fit_rig(has_stage=True, has_focus=True)
    assert setup.request.plan == PlanChoice(n_fields=9, focus=Focusing("every_k", every_k=3))
    assert SectionSetup(store).request.plan == setup.request.plan
    assert jobs.close() == ()


def test_the_next_id_is_suggested_unless_the_operator_typed_another(setup: SectionSetup):
    setup.change(animal_id="M7", section_id="S1")
    seed = setup.request.seed
    setup.prepare_next("S1")
    assert setup.request.section_id == "S2"
    assert setup.request.seed != seed
    setup.change(section_id="left")
    setup.prepare_next("S2")
    assert setup.request.section_id == "left"
    setup.prepare_next(None)
    assert setup.request.section_id == "left"


def test_the_top_bar_shows_and_edits_what_is_set_up(shell: App):
    top, setup = shell.window.top, shell.setup
    top.animal.set_value("M7")
    top.section.set_value("S9")
    top.engine.setCurrentText("torchscript")
    top.specimen.setCurrentText("Test pattern")
    request = setup.request
    assert (request.animal_id, request.section_id) == ("M7", "S9")
    assert (request.engine, request.specimen, request.model) == ("torchscript", "none", "phantom-meng2019")
    setup.change(animal_id="M8", section_id="S10")
    assert (top.animal.value, top.section.value) == ("M8", "S10")
    assert (setup.request.animal_id, setup.request.section_id) == ("M8", "S10")


def test_leaving_replay_is_signalled_once(qapp: object):
    del qapp
    focus, heard = ReplayFocus(), []
    focus.changed.connect(lambda: heard.append("changed"))
    focus.left.connect(lambda: heard.append("left"))
    focus.set(ReplayedField(3, excluded=False), on=True)
    assert (focus.on, focus.field) == (True, ReplayedField(3, excluded=False))
    focus.set(ReplayedField(3, excluded=True), on=True)
    focus.set(None, on=False)
    focus.set(None, on=False)
    assert heard == ["changed", "changed", "left", "changed", "changed"]
