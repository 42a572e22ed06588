"""The same options give the same plan, and the same refusal, in the command line and in the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hcc_scope.cli.acquire import AcquireOptions, _default_plan
from hcc_scope.errors import PlanError, StoreExistsError
from hcc_scope.rig import adapters
from hcc_scope.workers import StopToken
from ui.control import running
from ui.control.section_request import PlanChoice, SectionRequest
from ui.shell import system_check

if TYPE_CHECKING:
    from hcc_scope.plans import Plan

OUTLINE = ((0.0, 0.0), (5000.0, 0.0), (5000.0, 4000.0))


@dataclass(frozen=True)
class Stage:
    """What a plan asks a rig: a stage at (100, 200) um, or none."""

    has_stage: bool = True
    demo: bool = True

    def need_stage_for_fields(self, *, hint: str) -> None:
        if not self.has_stage:
            raise PlanError("random fields need a motorised XY stage, and this rig has none", hint=hint)

    def is_demo(self) -> bool:
        return self.demo

    def area_around_stage_um(self, size_um: tuple[float, float], *, hint: str) -> tuple[float, float, float, float]:
        self.need_stage_for_fields(hint=hint)
        return 100 - size_um[0] / 2, 200 - size_um[1] / 2, 100 + size_um[0] / 2, 200 + size_um[1] / 2


def by_command_line(stage: Stage, *, outlined: bool = False, **given: object) -> Plan:
    values: dict[str, Any] = {
        "animal_id": "a", "section_id": "s", "out": Path("out"), "rig": "demo", "config": None, "adapters": None,
        "attach_port": None, "plan": None, "n_fields": None, "n_frames": None, "area_um": None, "exposure_ms": None,
        "properties": (), "seed": 7, "phantom": None, "model_name": "", "engine": "", "json_mode": False,
    }  # fmt: skip
    specimen: Any = SimpleNamespace(outline_um=OUTLINE) if outlined else None
    return _default_plan(AcquireOptions(**(values | given)), stage, specimen)  # type: ignore[arg-type]


def request(folder: Path = Path("out"), **choice: Any) -> SectionRequest:  # noqa: ANN401 - fields of several types
    return SectionRequest("a", "s", folder, PlanChoice(**choice), "none", "m", "auto", 7)


def by_window(stage: Stage, *, outlined: bool = False, **choice: Any) -> Plan:  # noqa: ANN401 - as above
    return running.plan_of_request(request(**choice), stage, OUTLINE if outlined else None)


@pytest.mark.parametrize("outlined", [False, True])
def test_without_a_choice_the_plans_are_equal(outlined: bool):
    plan = by_command_line(Stage(), outlined=outlined)
    assert plan == by_window(Stage(), outlined=outlined)
    assert (plan.kind, plan.expected_frames) == ("random", 24)


def test_chosen_fields_and_area_give_equal_plans():
    plan = by_command_line(Stage(demo=False), n_fields=5, area_um="6000x4000")
    assert plan == by_window(Stage(demo=False), n_fields=5, area_um=(6000.0, 4000.0))
    assert plan.model_dump()["rectangle_um"] == (-2900.0, -1800.0, 3100.0, 2200.0)


def test_sequences_need_no_stage_and_are_equal():
    plan = by_command_line(Stage(has_stage=False), n_frames=12)
    assert plan == by_window(Stage(has_stage=False), kind="sequence", n_frames=12)
    assert (plan.kind, plan.expected_frames) == ("sequence", 12)


@pytest.mark.parametrize("outlined", [False, True])
def test_without_a_stage_both_refuse_random_fields_and_each_advises_what_it_has(outlined: bool):
    refused = []
    for plan in (by_command_line, by_window):
        with pytest.raises(PlanError) as caught:
            plan(Stage(has_stage=False), outlined=outlined)
        refused.append(caught.value)
    assert refused[0].message == refused[1].message == "random fields need a motorised XY stage, and this rig has none"
    assert str(refused[0].hint).startswith("Give --by-hand")
    assert str(refused[1].hint).startswith("Choose a sequence")


def test_both_refuse_a_number_that_no_plan_has():
    for plan, where in ((by_command_line, "the options"), (by_window, "the plan")):
        with pytest.raises(PlanError, match=f"^{where}: n_fields must be greater than 0$"):
            plan(Stage(), n_fields=0)


def test_a_stage_is_never_driven_to_an_unnamed_area():
    with pytest.raises(PlanError, match="random fields need an area"):
        by_command_line(Stage(demo=False))


def test_start_refuses_a_taken_name_before_a_phantom_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = request(tmp_path)
    one.store.mkdir()

    def draw(*_arguments: object) -> None:
        raise AssertionError("a phantom is drawn for a section that cannot be stored")

    monkeypatch.setattr(running, "specimen_of", draw)
    loaded: Any = SimpleNamespace(preview=None, is_demo=True, rig=Stage())
    control: Any = SimpleNamespace(doing=draw)
    model: Any = SimpleNamespace(model=SimpleNamespace(card=SimpleNamespace(pixel_size_um=0.325)))
    with pytest.raises(StoreExistsError, match="is already there and is never overwritten"):
        running.start_section_on(control, one, loaded, StopToken(), model)


def test_the_welcome_page_finds_core_and_adapters_that_do_not_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert system_check.look_around(tmp_path)[0].verdict == "pass"
    monkeypatch.setattr(adapters, "core_interface", lambda: 74)
    found = system_check.look_around(tmp_path)[0]
    assert found.verdict == "fail"
    assert "speaks device interface 74" in found.words
    assert found.words == f"Micro-Manager: {adapters.interface_mismatch(adapters.test_adapters_dir())}."
    assert found.advice == "Install HCC-Scope again."
