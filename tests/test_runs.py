"""Whole runs as command line and app share them: real model, real store, real demo rig; marks, replay and check."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from hcc_scope.errors import (
    CameraError,
    ModelMismatchError,
    StoreError,
    StoreExistsError,
    StoreUnwritableError,
    UsageError,
)
from hcc_scope.formatting import sentence
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.phantom import Specimen
from hcc_scope.plans import RandomFields
from hcc_scope.report.pictures import section_picture
from hcc_scope.report.summary import section_account
from hcc_scope.runs.continued_section import continue_section
from hcc_scope.runs.phantoms import grown, outline_points, phantom_facts
from hcc_scope.runs.replay import recorded_engine, recorded_model, start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.reports import write_section_report
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.score_text import describe_score
from hcc_scope.scoring import rescored
from hcc_scope.storage.notes import NotesWriter, read_notes
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.run_log import read_run_log
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.types import Counts, RunSpec
from tests.commands import assert_frames_readable, cli, small_rig_file
from tests.report_parts import page_text
from tests.session_parts import wait_until
from tests.storage_cases import change_facts, change_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.protocols import StopSignal
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.scoring import SectionScorer
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import Frame, SectionScore

N_FIELDS = 6


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    messages: list[str] = []
    return load_scoring_model("phantom-meng2019", "torchscript", messages.append)


def scorer_of(store: SectionStore, score: SectionScore) -> SectionScorer:
    return store_scorer(store, score.threshold, threshold_interval=score.threshold_interval)


@pytest.fixture(scope="module")
def acquired(scoring_model: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SectionReport]:
    """Acquire a phantom section of 1024 x 1024 px on the demo rig, paused once, with two fields taken out live."""
    specimen = grown(Specimen(5, "m1", "s1", "high", day="runs"), 0.325)
    out = tmp_path_factory.mktemp("runs")
    with open_rig("demo") as rig:
        rig.set_properties(["Camera,OnCameraCCDXSize,1024", "Camera,OnCameraCCDYSize,1024"])
        source = MicroManagerSource(
            rig.microscope,
            RandomFields(n_fields=N_FIELDS, seed=5, outline_um=outline_points(specimen)),
            animal_id="m1",
            section_id="s1",
            model_sha256=scoring_model.model.card.sha256,
            provenance={**scoring_model.facts, **phantom_facts(specimen)},
            scene=PhantomScene(specimen),
        )
        run = start_section(source, scoring_model, out)
        wait_until(lambda: len(run.results) >= 2)
        run.session.pause()
        run.session.exclude(1, "a bubble")
        wait_until(lambda: run.session.snapshot().message == "paused")
        assert set(run.results) == set(range(len(run.results)))
        assert run.session.snapshot().score.fields_excluded_by_operator == 1
        run.session.resume()
        wait_until(lambda: run.session.snapshot().counts.acquired == N_FIELDS)
        run.session.exclude(N_FIELDS - 1, "the last one, undone")
        report = run.finish()
    assert (run.grid.n, run.spec.frame_shape_yx) == (4, (1024, 1024))
    assert run.store_path == out / "m1_s1.ome.zarr"
    return run.store_path, report


def test_the_store_has_a_log_of_what_was_done(acquired: tuple[Path, SectionReport]):
    log = read_run_log(acquired[0])
    assert log is not None
    assert not log.problems
    kinds = [event.kind for event in log.events]
    assert (kinds[0], kinds.count("device_state")) == ("device_state", 2)
    states = [event.facts for event in log.events if event.kind == "device_state"]
    assert [state["when"] for state in states] == ["before", "after"]
    assert [state["properties"]["Camera"]["OnCameraCCDXSize"] for state in states] == ["1024"] * 2  # type: ignore[index,call-overload]
    assert [(state["remembered"], state["unread"]) for state in states] == [([], {})] * 2
    assert kinds.count("move") == N_FIELDS
    actions = [event.facts["action"] for event in log.events if event.kind == "action"]
    assert actions == ["pause", "exclude", "continue", "exclude"]
    result = cli("log", str(acquired[0]))
    assert result.code == 0
    assert "action: exclude; seq 1; reason a bubble" in result.out


@pytest.fixture
def store(acquired: tuple[Path, SectionReport], tmp_path: Path) -> Path:
    return shutil.copytree(acquired[0], tmp_path / acquired[0].name)


def test_the_run_keeps_every_frame_and_names_the_excluded_ones(acquired: tuple[Path, SectionReport]):
    path, report = acquired
    outcome = report.outcome
    assert (outcome.state, outcome.counts.stored, outcome.counts.classified) == ("completed", N_FIELDS, N_FIELDS)
    assert outcome.excluded_by_operator == (1, N_FIELDS - 1)
    assert outcome.score.frames == N_FIELDS - 2
    assert outcome.score.fields_excluded_by_operator == 2
    recorded = open_store(path).attributes["outcome"]
    assert (recorded["fields_excluded_by_operator"], recorded["excluded_by_operator"]) == (2, [1, N_FIELDS - 1])
    assert recorded["score"] == outcome.score.score
    assert len(read_predictions(path)) == N_FIELDS
    assert [(note.kind, note.seq, note.text) for note in read_notes(path)] == [
        ("exclude", 1, "a bubble"),
        ("exclude", N_FIELDS - 1, "the last one, undone"),
    ]
    table = pq.read_table(path / "predictions.parquet").to_pydict()
    assert {seq for seq, included in zip(table["seq"], table["included"], strict=True) if included} == {0, 2, 3, 4}
    assert len(set(table["seq"])) == N_FIELDS


def test_a_replay_finds_the_same_score_bit_for_bit(acquired: tuple[Path, SectionReport], scoring_model: ScoringModel):
    path, report = acquired
    store = open_store(path)
    assert (recorded_model(store).name, recorded_engine(store)) == ("phantom-meng2019", "torchscript")
    before = {file: file.read_bytes() for file in path.iterdir() if file.is_file()}
    run = start_replay(path, scoring_model)
    replayed = run.finish()
    assert replayed.outcome.score == report.outcome.score
    assert replayed.outcome.excluded_by_operator == report.outcome.excluded_by_operator
    assert (run.problems, run.damaged) == ((), ())
    comparison = check_replay(run.store, replayed, run.results, scoring_model)
    assert (comparison.problem, comparison.equal, comparison.frames) == (None, True, N_FIELDS)
    assert comparison.remarks == ()
    assert {file: file.read_bytes() for file in path.iterdir() if file.is_file()} == before


class Again:
    """Frames of a store once more, as those of another day: a source that continues a section."""

    live = False

    def __init__(self, store: SectionStore, seqs: range) -> None:
        self.spec = replace(store.spec, expected_frames=len(seqs), software={"camera driver": "another"})
        self._store, self._seqs = store, seqs

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        del stop
        for k, seq in enumerate(self._seqs):
            yield replace(self._store.read(seq), seq=self._store.n_frames + k)


def test_a_section_goes_on_with_one_score_for_all_its_parts(
    acquired: tuple[Path, SectionReport], store: Path, scoring_model: ScoringModel, tmp_path: Path
):
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    nothing = continue_section(Again(open_store(store), range(0)), scoring_model, store).finish()
    assert nothing.outcome.score == acquired[1].outcome.score
    assert section_account(nothing)["parts"] == []
    assert {file: file.read_bytes() for file in store.rglob("*") if file.is_file()} == before

    known: list[int] = []
    run = continue_section(
        Again(open_store(store), range(3)),
        scoring_model,
        store,
        prepare=lambda reopened: known.extend(frame.seq for frame in reopened.earlier.read_ahead(range(2), 1)),
    )
    assert set(range(N_FIELDS)) <= set(run.results)
    run.session.include(N_FIELDS - 1, "it is fine")
    report = run.finish()
    n = N_FIELDS + 3
    outcome = report.outcome
    assert (outcome.state, outcome.cause, outcome.remark, known) == ("completed", None, None, [0, 1])
    assert outcome.counts == Counts(acquired=n, stored=n, classified=n)
    assert outcome.excluded_by_operator == (1,)
    assert [part["first_frame"] for part in section_account(report)["parts"]] == [0, N_FIELDS]

    opened = open_store(store)
    assert (opened.complete, opened.n_frames, opened.problems) == (True, n, ())
    results = read_predictions(store)
    assert outcome.score == rescored(results, scorer_of(opened, outcome.score), n, (1,))
    for seq in range(3):
        np.testing.assert_array_equal(results[N_FIELDS + seq].logits, results[seq].logits)
    replay = start_replay(store, scoring_model)
    replayed = replay.finish()
    assert (replayed.outcome.score, replayed.parts) == (outcome.score, report.parts)
    check = check_replay(replay.store, replayed, replay.results, scoring_model)
    assert (check.problem, check.equal, check.frames) == (None, True, n)
    log = cli("log", str(store))
    assert log.out.count("part: part 2; first_frame 6; software") == 1
    page = page_text(store)
    assert "in 2 parts" in page


def test_marks_made_after_the_run_change_the_score_but_not_the_record(store: Path, scoring_model: ScoringModel):
    NotesWriter(store).add("include", "it was none", seq=1)
    NotesWriter(store).add("exclude", "a fold", seq=0)
    NotesWriter(store).add("exclude", "not in this store", seq=99)
    run = start_replay(store, scoring_model)
    replayed = run.finish()
    assert replayed.outcome.excluded_by_operator == (0, N_FIELDS - 1)
    scorer = scorer_of(open_store(store), replayed.outcome.score)
    assert replayed.outcome.score == rescored(run.results, scorer, N_FIELDS, [0, N_FIELDS - 1])
    comparison = check_replay(run.store, replayed, run.results, scoring_model)
    assert (comparison.problem, comparison.equal) == (None, True)
    assert "exclusions were changed after the run: 2 fields then, 2 now" in comparison.remarks[0]
    picture = section_picture(store, threshold=0.5)
    assert picture.course[-1, :2].tolist() == [4.0, replayed.outcome.score.score]
    assert len(picture.fields) == N_FIELDS


WHY = "a device failed during the run"


@pytest.mark.parametrize(
    ("outcome", "noted"),
    [
        ({"state": "failed", "interval_valid": False, "spoilt": WHY}, False),
        ({"state": "failed", "interval_valid": False}, False),
        ({"state": "recovered"}, True),  # it was killed before it could write down how it ended
    ],
)
def test_a_run_whose_device_failed_never_has_a_valid_interval_again(
    store: Path, scoring_model: ScoringModel, outcome: dict[str, object], noted: bool
):
    change_facts(store, outcome=outcome)
    if noted:
        NotesWriter(store).add("spoilt", WHY)
    run = start_replay(store, scoring_model)
    score = run.finish().outcome.score
    assert (score.interval_valid, score.frames) == (False, N_FIELDS - 2)
    assert score.spoilt == (WHY if noted or "spoilt" in outcome else "the run failed, and no interval was valid then")
    assert not section_picture(store, threshold=0.5).interval_valid
    assert f"the interval is not valid ({score.spoilt})" in page_text(store)


def test_a_recovery_keeps_that_a_device_failed(store: Path, scoring_model: ScoringModel):
    change_facts(store, outcome={"state": "failed", "interval_valid": False, "spoilt": WHY}, n_frames=N_FIELDS)
    journal = store / "frames.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    recover(store)
    assert open_store(store).attributes["outcome"]["state"] == "recovered"
    assert store_scorer(open_store(store), 0.5).score().spoilt == WHY


def test_a_recorded_score_that_is_not_that_of_its_fields_is_found(store: Path, scoring_model: ScoringModel):
    outcome = json.loads((store / "zarr.json").read_text())["attributes"]["hcc_scope"]["outcome"]
    change_facts(store, outcome={**outcome, "excluded_by_operator": []})
    run = start_replay(store, scoring_model)
    comparison = check_replay(run.store, run.finish(), run.results, scoring_model)
    assert comparison.problem is not None
    assert "recorded" in str(comparison.problem)


def test_a_recorded_score_without_its_interval_is_reported(store: Path, scoring_model: ScoringModel):
    outcome = json.loads((store / "zarr.json").read_text())["attributes"]["hcc_scope"]["outcome"]
    change_facts(store, outcome={**outcome, "interval": None})
    run = start_replay(store, scoring_model)
    comparison = check_replay(run.store, run.finish(), run.results, scoring_model)
    assert "score" in str(comparison.problem)


def test_fields_taken_out_while_replaying_are_noted_in_the_store(store: Path, scoring_model: ScoringModel):
    run = start_replay(store, scoring_model)
    run.session.exclude(3, "seen in replay")
    report = run.finish()
    assert 3 in report.outcome.excluded_by_operator
    assert read_notes(store)[-1].text == "seen in replay"


def test_a_replay_can_be_kept_and_is_not_overwritten(store: Path, scoring_model: ScoringModel):
    start_replay(store, scoring_model, save="again").finish()
    assert len(read_predictions(store, "predictions-again")) == N_FIELDS
    with pytest.raises(StoreExistsError):
        start_replay(store, scoring_model, save="again")


def test_the_command_line_checks_it_and_counts_the_excluded_fields(store: Path):
    done = cli("replay", store, "--check", "--json")
    assert done.code == 0, done.err
    assert done.json["check"]["equal"] is True
    assert done.json["sections"][0]["fields_excluded_by_operator"] == 2
    # in the table, where the sentence may be broken and other columns stand between
    assert re.search(r"; 2( |[^\n]*\n[^\n]* )fields excluded by the operator", done.err)
    NotesWriter(store).add("include", "", seq=1)
    done = cli("replay", store, "--check", "--json")
    assert done.code == 0, done.err
    assert "2 fields then, 1 now" in done.err


def test_damaged_notes_are_reported_and_recover_leaves_the_lines(store: Path, scoring_model: ScoringModel):
    with (store / "notes.jsonl").open("ab") as file:
        file.write(b'nonsense\n{"torn')
    run = start_replay(store, scoring_model)
    assert run.finish().outcome.excluded_by_operator == (1, N_FIELDS - 1)
    assert [str(problem) for problem in run.problems] == [f"line 3 of {store / 'notes.jsonl'} is unreadable"]
    report = recover(store)
    assert report.changes == ("notes.jsonl: an unfinished last line of 6 bytes cut off",)
    assert report.problems == (f"line 3 of {store / 'notes.jsonl'} is unreadable",)
    assert recover(store).changes == ()


def test_the_report_names_the_excluded_fields_and_needs_nothing_else(store: Path):
    NotesWriter(store).add("note", "a <b>bold</b> remark & more", seq=2)
    NotesWriter(store).add("include", "", seq=1)
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    page = write_section_report(store)
    assert page == store.parent / "m1_s1-report.html"
    text = page.read_text(encoding="utf-8")
    assert page.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    for words in (
        "Section s1 of animal m1",
        "Research use only. Not for diagnosis.",
        "The specimen: synthetic phantom, not tissue.",
        '<td>excluded by the operator</td><td class="n">1</td>',
        '<td>fields in the score</td><td class="n">5</td>',
        "the last one, undone",
        "With every field the score would be",
        "The run ended with a score of",
        "a &lt;b&gt;bold&lt;/b&gt; remark &amp; more",
        "phantom-meng2019",
        "torchscript",
    ):
        assert words in text
    assert not re.search("https?:", text)
    assert "<script" not in text
    assert {file: file.read_bytes() for file in store.rglob("*") if file.is_file()} == before
    assert write_section_report(store) == page  # an earlier report is replaced
    assert not [file for file in store.parent.iterdir() if ".part" in file.name]


def test_nothing_from_a_store_commands_the_browser(store: Path):
    change_spec(
        store,
        section_id="a & b",
        provenance={"specimen": '"><img src=x onerror=alert(2)>', "camera": "<script>alert(1)</script>"},
    )
    change_facts(store, section_id="a & b")
    NotesWriter(store).add("exclude", "<script>alert(3)</script>", seq=2)
    NotesWriter(store).add("note", "</table><script>alert(4)</script>")
    text = page_text(store)
    assert re.findall(r"<script|<img src=x|</table><script", text) == []
    assert "<h1>Section a &amp; b of animal m1</h1>" in text
    assert "&#34;&gt;&lt;img src=x" in text
    assert text.count("&lt;script&gt;") == 5  # camera, note, and the reason in three tables


def test_the_page_and_the_command_line_give_the_same_sentence(store: Path):
    opened = open_section(store)
    (analysis,) = opened.analyses
    page = html.unescape(page_text(store))
    assert f"<p>{sentence(describe_score(analysis.score))}</p>" in page
    assert analysis.score.fields_excluded_by_operator == 2


def test_a_store_without_predictions_has_a_report(store: Path):
    for file in store.glob("predictions*"):
        file.unlink()
    text = page_text(store)
    assert "No score" in text
    assert "holds no predictions named" in text
    assert '<td>not analysed</td><td class="n">6</td>' in text


def test_a_report_that_cannot_be_written_reports_it(store: Path, tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreUnwritableError, match=r"The report .*m1_s1-report\.html cannot be written"):
        write_section_report(store, tmp_path / "taken")


def test_what_cannot_be_replayed_is_refused_before_it_starts(tmp_path: Path, scoring_model: ScoringModel):
    with pytest.raises(StoreError, match="There is no store at"):
        start_replay(tmp_path / "none.ome.zarr", scoring_model)


def test_frames_that_the_model_does_not_know_make_no_store(scoring_model: ScoringModel, tmp_path: Path):
    with open_rig("demo") as rig:
        source = MicroManagerSource(
            rig.microscope,
            RandomFields(n_fields=1, rectangle_um=(0, 0, 5000, 5000), config_group=("Objective", "10x")),
            animal_id="m1",
            section_id="s1",
        )
        with pytest.raises(ModelMismatchError, match=r"0\.65 um/px"):
            start_section(source, scoring_model, tmp_path)
    assert list(tmp_path.iterdir()) == []


class Blind:
    """A camera that gives no frame."""

    live = True

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        del stop
        raise CameraError("the camera gave no frame")
        yield


def blind(scoring_model: ScoringModel) -> Blind:
    sha256 = scoring_model.model.card.sha256
    return Blind(RunSpec((512, 512), 16, 0.325, "m1", "s1", model_sha256=sha256, provenance={"specimen": "phantom"}))


def test_a_run_without_a_frame_leaves_no_store_and_can_be_repeated(scoring_model: ScoringModel, tmp_path: Path):
    for _ in range(2):
        report = start_section(blind(scoring_model), scoring_model, tmp_path / "new").finish()
        assert report.outcome.state == "failed"
        assert isinstance(report.outcome.cause, CameraError)
        assert report.store is None
        assert list((tmp_path / "new").iterdir()) == []


def test_a_run_that_cannot_start_leaves_no_store(
    scoring_model: ScoringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("no predictions here")

    monkeypatch.setattr("hcc_scope.storage.predictions.PredictionWriter.__init__", refuse)
    with pytest.raises(StoreError, match="no predictions here"):
        start_section(blind(scoring_model), scoring_model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_so_far_can_be_gone_through_while_more_come(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel
):
    run = start_replay(acquired[0], scoring_model)
    seen = 0
    while not run.session.finished:
        seen = max(seen, sum(np.isfinite(result.probabilities).any() for result in run.results.values()))
    run.finish()
    assert seen <= len(run.results) == N_FIELDS
    with pytest.raises(UsageError, match="there is no field 99"):
        run.session.exclude(99, "why")


_KILLED_WHILE_PAUSED = """
import sys, time
from pathlib import Path
from hcc_scope.plans import RandomFields
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.section import start_section
from hcc_scope.microscope.plan_source import MicroManagerSource

scoring_model = load_scoring_model("phantom-meng2019", "torchscript", print)
with open_rig(sys.argv[2]) as rig:
    rig.set_properties([f"Camera,OnCameraCCD{axis}Size,512" for axis in "XY"])
    plan = RandomFields(n_fields=200, seed=1, rectangle_um=(-9000, -9000, 9000, 9000))
    source = MicroManagerSource(
        rig.microscope, plan, animal_id="m1", section_id="s1", model_sha256=scoring_model.model.card.sha256,
        provenance=scoring_model.facts,
    )
    run = start_section(source, scoring_model, Path(sys.argv[1]))
    while run.session.snapshot().counts.stored < 10:
        time.sleep(0.01)
    run.session.pause()
    while run.session.snapshot().message != "paused" or (c := run.session.snapshot().counts).stored < c.acquired:
        time.sleep(0.01)
    run.session.exclude(2, "a bubble")
    print("paused", run.session.snapshot().counts.acquired, flush=True)
    time.sleep(60)
"""


def test_a_kill_while_paused_loses_no_frame_and_no_mark(tmp_path: Path, scoring_model: ScoringModel):
    rig = small_rig_file(tmp_path / "demo.rig.yaml")
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED_WHILE_PAUSED, str(tmp_path), str(rig)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    n = next(int(line.split()[1]) for line in process.stdout if line.startswith("paused"))
    process.kill()
    process.communicate()
    path = tmp_path / "m1_s1.ome.zarr"
    assert assert_frames_readable(path) == n >= 10
    for _ in range(2):  # as the crash left it, and recovered
        report = start_replay(path, scoring_model).finish()
        assert report.outcome.counts.acquired == n
        assert report.outcome.excluded_by_operator == (2,)
        recover(path)
