"""A guided section by hand from end to end: drive round, draw, visits, a valid interval, and the same in a replay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.microscope.simulated_operator import HandScene, SimulatedOperator
from hcc_scope.phantom import Specimen
from hcc_scope.phantom.hand_play import GuidedHand
from hcc_scope.plans.geometry import random_fields
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.runs.hand_section import hand_source, start_hand_section
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.runs.simulated_hand import compare_with_hand
from hcc_scope.storage.drawn_sample import stored_sample
from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from pathlib import Path

N_FIELDS, SEED = 4, 2
RADIUS_UM = 330.0


def test_a_guided_section_by_hand_has_a_valid_interval_and_replays_bit_for_bit(tmp_path: Path):
    scoring_model = load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None)
    specimen = Specimen(SEED, "m1", "s1", "high")
    round_um = [(RADIUS_UM * math.cos(k * math.pi / 5), RADIUS_UM * math.sin(k * math.pi / 5)) for k in range(11)]
    with open_rig("demo-by-hand", lambda _message: None) as rig:
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,512" for axis in "XY"])
        side_um = 512 * rig.microscope.facts().pixel_size_um
        hand = GuidedHand(specimen, SEED, fps=10.0, field_um=(side_um, side_um), way_um=round_um, incidents=False)
        operator = SimulatedOperator(rig.microscope, hand)
        source = hand_source(
            rig.microscope,
            scoring_model,
            "m1",
            "s1",
            guided=Guided(N_FIELDS, SEED),
            specimen=specimen,
            scene=HandScene(specimen, operator),
            operator=operator,
        )
        operator.commands = source
        run = start_hand_section(source, scoring_model, tmp_path)
        report = run.finish()
        operator.close(source.view())

    outcome, score = report.outcome, report.outcome.score
    assert (outcome.cause, outcome.state, outcome.remark) == (None, "completed", None)
    assert score.sample is not None
    assert (score.sample.drawn, score.sample.reached, score.sample.skipped) == (N_FIELDS, N_FIELDS, {})
    assert score.interval_valid
    assert score.interval_frames == N_FIELDS

    store = open_store(run.section.store_path)
    sample = stored_sample(store.path, store.journal)
    assert sample is not None
    assert sample.fields_um == tuple(random_fields(N_FIELDS, (side_um, side_um), sample.outline_um, SEED))
    assert [sample.reached[entry.tags[DRAWN_TAG]] for entry in store.journal] == list(range(N_FIELDS))
    truth = compare_with_hand(operator, store.journal)
    assert (truth.captures.precision, truth.captures.recall) == (1.0, 1.0)
    assert max(truth.errors_um) < 1.0

    replay = start_replay(store, scoring_model)
    replayed = replay.finish()
    check = check_replay(replay.store, replayed, replay.results, scoring_model)
    assert (check.equal, check.problem) == (True, None)
    assert replayed.outcome.score == score
