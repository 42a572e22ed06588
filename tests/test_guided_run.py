"""A guided section by hand from end to end: drive round, draw, visits, a valid interval, and the same in a replay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.phantom import Specimen
from hcc_scope.plans.drawn_sample import fitting_draw
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.runs.hand_section import hand_source, start_hand_section
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.storage.drawn_sample import stored_sample
from hcc_scope.storage.reader import open_store
from tests.hand_parts import STEP_S, PatternScene

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.by_hand import HandView

N_FIELDS, SEED = 4, 2
FIELD_UM = 512 * 0.325
STEP_UM = 55.0
RADIUS_UM = 320.0


class Follower:
    """A `hcc_scope.microscope.hand_operator.HandOperator` that drives round a circle and then follows the arrow."""

    def __init__(self, scene: PatternScene) -> None:
        self.scene = scene
        n = round(2 * math.pi * RADIUS_UM / STEP_UM)
        self._way = [
            (RADIUS_UM * math.cos(angle), RADIUS_UM * math.sin(angle))
            for angle in (2 * math.pi * k / n for k in range(n + 3))
        ]
        self._n = 0
        self.places_um: list[tuple[float, float]] = []
        """Where the field was in each live frame."""
        self.captured_um: list[tuple[float, float]] = []
        """And in each that was captured."""

    @property
    def over(self) -> bool:
        return self._n > 400

    def before_frame(self, view: HandView | None) -> float:
        self.see(view)
        way = None if view is None else view.guidance
        if self._way:
            here = self._way.pop(0)
        elif way is None or way.arrow_fields is None or way.within:
            here = self.places_um[-1]
        else:
            to_um = [FIELD_UM * part for part in way.arrow_fields]
            share = min(1.0, STEP_UM / max(math.hypot(*to_um), 1.0))
            here = self.places_um[-1][0] + share * to_um[0], self.places_um[-1][1] + share * to_um[1]
        self.places_um.append(here)
        self.scene.here_um = here
        self._n += 1
        return self._n * STEP_S

    def see(self, view: HandView | None) -> None:
        if view is not None and view.n_captured > len(self.captured_um):
            self.captured_um.append(self.places_um[-1])


def test_a_guided_section_by_hand_has_a_valid_interval_and_replays_bit_for_bit(tmp_path: Path):
    scoring_model = load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None, score_unlike=True)
    operator = Follower(PatternScene(2**16 - 1, side_px=2560))
    with open_rig("demo-by-hand", lambda _message: None) as rig:
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,512" for axis in "XY"])
        source = hand_source(
            rig.microscope,
            scoring_model,
            "m1",
            "s1",
            guided=Guided(N_FIELDS, SEED, draws_itself=True),
            specimen=Specimen(SEED, "m1", "s1", "high"),
            scene=operator.scene,
            operator=operator,
            end_after=N_FIELDS,
        )
        run = start_hand_section(source, scoring_model, tmp_path)
        report = run.finish()
        operator.see(source.view())

    outcome, score = report.outcome, report.outcome.score
    assert (outcome.cause, outcome.state, outcome.remark) == (None, "completed", None)
    assert score.sample is not None
    assert (score.sample.drawn, score.sample.reached, score.sample.skipped) == (N_FIELDS, N_FIELDS, {})
    assert score.interval_valid
    assert score.interval_frames == N_FIELDS

    store = open_store(run.section.store_path)
    sample = stored_sample(store.path, store.journal)
    assert sample is not None
    assert sample.fields_um == tuple(fitting_draw(N_FIELDS, (FIELD_UM, FIELD_UM), sample.outline_um, SEED).fields_um)
    assert [sample.reached[entry.tags[DRAWN_TAG]] for entry in store.journal] == list(range(N_FIELDS))
    # from field to field the positions and the hand went the same way
    way_um = [entry.stage_um[axis] - store.journal[0].stage_um[axis] for entry in store.journal for axis in (0, 1)]
    true_um = [place[axis] - operator.captured_um[0][axis] for place in operator.captured_um for axis in (0, 1)]
    assert max(abs(a - b) for a, b in zip(way_um, true_um, strict=True)) < 2.0

    replay = start_replay(store, scoring_model)
    replayed = replay.finish()
    check = check_replay(replay.store, replayed, replay.results, scoring_model)
    assert (check.equal, check.problem) == (True, None)
    assert replayed.outcome.score == score
