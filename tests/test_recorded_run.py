"""The record of a run in its store, as values that are parsed once."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from hcc_scope.quality import QualityLimits
from hcc_scope.score_rule import ScoreRule
from hcc_scope.storage.lasting_reasons import lasting_reasons
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recorded_run import Provenance, RecordedOutcome, RecordedRun
from hcc_scope.types import Drift, ExcludedBounds, SectionScore
from tests.storage_cases import make_spec

OLD = Path(__file__).parent / "data"
SCORED = {
    "state": "completed", "score": 0.5, "interval": [0, 1], "interval_frames": 1, "interval_valid": True,
    "spoilt": None,
    "confidence": 0.95, "threshold": 0.5, "stabilised": False, "stabilised_reason": "1 of 8", "frames": 1, "tiles": 2,
    "tiles_excluded": {"no_tissue": 3}, "fields_excluded_by_operator": 1, "excluded_by_operator": [4],
    "counts": {"lost": 2},
}  # fmt: skip


def test_the_stores_of_earlier_versions_give_what_they_recorded():
    for version, limit in ((1, 7.7636), (2, 7.7636)):
        run = open_store(OLD / f"version{version}_scored.ome.zarr").recorded
        how = run.provenance
        assert (how.model, how.engine, how.specimen) == (
            "phantom-meng2019",
            "torchscript",
            "synthetic phantom, not tissue",
        )
        assert (how.camera, how.camera_library) == ("Camera", "DemoCamera")
        assert how.unlike_limit == how.unlike_threshold == pytest.approx(limit, abs=1)
        assert how.quality == QualityLimits()
        assert len(how.outline_um) > 3
        assert (run.complete, run.frames, run.state) == (True, version, "completed")
        score = run.outcome.section_score
        assert (score.score, score.interval) == (run.outcome.score, run.outcome.interval)
        assert run.outcome.threshold == score.threshold == how.decision_threshold
        assert run.excluded_by_operator == ((1,) if version == 2 else ())
        assert score.fields_excluded_by_operator == version - 1
        assert lasting_reasons(run, version) == []
    killed = open_store(OLD / "version1_killed.ome.zarr").recorded
    assert (killed.complete, killed.frames, killed.outcome, killed.excluded_by_operator) == (False, None, None, ())


def test_a_whole_score_is_one_value():
    outcome = RecordedOutcome.parse(SCORED, "outcome")
    assert outcome.section_score == SectionScore(
        score=0.5, interval=(0.0, 1.0), interval_frames=1, interval_valid=True, confidence=0.95, threshold=0.5,
        stabilised=False, stabilised_reason="1 of 8", frames=1, tiles=2, tiles_excluded={"no_tissue": 3},
        fields_excluded_by_operator=1, spoilt=None,
    )  # fmt: skip
    assert (outcome.excluded_by_operator, outcome.lost_frames) == ((4,), 2)
    with pytest.raises(FrozenInstanceError):
        outcome.score = 0.6


OF_A_LATTICE = {
    "weight": "tissue",
    "lattice_fields": 60,
    "excluded_bounds": {"fields": 2, "low": 0.25, "high": 0.75},
    "drift": {"fields": 24, "evidence": 31.5, "found_in": ["grey level"]},
    "threshold_interval": [0.25, 0.75],
}


def test_what_stands_beside_the_interval_comes_back():
    score = RecordedOutcome.parse({**SCORED, **OF_A_LATTICE}, "outcome").section_score
    assert score is not None
    assert (score.weight, score.n_lattice, score.threshold_interval) == ("tissue", 60, (0.25, 0.75))
    assert (score.excluded_bounds, score.drift) == (ExcludedBounds(2, 0.25, 0.75), Drift(24, 31.5, ("grey level",)))
    absent = {key: None for key in OF_A_LATTICE if key != "weight"}
    assert RecordedOutcome.parse({**SCORED, **absent}, "outcome") == RecordedOutcome.parse(SCORED, "outcome")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("weight", "area", "outcome.weight is 'area'"),
        ("weight", ["field"], "outcome.weight is"),
        ("lattice_fields", -1, "outcome.lattice_fields is -1"),
        ("lattice_fields", "60", "outcome.lattice_fields is '60'"),
        ("excluded_bounds", [0.25, 0.75], "outcome.excluded_bounds is a list"),
        ("excluded_bounds", {"fields": 2, "low": 0.25}, "outcome.excluded_bounds.high is missing"),
        ("excluded_bounds", {"fields": 2, "low": -0.25, "high": 0.75}, "outcome.excluded_bounds.low is -0.25"),
        ("drift", "none", "outcome.drift is"),
        ("drift", {"fields": 24, "evidence": 31.5}, "outcome.drift.found_in is missing"),
        ("drift", {"fields": 24, "evidence": -1, "found_in": []}, "outcome.drift.evidence is -1"),
        ("drift", {"fields": 24, "evidence": 31.5, "found_in": "score"}, "outcome.drift.found_in is no list"),
        ("drift", {"fields": 24, "evidence": 31.5, "found_in": [1]}, "outcome.drift.found_in is 1"),
        ("threshold_interval", [0.75, 0.25], "outcome.threshold_interval is"),
    ],
)
def test_what_stands_beside_the_interval_and_cannot_be_is_named(key: str, value: object, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        RecordedOutcome.parse({**SCORED, **OF_A_LATTICE, key: value}, "outcome")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ScoreRule()),
        ({"interval_rule": 2, "lattice_fields": 60, "score_weight": "tissue"}, ScoreRule(2, "tissue", 60)),
        ({"interval_rule": 2.0, "lattice_fields": 60.0}, ScoreRule(2, "field", 60)),
        ({"interval_rule": 2, "lattice_fields": 60.5, "score_weight": "area"}, ScoreRule(2)),
        ({"score_weight": "tissue"}, ScoreRule(2, "tissue")),
        ({"interval_rule": "2", "lattice_fields": True}, ScoreRule()),
        ({"interval_rule": True, "lattice_fields": 0}, ScoreRule()),
    ],
)
def test_the_rule_of_a_score_is_the_one_that_is_recorded(facts: dict[str, Any], expected: ScoreRule):
    assert ScoreRule.of(make_spec(sampling="random", expected_frames=None, provenance=facts)) == expected


@pytest.mark.parametrize("key", ["score", "interval", "interval_frames", "confidence", "threshold", "tiles_excluded"])
def test_a_score_of_which_a_part_is_missing_is_no_whole_score(key: str):
    part = {name: value for name, value in SCORED.items() if name != key}
    assert RecordedOutcome.parse(part, "outcome").section_score is None
    if key != "tiles_excluded":
        assert RecordedOutcome.parse({**SCORED, key: None}, "outcome").section_score is None
    assert RecordedOutcome.parse(part, "outcome").score == (None if key == "score" else 0.5)


def test_keys_of_later_versions_are_ignored():
    later = {**SCORED, "certainty": {"of": ["another", "kind"]}, "state": "suspended"}
    outcome = RecordedOutcome.parse(later, "outcome")
    assert (outcome.state, outcome.score) == ("suspended", 0.5)
    assert Provenance.parse({"stain": "none", "model": "m"}).model == "m"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ({"spoilt": "the stage failed"}, "the stage failed"),
        ({"state": "failed", "interval_valid": False}, "the run failed, and no interval was valid then"),
        ({"state": "failed", "interval_valid": False, "spoilt": None}, None),
        ({"state": "failed", "interval_valid": True}, None),
        ({"state": "completed", "interval_valid": False}, None),
    ],
)
@pytest.mark.parametrize("key", ["outcome", "outcome_before_recovery"])
def test_why_fields_are_no_random_choice_lasts(outcome: dict[str, Any], reason: str | None, key: str):
    made = {"created_utc": "2026-11-29T12:00:00+00:00", "outcome": {"state": "recovered"}}
    run = RecordedRun.parse({**made, key: outcome}, {})
    assert lasting_reasons(run, 3) == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ({"decision_threshold": True, "temperature": "hot", "unlike_threshold": None}, Provenance()),
        ({"decision_threshold": 1.5, "model": 7, "score_unlike": 1}, Provenance()),
        ({"quality_focus_min": "sharp", "quality_texture_cv": 0.5}, Provenance(quality=QualityLimits(texture_cv=0.5))),
        ({"plan": "{"}, Provenance()),
        ({"plan": "[" * 100_000}, Provenance()),
        ({"plan": json.dumps({"outline_um": [[0, 10**400]]})}, Provenance()),
        ({"plan": '{"outline_um": [[0, NaN]]}'}, Provenance()),
        ({"plan": '{"outline_um": [[0, 1], [2]]}'}, Provenance()),
        ({"plan": '{"outline_um": [[0, 1], [2, 3.5]]}'}, Provenance(outline_um=((0.0, 1.0), (2.0, 3.5)))),
    ],
)
def test_a_provenance_of_other_types_counts_as_not_recorded(recorded: dict[str, Any], expected: Provenance):
    assert Provenance.parse(recorded) == expected


def test_tiles_unlike_training_have_no_limit_where_they_were_scored():
    assert Provenance.parse({"unlike_threshold": 3}).unlike_limit == 3.0
    assert Provenance.parse({"unlike_threshold": 3, "score_unlike": True}).unlike_limit is None
