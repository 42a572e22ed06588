"""The rule that decides whether two analyses are equal, on recorded scores of a small store and on handmade results."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_parts import page_text
from storage_cases import change_facts, change_spec

from hcc_scope.runs.comparison import Comparison, Verdict, compare
from hcc_scope.runs.section_analyses import CardFacts, SectionAnalysis, recorded_analysis, section_score
from hcc_scope.storage.reader import SectionStore, open_store
from hcc_scope.tiling import TileGrid
from hcc_scope.types import FrameResult, QualityFlag

STORE = Path(__file__).parent / "data" / "version2_scored.ome.zarr"
"""Of two fields."""
OUT_OF_FOCUS, UNLIKE = QualityFlag.OUT_OF_FOCUS.value, QualityFlag.UNLIKE_TRAINING.value
GRID = TileGrid.for_frame((1024, 1024))
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def store() -> SectionStore:
    return open_store(STORE)


def result(
    seq: int, probabilities: list[float], flags: list[int] | None = None, engine: str = "torchscript"
) -> FrameResult:
    """Return a result of a model with temperature 1; tiles with a flag have no probability."""
    p = np.array(probabilities, np.float32)
    f = np.zeros(len(p), np.uint8) if flags is None else np.array(flags, np.uint8)
    p[f != 0] = np.nan
    logits = np.log(p / (1 - p)).astype(np.float32)
    return FrameResult(seq, "classified" if np.isfinite(p).any() else "excluded", logits, p, f, engine)


def analysis(
    store: SectionStore, title: str, results: list[FrameResult], *, threshold: float = 0.45, sha256: str | None = "a",
    tile_px: int = 512, unlike_threshold: float | None = None,
) -> SectionAnalysis:  # fmt: skip
    by_seq = {one.seq: one for one in results}
    card = CardFacts(1.0, threshold, unlike_threshold, TOLERANCE)
    grid = TileGrid.for_frame((1024, 1024), tile_px)
    engine = results[0].engine
    return SectionAnalysis(title, "m", engine, grid, by_seq, section_score(by_seq, store, threshold), sha256, card)


def compared(store: SectionStore, one: list[FrameResult], other: list[FrameResult], **facts: float) -> Comparison:
    """Compare; the order of the two never changes the verdict."""
    first, second = analysis(store, "A", one, **facts), analysis(store, "B", other, **facts)
    found, back = compare(store, first, second), compare(store, second, first)
    assert found.verdict is back.verdict
    assert found.largest_difference == back.largest_difference
    return found


def on(engine: str, results: list[FrameResult]) -> list[FrameResult]:
    return [replace(one, engine=engine) for one in results]


BOTH = [result(0, [0.1, 0.9, 0.5, 0.0], [0, 0, 0, 1]), result(1, [0.2] * 4)]


def test_equal_analyses_are_equal_bit_for_bit(store: SectionStore):
    found = compared(store, BOTH, BOTH)
    assert (found.verdict, found.equal, found.largest_difference) == (Verdict.EQUAL, True, 0.0)
    assert found.sentence() == "Equal bit for bit: 7 tiles of 2 fields."


@pytest.mark.parametrize("what", ["logits", "probabilities", "distances"])
def test_a_last_bit_is_a_difference_on_one_engine(store: SectionStore, what: str):
    one = replace(BOTH[1], distances=np.float32([1, 2, 3, 4]))
    values = np.array(getattr(one, what))
    values[1] = np.nextafter(values[1], np.float32(np.inf))
    found = compared(store, [BOTH[0], one], [BOTH[0], replace(one, **{what: values})])
    assert found.verdict is Verdict.DIFFERENT
    name = {"logits": "logit", "probabilities": "probability", "distances": "distance"}[what]
    assert found.answer.startswith("the analysis differs in 1 of 2 fields; first: field 1, tile 1: " + name)
    assert "One engine should give one result bit for bit: this is a fault." in found.remarks
    assert [one.equal for one in found.fields] == [True, False]


def test_probabilities_may_differ_by_the_tolerance_between_engines(store: SectionStore):
    one = [result(0, [0.25, 0.75, 0.5, 0.5])]
    for step, verdict in ((TOLERANCE / 2, Verdict.WITHIN_TOLERANCE), (TOLERANCE * 1.01, Verdict.DIFFERENT)):
        other = on("openvino", [result(0, [0.25 + step, 0.75, 0.5, 0.5])])
        found = compared(store, one, other)
        assert found.verdict is verdict
        assert found.largest_difference == pytest.approx(step, abs=1e-6)
        assert "(tolerance 0.01)" in found.answer
        assert "A on torchscript, B on openvino" in found.answer
        assert not any("fault" in remark for remark in found.remarks)
    exact = np.float32(TOLERANCE)
    edge = replace(one[0], probabilities=np.float32([0, 0.75, 0.5, 0.5]))
    moved = replace(edge, probabilities=np.float32([exact, 0.75, 0.5, 0.5]), engine="openvino")
    assert compared(store, [edge], [moved]).verdict is Verdict.WITHIN_TOLERANCE


def test_two_models_have_no_tolerance_and_their_own_thresholds(store: SectionStore):
    one = analysis(store, "A", [result(0, [0.5] * 4)])
    found = compare(store, one, analysis(store, "B", [result(0, [0.5] * 4)], threshold=0.6, sha256="b"))
    assert (found.verdict, found.sides_changed) == (Verdict.EQUAL, 4)
    assert "With their own thresholds, 4 tiles lie on the other side of the threshold." in found.remarks
    other = analysis(store, "B", on("openvino", [result(0, [0.501] * 4)]), sha256="b")
    found = compare(store, one, other)
    assert found.verdict is Verdict.DIFFERENT
    assert "by different models" in found.answer
    assert "tolerance" not in found.sentence()


def test_models_that_are_not_recorded_are_not_called_different(store: SectionStore):
    other = [result(0, [0.3, 0.9, 0.5, 0.0], [0, 0, 0, 1]), BOTH[1]]
    first, second = (analysis(store, title, results, sha256=None) for title, results in (("A", BOTH), ("B", other)))
    found = compare(store, first, second)
    assert found.verdict is Verdict.DIFFERENT
    assert "(not known whether by one model: m, m)" in found.answer


def test_other_flags_are_a_difference_whatever_the_probabilities(store: SectionStore):
    other = on("openvino", [BOTH[0], result(1, [0.2] * 4, [0, 0, 0, OUT_OF_FOCUS])])
    found = compared(store, BOTH, other)
    assert found.verdict is Verdict.DIFFERENT
    assert found.largest_difference == math.inf
    assert found.largest == 0  # of the tiles that both classified
    assert "field 1, tile 3: quality flags 0 (A), 2 (B)" in found.answer
    assert "1 tile has other quality flags." in found.remarks


def measured(results: list[FrameResult], distances: list[float] | None) -> list[FrameResult]:
    of_tiles = None if distances is None else np.float32(distances)
    return [replace(one, distances=of_tiles) for one in results]


@pytest.mark.parametrize(
    ("distances", "verdict"),
    [
        ([1, 2, 3, 4.1], Verdict.WITHIN_TOLERANCE),
        ([1, 2, 3, 4.5], Verdict.DIFFERENT),
        ([1, 2, 3, math.nan], Verdict.DIFFERENT),
        (None, Verdict.DIFFERENT),
    ],
)
def test_distances_are_compared_too(store: SectionStore, distances: list[float] | None, verdict: Verdict):
    one = measured([result(0, [0.5] * 4)], [1, 2, 3, 4])
    other = measured(on("openvino", [result(0, [0.5] * 4)]), distances)
    found = compared(store, one, other, unlike_threshold=5.0)
    assert found.verdict is verdict
    if distances is None:
        assert "only A has distances from the training tiles" in found.answer


def test_engines_may_flag_a_tile_differently_near_the_limit_of_unlike_training(store: SectionStore):
    far = measured([result(0, [0.5, 0.5, 0.5, 0.9])], [1, 1, 1, 4.99])
    for limit_of_other, verdict in ((5.01, Verdict.WITHIN_TOLERANCE), (5.6, Verdict.DIFFERENT)):
        other = measured(
            on("openvino", [result(0, [0.5, 0.5, 0.5, 0.9], [0, 0, 0, UNLIKE])]), [1, 1, 1, limit_of_other]
        )
        other = [replace(other[0], logits=far[0].logits)]  # the answer about such a tile is kept
        found = compared(store, far, other, unlike_threshold=5.0)
        assert found.verdict is verdict
        near = [remark for remark in found.remarks if remark.startswith("1 tile is so near the limit")]
        assert bool(near) == (verdict is Verdict.WITHIN_TOLERANCE)


@pytest.mark.parametrize("engine", ["torchscript", "openvino"])
def test_another_choice_about_tiles_unlike_training_is_named_and_no_fault(store: SectionStore, engine: str):
    scored = measured([result(0, [0.5, 0.5, 0.5, 0.9])], [1, 1, 1, 5.01])
    skipped = measured(on(engine, [result(0, [0.5, 0.5, 0.5, 0.9], [0, 0, 0, UNLIKE])]), [1, 1, 1, 5.01])
    skipped = [replace(skipped[0], logits=scored[0].logits)]
    found = compared(store, scored, skipped, unlike_threshold=5.0)
    assert found.verdict is Verdict.DIFFERENT
    assert "(only A scores the tiles that are unlike the training tiles)" in found.answer
    assert not any("fault" in remark or "so near the limit" in remark for remark in found.remarks)


@pytest.mark.parametrize("sha256", ["a", "b"])
def test_limits_of_two_cards_are_no_choice_about_tiles_unlike_training(store: SectionStore, sha256: str):
    then = measured([result(0, [0.5, 0.5, 0.5, 0.9])], [1, 1, 1, 4.5])
    now = measured([result(0, [0.5, 0.5, 0.5, 0.9], [0, 0, 0, UNLIKE])], [1, 1, 1, 4.5])
    first = analysis(store, "A", then, unlike_threshold=5.0)
    second = analysis(store, "B", now, unlike_threshold=4.0, sha256=sha256)
    found = compare(store, first, second)
    assert found.verdict is Verdict.DIFFERENT
    assert "scores the tiles" not in found.answer


def test_a_field_that_one_side_lacks_is_counted_and_no_difference(store: SectionStore):
    for other in (BOTH[:1], [BOTH[0], replace(BOTH[1], outcome="failed")]):
        found = compared(store, BOTH, other)
        assert (found.verdict, found.left_out) == (Verdict.EQUAL, 1)
        assert found.sentence() == "Equal bit for bit: 3 tiles of 1 field. 1 field could not be compared."
    nothing = compared(store, BOTH[:1], BOTH[1:])
    assert nothing.verdict is Verdict.NOTHING
    assert nothing.sentence() == "Nothing to compare: no field was analysed in both."
    assert math.isnan(nothing.largest)


def test_tiles_of_two_sizes_cannot_be_compared(store: SectionStore):
    small = analysis(store, "B", [result(0, [0.5] * 16)], tile_px=256)
    found = compare(store, analysis(store, "A", BOTH), small)
    assert (found.verdict, found.fields) == (Verdict.NOTHING, ())
    assert found.answer == "nothing to compare: A has tiles of 512 px, B of 256 px"


def test_fields_show_where_the_difference_is(store: SectionStore):
    other = [result(0, [0.1, 0.9, 0.44, 0.0], [0, 0, 0, 1]), BOTH[1]]
    found = compared(store, BOTH, other)
    assert [(one.seq, one.sides_changed, one.flags_changed) for one in found.fields] == [(0, 1, 0), (1, 0, 0)]
    assert found.largest == found.fields[0].largest == pytest.approx(0.06)
    assert found.pairs.shape == (7, 2)
    assert found.pair_places[2].tolist() == [0, 2]
    assert "1 tile lies on the other side of the threshold." in found.remarks


# -- the recorded score ------------------------------------------------------------------------------------------------


def replayed(store: SectionStore, **changes: object) -> SectionAnalysis:
    """Return what a replay of the same bits gives, with some changes."""
    recorded = recorded_analysis(store, store.recorded.excluded_by_operator)
    changed = replace(recorded, title="Replay", recorded=None, **changes)
    excluded = () if "excluded" not in changes else changes["excluded"]
    if "results" in changes or "excluded" in changes:
        changed = replace(changed, score=section_score(changed.results, store, changed.threshold, excluded))
    return changed


def test_the_recorded_score_is_that_of_the_same_bits(store: SectionStore):
    found = compare(store, recorded_analysis(store), replayed(store))
    assert (found.verdict, found.remarks) == (Verdict.EQUAL, ())


def test_exclusions_that_were_changed_since_are_a_remark(store: SectionStore):
    found = compare(store, recorded_analysis(store), replayed(store, excluded=()))
    assert found.verdict is Verdict.EQUAL
    assert "exclusions were changed after the run: 1 field then, 0 now" in found.remarks[0]


@pytest.mark.parametrize("change", [{"score": 0.25}, {"interval": (0.1, 1.0)}, {"interval": None}])
def test_a_recorded_score_that_its_results_do_not_give_is_a_difference(store: SectionStore, change: dict[str, object]):
    recorded = recorded_analysis(store)
    wrong = replace(recorded, recorded=replace(recorded.recorded, **change))
    for pair in ((wrong, replayed(store)), (replayed(store), wrong)):
        found = compare(store, *pair)
        assert found.verdict is Verdict.DIFFERENT
        assert found.answer.startswith("the analysis differs: score ")
        assert all(one.equal for one in found.fields)


@pytest.mark.parametrize(("at_end", "threshold"), [(0.7, 0.7), (None, 0.5)])
def test_the_threshold_is_the_recorded_one_or_the_assumption_is_stated(
    tmp_path: Path, at_end: float | None, threshold: float
):
    path = tmp_path / STORE.name
    shutil.copytree(STORE, path)
    facts = open_store(path).attributes
    provenance = {key: value for key, value in facts["spec"]["provenance"].items() if key != "decision_threshold"}
    change_spec(path, provenance=provenance)
    change_facts(path, outcome={**facts["outcome"], "threshold": at_end})
    page = page_text(path)
    analysis = recorded_analysis(open_store(path))
    assert analysis.threshold == threshold
    assumed = "The store names no threshold; 0.50 is assumed."
    assert analysis.note == (assumed if at_end is None else "")
    assert (assumed in page) == (at_end is None)


def test_a_card_that_has_changed_since_is_named(store: SectionStore):
    recorded = recorded_analysis(store)
    now = replace(recorded.card, temperature=3.0)
    results = {
        seq: replace(one, probabilities=one.probabilities - np.float32(0.1)) for seq, one in recorded.results.items()
    }
    found = compare(store, recorded, replayed(store, card=now, results=results))
    assert found.verdict is Verdict.DIFFERENT
    assert f"the model's card has changed: temperature {recorded.card.temperature} then, 3.0 now" in found.answer
    assert not any("fault" in remark for remark in found.remarks)
