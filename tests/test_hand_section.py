"""A section by hand from end to end on a manual rig: into a store, scored, undone in part, and replayed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.by_hand.words import UNDONE
from hcc_scope.phantom import Specimen
from hcc_scope.position_tags import FORCED_TAG, position_origin
from hcc_scope.runs.hand_section import HandRun, continue_hand_section, hand_source, start_hand_section, stored_guided
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import read_run_log
from tests.hand_parts import PatternScene, Walk, rests_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.microscope.hand_source import HandSource
    from hcc_scope.runs.rigs import OpenRig


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def rig(tmp_path: Path, demo_cfg: Callable[..., Path], notes: list[str]) -> Iterator[OpenRig]:
    cfg = demo_cfg(OnCameraCCDXSize=512, OnCameraCCDYSize=512, Exposure=2)
    stages = {"XY", "Z", "XYStage", "Focus"}
    lines = [line for line in cfg.read_text(encoding="utf-8").splitlines() if not stages & set(line.split(","))]
    cfg.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = tmp_path / "manual.rig.yaml"
    path.write_text(
        f"config: {cfg.name}\nbuffer_size_mb: 16\nstand: manual\ncapture: {{still_ms: 250}}\n"
        "roles: {objective: Objective, em_gain: Gain}\n",
        encoding="utf-8",
    )
    with open_rig(path, notes.append) as opened:
        yield opened


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None)


def test_a_section_by_hand_is_stored_scored_undone_in_part_and_replays_bit_for_bit(
    rig: OpenRig, notes: list[str], tmp_path: Path, scoring_model: ScoringModel
):
    assert (notes, rig.has_xy_stage) == ([], False)
    run: HandRun | None = None
    begun = threading.Event()
    undone: list[int | None] = []

    def then(what: Callable[[HandRun], object]) -> Callable[[], object]:
        return lambda: what(run) if run is not None else None

    walk = Walk(
        PatternScene(2**16 - 1),
        rests_at((0.0, 0.0), (140.0, 0.0), (140.0, 140.0), (0.0, 140.0)),
        {
            0: lambda: begun.wait(30),
            7: then(lambda run: run.hand.keep_anyway()),  # on the way to the second field
            26: then(lambda run: undone.append(run.undo())),  # on the way from the third one
        },
    )
    source = hand_source(
        rig.microscope,
        scoring_model,
        "m1",
        "s1",
        specimen=Specimen(5, "m1", "s1", "high"),
        scene=walk.scene,
        operator=walk,
    )
    run = start_hand_section(source, scoring_model, tmp_path)
    begun.set()
    report = run.finish()
    assert (report.outcome.state, report.outcome.cause) == ("completed", None)
    assert (report.outcome.counts.acquired, report.outcome.counts.stored) == (4, 4)
    assert report.outcome.remark is None
    assert report.by_hand is not None
    assert (report.by_hand.kept_anyway, report.by_hand.undone) == ({"moving": 1}, 1)
    assert undone == [2]
    assert report.outcome.excluded_by_operator == (2,)
    assert not report.outcome.score.interval_valid
    assert run.mosaic.changes().tiles

    assert report.store is not None
    store = open_store(Path(report.store))
    frames = [store.read(seq) for seq in range(store.n_frames)]
    origins = [position_origin(frame.tags, has_position=frame.stage_um is not None) for frame in frames]
    assert {(origin.source, origin.island) for origin in origins} == {("tracked", 0)}
    assert [frame.tags.get(FORCED_TAG) for frame in frames] == [None, "moving", None, None]
    places_um = [frame.stage_um[:2] for frame in frames if frame.stage_um is not None]
    # the second stop overlaps what was kept on the way to it
    stops_um = [(0.0, 0.0), (96.0, 0.0), (140.0, 140.0), (0.0, 140.0)]
    assert places_um == [pytest.approx(stop_um, abs=1.0) for stop_um in stops_um]
    assert store.spec.sampling == "chosen"
    assert '"still_ms": 250' in str(store.spec.provenance["capture_rules"])
    assert [(note.kind, note.seq, note.text) for note in read_notes(store.path)] == [("exclude", 2, UNDONE)]
    log = read_run_log(store.path)
    assert log is not None
    happened = [event.facts for event in log.events if event.kind == "hand"]
    assert {facts["what"]: facts.get("seq") for facts in happened} == {"state": None, "kept anyway": 1, "undo": 2}

    replay = start_replay(store, scoring_model)
    check = check_replay(replay.store, replay.finish(), replay.results, scoring_model)
    assert (check.equal, check.problem) == (True, None)


def test_a_section_by_hand_goes_on_where_it_lies_as_before_or_on_an_island_of_its_own(
    rig: OpenRig, tmp_path: Path, scoring_model: ScoringModel
):
    specimen = Specimen(5, "m1", "s1", "high")

    def source_of(walk: Walk) -> HandSource:
        return hand_source(
            rig.microscope, scoring_model, "m1", "s1", specimen=specimen, scene=walk.scene, operator=walk
        )

    scene = PatternScene(2**16 - 1)
    first = Walk(scene, rests_at((0.0, 0.0), (140.0, 0.0)))
    report = start_hand_section(source_of(first), scoring_model, tmp_path).finish()
    assert report.store is not None
    path = Path(report.store)
    assert stored_guided(open_store(path)) is None

    # begins over a field of the day before, moves on, and is then put down elsewhere
    course = [*rests_at((140.0, 0.0), (140.0, 140.0)), *[(330.0, 330.0)] * 12]
    second = Walk(scene, course, {len(course) - 8: lambda: source.new_island()})
    source = source_of(second)
    run = continue_hand_section(source, scoring_model, path)
    report = run.finish()
    assert (report.outcome.state, report.outcome.cause) == ("completed", None)
    assert (report.outcome.counts.acquired, report.outcome.counts.stored) == (4, 4)
    assert set(run.section.results) == {0, 1, 2, 3}
    at_first = next(view for view in second.views if view.track.state == "tracking")
    assert (at_first.n_captured, at_first.track.place.x_um) == (2, pytest.approx(140.0, abs=1.0))
    assert {view.captured_seq for view in second.views} == {None, 2, 3}
    assert "already here" in {view.verdict.word for view in second.views}

    store = open_store(path)
    entries = store.journal
    origins = [position_origin(entry.tags, has_position=entry.stage_um is not None) for entry in entries]
    assert [origin.island for origin in origins] == [0, 0, 0, 1]
    assert entries[2].stage_um[:2] == pytest.approx((140.0, 140.0), abs=1.5)
    assert entries[3].stage_um[:2] == pytest.approx((0.0, 0.0), abs=1.0)
    assert (len(store.recorded.parts), store.problems) == (2, ())
    replay = start_replay(store, scoring_model)
    replayed = replay.finish()
    check = check_replay(replay.store, replayed, replay.results, scoring_model)
    assert (check.equal, check.problem) == (True, None)
    assert replayed.outcome.score == report.outcome.score
