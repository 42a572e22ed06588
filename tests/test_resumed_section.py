"""A stored plan goes on in its own store, whatever ended its run; the score is that of one run of the whole plan."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import DiskFullError, StoreError
from hcc_scope.plans import RandomFields
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.resumed_section import (
    check_resumed_model,
    fields_left,
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
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.section_writer import SectionWriter
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore
from tests.storage_cases import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.plans import Plan
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.types import Frame

N = 6
PLAN = RandomFields(n_fields=N, seed=3, rectangle_um=(-900, -900, 900, 900), exposure_ms=1)


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
        source = section_source(self.rig.microscope, plan, self.scoring_model, "m1", name)
        if stop_after is not None:
            _stop_after(source, stop, stop_after)
        return start_section(source, self.scoring_model, self.out, stop).finish()

    def resume(self, path: Path, *, retakes: tuple[int, ...] = (), stop_after: int | None = None) -> SectionReport:
        section = resumable_section(path, retakes)
        model = resumed_model(section, self.scoring_model)
        check_resumed_model(section, model)
        source = resumed_source(self.rig.microscope, section, model)
        stop = StopToken()
        if stop_after is not None:
            _stop_after(source, stop, stop_after)
        return resume_section(self.rig, source, section, model, stop, "it is blurred" if retakes else "").finish()

    def replays(self, path: Path) -> bool:
        run = start_replay(open_store(path), self.scoring_model)
        return bool(check_replay(run.store, run.finish(), run.results, self.scoring_model).equal)


def _stop_after(source: object, stop: StopToken, n: int) -> None:
    """Ask the run to stop as soon as the source has yielded so many frames."""
    frames = source.frames  # type: ignore[attr-defined]

    def stopped(token: StopToken) -> Iterator[Frame]:
        for i, frame in enumerate(frames(token), start=1):
            yield frame
            if i == n:
                stop.request()

    source.frames = stopped  # type: ignore[attr-defined]


@pytest.fixture
def bench(rig: OpenRig, scoring_model: ScoringModel, tmp_path: Path) -> Bench:
    return Bench(rig, scoring_model, tmp_path)


def path_of(report: SectionReport) -> Path:
    assert report.store is not None
    return Path(report.store)


def planned(path: Path) -> list[object]:
    store = open_store(path)
    return [store.read(seq).tags["axis_position"] for seq in range(store.n_frames)]


def same_score(one: SectionReport, other: SectionReport) -> bool:
    return one.outcome.score == other.outcome.score


def test_a_section_that_was_stopped_and_killed_has_the_score_of_one_run(bench: Bench, tmp_path: Path):
    """Stopped after two fields, resumed, killed after four, resumed: one store, one score, and nothing left."""
    whole = bench.acquire(name="whole")
    first = bench.acquire(name="s1", stop_after=2)
    path = path_of(first)
    assert first.outcome.state == "cancelled"
    assert fields_left(open_store(path)) == N - 2
    section = resumable_section(path)
    assert section.describe() == f"{N - 2} of {N} fields of section m1 s1 are left."
    second = bench.resume(path, stop_after=2)
    assert (second.outcome.counts.acquired, second.outcome.state) == (4, "cancelled")
    _forget_end(path)  # as a kill -9 leaves it
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


def _forget_end(path: Path) -> None:
    """Make a store as a kill leaves it: its last part has no end, and its journal and notes end in torn lines."""
    root = path / "zarr.json"
    content = json.loads(root.read_text(encoding="utf-8"))
    facts = content["attributes"]["hcc_scope"]
    for key in ("outcome", "n_frames", "finished_utc"):
        facts.pop(key, None)
    facts["complete"] = False
    write_facts(path, content)


def write_facts(path: Path, content: dict[str, object]) -> None:
    from hcc_scope.storage.metadata import facts_hash

    facts = content["attributes"]["hcc_scope"]  # type: ignore[index]
    facts["facts_sha256"] = facts_hash(facts)
    (path / "zarr.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("cause", ["camera", "disk", "stage", "emergency"])
def test_what_ended_a_run_early_does_not_stay_with_its_score(bench: Bench, monkeypatch: pytest.MonkeyPatch, cause: str):
    whole = bench.acquire(name="whole")
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
    assert first.outcome.counts.stored == 3
    spoilt = [note.text for note in read_notes(path) if note.kind == "spoilt"]
    assert (
        spoilt
        == {
            "camera": [DEVICE_FAILED],
            "disk": [],
            "stage": [FIELDS_SKIPPED, DEVICE_FAILED],
            "emergency": [DEVICE_FAILED],
        }[cause]
    )
    assert first.outcome.score.interval_valid == (cause == "disk")
    resumed = bench.resume(path)
    assert (resumed.outcome.state, resumed.outcome.counts.skipped) == ("completed", 0)
    assert same_score(resumed, whole)
    store = open_store(path)
    assert lasting_reasons(store.recorded, store.n_frames, read_notes(path)) == []
    assert planned(path) == list(range(N))
    assert bench.replays(path)
