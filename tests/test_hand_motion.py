"""The hand that moves a phantom: its motion, its sessions with their truth, and what a camera sees of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.guiding import AXES, play
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import Specimen
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.phantom.hand import AT_REST_UM_S, IN_FOCUS_UM, SHORT_S, Habits, HandScript, Stop, is_fit
from hcc_scope.phantom.hand_motion import HandMotion, Pose
from hcc_scope.phantom.hand_play import GuidedHand, PlayedScript, Screen
from hcc_scope.phantom.hand_scripts import FIELD_UM, Events, free_fields, outline_drive
from hcc_scope.phantom.hand_truth import Located, neighbour_errors_um, precision_recall
from hcc_scope.phantom.live_picture import LivePicture, Optics

PX = 0.325
QUICK = Habits(rest_s=(0.8, 1.2), peak_um_s=(900.0, 1400.0), turn_um=(400.0, 800.0))


@pytest.fixture(scope="module")
def specimen():
    return Specimen(3, "hand", "S1", "high", cache_mb=64)


@pytest.fixture(scope="module")
def script(specimen: Specimen):
    events = Events(fields=4, blurred=1, glass=1, seen=1, short=1, bumps=1, lenses=1, dark=1, fast=1, coffee=1)
    return free_fields(specimen, 5, fps=10.0, events=replace(events, glass_start=True), habits=QUICK)


# --- motion


def still(**more: float):
    return HandMotion(stable_rng("test"), (10.0, 20.0), tremor_um=0.0, drift_um_s=0.0, **more)  # type: ignore[arg-type]


def test_a_stroke_has_the_course_of_minimum_jerk():
    motion = still()
    motion.stroke(1.0, 2.0, dx_um=100.0, dy_um=-50.0, dz_um=3.0)
    middle = motion.pose(2.0)
    assert (middle.x_um, middle.y_um, middle.z_um) == pytest.approx((60.0, -5.0, 1.5))
    assert middle.vx_um_s == pytest.approx(1.875 * 100.0 / 2.0)  # peak over mean speed
    end = motion.pose(3.0)
    assert (end.x_um, end.y_um, end.z_um, end.speed_um_s) == pytest.approx((110.0, -30.0, 3.0, 0.0))


def test_the_speed_is_the_derivative_of_the_position():
    motion = HandMotion(stable_rng("test"), (0.0, 0.0), tremor_um=1.0, drift_um_s=1.0)
    motion.bump(0.5, 20.0, -10.0)
    for t_s in (0.2, 0.55, 0.6, 0.9, 3.0):
        before, here, after = (motion.pose(t_s + step) for step in (-1e-5, 0.0, 1e-5))
        # of the tremor's own growth with the speed the rate leaves the derivative out
        slope = (after.x_um - before.x_um) / 2e-5, (after.y_um - before.y_um) / 2e-5
        assert (here.vx_um_s, here.vy_um_s) == pytest.approx(slope, abs=60.0 if 0.5 < t_s < 0.7 else 0.1)


def test_at_rest_a_hand_trembles_and_drifts_by_little():
    motion = HandMotion(stable_rng("test"), (0.0, 0.0), tremor_um=0.25, drift_um_s=0.1)
    x_um = np.array([motion.pose(t).x_um for t in np.arange(0.0, 4.0, 0.01)])
    assert 0.1 < x_um.std() < 0.5
    spectrum = np.abs(np.fft.rfft(x_um - x_um.mean()))
    assert 7.0 <= np.argmax(spectrum[4:]) / 4.0 + 1.0 <= 12.5  # physiological tremor, by 0.25 Hz


# --- sessions


def test_the_same_seed_plays_the_same_session(specimen: Specimen):
    one, other, another = (free_fields(specimen, seed, fps=26.0, events=Events(fields=2)) for seed in (1, 1, 2))
    assert one == other != another


def test_the_stops_of_a_session_are_what_they_are_called(specimen: Specimen, script: HandScript):
    fields = [stop for stop in script.stops if stop.kind == "field"]
    assert len(fields) == 4
    for i, stop in enumerate(fields):
        fit = [pose for pose in script.poses if stop.begin_s <= pose.t_s <= stop.end_s and is_fit(pose)]
        assert len(fit) >= 6  # 0.6 s at 10 frames/s
        assert specimen.tissue_share(stop.x_um, stop.y_um, FIELD_UM[0]) > 0.8
        for other in fields[:i]:
            apart = max(abs(stop.x_um - other.x_um), abs(stop.y_um - other.y_um))
            assert apart > FIELD_UM[0]  # no overlap
    for stop in script.stops:
        poses = [pose for pose in script.poses if stop.begin_s + 0.3 <= pose.t_s <= stop.end_s]
        match stop.kind:
            case "blurred":
                assert min(abs(pose.z_um) for pose in poses) > 2 * IN_FOCUS_UM
            case "glass":
                assert specimen.tissue_share(stop.x_um, stop.y_um, FIELD_UM[0]) < 0.02
            case "seen":
                near = min(math.hypot(stop.x_um - one.x_um, stop.y_um - one.y_um) for one in fields)
                assert near < 0.3 * FIELD_UM[0]
            case "short":
                slow = [pose for pose in poses if pose.speed_um_s < 40.0]
                assert len(slow) / script.fps <= SHORT_S + 0.2
    assert {stop.kind for stop in script.stops} == {"field", "blurred", "glass", "seen", "short", "lens"}
    assert {pose.lens for pose in script.poses} == {0.0, 1.0, 2.0}
    assert {pose.light for pose in script.poses} == {0.0, 1.0}
    assert not specimen.contains(script.poses[0].x_um, script.poses[0].y_um)  # it begins beside the tissue


def test_a_drive_round_the_section_follows_its_edge(specimen: Specimen):
    drive = outline_drive(specimen, 1, fps=10.0, habits=QUICK)
    edge_um = specimen.outline_um
    away = [np.hypot(*(edge_um - (pose.x_um, pose.y_um)).T).min() for pose in drive.poses]
    assert max(away) < 500.0
    ends = drive.poses[0], drive.poses[-1]
    assert math.hypot(ends[0].x_um - ends[1].x_um, ends[0].y_um - ends[1].y_um) < 120.0
    assert drive.travel_um > 15_000.0


# --- what a camera sees


def test_motion_blurs_along_the_path_and_leaves_the_picture_where_it_is_stated(specimen: Specimen):
    picture = LivePicture(specimen, (96, 128), PX)
    still_field = picture.field(Pose(0.0, 100.0, 50.0, 0.0), 10.0)
    assert np.array_equal(still_field, specimen.render(100.0, 50.0, 0.0, (96, 128), PX))
    for velocity in ((3000.0, 0.0), (-3000.0, 1500.0)):
        moving = Pose(0.0, 100.0, 50.0, 0.0, *velocity)
        blurred = picture.field(moving, 10.0)
        x_um, y_um = picture.painted_um(moving)
        assert math.hypot(x_um - 100.0, y_um - 50.0) < 0.5
        parts = (np.arange(48) + 0.5) / 48 - 0.5
        path = [specimen.render(x_um + velocity[0] * s / 100, y_um + velocity[1] * s / 100, 0.0, (96, 128), PX)
                for s in parts]  # fmt: skip
        assert np.corrcoef(np.mean(path, axis=0).ravel(), blurred.ravel())[0, 1] > 0.99
        assert blurred.std() < still_field.std()


def test_dirt_and_gradient_stay_where_they_are(specimen: Specimen):
    optics = Optics(gradient=(0.4, 0.0), n_dirt=6, seed=2, vignetting=0.0)
    light = optics.light_map((96, 128))
    assert light[:, -8:].mean() > light[:, :8].mean() + 0.2
    assert light.min() < 0.9 * light[:, 60:68].max()
    picture = LivePicture(specimen, (96, 128), PX, optics=optics)
    outside = 9000.0
    frame = picture.expose(Pose(0.0, outside, outside, 0.0), noise_seed=1).astype(float)
    assert np.corrcoef(frame.ravel(), light.ravel())[0, 1] > 0.9
    assert picture.expose(Pose(0.0, 0.0, 0.0, 0.0, light=0.0), noise_seed=1).mean() < 600.0
    assert picture.expose(Pose(0.0, 0.0, 0.0, 0.0, lens=0.0), noise_seed=1).mean() < 600.0


def test_a_turned_camera_sees_the_turned_picture(specimen: Specimen):
    turned = Orientation((0.0, -1.0, 1.0, 0.0))
    pose = Pose(0.0, 100.0, 50.0, 0.0)
    upright = LivePicture(specimen, (128, 96), PX).expose(pose, noise_seed=1).astype(float)
    seen = LivePicture(specimen, (96, 128), PX, orientation=turned).expose(pose, noise_seed=1).astype(float)
    assert np.corrcoef(turned.upright(seen).ravel(), upright.ravel())[0, 1] > 0.9


# --- the truth of captures


def test_precision_and_recall_count_each_field_once():
    stops = (Stop("field", 0.0, 2.0, 0.0, 0.0), Stop("glass", 3.0, 4.0, 0.0, 0.0), Stop("field", 5.0, 6.0, 0.0, 0.0))
    at = [Pose(t, 0.0, 0.0, 0.0) for t in (1.0, 1.5, 3.5, 4.5)]
    score = precision_recall(at, stops)
    assert (score.n_captured, score.n_expected, score.n_right) == (4, 2, 1)
    assert (score.precision, score.recall) == (0.25, 0.5)
    assert [why.split(",")[0] for why in score.wrong] == [
        "1.50 s: at a stop of the kind 'field' for the second time",
        "3.50 s: at a stop of the kind 'glass'",
        "4.50 s: between stops",
    ]
    assert len(score.missed) == 1
    blurred = precision_recall([Pose(1.0, 0.0, 0.0, 9.0)], stops)
    assert (blurred.n_right, blurred.precision) == (0, 0.0)
    moving = precision_recall([Pose(1.0, 0.0, 0.0, 0.0, vx_um_s=2 * AT_REST_UM_S)], stops)
    assert moving.n_right == 0
    assert precision_recall([], ()).precision == precision_recall([], ()).recall == 1.0


def test_the_error_of_a_position_is_relative_to_the_nearest_field_of_its_island():
    a = Located(0, 0.0, 0.0, 500.0, 500.0)
    near = Located(0, 103.0, 4.0, 600.0, 500.0)
    far = Located(0, 1000.0, 0.0, 1600.0, 500.0)
    alone = Located(1, 0.0, 0.0, 600.0, 501.0)
    assert neighbour_errors_um([a, near, far, alone]) == pytest.approx([5.0, 5.0, math.hypot(-103.0, -4.0)])


# --- hands that are played


def test_a_script_is_played_to_its_end(script: HandScript):
    hand = PlayedScript(script)
    poses = []
    while not hand.over:
        poses.append(hand.next(Screen()))
    assert tuple(poses) == script.poses
    assert hand.stops == script.stops
    assert hand.take_asks() == []


@pytest.mark.parametrize("name", ["as shown", "knobs swapped", "mirrored in both"])
def test_a_hand_that_follows_the_arrow_reaches_the_drawn_fields(specimen: Specimen, name: str):
    hand = GuidedHand(specimen, 3, fps=10.0, axes=AXES[name], habits=QUICK, incidents=False)
    played = play(specimen, hand, fps=10.0, n_fields=6, seed=1)
    assert played.guide.phase == "done"
    assert played.guide.in_hand_axes == (name != "as shown")
    assert played.n_reached == len(played.captured) == 6
    score = precision_recall(played.captured, hand.stops)
    assert (score.precision, score.recall) == (1.0, 1.0)


def test_a_target_that_is_reached_and_never_captured_counts_as_missed(specimen: Specimen):
    hand = GuidedHand(specimen, 3, fps=10.0, habits=QUICK)
    there = Screen(phase="targets", known=True, target=0, arrow_fields=(0.0, 0.0), within=True)
    asks = []
    for _ in range(80):
        hand.next(there)
        asks += hand.take_asks()
        if asks:
            break
    assert asks == ["skip: not reachable"]
    score = precision_recall([], hand.stops)
    assert (score.n_expected, score.recall) == (1, 0.0)


def test_a_hand_that_is_lost_goes_back_to_the_fields_of_the_day_before(specimen: Specimen):
    yesterday_um = [(-900.0, 200.0), (400.0, -300.0)]
    hand = GuidedHand(specimen, 3, fps=10.0, habits=QUICK, known_um=yesterday_um)
    lost = Screen(phase="targets", known=False)
    way = [hand.next(lost) for _ in range(100)]
    assert min(math.dist((pose.x_um, pose.y_um), yesterday_um[-1]) for pose in way) < 30.0
