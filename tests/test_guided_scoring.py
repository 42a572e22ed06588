"""The score of a guided section: which frames enter, when its interval is valid, and the same bits each time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import StoreError, UsageError
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.report.html_page import html_page
from hcc_scope.report.overview import numbered_scores
from hcc_scope.report.page import section_document
from hcc_scope.report.section import section_facts
from hcc_scope.report.tile_examples import choose_tiles
from hcc_scope.runs.replay import start_replay_with
from hcc_scope.runs.section_analyses import open_section, section_score
from hcc_scope.score_rule import ScoreRule
from hcc_scope.score_text import describe_score, why_not_valid
from hcc_scope.scoring import FieldEntry, SectionScorer
from hcc_scope.session.run_score import RunScore
from hcc_scope.storage.drawn_sample import SampleWriter, read_sample_log, stored_sample
from hcc_scope.storage.frames_out import frames_out
from hcc_scope.storage.predictions import read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.types import FrameResult, SampleCounts
from tests.guided_parts import N_DRAWN, SAMPLE, GuidedSource, LiveSection, drawn_sample_after
from tests.session_parts import PATIENCE_S, Classifier, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.types import SectionScore, SkipReason
    from tests.guided_parts import Step

VALUES: list[float] = np.random.default_rng(7).beta(2, 3, N_DRAWN).astype(np.float32).tolist()
ALL_BUT_THREE: list[Step] = [5, 2, None, (7, "fold"), 0, 11, 3, 1, (4, "bare glass"), 9, (10, "not reachable"), 8, 6]
"""A whole section: every drawn field is visited, three of twelve are skipped, and one frame shows none."""


def entry(seq: int, value: float | None) -> FieldEntry:
    return FieldEntry(
        seq, "classified" if value is not None else "excluded", value, 4 if value is not None else 0, (0,) * 5
    )


def result(seq: int, value: float) -> FrameResult:
    """Return a result that `entry` is made of."""
    probabilities = np.full(4, value, np.float32)
    return FrameResult(seq, "classified", probabilities, probabilities, np.zeros(4, np.uint8), "test")


def visited() -> RunScore:
    """Return a run that captured all drawn fields in the order of the draw."""
    score = RunScore(guided([]))
    for k in range(N_DRAWN):
        score.place(k, k)
        score.add(result(k, VALUES[k]))
    return score


RULE = ScoreRule(interval=2, n_lattice=SAMPLE.n_lattice)


def guided(steps: Sequence[Step]) -> SectionScorer:
    """Return the scorer after these steps; a drawn field k has the score VALUES[k], a frame beside them 1."""
    scorer = SectionScorer(0.5, 1.0, "guided", rule=RULE)
    assert scorer.drawn is not None
    scorer.drawn.draw(SAMPLE)
    seq = 0
    for step in steps:
        if isinstance(step, tuple):
            scorer.drawn.skip(*step)
            continue
        scorer.drawn.place(seq, step)
        scorer.add_entry(entry(seq, 1.0 if step is None else VALUES[step]))
        seq += 1
    return scorer


def in_order_of_draw(values: Sequence[float | None]) -> SectionScore:
    """Return the score of a random plan that took the fields in the order of the draw."""
    scorer = SectionScorer(0.5, 1.0, "random", rule=RULE)
    for seq, value in enumerate(values):
        scorer.add_entry(entry(seq, value))
    return scorer.score()


@given(st.permutations(range(N_DRAWN)), st.integers(0, N_DRAWN))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_order_of_the_visits_changes_nothing(order: list[int], beside: int):
    steps: list[Step] = [*order[:beside], None, *order[beside:]]
    score = guided(steps).score()
    plain = in_order_of_draw(VALUES)
    assert (score.score, score.interval, score.interval_frames) == (plain.score, plain.interval, N_DRAWN)
    assert score.interval_valid
    assert score.sample == SampleCounts(N_DRAWN, N_DRAWN, {}, not_of_sample=1)
    assert (score.frames, score.tiles) == (N_DRAWN, 4 * N_DRAWN)


def test_until_all_are_visited_there_is_no_interval():
    assert why_not_valid(SectionScorer(0.5, 1.0, "guided").score()) == "the random fields are not drawn yet"
    for n in range(N_DRAWN):
        score = guided(range(n)).score()
        assert score.stabilised_reason == f"interval not valid: {n} of 12 drawn fields visited"
        assert "interval " not in describe_score(score).replace("the interval is not valid", "")
    assert guided(range(N_DRAWN)).score().interval_valid


@pytest.mark.parametrize("reason", ["bare glass", "fold"])
def test_what_holds_nothing_to_classify_adds_nothing(reason: SkipReason):
    score = guided([*range(3), (3, reason), *range(4, N_DRAWN)]).score()
    plain = in_order_of_draw([*VALUES[:3], None, *VALUES[4:]])
    assert (score.score, score.interval, score.interval_valid) == (plain.score, plain.interval, True)
    assert describe_score(score).endswith(
        f"1 of 12 drawn fields skipped (1 {reason}); "
        "0.342 if the 1 field without a score were low, 0.425 if it were high"
    )


def test_what_was_not_reachable_may_be_anything():
    score = guided([*range(3), (3, "not reachable"), *range(4, N_DRAWN)]).score()
    lowest, highest = (in_order_of_draw([*VALUES[:3], end, *VALUES[4:]]) for end in (0.0, 1.0))
    assert score.interval == (lowest.interval[0], highest.interval[1])
    assert score.score == in_order_of_draw([*VALUES[:3], None, *VALUES[4:]]).score
    assert score.interval_frames == N_DRAWN - 1
    assert score.interval_valid


def test_at_most_a_quarter_may_be_skipped():
    reasons: list[SkipReason] = ["bare glass", "fold", "not reachable", "bare glass"]
    skips: list[Step] = list(enumerate(reasons))
    assert guided([*skips[:3], *range(3, N_DRAWN)]).score().interval_valid
    score = guided([*skips, *range(4, N_DRAWN)]).score()
    assert why_not_valid(score) == "4 of 12 drawn fields skipped, more than 25 %"
    # said at once, and taken back if the field is captured after all
    assert why_not_valid(guided(skips).score()) == why_not_valid(score)
    taken_back = guided([*skips, 0, *range(4, N_DRAWN)])
    assert taken_back.score().interval_valid
    assert taken_back.drawn is not None
    taken_back.drawn.undo(0)
    assert why_not_valid(taken_back.score()) == why_not_valid(score)


def test_of_two_frames_of_a_field_the_latest_counts():
    scorer = guided(range(N_DRAWN))
    assert scorer.drawn is not None
    before = scorer.score()
    scorer.drawn.place(12, 3)
    assert "drawn field 3 is still open" in scorer.score().stabilised_reason
    scorer.add_entry(entry(12, 0.0))
    score = scorer.score()
    assert score.interval == in_order_of_draw([*VALUES[:3], 0.0, *VALUES[4:]]).interval != before.interval
    assert score.sample == SampleCounts(N_DRAWN, N_DRAWN, {}, not_of_sample=1)
    scorer.drawn.undo(12)
    assert scorer.score() == replace(before, sample=SampleCounts(N_DRAWN, N_DRAWN, {}, not_of_sample=1))


def test_an_excluded_field_counts_as_in_a_random_plan_and_an_undone_one_is_open():
    score = visited()
    excluded = score.exclude(3)
    plain = SectionScorer(0.5, 1.0, "random", rule=RULE)
    plain.exclude(3)
    for k, value in enumerate(VALUES):
        plain.add_entry(entry(k, value))
    assert (excluded.score, excluded.interval) == (plain.score().score, plain.score().interval)
    assert excluded.interval_valid
    assert score.include(3).interval == in_order_of_draw(VALUES).interval
    score.undo(3)
    assert why_not_valid(score.exclude(3)) == "11 of 12 drawn fields visited"


def test_frames_that_are_not_on_disk_reached_no_field():
    score = visited()
    kept, gone = score.keep_below(9)
    assert gone == ["classified"] * 3
    assert why_not_valid(kept) == "9 of 12 drawn fields visited"
    assert kept.score == in_order_of_draw(VALUES[:9]).score


# -- through session and store ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SectionScore]:
    """A whole section whose frame 8 is black, and how it scored live."""
    section = LiveSection(tmp_path_factory.mktemp("guided"), GuidedSource(ALL_BUT_THREE, black=[8]))
    return section.path, section.finish().score


def replayed(path: Path) -> SectionScore:
    return start_replay_with(path, Classifier(), threshold=0.5, temperature=1.5).finish().outcome.score


def test_live_and_replay_have_the_same_bits(whole: tuple[Path, SectionScore]):
    path, live = whole
    assert live.interval_valid
    assert live.sample == SampleCounts(12, 9, {"bare glass": 1, "fold": 1, "not reachable": 1}, not_of_sample=1)
    assert (live.frames, live.interval_frames) == (8, 8)  # the black one holds nothing to classify
    assert replayed(path) == live
    store = open_store(path)
    assert store.problems == ()
    assert section_score(read_predictions(path), store, 0.5) == live
    assert store.recorded.outcome is not None
    assert store.recorded.outcome.section_score == live
    assert stored_sample(path, store.journal) == drawn_sample_after(ALL_BUT_THREE)
    assert recover(path).changes == ()
    rows = read_predictions_table(path).to_pydict()
    included = {seq for seq, enters in zip(rows["seq"], rows["included"], strict=True) if enters}
    assert included == set(range(10)) - {2, 8}  # not the frame that shows no drawn field, nor the black one


@pytest.mark.parametrize("lost", [9, 4])
def test_a_damaged_frame_has_no_score_and_holds_up_no_interval(
    whole: tuple[Path, SectionScore], tmp_path: Path, lost: int
):
    """The last one too: a replay does not meet it, and no frame behind it shows that it is missing."""
    path = tmp_path / whole[0].name
    shutil.copytree(whole[0], path)
    shutil.rmtree(path / "frames" / "0" / "c" / str(lost))
    score = replayed(path)
    assert score.interval_valid
    assert (score.frames, score.interval_frames) == (7, 7)
    results = {seq: one for seq, one in read_predictions(path).items() if seq != lost}
    assert section_score(results, open_store(path), 0.5) == score


def test_scoring_again_without_a_field_is_the_replay_without_it(tmp_path: Path):
    section = LiveSection(tmp_path, GuidedSource(ALL_BUT_THREE))
    section.finish()
    with_it = section.session.snapshot().score
    section.session.exclude(4, "a bubble")
    without = section.session.snapshot().score
    assert without.interval_valid
    assert without.interval != with_it.interval
    assert replayed(section.path) == without
    opened = open_section(section.path)
    assert section_score(read_predictions(section.path), opened.store, 0.5, opened.excluded) == without
    section.session.include(4)
    assert replayed(section.path) == with_it == section.session.snapshot().score


def test_an_undone_capture_is_taken_again(tmp_path: Path):
    source = GuidedSource([*ALL_BUT_THREE, "for the undo", 6])
    section = LiveSection(tmp_path, source)
    assert source.at_end.wait(PATIENCE_S)
    wait_until(lambda: section.session.snapshot().counts.classified == 10)
    assert section.session.snapshot().score.interval_valid
    section.undo(9)
    score = section.session.snapshot().score
    assert why_not_valid(score) == "11 of 12 drawn fields visited"
    assert (score.frames, score.fields_excluded_by_operator) == (8, 1)
    again = section.finish().score
    assert again.interval_valid
    assert (again.frames, again.fields_excluded_by_operator) == (9, 1)
    assert again.sample == SampleCounts(12, 9, {"bare glass": 1, "fold": 1, "not reachable": 1}, not_of_sample=1)
    assert replayed(section.path) == again
    sample = stored_sample(section.path, open_store(section.path).journal)
    assert sample is not None
    assert (sample.reached[6], sample.undone) == (10, {9})


def test_what_cannot_be_written_down_takes_no_effect(tmp_path: Path):
    section = LiveSection(tmp_path, GuidedSource(ALL_BUT_THREE))
    score = section.finish().score
    (section.path / "sample.jsonl").rename(tmp_path / "kept")
    (section.path / "sample.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"sample\.jsonl is a folder; in a store, a file belongs there"):
        section.undo(3)
    assert section.session.snapshot().score == score


def test_the_fields_are_drawn_once(whole: tuple[Path, SectionScore]):
    with pytest.raises(UsageError, match="the fields of this section are drawn already"):
        SampleWriter(whole[0]).drawn(SAMPLE)


def test_a_kill_loses_neither_fields_nor_skips(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.guided_parts", str(tmp_path)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()
    with (path / "sample.jsonl").open("ab") as file:
        file.write(b'{"t_utc":"2026-11-30T0')  # the kill came in the middle of a line
    report = recover(path)
    assert report.problems == ()
    assert "sample.jsonl: an unfinished last line of 22 bytes cut off" in report.changes
    assert recover(path).changes == ()
    score = replayed(path)
    assert why_not_valid(score) == "6 of 12 drawn fields visited"
    assert score.sample == SampleCounts(12, 5, {"fold": 1}, not_of_sample=1)
    assert section_score(read_predictions(path), open_store(path), 0.5) == score


@pytest.mark.parametrize(
    ("line", "change", "problem"),
    [
        (0, lambda text: text.replace('"seed":3', '"seed":4'), "line 1 of .* is unreadable: its checksum is wrong"),
        (1, lambda text: text.replace('"fold"', '"wrong"'), "line 2 of .* is unreadable: its checksum is wrong"),
        (1, lambda text: "", "line 2 of .* is unreadable: it is no JSON"),
        (None, lambda text: "", "sample.jsonl is missing or empty, which states the fields that were drawn"),
    ],
)
def test_a_damaged_record_is_said_and_makes_no_interval_valid(
    whole: tuple[Path, SectionScore], tmp_path: Path, line: int | None, change: Callable[[str], str], problem: str
):
    path = tmp_path / whole[0].name
    shutil.copytree(whole[0], path)
    file = path / "sample.jsonl"
    if line is None:
        file.unlink()
    else:
        lines = file.read_text().splitlines()
        lines[line] = change(lines[line])
        file.write_text("\n".join(lines) + "\n")
    found = open_store(path).problems
    assert len(found) == 1
    assert re.search(problem, found[0])
    score = replayed(path)
    assert why_not_valid(score) == "the record of the drawn fields is damaged"
    assert score.score == whole[1].score  # the tags still state which frames show drawn fields
    assert recover(path).problems == found


def test_the_report_states_what_became_of_the_sample(whole: tuple[Path, SectionScore]):
    path, score = whole
    facts = section_facts(open_store(path))
    assert facts.score == score
    page = html_page(section_document(facts)).decode()
    for text in (
        "random fields, visited by hand",
        "3 of 12 drawn fields skipped (1 bare glass, 1 fold, 1 not reachable)",
        "1 frame is not of the sample and does not count",
        "drawn fields skipped: not reachable",
        "Fields that were not reachable count as 0 for its lower end, and as 1 for its upper end.",
        "not of the drawn sample",
        "does not count: it shows no field of the drawn sample",
    ):
        assert text in page
    assert len(numbered_scores(facts.picture)) == score.frames
    _, tiles = choose_tiles(facts.results.values(), facts.out)
    assert tiles
    assert 2 not in {tile.seq for tile in tiles}, "it shows no drawn field"
    (hatched,) = (field for field in facts.picture.fields if field.centre_um == (-500.0, -500.0))
    assert np.isnan(hatched.probabilities).all()


def test_a_frame_that_a_later_one_of_its_drawn_field_replaces_names_it(
    whole: tuple[Path, SectionScore], tmp_path: Path
):
    one = open_store(whole[0]).journal[0]
    assert one is not None
    entries = [replace(one, seq=seq, tags={} if k is None else {DRAWN_TAG: k}) for seq, k in enumerate((3, 3, None))]
    assert frames_out(tmp_path, entries, lambda _seq: True, guided=True) == {
        0: "frame 1 of the same drawn field counts",
        2: "it shows no field of the drawn sample",
    }


def test_the_record_can_be_read_while_it_is_written(whole: tuple[Path, SectionScore], tmp_path: Path):
    data = (whole[0] / "sample.jsonl").read_bytes()
    seen = set()
    for end in range(0, len(data), 7):
        (tmp_path / "sample.jsonl").write_bytes(data[:end])
        log = read_sample_log(tmp_path)
        assert log.problems == ()
        seen.add(0 if log.sample is None else 1 + len(log.sample.skipped))
    assert {0, 1, 2, 3} <= seen <= {0, 1, 2, 3, 4}
    assert json.loads(data.splitlines()[0])["kind"] == "drawn"


def test_sections_that_are_chosen_freely_say_so():
    scorer = SectionScorer(0.5, 1.0, "chosen")
    scorer.add_entry(entry(0, 0.3))
    assert why_not_valid(scorer.score()) == "fields were chosen by the operator, not at random"
    assert scorer.score().sample is None
