"""A section on a motorised rig from end to end: outlined by a prescan, focused by a plane, corrected by a flat field.

Then the same with a stage that sticks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.focus.record import PlaneRecord
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.phantom import Specimen
from hcc_scope.plans import Focusing, RandomFields
from hcc_scope.runs.prescan import PrescanRequest, prescan
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import OpenRig, open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import section_source, start_section
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.session.messages import SKIPPED_SPOILS
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import read_run_log
from tests.faulty_core import FaultyCore
from tests.report_parts import page_text
from tests.shading_parts import made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.report.summary import SectionReport

N_FIELDS = 8
AREA_UM = (3900.0, -400.0, 4700.0, 400.0)
"""The edge of the tissue crosses it."""
START_UM = (4300.0, 0.0)
FIELD_UM = (166.4, 166.4)


@pytest.fixture
def rig(tmp_path: Path, demo_cfg: Callable[..., Path]) -> Iterator[OpenRig]:
    cfg = demo_cfg(OnCameraCCDXSize=512, OnCameraCCDYSize=512)
    path = tmp_path / "motorised.rig.yaml"
    path.write_text(
        f"config: {cfg.name}\nbuffer_size_mb: 64\nstand: motorised\n"
        "stage_limits_um: {x: [3500, 5000], y: [-600, 600], z: [-60, 60]}\n"
        "approach: {backlash_xy_um: 20, backlash_z_um: 5, settle_ms: 1}\n"
        "roles: {objective: Objective, em_gain: Gain}\n",
        encoding="utf-8",
    )
    with open_rig(path) as opened:
        opened.microscope.backend.core.set_xy_position(*START_UM)
        opened.microscope.backend.core.wait_for_device("XY")
        yield opened


class StickyStage:
    """A stage that does not set off for some places, as soon as a focus plane was laid, or none is wanted."""

    def __init__(self, rig: OpenRig) -> None:
        self._rig = rig
        self._places: frozenset[tuple[float, ...]] = frozenset()
        self._waits = True
        FaultyCore(rig.microscope, set_xy_position=self._send)

    def stick(self, plan: RandomFields, fields: set[int]) -> None:
        places = list(plan.places(FIELD_UM))
        self._places = frozenset(places[field][1:3] for field in fields)
        self._waits = plan.focus.mode == "plane"

    def _send(self, real: Callable[..., None], device: str, *place_um: float) -> None:
        events = self._rig.microscope.events.recent("focus")
        laid = not self._waits or any("plane" in event.facts for event in events)
        if not (laid and place_um in self._places):
            real(device, *place_um)


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None)


def replays(report: SectionReport, scoring_model: ScoringModel) -> bool:
    assert report.store is not None
    run = start_replay(open_store(Path(report.store)), scoring_model)
    return bool(check_replay(run.store, run.finish(), run.results, scoring_model).equal)


def test_a_section_of_a_motorised_rig_and_the_same_with_a_stage_that_sticks(
    rig: OpenRig, scoring_model: ScoringModel, tmp_path: Path
):
    specimen, shading = Specimen(5, "m1", "s1", "high"), made((512, 512))
    core, scene = rig.microscope.backend.core, PhantomScene(specimen)
    before = (core.get_exposure(), core.get_auto_shutter())
    found = prescan(rig.microscope, PrescanRequest(AREA_UM, spacing_um=260.0), scene=scene)
    scene.close()
    assert found is not None
    assert rig.stage_xy_um() == pytest.approx(START_UM, abs=0.02)
    assert found.outline.reaches == ("low x", "low y", "high y")
    plan = RandomFields(
        n_fields=N_FIELDS, seed=2, outline_um=found.outline.points_um, exposure_ms=9, focus=Focusing("plane", points=6)
    )

    def acquire(plan: RandomFields, section: str) -> SectionReport:
        source = section_source(rig.microscope, plan, scoring_model, "m1", section, specimen)
        return start_section(source, scoring_model, tmp_path, shading=shading).finish()

    whole = acquire(plan, "whole")
    assert (whole.outcome.state, whole.outcome.remark) == ("completed", None)
    assert (whole.outcome.counts.classified, whole.outcome.counts.skipped) == (N_FIELDS, 0)
    assert whole.outcome.score.interval_valid
    assert whole.store is not None
    opened = open_section(Path(whole.store))
    assert opened.focusings is not None
    assert isinstance(opened.focusings[-1], PlaneRecord)
    assert open_store(Path(whole.store)).recorded.provenance.corrected
    assert replays(whole, scoring_model)

    stage = StickyStage(rig)
    stage.stick(plan, {0, 3, 4})
    holes = acquire(plan, "holes")
    counts = holes.outcome.counts
    assert (holes.outcome.state, holes.outcome.cause) == ("completed", None)
    assert (counts.acquired, counts.stored, counts.classified, counts.skipped) == (5, 5, 5, 3)
    assert (holes.outcome.score.interval_valid, holes.outcome.score.spoilt) == (False, SKIPPED_SPOILS)
    assert holes.outcome.remark is not None
    assert holes.outcome.remark.startswith("3 fields skipped: stage 'XY' was sent to x = ")
    assert holes.store is not None
    assert replays(holes, scoring_model)
    recorded = open_store(Path(holes.store)).recorded.outcome
    assert recorded is not None
    assert (recorded.skipped_fields, recorded.lasting_reason) == (3, SKIPPED_SPOILS)
    assert "skipped: not reached by the stage" in page_text(Path(holes.store))
    log = read_run_log(Path(holes.store))
    assert log is not None
    assert [one.facts["axes"] for one in log.events if one.kind == "skipped"] == [{"position": n} for n in (0, 3, 4)]

    unfocused = plan.model_copy(update={"focus": Focusing()})
    stage.stick(unfocused, {2, 3, 4})
    ended = acquire(unfocused, "ended")
    assert (ended.outcome.state, ended.outcome.counts.stored, ended.outcome.counts.skipped) == ("failed", 2, 3)
    assert "3 fields in a row were not reached, so the run has ended" in str(ended.outcome.cause)
    assert replays(ended, scoring_model)
    assert (core.get_exposure(), core.get_auto_shutter()) == before
