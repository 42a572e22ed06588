"""The record of a run in its store, as values that are parsed once."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from hcc_scope.quality import QualityLimits
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recorded_run import Provenance, RecordedOutcome, RecordedRun
from hcc_scope.types import SectionScore

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
        assert run.lasting_reason is None
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
    assert RecordedRun.parse({**made, key: outcome}, {}).lasting_reason == reason


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
