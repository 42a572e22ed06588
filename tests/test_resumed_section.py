"""A stored plan goes on in its own store, whatever ended its run; the score is that of one run of the whole plan."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.animal_scoring import NOT_VALID
from hcc_scope.errors import DiskFullError, StoreDamagedError, StoreError, UsageError
from hcc_scope.phantom import Specimen
from hcc_scope.plans import PositionList, RandomFields
from hcc_scope.runs.library import SectionLister
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.resumed_section import (
    ResumableSection,
    check_resumed_model,
    rest_of,
    resumable_section,
    resume_section,
    resumed_model,
    resumed_source,
)
from hcc_scope.runs.rigs import OpenRig, open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import section_source, start_section
from hcc_scope.runs.unfinished import describe_unfinished, find_unfinished
from hcc_scope.scoring import DEVICE_FAILED, FIELDS_SKIPPED
from hcc_scope.storage.lasting_reasons import lasting_reasons
from hcc_scope.storage.notes import NotesWriter, read_notes
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.section_writer import SectionWriter
from hcc_scope.workers import StopToken
from tests.commands import cli
from tests.faulty_core import FaultyCore
from tests.session_parts import wait_until
from tests.storage_cases import change_facts, change_spec, fingerprint, shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.plans import Plan
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.types import Frame

N = 6
SHOWN = Specimen(1, "m1", "s1", "high")
PLAN = RandomFields(n_fields=N, seed=3, rectangle_um=(-900, -900, 900, 900), exposure_ms=10)


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", [].append)


@pytest.fixture(scope="module")
def opened() -> Iterator[OpenRig]:
    with open_rig("demo") as rig:
        rig.set_properties(["Camera,OnCameraCCDXSize,512", "Camera,OnCameraCCDYSize,512"])
        yield rig


@pytest.fixture
def rig(opened: OpenRig) -> Iterator[OpenRig]:
    core = opened.microscope.backend.core
    yield opened
    opened.microscope.backend.core = core


class Bench:
    """Acquires and resumes on the demo rig."""

    def __init__(self, rig: OpenRig, scoring_model: ScoringModel, out: Path) -> None:
        self.rig, self.scoring_model, self.out = rig, scoring_model, out

    def acquire(self, plan: Plan = PLAN, name: str = "s1", *, stop_after: int | None = None) -> SectionReport:
        stop = StopToken()
        shown = SHOWN if plan.kind == "random" else None  # positions may lie outside of it
        source = section_source(self.rig.microscope, plan, self.scoring_model, "m1", name, specimen=shown)
        if stop_after is not None:
            _stop_after(source, stop, stop_after)
        return start_section(source, self.scoring_model, self.out, stop).finish()

    def resume(
        self,
        path: Path,
        *,
        retakes: tuple[int, ...] = (),
        stop_after: int | None = None,
        asks_for: int | None = None,
    ) -> SectionReport:
        section = resumable_section(path, retakes)
        model = resumed_model(section, self.scoring_model)
        check_resumed_model(section, model)
        if section.specimen is not None:
            assert (section.specimen.seed, section.specimen.tumour_class) == (SHOWN.seed, SHOWN.tumour_class)
            section = replace(section, specimen=SHOWN)  # grown already
        source = resumed_source(self.rig.microscope, section, model)
        stop = StopToken()
        if stop_after is not None:
            _stop_after(source, stop, stop_after)
        if asks_for is not None:
            source.retake(asks_for)
        return resume_section(self.rig, source, section, model, stop, "it is blurred" if retakes else "").finish()

    def replays(self, path: Path) -> bool:
        run = start_replay(open_store(path), self.scoring_model)
        return bool(check_replay(run.store, run.finish(), run.results, self.scoring_model).equal)


def _stop_after(source: object, stop: StopToken, n: int) -> None:
    """Ask the run to stop as soon as the source has yielded so many frames."""
    frames = source.frames  # type: ignore[attr-defined]

    def stopped(token: StopToken) -> Iterator[Frame]:
        if n == 0:
            stop.request()
        for i, frame in enumerate(frames(token), start=1):
            yield frame
            if i == n:
                stop.request()

    source.frames = stopped  # type: ignore[attr-defined]


@pytest.fixture
def bench(rig: OpenRig, scoring_model: ScoringModel, tmp_path: Path) -> Bench:
    return Bench(rig, scoring_model, tmp_path)


@pytest.fixture(scope="module")
def whole(opened: OpenRig, scoring_model: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> SectionReport:
    """The whole plan in one run."""
    return Bench(opened, scoring_model, tmp_path_factory.mktemp("whole")).acquire()


def path_of(report: SectionReport) -> Path:
    assert report.store is not None
    return Path(report.store)


def planned(path: Path) -> list[object]:
    store = open_store(path)
    return [store.read(seq).tags["axis_position"] for seq in range(store.n_frames)]


def same_score(one: SectionReport, other: SectionReport) -> bool:
    assert other.outcome.score.score is not None
    return one.outcome.score == other.outcome.score


def test_a_section_that_was_stopped_and_killed_has_the_score_of_one_run(
    bench: Bench, whole: SectionReport, tmp_path: Path
):
    """Stopped after two fields, resumed, killed after four, resumed: one store, one score, and nothing left."""
    first = bench.acquire(name="s1", stop_after=2)
    path = path_of(first)
    assert first.outcome.state == "cancelled"
    rest = rest_of(open_store(path))
    assert rest is not None
    assert rest.n_left == N - 2
    assert resumable_section(path).describe() == f"{N - 2} of {N} fields of section m1 s1 are left."
    second = bench.resume(path, stop_after=2)
    assert (second.outcome.counts.acquired, second.outcome.state) == (4, "cancelled")
    change_facts(path, complete=False)  # as a kill -9 leaves it
    found = find_unfinished([tmp_path])
    assert [(one.section_id, one.n_left) for one in found] == [("s1", N - 4)]
    assert describe_unfinished(found).endswith("and 2 fields of its plan are left; resume it to go on.")
    third = bench.resume(path)
    assert third.outcome.state == "completed"
    assert (third.outcome.counts.acquired, third.outcome.counts.skipped) == (N, 0)
    assert third.outcome.score.interval == whole.outcome.score.interval
    assert same_score(third, whole)
    assert third.outcome.score.interval_valid
    assert planned(path) == list(range(N))
    assert bench.replays(path)
    parts = open_store(path).attributes["parts"]
    assert [part.get("provenance", {}).get("resumed_at_field") for part in parts] == [None, 2, 4]
    before = fingerprint(path)
    with pytest.raises(StoreError, match="every field of its plan is stored, and nothing is left"):
        resumable_section(path)
    assert fingerprint(path) == before


@pytest.mark.parametrize("cause", ["camera", "disk", "stage", "emergency"])
def test_what_ended_a_run_early_does_not_stay_with_its_score(
    bench: Bench, whole: SectionReport, monkeypatch: pytest.MonkeyPatch, cause: str
):
    hardware = bench.rig.microscope.hardware
    with ExitStack() as faults:
        taken = iter(range(100))
        if cause == "camera":

            def snap(real: Callable[[], None]) -> None:
                if next(taken) == 3:
                    raise RuntimeError("the camera is gone")
                real()

            core = bench.rig.microscope.backend.core
            FaultyCore(bench.rig.microscope, snap_image=snap)
            faults.callback(setattr, bench.rig.microscope.backend, "core", core)
        elif cause == "stage":
            places = [place[1:3] for place in PLAN.places((166.4, 166.4))][3:]

            def send(real: Callable[..., None], device: str, *um: float) -> None:
                if um not in places:
                    real(device, *um)

            core = bench.rig.microscope.backend.core
            FaultyCore(bench.rig.microscope, set_xy_position=send)
            faults.callback(setattr, bench.rig.microscope.backend, "core", core)
        elif cause == "disk":
            append = SectionWriter.append

            def full(self: SectionWriter, frame: Frame) -> None:
                if frame.seq == 3:
                    raise DiskFullError("the disk is full")
                append(self, frame)

            faults.enter_context(monkeypatch.context()).setattr(SectionWriter, "append", full)
        else:
            apply = hardware.apply

            def halted(event: dict[str, object], stop: object) -> bool:
                if next(taken) == 3:
                    hardware.halts += 1
                return apply(event, stop)

            faults.enter_context(monkeypatch.context()).setattr(hardware, "apply", halted)
        first = bench.acquire(name="s1")
    path = path_of(first)
    assert first.outcome.state == "failed"
    assert first.outcome.counts.stored == 3, first.outcome.cause
    spoilt = [note.text for note in read_notes(path) if note.kind == "spoilt"]
    assert (
        spoilt
        == {
            "camera": [DEVICE_FAILED],
            "disk": [],
            "stage": [FIELDS_SKIPPED, DEVICE_FAILED],
            "emergency": [DEVICE_FAILED],
        }[cause]
    ), repr(first.outcome.cause)
    assert first.outcome.score.interval_valid == (cause == "disk")
    resumed = bench.resume(path)
    assert (resumed.outcome.state, resumed.outcome.counts.skipped) == ("completed", 0)
    assert same_score(resumed, whole)
    store = open_store(path)
    assert lasting_reasons(store.recorded, store.n_frames, read_notes(path)) == []
    assert planned(path) == list(range(N))
    assert bench.replays(path)


def test_an_interval_is_valid_again_only_with_the_field_at_which_the_plan_stood(bench: Bench):
    """Neither a resumed run without a frame nor a retake makes up for it."""
    taken = iter(range(100))

    def snap(real: Callable[[], None]) -> None:
        if next(taken) == 3:
            raise RuntimeError("the camera is gone")
        real()

    core = bench.rig.microscope.backend.core
    FaultyCore(bench.rig.microscope, snap_image=snap)
    path = path_of(bench.acquire())
    bench.rig.microscope.backend.core = core
    before = fingerprint(path)
    nothing = bench.resume(path, stop_after=0)
    assert fingerprint(path) == before
    assert nothing.outcome.score.stabilised_reason == f"{NOT_VALID}{DEVICE_FAILED}"

    resumed = bench.resume(path, stop_after=1, asks_for=0)
    assert resumed.outcome.score.interval_valid
    assert planned(path) == [0, 1, 2, 3]  # the plan's own field comes first
    assert bench.replays(path)


def test_a_section_whose_fields_are_left_is_not_complete_after_a_retake(bench: Bench, tmp_path: Path):
    path = path_of(bench.acquire(stop_after=2))
    again = bench.resume(path, retakes=(0,))
    assert (again.outcome.state, again.outcome.counts.acquired) == ("cancelled", 3)
    row = next(SectionLister().each([tmp_path]))
    assert (row.describe_fields(), row.ended) == (f"2 of {N}", f"stopped early after 2 of {N} planned fields")
    whole = bench.resume(path)
    assert (whole.outcome.state, whole.outcome.counts.acquired) == ("completed", N + 1)
    row = next(SectionLister().each([tmp_path]))
    assert (row.describe_fields(), row.ended) == (f"{N}", "complete")


def test_a_field_is_taken_again_while_the_section_runs_and_after_it(bench: Bench):
    """Live after field 1 is there, then in a part of its own, then a retake that the stage does not reach."""
    source = section_source(bench.rig.microscope, PLAN, bench.scoring_model, "m1", "s1")
    frames = source.frames

    def asking(stop: StopToken) -> Iterator[Frame]:
        for frame in frames(stop):
            if frame.seq == 2:
                source.retake(1, "a bubble")
            yield frame

    source.frames = asking  # type: ignore[method-assign]
    report = start_section(source, bench.scoring_model, bench.out).finish()
    path = path_of(report)
    assert (report.outcome.state, report.outcome.counts.acquired) == ("completed", N + 1)
    assert planned(path) == [0, 1, 2, 1, 3, 4, 5]
    assert dict(report.outcome.score.retaken) == {1: 3}
    store = open_store(path)
    one, other = (store.read(seq) for seq in (1, 3))
    assert one.stage_um == other.stage_um
    assert (other.tags["retake_of"], other.tags["retake_reason"]) == (1, "a bubble")
    assert [(note.seq, note.replaces, note.text) for note in read_notes(path)] == [(3, 1, "a bubble")]
    rest = rest_of(store)
    assert rest is not None
    assert rest.n_left == 0
    with pytest.raises(UsageError, match="the section ends"):
        source.retake(0)

    NotesWriter(path).add("exclude", "a fold", 3)
    again = bench.resume(path, retakes=(3, 0))
    assert again.outcome.state == "completed"
    assert dict(again.outcome.score.retaken) == {0: 8, 1: 7}
    assert again.outcome.score.set_aside == (0, 1, 3)
    assert again.outcome.score.fields_excluded_by_operator == 0  # the excluded field was taken again
    assert bench.replays(path)

    core = bench.rig.microscope.backend.core
    FaultyCore(bench.rig.microscope, set_xy_position=lambda real, device, *um: None)
    failed = bench.resume(path, retakes=(2,))
    bench.rig.microscope.backend.core = core
    assert failed.outcome.state == "completed"
    assert failed.outcome.remark is not None
    assert "field 2 could not be taken again and counts as it was" in failed.outcome.remark
    assert open_store(path).n_frames == N + 3
    assert failed.outcome.score.interval_valid == again.outcome.score.interval_valid
    assert bench.replays(path)


def test_what_cannot_be_resumed_is_refused_in_one_sentence_and_stays_as_it_was(bench: Bench, tmp_path: Path):
    path = path_of(bench.acquire(stop_after=2))
    before = fingerprint(path)
    spec = json.loads((path / "hcc_scope.json").read_text())["spec"]
    provenance = spec["provenance"]

    def refused(**changes: object) -> str:
        copy = tmp_path / "copy.ome.zarr"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
        change_spec(copy, **changes)
        made = fingerprint(copy)
        with pytest.raises(StoreError) as caught:
            bench.resume(copy)
        assert fingerprint(copy) == made
        return caught.value.message

    settings = json.loads(provenance["rig_settings"]) if "rig_settings" in provenance else {}
    plan = json.loads(provenance["plan"])
    for message, changes in {
        "its fields were captured by hand": {"sampling": "chosen"},
        "a gap would break its time series": {"sampling": "time_series"},
        "it holds no plan": {"provenance": {**provenance, "plan": None}},
        "its plan is not one of this version": {"provenance": {**provenance, "plan": "{}"}},
        "frame 0 was taken at another place": {"provenance": {**provenance, "plan": json.dumps({**plan, "seed": 4})}},
        "it was made by an earlier version": {"provenance": {**provenance, "lattice_fields": None}},
        "it was classified with the model": {"model_sha256": "ab" * 32},
        "its specimen is": {"provenance": {**provenance, "specimen": "tissue"}},
        "it was made on the rig": {"provenance": {**provenance, "rig": "another"}},
        "the binning was 2, and now it is": {
            "provenance": {**provenance, "rig_settings": json.dumps({**settings, "binning": "2"})}
        },
    }.items():
        assert message in refused(**changes)  # type: ignore[arg-type]
    shard(path, 1).unlink()
    with pytest.raises(StoreDamagedError, match=r"cannot be resumed: Frame 1 in .* is missing"):
        resumable_section(path)
    assert {name: made for name, made in before.items() if "/c/1/" not in name} == fingerprint(path)
    with pytest.raises(StoreError, match="has no field 7"):
        resumable_section(path, (7,))
    with pytest.raises(StoreError):
        resumable_section(tmp_path / "none.ome.zarr")


def test_the_command_takes_what_is_left_and_refuses_what_the_store_states(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    places = tuple((1000.0 * i, 0.0) for i in range(N))
    path = path_of(bench.acquire(PositionList(positions_um=places, exposure_ms=1), stop_after=3))
    monkeypatch.setattr("hcc_scope.cli.resume.open_chosen_rig", lambda *_: nullcontext(bench.rig))
    monkeypatch.setattr("hcc_scope.cli.resume.load_chosen_model", lambda *_: bench.scoring_model)
    for more, message in (
        (["--fields", "3"], "--resume and --fields exclude each other"),
        (["--animal", "m2"], "it is of animal m1, not m2"),
        (["--phantom", "low"], "it shows no phantom"),
    ):
        done = cli("acquire", "--resume", path, "--rig", "demo", *more)
        assert (done.code != 0, message in done.err) == (True, True), done.err

    def waiting(microscope: MicroManager, section: ResumableSection, model: ScoringModel) -> MicroManagerSource:
        source = resumed_source(microscope, section, model)
        frames = source.frames

        def until_paused(stop: StopToken) -> Iterator[Frame]:
            for frame in frames(stop):
                yield frame
                wait_until(lambda: stop.paused or stop.requested)

        source.frames = until_paused  # type: ignore[method-assign]
        return source

    with monkeypatch.context() as paced:
        paced.setattr("hcc_scope.cli.resume.resumed_source", waiting)
        done = cli("acquire", "--resume", path, "--rig", "demo", "--pause-after", "1", "--json")
    assert (done.code, "where it would have paused" in done.err) == (130, True), done.err
    done = cli("acquire", "--resume", path, "--rig", "demo", "--json")
    assert done.code == 0, done.err
    (section,) = json.loads(done.out)["sections"]
    assert (section["counts"]["acquired"], section["outcome"], section["retaken"]) == (N, "completed", [])
    assert (path.parent / "summary.json").exists()
    assert cli("acquire", "--resume", path, "--rig", "demo").code == StoreError.exit_code
