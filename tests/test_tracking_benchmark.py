"""The benchmark of tracking: its judge sees what is wrong, and a short session meets the targets."""

from __future__ import annotations

import pytest

from benchmarks.tracking import KINDS, Judge, SessionResult, play, script_of, table
from hcc_scope.phantom.hand import HandScript, Stop
from hcc_scope.phantom.hand_motion import Pose


def judged(poses: list[Pose], states: list[str], shift_um: dict[int, float] | None = None, se_um: float = 0.2):
    """Judge a tracker that states every position but for an error, in the frames of the state ``tracking``."""
    script = HandScript(1, 10.0, (332.8, 332.8), tuple(poses), (Stop("field", 0.0, 0.4, 0.0, 0.0),))
    result = SessionResult(0, "plain", 10.0, 1, n_frames=len(poses))
    judge = Judge(script, result)
    captured = []
    for i, (pose, state) in enumerate(zip(poses, states, strict=True)):
        place = (0, pose.x_um - 7.0 + (shift_um or {}).get(i, 0.0), pose.y_um, se_um)
        captured.append(judge.see(pose, state, place if state == "tracking" else None))
    judge.end()
    return result, captured


def poses(x_um: list[float], **more: float):
    return [Pose(i / 10, x, 0.0, 0.0, **more) for i, x in enumerate(x_um)]


def test_a_true_tracker_is_faultless_and_a_field_is_captured_once():
    result, captured = judged(poses([0.0, 0.0, 50.0, 100.0, 150.0, 150.0]), ["tracking"] * 6)
    assert (result.n_wrong, max(result.error_um), result.lost_after) == (0, pytest.approx(0.0), [])
    assert (sum(captured), result.n_fields, result.n_fields_known) == (1, 1, 1)


@pytest.mark.parametrize(("shift_um", "se_um", "wrong"), [(2.9, 0.2, 0), (3.5, 0.2, 1), (3.5, 1.0, 0), (11.0, 9.0, 1)])
def test_a_position_is_wrong_beyond_its_standard_error_or_ten_micrometres(shift_um: float, se_um: float, wrong: int):
    result, _ = judged(poses([0.0] * 5 + [50.0]), ["tracking"] * 6, {5: shift_um}, se_um)
    assert result.n_wrong == wrong
    assert max(result.error_um) == pytest.approx(shift_um)


def test_frames_are_counted_until_it_is_said_that_the_position_is_not_known():
    jump = [0.0, 0.0, 0.0, 400.0, 400.0, 400.0, 400.0]
    said = ["tracking"] * 3 + ["too_fast", "too_fast", "lost", "lost"]
    assert judged(poses(jump), said)[0].lost_after == [3]
    assert judged(poses(jump), ["tracking"] * 3 + ["too_fast"] * 4)[0].lost_after == [4]  # never said
    dark = [*poses([0.0, 0.0]), *(Pose(0.2 + i / 10, 0.0, 0.0, 0.0, light=0.0) for i in range(2))]
    assert judged(dark, ["tracking", "tracking", "no_structure", "no_structure"])[0].lost_after == [1]


def test_a_position_through_another_objective_is_wrong():
    assert judged([*poses([0.0, 0.0]), Pose(0.2, 0.0, 0.0, 0.0, lens=2.0)], ["tracking"] * 3)[0].n_wrong == 1


def test_two_hundred_sessions_are_of_every_kind_and_rate():
    kinds = [KINDS[(number % 8 + number // 8) % len(KINDS)] for number in range(200)]
    assert min(kinds.count(kind) for kind in KINDS) >= 16


def test_a_short_session_meets_the_targets():
    kind, script, _ = script_of(16, 1)
    assert (kind, script.fps, len(script.poses) < 150) == ("dirt", 10.0, True)
    result = play(16, 1)
    missed = [row.what for row in table([result]) if not row.met and "cost" not in row.what]
    assert missed == []
    assert result.n_fields == 4
