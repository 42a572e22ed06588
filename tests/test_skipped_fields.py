"""A stage that sticks: fields that it does not reach are skipped and counted, and after three in a row the run ends."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import DeviceError, PlanError
from hcc_scope.plans import Focusing, Grid, RandomFields
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import section_source, start_section
from hcc_scope.session.messages import SKIPPED_SPOILS
from hcc_scope.storage import run_log
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import read_run_log
from tests.faulty_core import FaultyCore
from tests.report_parts import page_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.plans import Plan
    from hcc_scope.report.summary import SectionReport


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", [].append)


@pytest.fixture(scope="module")
def rig() -> Iterator[MicroManager]:
    with open_rig("demo") as opened:
        opened.set_properties(["Camera,OnCameraCCDXSize,512", "Camera,OnCameraCCDYSize,512"])
        yield opened.microscope


@pytest.fixture
def acquire(rig: MicroManager, scoring_model: ScoringModel, tmp_path: Path) -> Iterator[Callable[..., SectionReport]]:
    """Return a function that acquires a plan with a stage that sticks on the way to some of its fields."""
    core = rig.backend.core

    def run(plan: Plan, sticks: Collection[int]) -> SectionReport:
        targets: list[tuple[float, float]] = []

        def send(real: Callable[..., None], device: str, x_um: float, y_um: float) -> None:
            if (x_um, y_um) not in targets:
                targets.append((x_um, y_um))
            if targets.index((x_um, y_um)) not in sticks:
                real(device, x_um, y_um)

        core.set_xy_position(9000.0, 9000.0)  # none of the fields
        core.wait_for_device(core.get_xy_stage_device())
        FaultyCore(rig, set_xy_position=send)
        source = section_source(rig, plan, scoring_model, "m1", "s1")
        return start_section(source, scoring_model, tmp_path).finish()

    yield run
    rig.backend.core = core


def plan(n_fields: int) -> RandomFields:
    return RandomFields(n_fields=n_fields, seed=3, rectangle_um=(-2000, -2000, 2000, 2000), exposure_ms=1)


def test_skipped_fields_are_counted_and_the_run_is_complete(
    acquire: Callable[..., SectionReport], scoring_model: ScoringModel
):
    report = acquire(plan(6), {0, 3, 4})
    outcome = report.outcome
    counts = outcome.counts
    assert outcome.state == "completed"
    assert (counts.acquired, counts.stored, counts.skipped) == (3, 3, 3)
    assert counts.balanced()
    assert outcome.remark is not None
    assert outcome.remark.startswith("3 fields skipped: stage 'XY' was sent to x = ")
    assert (outcome.score.interval_valid, outcome.score.spoilt) == (False, SKIPPED_SPOILS)

    assert report.store is not None
    store = open_store(Path(report.store))
    assert store.n_frames == 3
    assert [store.read(seq).tags["axis_position"] for seq in range(3)] == [1, 2, 5]
    recorded = store.recorded.outcome
    assert recorded is not None
    assert (recorded.state, recorded.skipped_fields, recorded.lasting_reason) == ("completed", 3, SKIPPED_SPOILS)
    assert [note.text for note in read_notes(store.path)] == [SKIPPED_SPOILS]
    assert "skipped: not reached by the stage" in page_text(store.path)
    run = start_replay(store, scoring_model)
    assert check_replay(store, run.finish(), run.results, scoring_model).equal
    log = read_run_log(store.path)
    assert log is not None
    skipped = [event.facts["axes"] for event in log.events if event.kind == "skipped"]
    assert skipped == [{"position": 0}, {"position": 3}, {"position": 4}]


def test_the_run_ends_after_three_in_a_row_and_keeps_what_it_has(acquire: Callable[..., SectionReport]):
    report = acquire(plan(8), {2, 3, 4})
    outcome = report.outcome
    assert outcome.state == "failed"
    assert isinstance(outcome.cause, DeviceError)
    assert "stage 'XY' was sent to x = " in str(outcome.cause)
    assert "and reports that it is at x = " in str(outcome.cause)
    assert "3 fields in a row were not reached, so the run has ended" in str(outcome.cause)
    assert (outcome.counts.stored, outcome.counts.skipped, outcome.counts.deferred) == (2, 3, 0)
    assert report.store is not None
    assert open_store(Path(report.store)).complete


def test_the_field_after_a_skipped_one_is_focused_in_its_place(acquire: Callable[..., SectionReport]):
    focused = plan(3).model_copy(update={"focus": Focusing(mode="once")})
    outcome = acquire(focused, {0}).outcome
    assert (outcome.counts.stored, outcome.counts.skipped) == (2, 1)
    assert outcome.remark is not None
    assert "1 of 1 focusing found no height" in outcome.remark  # there is no tissue in the demo camera's picture


def test_a_run_that_reaches_no_field_has_failed_and_leaves_no_store(
    acquire: Callable[..., SectionReport], tmp_path: Path
):
    report = acquire(plan(2), {0, 1})
    assert report.outcome.state == "failed"
    assert "no field of the plan was reached" in str(report.outcome.cause)
    assert (report.store, list(tmp_path.iterdir())) == (None, [])


def test_a_grid_may_have_holes_without_being_spoilt(acquire: Callable[..., SectionReport]):
    grid = Grid(rectangle_um=(0, 0, 900, 900), overlap=0.0, exposure_ms=1)
    outcome = acquire(grid, {1}).outcome
    assert (outcome.state, outcome.counts.skipped, outcome.score.spoilt) == ("completed", 1, None)


def test_a_plan_that_is_refused_leaves_the_settings_as_they_were(rig: MicroManager, scoring_model: ScoringModel):
    before = rig.backend.core.get_exposure()
    beyond = RandomFields(n_fields=2, rectangle_um=(70_000, 0, 80_000, 9000), exposure_ms=before + 5)
    with pytest.raises(PlanError, match="limits"):
        section_source(rig, beyond, scoring_model, "m1", "s1")
    assert rig.backend.core.get_exposure() == before


def test_a_log_that_cannot_be_written_costs_a_sentence_and_no_frame(
    acquire: Callable[..., SectionReport], monkeypatch: pytest.MonkeyPatch
):
    def full(_handle: int, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_log, "write_all", full)
    outcome = acquire(plan(2), ()).outcome
    assert (outcome.state, outcome.counts.stored) == ("completed", 2)
    assert outcome.remark is not None
    assert outcome.remark.startswith("The run log ")
    assert "the frames are not affected: no space is left" in outcome.remark
